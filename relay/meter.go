package relay

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"

	"drawrelay/store"
	"drawrelay/store/latency"
)

/* Counting
 *
 * Each loop has counters of its own, which it alone writes: a load and a store
 * per read, append or write, no locked instruction and no cache line that
 * another loop writes. Whoever wants to know adds them up.
 */

// count is a counter with one writer and any readers.
type count struct{ n atomic.Int64 }

// add is for the writer only.
func (c *count) add(n int64) { c.n.Store(c.n.Load() + n) }

func (c *count) load() int64 { return c.n.Load() }

// meter is what a loop counts.
// Ownership: written by the loop's goroutine, read by any.
type meter struct {
	_          [64]byte // what the loop writes all the time is on cache lines of its own
	messagesIn count
	bytesIn    count
	bytesOut   count
	deliveries count
	lagging    count
	fanOut     latency.Histogram
	_          [64]byte
}

// sample is one message on its way to the members, whose time is taken. One
// at a time is enough, and it is the first of its batch, the one that waits
// longest. Ownership: the session's owner loop.
type sample struct {
	log *store.Log // nil: none is on its way
	end int64      // offset behind it
	at  time.Time
}

// begin takes the time of what has just been appended, unless something is on
// its way already or nothing is delivered.
func (m *sample) begin(r *room, l *store.Log) {
	if m.log == nil && r.running.Load() {
		m.log, m.end, m.at = l, l.Size(), r.loop.now
	}
}

// finish stops the clock when members have been sent as far as v.
func (m *sample) finish(v view, now time.Time, h *latency.Histogram) {
	switch {
	case m.log == nil:
	case m.log != v.log:
		m.log = nil // a reset has overtaken it
	case v.to >= m.end:
		m.log = nil
		h.Observe(now.Sub(m.at))
	}
}

// Traffic is what has gone through the server since its start, and what waits.
type Traffic struct {
	MessagesIn int64 // from members
	BytesIn    int64 // of them, as messages
	BytesOut   int64 // to members, as written to sockets
	// Deliveries are messages of history times the members they were for when
	// they came.
	Deliveries int64
	Lagging    int64 // members who do not take what they are sent; once a second
	// FanOut is from the arrival of a message until the members on its
	// session's own loop have been sent it, sampled.
	FanOut latency.Snapshot
}

// Traffic adds the counters up. Any goroutine.
func (s *Server) Traffic() (t Traffic) {
	t.BytesOut = s.carried.Load()
	for _, l := range s.loops {
		m := &l.meter
		t.MessagesIn += m.messagesIn.load()
		t.BytesIn += m.bytesIn.load()
		t.BytesOut += m.bytesOut.load()
		t.Deliveries += m.deliveries.load()
		t.Lagging += m.lagging.load()
		t.FanOut.Add(m.fanOut.Snapshot())
	}
	return t
}

// SessionTraffic is one session's part in it.
type SessionTraffic struct {
	Session  string // id
	Members  int
	Size     int64 // of the history, bytes
	Messages int64 // taken into the history since it lives
}

// BusiestSessions returns at most n sessions, those with most messages first.
// Any goroutine.
func (s *Server) BusiestSessions(n int) []SessionTraffic {
	rooms := s.registry.all()
	list := make([]SessionTraffic, len(rooms))
	for i, r := range rooms {
		d := r.desc.Load()
		list[i] = SessionTraffic{Session: r.id, Members: d.UserCount, Size: d.Size.Load(), Messages: r.messages.load()}
	}
	slices.SortFunc(list, func(a, b SessionTraffic) int {
		return cmp.Or(cmp.Compare(b.Messages, a.Messages), cmp.Compare(a.Session, b.Session))
	})
	return list[:min(n, len(list))]
}

// write sends through the connection and counts it. Loop only.
func (k *link) write(v [][]byte, total int) (int, error) {
	n, err := k.conn.write(k, v, total)
	k.loop.meter.bytesOut.add(int64(n))
	return n, err
}

// countLagging looks how many members do not keep up. Loop only.
func (l *loop) countLagging() {
	n := int64(0)
	for _, k := range l.links {
		if k.failed == nil && (k.output == outputCatchup || k.blocked) {
			n++
		}
	}
	l.meter.lagging.n.Store(n)
}
