package relay

import "slices"

// freeze stops the session for the moment in which its history is replaced:
// nothing is appended and nothing journaled until thaw. What happens meanwhile
// waits: messages with their senders, everything else as deferred events.
func (s *session) freeze() { s.frozen = true }

// thaw goes on. Messages come first, as their senders may have left since.
func (s *session) thaw() {
	s.frozen = false
	for _, st := range slices.Clone(s.seats) {
		s.release(st)
	}
	for len(s.deferred) > 0 && !s.frozen {
		f := s.deferred[0]
		s.deferred[0] = nil
		s.deferred = s.deferred[1:]
		f()
	}
	if len(s.deferred) == 0 {
		s.deferred = nil
	}
	s.runJobs()
}

// whenReady runs f now, or as soon as the session is not frozen any more. The
// transport uses it for joins and invites, whose callers wait for an answer.
func (s *session) whenReady(f func()) {
	if s.frozen {
		s.deferred = append(s.deferred, f)
		return
	}
	f()
}

// offload is that of the outlet, but done waits while the session is frozen.
func (s *session) offload(work, done func()) {
	s.out.offload(work, func() { s.whenReady(done) })
}
