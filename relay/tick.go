package relay

import (
	"time"

	"drawrelay/store"
	"drawrelay/store/serverlog"
)

// sweepEvery is how often a session is checked for being empty or idle
// (session.md §21).
const sweepEvery = 15 * time.Second

// tick is called about once a second with the time.
func (s *session) tick(now time.Time) {
	if s.state == stateShutdown || s.stopping || s.frozen {
		return
	}
	s.checkStorage()
	s.tickResets(now)
	s.tickChat(now)
	s.resumeListings()
	if s.grown && now.Sub(s.statusAt) >= statusEvery {
		s.sendStatus(false)
	}
	if now.Sub(s.sweptAt) >= sweepEvery {
		s.sweptAt = now
		s.sweep(now)
	}
}

// sweep ends the session if it has been abandoned or idle for too long.
func (s *session) sweep(now time.Time) {
	set := s.settings.Get()
	idle := now.Sub(s.active)
	switch {
	case !s.flag(store.Persistent) && s.empty() && idle > set.EmptySessionLingerTime:
		s.event(serverlog.Info, serverlog.Status, nil, "Closing lingering non-persistent session.")
		s.kill("Session terminated due to being empty too long")
	case set.IdleTimeLimit > 0 && idle > set.IdleTimeLimit && !(set.AllowIdleOverride && s.flag(store.IdleOverride)):
		s.event(serverlog.Info, serverlog.Status, nil, "Idle session expired.")
		s.kill("Session terminated due to being idle too long")
	}
}
