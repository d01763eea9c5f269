//go:build linux

package load

import (
	"errors"
	"fmt"
	"time"
)

// slack is how many bytes of messages outside the history (status, pongs) a
// member that discards may receive more or less than a sampled one.
const slack = 64 << 10

// drainLimit bounds how long marks wait for messages on the way.
var drainLimit = 120 * time.Second

// Sample makes n of the members measure latency: the first, the last and
// others evenly between them, without the first of the list if there are
// more, because it is usually the drawer.
func (l *Loop) Sample(members []*Member, n int) {
	l.Do(func() {
		if len(members) > n {
			members = members[1:]
		}
		n = min(n, len(members))
		for i := range n {
			at := 0
			if n > 1 {
				at = i * (len(members) - 1) / (n - 1)
			}
			m := members[at]
			m.mu.Lock()
			m.sampled, m.w.latency = true, &Histogram{}
			m.mu.Unlock()
		}
		l.sampling = true
	})
}

// Latency returns the latencies that the sampled members have measured since
// Sample.
func (l *Loop) Latency(members []*Member) *Histogram {
	h := &Histogram{}
	l.Do(func() {
		for _, m := range members {
			m.mu.Lock()
			if m.w.latency != nil {
				h.Merge(m.w.latency)
			}
			m.mu.Unlock()
		}
	})
	return h
}

// Start marks the beginning of the measured part of each session: the marks
// are sent by the first drawer and awaited at every member that reads.
func (l *Loop) Start(sessions ...*Session) error {
	if err := l.sendMarks(sessions, markStart); err != nil {
		return fmt.Errorf("start mark: %w", err)
	}
	var err error
	l.Do(func() {
		for _, s := range sessions {
			for _, m := range s.Members {
				m.partial = false // the start mark begins anew for all
			}
		}
		if l.Verify == Bytes {
			err = l.startDiscarding(sessions)
		}
	})
	return err
}

// startDiscarding lets members throw away what follows; nothing is on the way.
func (l *Loop) startDiscarding(sessions []*Session) error {
	for _, s := range sessions {
		for _, m := range s.Members {
			if m.discard {
				m.discardBase, m.discarded = m.ink.Load(), 0
				m.raw.Store(0)
				continue
			}
			if m.conn != nil || m.sampled || m.left || m == s.Drawers[0].Member {
				continue
			}
			if !m.w.whole() {
				return fmt.Errorf("member %s: the stream is not between two messages", m.Name)
			}
			m.discard, m.discardBase = true, m.w.ink
		}
	}
	return nil
}

// Barrier waits until every member of the sessions that reads has received all
// that was sent before, in history order.
func (l *Loop) Barrier(sessions ...*Session) error {
	if err := l.sendMarks(sessions, markEnd); err != nil {
		return fmt.Errorf("barrier: %w", err)
	}
	return nil
}

// Ignore stops reading from members and waiting for them. Attend undoes it.
func (l *Loop) Ignore(ms ...*Member) {
	l.setPaused(ms, true)
	l.Do(func() {
		for _, m := range ms {
			m.ignored = true
		}
	})
}

// Attend reads from members again and waits for them.
func (l *Loop) Attend(ms ...*Member) {
	l.Do(func() {
		for _, m := range ms {
			m.ignored = false
		}
	})
	l.setPaused(ms, false)
}

// Readers returns how many members receive what is drawn.
func (s *Session) Readers() int {
	n := 0
	for _, m := range s.Members {
		if !m.ignored {
			n++
		}
	}
	return n
}

// SetPartial says that a member does not receive its whole session, because
// it uploads a part of it. The next start mark ends that.
func (l *Loop) SetPartial(m *Member) { l.Do(func() { m.partial = true }) }

// Send sends whole messages as a member.
func (l *Loop) Send(m *Member, b []byte) { l.Do(func() { l.send(m, b) }) }

func (l *Loop) sendMarks(sessions []*Session, kind uint16) error {
	l.Do(func() {
		for _, s := range sessions {
			s.marks++
			d := s.Drawers[0]
			l.send(d.Member, appendMark(nil, d.Member.User, kind, s.marks))
		}
	})
	var missing error
	err := l.Await(drainLimit, func() bool { missing = behind(sessions); return missing == nil || isFatal(missing) })
	if err != nil || missing != nil {
		return errors.Join(missing, err)
	}
	return nil
}

// fatalError ends waiting: it can only get worse.
type fatalError struct{ error }

func isFatal(err error) bool { return errors.As(err, new(fatalError)) }

// behind returns which member has not received its session's last mark yet,
// and how many have not.
func behind(sessions []*Session) error {
	var first error
	n := 0
	for _, s := range sessions {
		ref := s.Drawers[0].Member
		for _, m := range s.Members {
			if err := m.Err(); err != nil {
				return fatalError{err}
			}
			if m.left || m.paused || m.ignored {
				continue
			}
			if m.discard {
				if m.raw.Load()+slack < ref.raw.Load() {
					if n++; first == nil {
						first = fmt.Errorf("member %s has %d bytes", m.Name, m.raw.Load())
					}
				}
				continue
			}
			if m.mark.Load() != s.marks {
				if n++; first == nil {
					first = fmt.Errorf("member %s waits for mark %d after %d drawn messages", m.Name, s.marks, m.strokes.Load())
				}
			}
		}
	}
	if first != nil {
		return fmt.Errorf("%d members are behind: %w", n, first)
	}
	return nil
}

// Finish marks the end of the measured part of each session, waits until all
// have received it and checks that every member has received the same history,
// and all that was drawn. It returns the first difference found.
func (l *Loop) Finish(sessions ...*Session) error {
	if err := l.sendMarks(sessions, markEnd); err != nil {
		return fmt.Errorf("end mark: %w", err)
	}
	var err error
	l.Do(func() {
		for _, s := range sessions {
			if e := s.compare(); e != nil {
				err = errors.Join(err, e)
			}
		}
	})
	return err
}

// compare checks that members agree; all are past the end mark.
func (s *Session) compare() error {
	for _, m := range s.Members {
		m.mu.Lock()
		defer m.mu.Unlock()
	}
	var ref *Member
	for _, m := range s.Members {
		if m.left || m.paused || m.ignored || m.discard || m.partial {
			continue
		}
		if err := s.complete(m); err != nil {
			return err
		}
		if ref == nil {
			ref = m
		} else if m.w.end != ref.w.end {
			return fmt.Errorf("members %s and %s received different histories: %d and %d messages, %d and %d bytes",
				ref.Name, m.Name, ref.w.end.history, m.w.end.history, ref.w.end.bytes, m.w.end.bytes)
		}
	}
	if ref == nil {
		return nil // a host alone: nothing was drawn since it hosted
	}
	for _, m := range s.Members {
		if m.left || m.paused || m.ignored || !m.discard {
			continue
		}
		if got := m.raw.Load(); got < ref.w.end.bytes || got > ref.raw.Load()+slack {
			return fmt.Errorf("member %s received %d bytes instead of %d", m.Name, got, ref.raw.Load())
		}
	}
	return nil
}

// complete checks that m has received the last message of every drawer.
func (s *Session) complete(m *Member) error {
	for _, d := range s.Drawers {
		var got uint32
		if int(d.num) < len(m.w.next) {
			got = m.w.next[d.num]
		}
		if got != d.seq {
			return fmt.Errorf("member %s received %d of %d messages of drawer %d", m.Name, got, d.seq, d.num)
		}
	}
	return nil
}

// AwaitCaughtUp waits until all members have received the history they joined.
func (l *Loop) AwaitCaughtUp(timeout time.Duration, members ...*Member) error {
	var missing error
	err := l.Await(timeout, func() bool {
		missing = nil
		for _, m := range members {
			if e := m.Err(); e != nil {
				missing = e
				return true
			}
			if m.caughtUp.Load() == 0 {
				missing = fmt.Errorf("member %s has not caught up", m.Name)
				return false
			}
		}
		return true
	})
	return errors.Join(err, missing)
}

// SetDrainLimit changes how long marks are awaited and returns what it was;
// for tests.
func SetDrainLimit(d time.Duration) time.Duration {
	old := drainLimit
	drainLimit = d
	return old
}
