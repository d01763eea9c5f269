package relay

import (
	"fmt"
	"math"
	"time"

	"drawrelay/frame"
	"drawrelay/store/settings"
)

// Limits of the history (session.md §15).
const (
	// maxSizeLimit is the largest size limit in bytes; the wire has 32 bits.
	maxSizeLimit = math.MaxInt32
	// reserveBytes is how far joins, leaves and operator lists may go beyond
	// the limit.
	reserveBytes = 1 << 20
	// fullEvery is the least time between two out-of-space warnings.
	fullEvery = 10 * time.Second
	// statusEvery is the least time between two size notices.
	statusEvery = 10 * time.Second
)

// limit returns the size limit in bytes that holds now, 0 for none.
func (s *session) limit() int64 {
	n := s.hist.SizeOverride()
	if n == 0 {
		n = s.settings.Get().SessionSizeLimit
	}
	return min(n, maxSizeLimit)
}

// imageLimit returns the size in bytes that a reset image may have in memory
// while it is uploaded: also without a limit there is one.
func (s *session) imageLimit() int64 {
	if limit := s.limit(); limit > 0 {
		return limit
	}
	return maxSizeLimit
}

// fits reports whether n more bytes of ordinary messages may be stored.
func (s *session) fits(n int) bool {
	limit := s.limit()
	return (limit <= 0 || s.hist.Log().Size()+int64(n) <= limit) && s.storable()
}

// fitsReserve reports the same for what keeps track of who is there. While the
// disk fails it waits in memory.
func (s *session) fitsReserve(n int) bool {
	size := s.hist.Log().Size() + int64(n)
	if limit := s.limit(); limit > 0 && size > limit+reserveBytes {
		return false
	}
	return s.storage.err == nil || size <= s.storage.size+reserveBytes
}

// raiseThreshold keeps the session's autoreset threshold at or above the
// configured minimum, unless it is off. It reports whether it changed.
func (s *session) raiseThreshold(set *settings.Settings) bool {
	if t := s.hist.AutoReset(); t != 0 && t < set.MinimumAutoResetThreshold {
		s.hist.SetAutoReset(set.MinimumAutoResetThreshold)
		return true
	}
	return false
}

// add appends one message to the history under the rules of session.md §9.4
// and §15, and reports whether it was stored. msg may lie in frameBuf.
func (s *session) add(msg []byte) bool {
	if s.state == stateShutdown {
		return false
	}
	if !s.fits(len(msg)) {
		return s.addFull(msg)
	}
	s.keep(msg)
	s.echo(msg)
	s.active = s.now()
	s.grown = true
	s.checkAutoreset()
	return true
}

// keep puts a message into the history without any rule. While the session
// initialises, the host is not sent its upload back.
func (s *session) keep(msg []byte) {
	s.out.append(msg, 1)
	s.size.Store(s.hist.Log().Size())
	if s.state == stateInit && s.initSeat != nil {
		s.out.skipToEnd(s.initSeat)
	}
}

// echo tells the host of a session that initialises what was stored, unless it
// is drawing (session.md §4).
func (s *session) echo(msg []byte) {
	if s.state == stateInit && s.initSeat != nil && frame.Type(msg[2]) < frame.FirstCommand {
		s.out.direct(s.initSeat, msg)
	}
}

// addFull deals with a message that does not fit (session.md §15), or that the
// disk does not take.
func (s *session) addFull(msg []byte) (stored bool) {
	s.checkStorage()
	t := frame.Type(msg[2])
	join := t == frame.TypeJoin
	switch t {
	case frame.TypeJoin:
		if j, err := frame.ParseJoin(msg[frame.HeaderLen:]); err == nil {
			msg = frame.AppendJoin(nil, msg[3], j.Flags, string(j.Name), nil)
		}
		stored = s.fitsReserve(len(msg))
	case frame.TypeLeave, frame.TypeSessionOwner:
		stored = s.fitsReserve(len(msg))
	}
	if stored {
		s.keep(msg)
		s.echo(msg)
		s.active = s.now()
	} else if t.Class() == frame.ClassServerMeta {
		s.out.broadcast(msg, notSilenced)
	}
	if s.storage.err != nil {
		s.refusedByDisk(msg)
	} else if now := s.now(); join || now.Sub(s.fullAt) >= fullEvery {
		s.fullAt = now
		s.tellAll(frame.Object{"type": "outofspace"})
		s.tellAll(alert("outofspace", "Session is out of space! To continue drawing, an operator must reset it to bring it "+
			"down to a smaller size. This can be done via Session > Reset.", nil))
	}
	return stored
}

func notSilenced(st *seat) bool { return !st.silenced() }

// formatSize writes a size as log texts do (session.md §28).
func formatSize(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d bytes", n)
	}
	f := float64(n)
	for _, unit := range [...]string{"KiB", "MiB"} {
		f /= 1024
		if f < 1024 {
			return fmt.Sprintf("%.2f %s", f, unit)
		}
	}
	return fmt.Sprintf("%.2f GiB", f/1024)
}
