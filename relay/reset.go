package relay

import (
	"fmt"
	"time"

	"drawrelay/frame"
	"drawrelay/store/serverlog"
)

func resetCancelled() frame.Object {
	v := alert("resetcancel", "Session reset cancelled.", nil)
	v["reset"] = "cancel"
	return v
}

// upload keeps a message of the image that is being uploaded for a reset.
func (s *session) upload(msg []byte) {
	s.image = append(s.image, msg...)
	s.imageCount++
	if limit := s.limit(); limit > 0 && int64(len(s.image)) > limit {
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
	s.initSeat = nil
	s.image, s.imageCount = nil, 0
	s.run()
	s.tellAll(resetCancelled())
}

func (s *session) completeReset() { s.cancelReset() }

func (s *session) leaveResets(st *seat) {}

func (s *session) deopResets(st *seat) {}

func (s *session) checkAutoreset() {}

func (s *session) clearAutoreset(retry time.Duration) {}

func (s *session) tickResets(now time.Time) {}

// resetStream answers a piece of a streamed reset, of which none is active.
func (s *session) resetStream(st *seat, chunk []byte) {
	s.tell(st, frame.Object{"type": "sprogress", "cancel": true})
}

func (s *session) thumbnail(st *seat, b []byte) {
	s.event(serverlog.Warn, serverlog.Status, st, "Got thumbnail from user we didn't want it from")
}
