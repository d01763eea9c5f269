//go:build linux

package load

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"drawrelay/perf/proto"
)

// Member is one connection that takes part in a session.
type Member struct {
	Name    string
	User    uint8
	Session *Session

	// Written by the reader at the end of each read; anybody may read.
	strokes  atomic.Uint64 // drawn messages received
	ink      atomic.Uint64 // their bytes; in discard mode all bytes
	raw      atomic.Uint64 // bytes of all kinds since the last start mark
	mark     atomic.Uint32 // number of the last mark received
	caughtUp atomic.Int64  // time in ns when the history had come; 0 = not yet
	failed   atomic.Pointer[error]

	// Held by the reader, the event loop or the goroutine of a TLS member,
	// during each read, and by those who compare.
	mu sync.Mutex
	w  walker // protected by mu

	// Owned by the loop.
	sampled bool
	partial bool // host of an upload: has not seen what it uploaded itself
	ignored bool // does not read on purpose and is not waited for
	left    bool // closed
	inPlan  bool // counts for the window of the running plan

	inkBase     uint64 // ink when the running plan began
	discardBase uint64 // ink when discard was switched on

	// WebSocket members: decodes what they receive, nil for others. Owned by
	// the reader.
	web    *proto.WebReader
	webBuf []byte // of TLS members

	// Plain members; owned by the loop.
	loop      *Loop
	fd        int
	index     int32
	discard   bool
	paused    bool
	armed     bool   // waits for room in the socket
	out       []byte // not yet accepted by the kernel; outAt.. is left
	outAt     int
	discarded uint64 // bytes thrown away since discard was switched on

	// TLS members.
	conn    net.Conn
	gate    *gate
	writeMu sync.Mutex
	writing bool
	queue   []byte // protected by writeMu
}

// Err returns why the member's connection ended or what it found wrong, or
// nil.
func (m *Member) Err() error {
	if p := m.failed.Load(); p != nil {
		return *p
	}
	return nil
}

func (m *Member) fail(err error) {
	err = fmt.Errorf("member %s: %w", m.Name, err)
	m.failed.CompareAndSwap(nil, &err)
}

// Strokes returns how many drawn messages the member has received.
func (m *Member) Strokes() uint64 { return m.strokes.Load() }

// Ink returns the bytes of the drawn messages the member has received,
// headers included. For a member that discards it is all bytes since then.
func (m *Member) Ink() uint64 { return m.ink.Load() }

// CaughtUpAt returns when the member had received the history, in ns of the
// loop's clock, or 0.
func (m *Member) CaughtUpAt() int64 { return m.caughtUp.Load() }

// publish makes the reader's counters visible.
func (m *Member) publish() {
	w := &m.w
	m.strokes.Store(w.strokes)
	m.ink.Store(w.ink)
	m.raw.Store(w.raw)
	if m.mark.Load() != w.mark {
		m.mark.Store(w.mark)
	}
	if w.caughtUp && m.caughtUp.Load() == 0 {
		m.caughtUp.Store(max(w.now, 1))
	}
}

// receive takes bytes that arrived at time now.
func (m *Member) receive(b []byte, now int64) {
	m.mu.Lock()
	if err := m.w.feed(b, now); err != nil {
		m.fail(err)
	}
	m.publish()
	m.mu.Unlock()
}

// Session is a group of members that must all receive the same history.
//
// Ownership: the loop, except Members, which is fixed before drawing starts.
type Session struct {
	ID      string
	Members []*Member
	Drawers []*Drawer
	marks   uint32

	sent       uint64      // bytes drawn by the running plan
	closedLoop atomic.Bool // the running plan draws when members have received
	dirty      atomic.Bool // members have received something: refill the window
}

// newMember turns a client that is past its dialogue into a member.
func newMember(c *proto.Client, s *Session) *Member {
	return &Member{Name: c.Name, User: c.User, Session: s, fd: -1, index: -1, web: c.Web()}
}
