package relay

import (
	"fmt"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/entry"
	"drawrelay/store/serverlog"
)

// sessionFlags are the features a client learns of on entry: SKIP, resuming at
// a history index (session.md §11).
var sessionFlags = frame.Array{"SKIP"}

// admitHost seats the host of a session that has just been started. attach is
// called once, before anything is sent.
func (s *session) admitHost(p *entry.Person, id uint8, attach func(*seat)) {
	st := &seat{id: id, person: p}
	s.enter(st, true, nil, attach)
}

// admitJoin seats a joiner, or refuses with an *entry.Refusal: the checks of
// login.md §13.1 rows 9 to 14 against what holds now; the password was checked
// before, against a stored form that must still be the session's. attach
// is called exactly once when the join is certain, before anything is sent;
// st.skip is set by then.
func (s *session) admitJoin(r *entry.JoinRequest, attach func(*seat)) error {
	p := r.Person
	if err := s.mayJoin(r); err != nil {
		return err
	}
	old := s.findName(p.Name)
	if old != nil && !samePerson(old.person, p) {
		return entry.ErrNameInUse
	}
	st := &seat{person: p, invite: r.Invited, locked: s.state == stateInit}
	if old != nil {
		st.id = old.id
	} else {
		id, ok := s.hist.IDs.NextFor(p.Name, func(id uint8) bool { return s.byID[id] != nil })
		if !ok {
			return entry.ErrClosed
		}
		st.id = id
	}
	if s.resumable(r.Index) {
		st.skip = r.Index.Pos - s.hist.FirstIndex + 1
		s.record(serverlog.Debug, serverlog.Status, st, fmt.Sprintf("Skip to history position %d", r.Index.Pos))
	}
	s.enter(st, false, old, attach)
	return nil
}

func (s *session) mayJoin(r *entry.JoinRequest) error {
	p := r.Person
	switch {
	case s.state == stateShutdown || s.stopping:
		return entry.ErrNotFound
	case s.frozen: // only if the caller did not wait (whenReady)
		return entry.ErrClosed
	}
	if p.Browser && r.Invited == nil && !s.flag(store.AllowWeb) {
		return &entry.Refusal{Code: "noWebJoin", Message: "This session does not allow joining from the web"}
	}
	if p.Moderator() {
		return nil
	}
	if n := s.hist.Bans.Match(p.Name, p.AuthID, p.SystemID, p.Addr); n != 0 {
		s.eventUser(serverlog.Info, serverlog.Ban, serverlog.User{Addr: p.Addr, Name: p.Name},
			fmt.Sprintf("Join prevented by ban %d", n))
		return &entry.Refusal{Code: "banned", Message: fmt.Sprintf("You have been banned from this session (ban %d)", n)}
	}
	switch {
	case r.Invited != nil:
		return nil
	case s.closed():
		return entry.ErrClosed
	case s.flag(store.AuthOnly) && p.AuthID == "":
		return entry.ErrAuthOnly
	}
	if now := s.hist.PasswordHash(); now != "" && now != r.PasswordHash {
		return entry.ErrPasswordChanged
	}
	return nil
}

// samePerson reports whether p may take the place of a member with its name
// (session.md §6.2).
func samePerson(old, p *entry.Person) bool {
	return old.AuthID != "" && old.AuthID == p.AuthID || old.SystemID != "" && old.SystemID == p.SystemID
}

// resumable reports whether a client that has index x already may skip to it.
func (s *session) resumable(x frame.HistoryIndex) bool {
	return x.Valid() && x.Session == s.hist.ID && x.Start == s.hist.StartStamp && x.Pos >= s.hist.FirstIndex && x.Pos <= s.hist.LastIndex()
}

// enter makes st a member, in the order of session.md §6.3. old is the member
// it replaces, nil if none.
func (s *session) enter(st *seat, host bool, old *seat, attach func(*seat)) {
	p := st.person
	st.lastActive = s.now().Unix()
	st.setTier()
	attach(st)
	s.sendResult(st, host)
	s.seats = append(s.seats, st)
	if old != nil {
		s.dismiss(old, frame.ReasonKick, p.Name, "Replaced by rejoining")
		if st.gone {
			return
		}
	}
	s.byID[st.id] = st
	delete(s.past, st.id)
	if host {
		s.initSeat = st
		s.out.skipToEnd(st)
	} else {
		s.startCatchup(st)
	}
	if p.Ghost() {
		s.tell(st, alert("", ghostNotice, nil))
	} else {
		s.frameBuf = appendJoin(s.frameBuf[:0], st)
		s.add(s.frameBuf)
		if p.AuthID != "" {
			s.hist.SetAuthName(p.AuthID, p.Name) // without room it is missing in the list of accounts
		}
	}
	s.restoreRoles(st)
	s.ensureOperator()
	s.replayLog(st)
	s.welcome(st)
	s.sendAnnouncements()
	s.sendBans()
	s.sendMuted()
	s.sendAuths()
	s.sendInvites()
	s.hist.RememberUser(st.id, p.Name)
	if p.Ghost() {
		s.event(serverlog.Info, serverlog.Join, st, "Moderator in ghost mode joined session")
	} else {
		s.event(serverlog.Info, serverlog.Join, st, "Joined session")
	}
	s.attributeChanged()
	if p.Info != "" && !st.gone {
		s.event(serverlog.Info, serverlog.ClientInfo, st, p.Info)
	}
}

const ghostNotice = "GHOST MODE. Your presence is not overtly announced, chat messages are treated as server alerts. " +
	"You are not hidden though, users can see your presence in the event log and taking administrative actions will " +
	"show your name in chat."

// sendResult is the last message of the login (login.md §12.3, §13.2).
func (s *session) sendResult(st *seat, host bool) {
	id := s.hist.Alias
	if id == "" {
		id = s.hist.ID
	}
	join := frame.Object{
		"id": id, "uniqueId": s.hist.ID, "user": st.id, "flags": sessionFlags, "authId": st.person.AuthID,
	}
	v := frame.Object{"type": "result", "state": "host", "message": "Starting new session!", "join": join}
	if !host {
		v["state"], v["message"] = "join", "Joining a session!"
		join["skip"] = st.skip > 0
	}
	s.tell(st, v)
}

// startCatchup puts the joiner's end marker into the history and announces it.
func (s *session) startCatchup(st *seat) {
	key := s.hist.NextCatchupKey()
	if msg := s.caughtup(key, false); s.fits(len(msg)) {
		s.keep(msg)
	} else {
		key = -1
	}
	s.out.catchUp(st)
	have := s.hist.FirstIndex
	if st.skip > 0 {
		have += st.skip - 1
	}
	s.sendCatchup(st, s.hist.LastIndex()-have, key)
	s.tell(st, frame.Object{"type": "status", "size": s.hist.Log().Size()})
}

// appendJoin appends the Join message of a member.
func appendJoin(dst []byte, st *seat) []byte {
	var flags uint8
	if st.person.AuthID != "" {
		flags |= frame.JoinAuth
	}
	if st.person.Moderator() {
		flags |= frame.JoinMod
	}
	if st.person.Incompatible {
		flags |= frame.JoinOld
	}
	return frame.AppendJoin(dst, st.id, flags, st.person.Name, st.person.Avatar)
}

// restoreRoles gives a joiner the roles that come with the account, the
// session's memory or the invite (session.md §6.3 rows 10 and 11).
func (s *session) restoreRoles(st *seat) {
	p := st.person
	switch {
	case p.Moderator() || p.AuthID != "" && s.hist.IsAuthOp(p.AuthID):
		s.grantOp(st, cause{})
	case st.invite != nil && st.invite.Op:
		s.grantOp(st, cause{invite: st.invite})
	}
	switch {
	case p.Flags.Has(entry.FlagTrusted) || p.AuthID != "" && s.hist.IsAuthTrusted(p.AuthID):
		s.grantTrust(st, cause{})
	case st.invite != nil && st.invite.Trust:
		s.grantTrust(st, cause{invite: st.invite})
	}
}

func (s *session) welcome(st *seat) {
	text := s.settings.Get().WelcomeMessage
	if text != "" && !s.tell(st, notice("", text, nil)) {
		s.event(serverlog.Error, serverlog.Status, st, "Welcome message too long")
	}
}
