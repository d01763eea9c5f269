package relay

import (
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"

	"drawrelay/frame"
	"drawrelay/store/entry"
	"drawrelay/store/serverlog"
	"drawrelay/store/settings"
)

const (
	// heldPause is how many bytes of messages are kept for a seat that must
	// wait before it is not read any more.
	heldPause = 256 << 10
	// heldLimit bounds them for good, for what was read before the pause took
	// effect: a member's input buffers are far smaller.
	heldLimit = 16 << 20
)

// seat is a member of a session. All roles belong to it and end with it.
// Ownership: the session's owner loop, but for lastDrawing. link belongs to
// the transport.
type seat struct {
	id     uint8
	person *entry.Person
	invite *entry.Invite // entered by it, nil otherwise
	link   any           // set by the transport when it attaches the seat
	conn   uint64        // id of the connection, likewise
	// skip is how many messages at the start of the history the joiner has
	// already: delivery starts after them. Set before the seat is attached.
	skip int64

	op      bool // granted; moderators are operators without it
	trusted bool
	muted   bool
	gone    bool // not a member any more

	locked   bool   // hold lock: joined while the session was initialising
	busy     bool   // a slow command of this seat has not finished
	draining bool   // held messages are being processed
	paused   bool   // the transport does not read from it
	held     []byte // messages that wait, in order

	reports     int           // abuse reports made
	tier        atomic.Uint32 // settings.Tier; any goroutine reads
	lastActive  int64         // unix seconds of the last message
	lastDrawing atomic.Int64  // unix seconds of the last drawing; any goroutine reads

	reset resetFlags // part in an autoreset
}

// resetFlags are a member's part in an autoreset (session.md §16).
type resetFlags uint8

const (
	resetQueried   resetFlags = 1 << iota // asked whether it can
	resetResponded                        // has answered
	resetAwaiting                         // chosen
	resetStreaming                        // to stream the image
)

// setTier follows every change of the seat's roles.
func (st *seat) setTier() {
	t := settings.TierGuest
	switch {
	case st.operator():
		t = settings.TierOperator
	case st.trusted:
		t = settings.TierTrusted
	case st.person.AuthID != "":
		t = settings.TierRegistered
	}
	st.tier.Store(uint32(t))
}

// operator reports whether the seat has the rights of an operator.
func (st *seat) operator() bool { return st.op || st.person.Moderator() }

// silenced reports whether the seat is spared direct messages that are not
// control messages: it prepares a reset of the kind that stops the session
// (session.md §16.4).
func (st *seat) silenced() bool { return st.reset&(resetAwaiting|resetStreaming) == resetAwaiting }

// local reports whether the seat is connected from the server's own machine.
func (st *seat) local() bool { return st.person.Addr.Unmap().IsLoopback() }

// user is the seat in log entries.
func (st *seat) user() serverlog.User {
	return serverlog.User{ID: st.id, Addr: st.person.Addr, Name: st.person.Name}
}

// pastUser is somebody who has left and can still be banned.
type pastUser struct {
	id       uint8
	authID   string
	name     string
	addr     netip.Addr
	systemID string
	mod      bool
	op       bool // had these roles when it left
	trusted  bool
}

// findName returns the member with this name, case ignored.
func (s *session) findName(name string) *seat {
	i := slices.IndexFunc(s.seats, func(st *seat) bool { return entry.EqualNames(st.person.Name, name) })
	if i < 0 {
		return nil
	}
	return s.seats[i]
}

// hold keeps a message for later. The seat is disconnected if it sends too
// much meanwhile.
func (s *session) hold(st *seat, m frame.Msg) {
	if len(st.held)+m.Size() > heldLimit {
		s.dismiss(st, frame.ReasonError, "History limit exceeded", fmt.Sprintf("%d bytes", len(st.held)))
		return
	}
	st.held = frame.Append(st.held, m)
	if len(st.held) > heldPause {
		s.pause(st, true)
	}
}

func (s *session) pause(st *seat, paused bool) {
	if st.paused != paused && !st.gone {
		st.paused = paused
		s.out.pause(st, paused)
	}
}

// release processes held messages in order for as long as nothing holds the
// seat again.
func (s *session) release(st *seat) {
	if st.draining {
		return
	}
	st.draining = true
	for len(st.held) > 0 && !st.locked && !st.busy && !st.gone && !s.frozen {
		m, rest, err := frame.Parse(st.held)
		if err != nil {
			panic("internal error: relay: held messages are broken")
		}
		st.held = rest
		s.process(st, m)
	}
	st.draining = false
	if len(st.held) == 0 || st.gone {
		st.held = nil
		s.pause(st, false)
	}
}
