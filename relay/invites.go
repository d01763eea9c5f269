package relay

import (
	"errors"
	"fmt"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/entry"
	"drawrelay/store/serverlog"
)

func (s *session) inviteCreate(st *seat, c frame.Command) error {
	if len(c.Args) != 0 {
		return errors.New("Create invite expected no arguments")
	}
	if !st.person.Moderator() && !s.flag(store.Invites) {
		return errors.New("You're not allowed to create invite codes in this session")
	}
	v := s.createInvite(st, frame.Int(c.Kwargs["maxUses"]), frame.Bool(c.Kwargs["trust"]), frame.Bool(c.Kwargs["op"]))
	if v == nil {
		return errors.New("Too many invite codes")
	}
	s.tell(st, frame.Object{"type": "invitecreated", "secret": v.Secret})
	return nil
}

// createInvite makes an invite on behalf of st, or of a server administrator
// if st is nil. It returns nil if there are too many.
func (s *session) createInvite(st *seat, uses int, trust, op bool) *store.Invite {
	creator := ""
	if st != nil {
		creator = st.person.Name
	}
	v := s.hist.Invites.Create(creator, uses, trust, op)
	if v == nil {
		return nil
	}
	role := ""
	switch {
	case op && trust:
		role = "op and trust "
	case op:
		role = "op "
	case trust:
		role = "trust "
	}
	s.event(serverlog.Info, serverlog.Invite, st, fmt.Sprintf("Created %sinvite with %d use(s)", role, v.MaxUses))
	s.invitesChanged()
	return v
}

func (s *session) inviteRemove(st *seat, c frame.Command) error {
	if len(c.Args) != 1 {
		return errors.New("Remove invite expected one argument: secret")
	}
	if !st.person.Moderator() && !s.flag(store.Invites) {
		return errors.New("You're not allowed to remove invite codes in this session")
	}
	if !s.removeInvite(st, frame.Str(c.Args[0])) {
		return errors.New("Invite code to remove not found")
	}
	return nil
}

// removeInvite removes an invite on behalf of st, nil for a server
// administrator.
func (s *session) removeInvite(st *seat, secret string) bool {
	if s.hist.Invites.Remove(secret) == nil {
		return false
	}
	s.event(serverlog.Info, serverlog.Invite, st, "Removed invite "+secret)
	s.invitesChanged()
	return true
}

// useInvite uses up an invite for a person who is about to join.
func (s *session) useInvite(secret string, p *entry.Person) (*entry.Invite, entry.RedeemResult) {
	v, fresh, result := s.hist.Invites.Redeem(secret, p.SystemID, p.Name)
	if result != entry.RedeemOK {
		return nil, result
	}
	creator := v.Creator
	if creator == "" {
		creator = "a server administrator"
	}
	s.eventUser(serverlog.Info, serverlog.Invite, serverlog.User{Addr: p.Addr, Name: p.Name}, "Used invite created by "+creator)
	if fresh {
		s.invitesChanged()
	}
	return &entry.Invite{Secret: v.Secret, Creator: v.Creator, Op: v.Op, Trust: v.Trust}, entry.RedeemOK
}

func (s *session) invitesChanged() {
	s.checkInvite = nil
	s.sendInvites()
	s.out.publish()
}

// sendInvites tells the operators about the invites. When the list does not
// fit into a message, the oldest invite goes (commands.md §3.5).
func (s *session) sendInvites() {
	for {
		list := frame.Array{}
		all := s.hist.Invites.All()
		for _, v := range all {
			list = append(list, inviteEntry(v))
		}
		if s.tellOps(partialConf("invitelist", list)) {
			return
		}
		if len(all) == 0 {
			s.event(serverlog.Warn, serverlog.Invite, nil, "Failed to fit invites into a message")
			return
		}
		secret := all[0].Secret
		s.hist.Invites.Remove(secret)
		s.checkInvite = nil
		s.event(serverlog.Warn, serverlog.Invite, nil, "Removed oldest invite "+secret+" to fit them into a message")
	}
}

// inviteEntry is an invite as operators see it. Nobody is shown the system
// ids of those who used it.
func inviteEntry(v *store.Invite) frame.Object {
	uses := frame.Array{}
	for i := range v.Uses {
		uses = append(uses, frame.Object{"name": v.Uses[i].Name, "at": isoTime(v.Uses[i].At), "s": ""})
	}
	o := frame.Object{"secret": v.Secret, "at": isoTime(v.At), "maxUses": v.MaxUses, "uses": uses}
	if v.Creator != "" {
		o["creator"] = v.Creator
	}
	if v.Op {
		o["op"] = true
	}
	if v.Trust {
		o["trust"] = true
	}
	return o
}

// inviteCheck returns a check over the invites as they are now, for any
// goroutine (entry.Session.CheckInvite).
func (s *session) inviteCheck() func(secret, systemID string) entry.RedeemResult {
	if s.checkInvite != nil {
		return s.checkInvite
	}
	type state struct {
		full  bool
		users map[string]bool
	}
	invites := make(map[string]state)
	for _, v := range s.hist.Invites.All() {
		users := make(map[string]bool, len(v.Uses))
		for i := range v.Uses {
			users[v.Uses[i].SystemID] = true
		}
		invites[v.Secret] = state{len(v.Uses) >= v.MaxUses, users}
	}
	s.checkInvite = func(secret, systemID string) entry.RedeemResult {
		v, ok := invites[secret]
		switch {
		case !ok:
			return entry.RedeemUnknown
		case systemID != "" && v.full && !v.users[systemID]:
			return entry.RedeemUsedUp
		}
		return entry.RedeemOK
	}
	return s.checkInvite
}
