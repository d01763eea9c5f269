package relay

import (
	"errors"
	"fmt"

	"drawrelay/frame"
	"drawrelay/store/serverlog"
)

/* Classic reset (session.md §14)
 *
 * 1. resetSession    an operator asks; the session stops delivering, the others are told to wait
 * 2. upload          the operator's messages become the image instead of history
 * 3. completeReset   image and server state become the new history, on the disk first
 * 4. replaced        everybody starts over with it
 *    cancelReset     or goes on with the old one
 *
 * A streamed reset (stream.go) does without the pause.
 */

// resetSession starts a classic reset.
func (s *session) resetSession(st *seat, c frame.Command) error {
	if st.person.Incompatible {
		return errors.New("Incompatible client")
	}
	if s.state != stateRunning || s.replacing {
		return errors.New("Unable to reset in this state")
	}
	var others []candidate // who else is ready, should this one fail
	if st == s.auto.chosen {
		others = s.auto.candidates
	}
	s.initSeat = st
	s.image, s.imageCount, s.imageRoles = nil, 0, false
	s.setState(stateReset)
	s.auto.candidates = others
	s.out.setRunning(false)
	s.out.publish()
	name := st.person.Name
	key, text := "resetprepareby", "Preparing for session reset by "+name+"!"
	switch frame.Str(c.Kwargs["type"]) {
	case "current":
		key, text = "resetpreparecurrent", name+" is compressing the canvas!"
	case "past":
		key, text = "resetpreparepast", name+" is reverting the canvas to a previous state!"
	case "external":
		key, text = "resetprepareexternal", name+" is replacing the canvas!"
	}
	s.tellAll(resetAlert("prepare", key, text+" Please wait, the session should be available again shortly…", named("name", name)))
	s.tell(st, frame.Object{"type": "reset", "state": "init", "message": "Prepared to receive session data"})
	return nil
}

// resetAlert is an alert about a reset; phase says which part of it.
func resetAlert(phase, key, text string, params frame.Object) frame.Object {
	v := alert(key, text, params)
	v["reset"] = phase
	return v
}

func resetCancelled() frame.Object {
	return resetAlert("cancel", "resetcancel", "Session reset cancelled.", nil)
}

func resetFailed() frame.Object {
	return resetAlert("failed", "resetfailed", "Session reset failed!", nil)
}

// upload keeps a message of the image that is being uploaded for a reset.
func (s *session) upload(msg []byte) {
	s.image = append(s.image, msg...)
	s.imageCount++
	if int64(len(s.image)) > s.imageLimit() {
		s.dismiss(s.initSeat, frame.ReasonError, "History limit exceeded", fmt.Sprintf("%d bytes", len(s.image)))
	}
}

// restartUpload forgets what was uploaded so far: messages that were under way
// when the reset began (session.md §14.2).
func (s *session) restartUpload() {
	if s.state == stateReset && s.imageCount > 0 {
		s.record(serverlog.Debug, serverlog.Status, s.initSeat, "Reset image begins anew")
	}
	s.image, s.imageCount = nil, 0
}

// abandonUpload follows the end of the seat that uploads.
func (s *session) abandonUpload() {
	if s.state == stateReset {
		s.cancelReset()
	}
	s.initSeat = nil
}

// cancelReset goes on with the old history (session.md §14.4).
func (s *session) cancelReset() {
	s.keepHistory(resetCancelled())
}

// keepHistory ends a reset without a new history; why is for everybody. If it
// was an autoreset, the next candidate is asked. Roles that the image has
// changed are brought into the old history.
func (s *session) keepHistory(why frame.Object) {
	s.initSeat = nil
	s.image, s.imageCount = nil, 0
	candidates := s.auto.candidates
	s.run()
	s.tellAll(why)
	s.auto.candidates = candidates
	s.nextResetter()
	if s.imageRoles {
		s.imageRoles = false
		s.announceOps()
		s.announceTrusted()
	}
}

// completeReset puts the uploaded image in the place of the history. An image
// without a message changes nothing; everybody is told that the wait is over
// (session.md §32 D12).
func (s *session) completeReset() {
	image, n := s.image, s.imageCount
	s.initSeat, s.image, s.imageCount = nil, nil, 0
	if n == 0 {
		s.cancelReset()
		return
	}
	head, heads := s.stateMessages()
	if s.imageRoles { // its lists may be older than those at the head
		image = s.trustedMessage(s.opsMessage(image, 0), 0)
		n += 2
	}
	total := int64(len(head)) + int64(len(image))
	if limit := s.limit(); limit > 0 && total > limit {
		s.keepHistory(resetFailed())
		return
	}
	s.replacing = true
	s.freeze()
	s.out.replace([][]byte{head, image}, heads+n, startOver, s.replaced)
}

// replaced follows the switch to the new history of a classic reset.
func (s *session) replaced(err error) {
	s.replacing = false
	if err != nil {
		s.record(serverlog.Error, serverlog.Status, nil, "Reset failed: "+err.Error())
		s.keepHistory(resetFailed())
		s.thaw()
		return
	}
	s.imageRoles = false
	s.hist.Restamp()
	s.size.Store(s.hist.Log().Size())
	s.resetBase = s.hist.Log().Size()
	s.tellAll(frame.Object{"type": "reset", "state": "reset", "message": "Session reset!"})
	s.clearAutoreset(0)
	s.sendCatchup(nil, s.hist.LastIndex()-s.hist.FirstIndex, 0)
	s.tellAll(frame.Object{"type": "status", "size": s.hist.Log().Size()})
	s.statusAt = s.now()
	s.keep(s.caughtup(0, true))
	for _, st := range s.seats {
		s.out.catchUp(st)
	}
	s.announceConf()
	s.run()
	s.thaw()
}

// stateMessages is what a new history begins with: who is present and with
// which roles (session.md §14.5).
func (s *session) stateMessages() (frames []byte, n int) {
	trusted := false
	for _, st := range s.seats {
		if !st.person.Ghost() {
			frames = appendJoin(frames, st)
			n++
		}
		trusted = trusted || st.trusted
	}
	frames = s.opsMessage(frames, 0)
	n++
	if trusted {
		frames = s.trustedMessage(frames, 0)
		n++
	}
	return frames, n
}
