//go:build linux

package load

import (
	"fmt"
	"math"
	"time"
)

// Drawer is a member that draws.
type Drawer struct {
	Member *Member
	num    uint16 // in the payload of all its messages
	seq    uint32
}

// NewDrawer lets a member draw. Its messages carry a number of their own.
func (l *Loop) NewDrawer(m *Member) *Drawer {
	d := &Drawer{Member: m}
	l.Do(func() {
		d.num = l.drawers
		l.drawers++
		m.Session.Drawers = append(m.Session.Drawers, d)
	})
	return d
}

// Plan says what is drawn.
type Plan struct {
	Drawers  []*Drawer
	Sizes    Sizes
	Rate     float64       // messages/s of all drawers together; 0 = closed loop
	Window   int           // closed loop: bytes on the way to the slowest member of a session; 0 = as fast as the server takes them
	Duration time.Duration // 0 = until MaxBytes
	MaxBytes int64         // bytes drawn in all; 0 = no limit
	Timed    bool          // carry a time stamp, so that sampled members measure latency
}

// Drawn is what came of a plan.
type Drawn struct {
	Messages uint64
	Bytes    uint64        // headers included
	Elapsed  time.Duration // from the first message to the last handed to the kernel
	Late     time.Duration // open loop: how late the generator itself was at most
	// Lateness tells that of each message, in ns; it is part of the latency.
	Lateness *Histogram
}

// maxPending bounds what is generated ahead of a socket, in bytes.
const maxPending = 128 << 10

// run is a plan being carried out; owned by the loop.
type run struct {
	Plan
	sessions []*Session
	drawers  [][]*Drawer // by session
	start    int64
	end      int64
	sent     uint64
	bytes    uint64
	late     int64
	lateness *Histogram
	scratch  []byte
	turn     []int // by session: drawer whose turn it is
	stopped  bool
	result   chan Drawn
}

// Draw carries out a plan and returns when the last message is with the
// kernel. Members may still have to receive some.
func (l *Loop) Draw(p Plan) (Drawn, error) {
	if len(p.Drawers) == 0 || p.Duration == 0 && p.MaxBytes == 0 {
		return Drawn{}, fmt.Errorf("plan without drawers or end")
	}
	r := &run{Plan: p, result: make(chan Drawn, 1), lateness: &Histogram{}}
	l.Do(func() { l.startPlan(r) })
	return <-r.result, nil
}

func (l *Loop) startPlan(r *run) {
	index := map[*Session]int{}
	for _, d := range r.Drawers {
		s := d.Member.Session
		i, known := index[s]
		if !known {
			i = len(r.sessions)
			index[s] = i
			r.sessions = append(r.sessions, s)
			r.drawers = append(r.drawers, nil)
		}
		r.drawers[i] = append(r.drawers[i], d)
	}
	for _, s := range r.sessions {
		s.sent = 0
		for _, m := range s.Members {
			m.inPlan, m.inkBase = true, m.ink.Load()
		}
		s.closedLoop.Store(r.Rate == 0)
		s.dirty.Store(r.Rate == 0)
	}
	r.turn = make([]int, len(r.sessions))
	r.start = l.Now()
	r.end = math.MaxInt64
	if r.Duration > 0 {
		r.end = r.start + int64(r.Duration)
	}
	l.dirty.Store(true)
	l.plan = r
}

// draw sends what is due and returns when it wants to run again.
func (l *Loop) draw(now int64) int64 {
	r := l.plan
	if r == nil {
		return math.MaxInt64
	}
	if !r.stopped {
		if r.Rate > 0 {
			l.drawPaced(r, now)
		} else {
			l.drawClosed(r, now)
		}
	}
	switch {
	case r.stopped:
		for _, d := range r.Drawers {
			if d.Member.pending() > 0 && !d.Member.left {
				return now + checkEvery
			}
		}
		l.plan = nil
		for _, s := range r.sessions {
			s.closedLoop.Store(false)
		}
		r.result <- Drawn{Messages: r.sent, Bytes: r.bytes, Elapsed: time.Duration(l.Now() - r.start), Late: time.Duration(r.late), Lateness: r.lateness}
		return math.MaxInt64
	case r.Rate > 0:
		return min(r.due(r.sent), r.end)
	}
	if l.dirty.Load() {
		return now // flushing made room
	}
	return r.end
}

// due returns the scheduled time of message number i of an open loop.
func (r *run) due(i uint64) int64 { return r.start + int64(float64(i)*1e9/r.Rate) }

// drawPaced sends the messages whose time has come, each stamped with its
// scheduled time, however late it is.
func (l *Loop) drawPaced(r *run, now int64) {
	for !r.stopped {
		at := r.due(r.sent)
		if at >= r.end || r.full() {
			r.stopped = true
			return
		}
		if at > now {
			return
		}
		r.late = max(r.late, now-at)
		r.lateness.Record(now - at)
		d := r.Drawers[r.sent%uint64(len(r.Drawers))]
		r.scratch = r.append(r.scratch[:0], d, max(at, 1))
		l.send(d.Member, r.scratch)
	}
}

func (r *run) full() bool { return r.MaxBytes > 0 && int64(r.bytes) >= r.MaxBytes }

// append appends the next message of d.
func (r *run) append(dst []byte, d *Drawer, at int64) []byte {
	if !r.Timed {
		at = 0
	}
	size := r.Sizes.At(d.seq)
	dst = appendStroke(dst, size, d.Member.User, d.num, d.seq, at)
	d.seq++
	r.sent++
	r.bytes += uint64(size)
	d.Member.Session.sent += uint64(size)
	return dst
}

// drawClosed refills the windows of the sessions in which something moved.
func (l *Loop) drawClosed(r *run, now int64) {
	if now >= r.end || r.full() {
		r.stopped = true
		return
	}
	if !l.dirty.Swap(false) {
		return
	}
	for i, s := range r.sessions {
		if s.dirty.Swap(false) {
			l.refill(r, i, s)
		}
	}
	r.stopped = r.full()
}

func (l *Loop) refill(r *run, i int, s *Session) {
	room := maxPending
	if r.Window > 0 {
		room = min(room, r.Window-s.inFlight())
	}
	if room <= 0 {
		return
	}
	d := r.drawers[i][r.turn[i]%len(r.drawers[i])]
	r.turn[i]++
	if d.Member.left || d.Member.pending() > 0 {
		return // flush or the TLS writer marks the session when there is room
	}
	b := r.scratch[:0]
	for len(b) < room && !r.full() {
		b = r.append(b, d, l.Now())
	}
	r.scratch = b
	l.send(d.Member, b)
}

// inFlight returns the bytes drawn that the slowest member has not received.
// Members that do not read on purpose or came later do not count.
func (s *Session) inFlight() int {
	lowest := s.sent
	for _, m := range s.Members {
		if m.inPlan && !m.paused && !m.left && !m.ignored {
			lowest = min(lowest, m.ink.Load()-m.inkBase)
		}
	}
	return int(s.sent - lowest)
}
