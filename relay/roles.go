package relay

import (
	"drawrelay/frame"
	"drawrelay/store/entry"
	"drawrelay/store/serverlog"
)

// cause says who changes a role, and how.
type cause struct {
	by     string        // name, empty for the server
	invite *entry.Invite // the role comes with an invite
	lists  bool          // operators are sent their lists again after a change
}

func (c cause) giver() string {
	if c.by == "" {
		return "the server"
	}
	return c.by
}

func (c cause) creator() string {
	if c.invite.Creator == "" {
		return "a server administrator"
	}
	return c.invite.Creator
}

// role is what the rules for operators and for trusted users differ in
// (session.md §13.2, §13.3).
type role struct {
	has      func(*seat) bool
	set      func(*seat, bool)
	remember func(s *session, st *seat, on bool)

	give, take                  serverlog.Topic
	giveKey, inviteKey, takeKey string
	// Texts: %s of the log begins with a capital, that of the notice follows
	// the name.
	giveLog, takeLog, giveText, takeText string
}

var operatorRole = role{
	has: (*seat).operator,
	set: func(st *seat, on bool) { st.op = on },
	remember: func(s *session, st *seat, on bool) {
		if !st.person.Moderator() {
			s.hist.SetAuthOp(st.person.AuthID, on)
		}
	},
	give: serverlog.Op, take: serverlog.Deop,
	giveKey: "opgive", inviteKey: "opgiveinvite", takeKey: "optake",
	giveLog: "Made operator", takeLog: "Operator status revoked",
	giveText: "made operator", takeText: "operator status revoked",
}

var trustedRole = role{
	has:      func(st *seat) bool { return st.trusted },
	set:      func(st *seat, on bool) { st.trusted = on },
	remember: func(s *session, st *seat, on bool) { s.hist.SetAuthTrusted(st.person.AuthID, on) },
	give:     serverlog.Trust, take: serverlog.Untrust,
	giveKey: "trustgive", inviteKey: "trustgiveinvite", takeKey: "trusttake",
	giveLog: "Trusted", takeLog: "Untrusted", giveText: "trusted", takeText: "untrusted",
}

// change sets or clears a role of one member and tells everybody.
func (s *session) change(r *role, st *seat, on bool, c cause) {
	r.set(st, on)
	st.setTier()
	var line string
	var v frame.Object
	name := st.person.Name
	topic := r.give
	switch {
	case !on:
		topic = r.take
		line = r.takeLog + " by " + c.giver()
		v = notice(r.takeKey, name+" "+r.takeText+" by "+c.giver(), named("target", name, "by", c.by))
	case c.invite != nil:
		line = r.giveLog + " via invite created by " + c.creator()
		v = notice(r.inviteKey, name+" "+r.giveText+" via invite created by "+c.creator(),
			named("target", name, "creator", c.invite.Creator))
	default:
		line = r.giveLog + " by " + c.giver()
		v = notice(r.giveKey, name+" "+r.giveText+" by "+c.giver(), named("target", name, "by", c.by))
	}
	s.event(serverlog.Info, topic, st, line)
	if !st.person.Ghost() {
		s.tellAll(v)
		if st.person.AuthID != "" {
			r.remember(s, st, on)
		}
	}
}

// setOps makes exactly those members operators for which want is true, and
// moderators. It reports whether anything changed; the list for everybody is
// the caller's (announceOps).
func (s *session) setOps(want func(*seat) bool, c cause) (changed bool) {
	var resetter *seat
	for _, st := range s.seats {
		target := want(st) || st.person.Moderator()
		if target == st.operator() {
			continue
		}
		changed = true
		if !target {
			s.deopResets(st)
			if st == s.initSeat && s.state == stateReset {
				resetter = st
			}
		}
		s.change(&operatorRole, st, target, c)
	}
	if resetter != nil {
		s.dismiss(resetter, frame.ReasonError, "De-opped while resetting", "by "+c.giver())
	}
	if changed && c.lists {
		s.sendAuths()
		s.sendBans()
		s.tellIf(partialConf("banlist", frame.Array{}), func(st *seat) bool { return !st.operator() })
		s.sendInvites()
	}
	return changed
}

// setTrusted makes exactly those members trusted for which want is true.
func (s *session) setTrusted(want func(*seat) bool, c cause) (changed bool) {
	for _, st := range s.seats {
		if target := want(st); target != st.trusted {
			changed = true
			s.change(&trustedRole, st, target, c)
		}
	}
	if changed && c.lists {
		s.sendAuths()
		s.sendInvites()
	}
	return changed
}

// opsMessage appends the list of operators present to dst, as said by user.
func (s *session) opsMessage(dst []byte, user uint8) []byte {
	return s.usersMessage(dst, frame.TypeSessionOwner, user, (*seat).operator)
}

func (s *session) trustedMessage(dst []byte, user uint8) []byte {
	return s.usersMessage(dst, frame.TypeTrustedUsers, user, trustedRole.has)
}

func (s *session) usersMessage(dst []byte, t frame.Type, user uint8, has func(*seat) bool) []byte {
	var ids [256]uint8
	n := 0
	for _, st := range s.seats {
		if has(st) && n < 255 {
			ids[n] = st.id
			n++
		}
	}
	return frame.AppendUsers(dst, t, user, ids[:n])
}

// announceOps puts the list of operators into the history.
func (s *session) announceOps() {
	s.frameBuf = s.opsMessage(s.frameBuf[:0], 0)
	s.add(s.frameBuf)
}

func (s *session) announceTrusted() {
	s.frameBuf = s.trustedMessage(s.frameBuf[:0], 0)
	s.add(s.frameBuf)
}

// grantOp makes one more member an operator; the list goes out in any case.
func (s *session) grantOp(st *seat, c cause) {
	s.setOps(func(x *seat) bool { return x.op || x == st }, c)
	s.announceOps()
}

func (s *session) grantTrust(st *seat, c cause) {
	s.setTrusted(func(x *seat) bool { return x.trusted || x == st }, c)
	s.announceTrusted()
}

func (s *session) revokeOp(st *seat, c cause) {
	s.setOps(func(x *seat) bool { return x.op && x != st }, c)
	s.announceOps()
}

func (s *session) revokeTrust(st *seat, c cause) {
	s.setTrusted(func(x *seat) bool { return x.trusted && x != st }, c)
	s.announceTrusted()
}

// ensureOperator makes the oldest member an operator if there is none and no
// other way to become one (session.md §13.4).
func (s *session) ensureOperator() {
	if s.state == stateShutdown || s.stopping || s.hist.OpwordHash() != "" || s.hist.AuthOps() {
		return
	}
	var first *seat
	for _, st := range s.seats {
		if st.person.Ghost() {
			continue
		}
		if st.operator() {
			return
		}
		if first == nil {
			first = st
		}
	}
	if first != nil {
		s.grantOp(first, cause{lists: true})
	}
}

// idSet is a set of user ids.
type idSet [256]bool

func newIDSet(ids []byte) *idSet {
	var set idSet
	for _, id := range ids {
		set[id] = true
	}
	return &set
}

func (x *idSet) has(st *seat) bool { return x[st.id] }
