package relay

import (
	"errors"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/serverlog"
)

// target is somebody who can be banned, present or not.
type target struct {
	user     serverlog.User
	authID   string
	systemID string
}

func (st *seat) target() target {
	return target{st.user(), st.person.AuthID, st.person.SystemID}
}

func (p *pastUser) target() target {
	return target{serverlog.User{ID: p.id, Addr: p.addr, Name: p.name}, p.authID, p.systemID}
}

func (s *session) kickUser(st *seat, c frame.Command) error {
	if len(c.Args) != 1 {
		return errors.New("Expected one argument: user ID or name")
	}
	ban := frame.Bool(c.Kwargs["ban"])
	if n, ok := c.Args[0].(float64); ban && ok {
		if id := frame.Int(n); id >= 1 && id <= 254 && s.byID[id] == nil {
			if past, ok := s.past[uint8(id)]; ok {
				return s.banPast(st, &past)
			}
		}
	}
	victim, err := s.namedSeat(c.Args[0])
	if err != nil {
		return err
	}
	switch {
	case victim == st:
		return errors.New("cannot kick self")
	case victim.person.Moderator():
		return errors.New("cannot kick moderators")
	}
	if !st.operator() {
		if err := deputyMay(victim.op, victim.trusted); err != nil {
			return err
		}
	}
	name, by := victim.person.Name, st.person.Name
	if !ban {
		s.kick(victim, by)
		return nil
	}
	t := victim.target()
	switch {
	case s.banned(t):
		s.kick(victim, by)
		return errors.New(name + " is already banned.")
	case !s.ban(t, st):
		s.dismiss(victim, frame.ReasonKick, by, "")
		return errors.New("Error banning " + name + ".")
	}
	s.tellBanned(name, by)
	s.dismiss(victim, frame.ReasonKick, by, "")
	return nil
}

// banPast bans somebody who has left already. Deputies are held to the same
// limits as with those present (session.md §32 D14).
func (s *session) banPast(st *seat, past *pastUser) error {
	t := past.target()
	switch {
	case s.banned(t):
		return errors.New(past.name + " is already banned.")
	case past.mod:
		return errors.New(past.name + " cannot be banned.")
	}
	if !st.operator() {
		if err := deputyMay(past.op, past.trusted); err != nil {
			return err
		}
	}
	if !s.ban(t, st) {
		return errors.New("Error banning " + past.name + ".")
	}
	s.tellBanned(past.name, st.person.Name)
	return nil
}

// deputyMay says whether a deputy may kick somebody with these roles.
func deputyMay(op, trusted bool) error {
	switch {
	case op:
		return errors.New("cannot kick operators")
	case trusted:
		return errors.New("cannot kick trusted users")
	}
	return nil
}

// kick disconnects a member and tells the others.
func (s *session) kick(victim *seat, by string) {
	name := victim.person.Name
	s.dismiss(victim, frame.ReasonKick, by, "")
	if s.state != stateShutdown {
		s.tellAll(notice("kick", name+" kicked by "+by, named("target", name, "by", by)))
	}
}

func (s *session) tellBanned(name, by string) {
	s.tellAll(notice("ban", name+" banned by "+by, named("target", name, "by", by)))
}

func (s *session) banned(t target) bool {
	return s.hist.Bans.Match(t.user.Name, t.authID, t.systemID, t.user.Addr) != 0
}

// ban adds a ban list entry for t on behalf of by, and reports whether it was
// accepted (session.md §19).
func (s *session) ban(t target, by *seat) bool {
	_, ok := s.hist.AddBan(store.Ban{
		Name: t.user.Name, AuthID: t.authID, Addr: t.user.Addr, SystemID: t.systemID, By: by.person.Name,
	}, by.person)
	if !ok {
		return false
	}
	s.eventUser(serverlog.Info, serverlog.Ban, t.user, "Banned by "+by.person.Name)
	s.sendBans()
	s.out.publish()
	return true
}

func (s *session) removeBan(st *seat, c frame.Command) error {
	if len(c.Args) != 1 {
		return errors.New("Expected one argument: ban entry ID")
	}
	s.unban(frame.Int(c.Args[0]), st.person.Name)
	return nil
}

// unban removes an entry; also those without a name are announced (§32 D9).
func (s *session) unban(id int, by string) bool {
	b, ok := s.hist.RemoveBan(id)
	if !ok {
		return false
	}
	s.event(serverlog.Info, serverlog.Unban, nil, b.Name+" unbanned by "+by)
	s.sendBans()
	s.out.publish()
	return true
}

func (s *session) mute(st *seat, c frame.Command) error {
	if len(c.Args) != 2 {
		return errors.New("Expected two arguments: userId true/false")
	}
	victim, err := s.namedSeat(c.Args[0])
	if err != nil {
		return err
	}
	on := frame.Bool(c.Args[1])
	if on && victim.person.Moderator() {
		return errors.New("cannot mute moderators")
	}
	if victim.muted == on {
		return nil
	}
	victim.muted = on
	s.sendMuted()
	if on {
		s.event(serverlog.Info, serverlog.Mute, victim, "Muted by "+st.person.Name)
	} else {
		s.event(serverlog.Info, serverlog.Unmute, victim, "Unmuted by "+st.person.Name)
	}
	return nil
}
