package relay

import (
	"context"
	"errors"
	"sync"
	"time"

	"drawrelay/frame"
	"drawrelay/store/entry"
	"drawrelay/store/serverlog"
)

// ConnState is where a connection is in its life.
type ConnState uint8

const (
	InSession ConnState = iota
	Leaving             // was told to go, but has not taken everything yet
	Quiet               // its session was terminated quietly, it has not noticed
)

// Member is somebody in a session, or just out of one, as administrators see
// it (admin-api.md §6.2). It belongs to the caller.
type Member struct {
	Conn    uint64 // names the connection for KickConn
	ID      uint8  // in the session
	Person  *entry.Person
	Session string // id; empty if in no session any more
	State   ConnState
	// LeftAt is when it was told to go, or cut off; zero while InSession.
	LeftAt time.Time

	LastActive, LastDrawing time.Time // zero: never
	Op                      bool      // moderators included
	Trusted, Muted          bool
	HoldLocked              bool
	Reset                   []string // of awaiting, queried, responded, streaming
}

const (
	// adminName is who administrators are in notices and in the log.
	adminName = "the server administrator"
	// KickDetails is logged with kicks.
	KickDetails = "kicked via web admin"
	// consultations is how many sessions are asked at a time when all are:
	// a turn of a loop does only a few of them.
	consultations = 8
)

// ErrNoMember is returned when nobody in the session has the id that was asked
// for.
var ErrNoMember = errors.New("no such user")

var resetFlagNames = []struct {
	flag resetFlags
	name string
}{{resetAwaiting, "awaiting"}, {resetQueried, "queried"}, {resetResponded, "responded"}, {resetStreaming, "streaming"}}

func (s *session) member(st *seat) Member {
	m := st.member()
	m.Session = s.hist.ID
	return m
}

// member is the seat without what only its session knows. Ownership: the
// session's owner loop; after the seat has gone also the link's.
func (st *seat) member() Member {
	m := Member{
		Conn: st.conn, ID: st.id, Person: st.person, Op: st.operator(), Trusted: st.trusted, Muted: st.muted,
		LastActive: unixTime(st.lastActive), LastDrawing: unixTime(st.lastDrawing.Load()), HoldLocked: st.locked,
	}
	for _, f := range resetFlagNames {
		if st.reset&f.flag != 0 {
			m.Reset = append(m.Reset, f.name)
		}
	}
	return m
}

func unixTime(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

// onMember is consult for one member.
func (s *Server) onMember(ctx context.Context, idOrAlias string, member uint8, f func(*session, *seat)) error {
	found := false
	err := s.consult(ctx, idOrAlias, func(x *session) {
		if st := x.byID[member]; st != nil {
			found = true
			f(x, st)
		}
	})
	if err == nil && !found {
		err = ErrNoMember
	}
	return err
}

// Member returns one member of the session with this id or alias.
func (s *Server) Member(ctx context.Context, idOrAlias string, member uint8) (m Member, err error) {
	var v Member
	err = s.onMember(ctx, idOrAlias, member, func(x *session, st *seat) { v = x.member(st) })
	if err != nil {
		return Member{}, err
	}
	return v, nil
}

// MemberChange is what an administrator does with a member; nil and empty
// fields leave things as they are.
type MemberChange struct {
	Message, Alert string // dropped if they do not fit into a message
	Op, Trusted    *bool
}

// ChangeMember does c and returns the member as it is then.
func (s *Server) ChangeMember(ctx context.Context, idOrAlias string, member uint8, c MemberChange) (Member, error) {
	var v Member
	err := s.onMember(ctx, idOrAlias, member, func(x *session, st *seat) {
		if c.Message != "" {
			x.tell(st, notice("", c.Message, nil))
		}
		if c.Alert != "" {
			x.tell(st, alert("", c.Alert, nil))
		}
		by := cause{by: adminName, lists: true}
		if on := c.Op; on != nil && *on != st.operator() {
			if *on {
				x.grantOp(st, by)
			} else if st.op {
				x.revokeOp(st, by)
			}
		}
		if on := c.Trusted; on != nil && !st.gone && *on != st.trusted {
			if *on {
				x.grantTrust(st, by)
			} else {
				x.revokeTrust(st, by)
			}
		}
		v = x.member(st)
	})
	if err != nil {
		return Member{}, err
	}
	return v, nil
}

// KickText is what somebody is told who is kicked by an administrator; message
// may be empty.
func KickText(message string) string {
	if message == "" {
		return adminName
	}
	return adminName + " (" + message + ")"
}

// KickMember disconnects a member; message is told to it unless it is empty.
func (s *Server) KickMember(ctx context.Context, idOrAlias string, member uint8, message string) error {
	return s.onMember(ctx, idOrAlias, member, func(x *session, st *seat) {
		x.dismiss(st, frame.ReasonKick, KickText(message), KickDetails)
	})
}

// KickConn disconnects the connection with this id (Member.Conn). One that was
// already told to go is cut at once, which forced says. It returns ErrNoMember
// if there is none.
func (s *Server) KickConn(ctx context.Context, conn uint64, message string) (forced bool, err error) {
	k := s.conns.find(conn)
	if k == nil {
		return false, ErrNoMember
	}
	kicked := false
	err = k.room.consult(ctx, func(answer func()) {
		if !k.seat.gone {
			kicked = true
			k.room.session.dismiss(k.seat, frame.ReasonKick, KickText(message), KickDetails)
		}
		answer()
	})
	switch {
	case err != nil && !errors.Is(err, ErrNoSession):
		return false, err
	case err == nil && kicked:
		return false, nil
	}
	err = k.loop.callWithin(ctx, func() {
		switch {
		case k.failed != nil:
			kicked = false
			return
		case k.quiet && !k.ending:
			text := KickText(message)
			k.logf(serverlog.Info, serverlog.Kick, "Kicked by %s (%s)", text, KickDetails)
			k.bye(k.lastWords(frame.AppendDisconnect(nil, frame.ReasonKick, text)))
		default:
			forced = true
			k.fail(errAborted)
		}
		kicked = true
	})
	if err != nil {
		return false, err // forced may still be written to
	}
	if !kicked {
		return false, ErrNoMember
	}
	return forced, nil
}

// Everybody returns all members of all sessions, and those whose connections
// are not done with yet although they are in none any more. Sessions that do not
// answer before ctx ends are left out.
func (s *Server) Everybody(ctx context.Context) []Member {
	var mu sync.Mutex
	var all []Member
	places := make(chan struct{}, consultations)
	var asked sync.WaitGroup
	for _, r := range s.registry.all() {
		places <- struct{}{}
		asked.Go(func() {
			defer func() { <-places }()
			var list []Member
			if r.consult(ctx, func(answer func()) {
				list = r.session.everybody()
				answer()
			}) == nil {
				mu.Lock()
				all = append(all, list...)
				mu.Unlock()
			}
		})
	}
	asked.Wait()
	return append(all, s.leavers(ctx, all)...)
}

func (s *session) everybody() []Member {
	list := make([]Member, 0, len(s.seats))
	for _, st := range s.seats {
		list = append(list, s.member(st))
	}
	return list
}

// leavers returns the connections that are in no session any more; present are
// those who were in one a moment ago.
func (s *Server) leavers(ctx context.Context, present []Member) []Member {
	seen := make(map[uint64]struct{}, len(present))
	for i := range present {
		seen[present[i].Conn] = struct{}{}
	}
	byLoop := make(map[*loop][]*link)
	for _, k := range s.conns.all() {
		if _, in := seen[k.id]; !in {
			byLoop[k.loop] = append(byLoop[k.loop], k)
		}
	}
	var out []Member
	for l, links := range byLoop {
		var list []Member
		if l.callWithin(ctx, func() {
			for _, k := range links {
				if k.failed == nil && (k.quiet || k.ending) {
					list = append(list, k.leaver())
				}
			}
		}) == nil {
			out = append(out, list...)
		}
	}
	return out
}

// leaver is the connection of somebody in no session any more. Loop only.
func (k *link) leaver() Member {
	m := k.seat.member()
	m.ID, m.HoldLocked, m.Reset = k.user, false, nil
	m.LeftAt, m.State = k.left, Leaving
	if k.quiet && !k.ending {
		m.State = Quiet
	}
	return m
}

// callWithin runs f on the loop and waits for it, unless ctx ends first: f may
// still run then, and what it writes must not be read. f must not block.
func (l *loop) callWithin(ctx context.Context, f func()) error {
	done := make(chan struct{})
	l.do(func() {
		defer close(done)
		f()
	})
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ErrBusy
	}
}
