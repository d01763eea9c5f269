package relay

import (
	"fmt"
	"slices"

	"drawrelay/frame"
	"drawrelay/store/serverlog"
)

// uploader reports whether st is the one who uploads now, and logs the
// attempt if not (commands.md §8.2).
func (s *session) uploader(st *seat, command string) bool {
	if st == s.initSeat {
		return true
	}
	id := -1
	if s.initSeat != nil {
		id = int(s.initSeat.id)
	}
	s.event(serverlog.Warn, serverlog.RuleBreak, st, fmt.Sprintf("Sent %s, but init user is #%d", command, id))
	return false
}

func (s *session) initBegin(st *seat, _ frame.Command) error {
	if s.uploader(st, "init-begin") {
		s.restartUpload()
	}
	return nil
}

func (s *session) initComplete(st *seat, _ frame.Command) error {
	if !s.uploader(st, "init-complete") {
		return nil
	}
	switch s.state {
	case stateInit:
		s.initialised()
	case stateReset:
		s.completeReset()
	}
	return nil
}

func (s *session) initCancel(st *seat, _ frame.Command) error {
	if !s.uploader(st, "init-cancel") {
		return nil
	}
	switch s.state {
	case stateInit:
		s.initialised()
		s.tellAll(resetCancelled())
	case stateReset:
		s.cancelReset()
	}
	return nil
}

// initialised ends the Initialization state (session.md §3.1).
func (s *session) initialised() {
	s.initSeat = nil
	s.resetBase = s.hist.Log().Size()
	s.event(serverlog.Info, serverlog.Status, nil, "Session initialized with size "+formatSize(s.resetBase))
	s.sendStatus(true)
	s.unlock()
	s.run()
}

// unlock lets those go on who joined during the initialization: what they sent
// meanwhile is processed now, member by member.
func (s *session) unlock() {
	for _, st := range slices.Clone(s.seats) {
		if st.locked {
			st.locked = false
			s.release(st)
		}
	}
}

// run enters the Running state and starts delivery.
func (s *session) run() {
	if s.state == stateShutdown {
		return
	}
	s.setState(stateRunning)
	s.out.setRunning(true)
	s.out.publish()
}

// setState changes the state; whatever was arranged for an autoreset is off.
func (s *session) setState(next sessionState) {
	s.state = next
	s.clearAutoreset(0)
}
