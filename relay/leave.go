package relay

import (
	"slices"

	"drawrelay/frame"
	"drawrelay/store/serverlog"
)

// left follows the end of a member's connection, whoever caused it; reason is
// logged if it is not empty. What the member sent while a command of its was
// still running is processed first. Later calls for the same seat do nothing.
func (s *session) left(st *seat, reason string) {
	if st.gone {
		return
	}
	for st.busy && !st.gone && !s.frozen {
		st.busy = false
		s.release(st)
	}
	if s.frozen { // perhaps by what it has sent
		s.whenReady(func() { s.left(st, reason) })
		return
	}
	if st.gone {
		return
	}
	if reason != "" {
		s.event(serverlog.Warn, serverlog.Status, st, reason)
	}
	s.remove(st)
	s.depart(st)
}

// dismiss disconnects a member: it is told why, and is not a member any more
// when this returns (session.md §20).
func (s *session) dismiss(st *seat, reason uint8, text, details string) {
	if st.gone {
		return
	}
	topic, line := serverlog.Leave, text
	if reason == frame.ReasonKick {
		topic, line = serverlog.Kick, "Kicked by "+text
	}
	if details != "" {
		line += " (" + details + ")"
	}
	s.event(serverlog.Info, topic, st, line)
	s.remove(st)
	s.out.detach(st, reason, text)
	s.depart(st)
}

// remove takes a seat off the member list. The connection and the rest of
// leaving are the caller's.
func (s *session) remove(st *seat) {
	st.gone = true
	s.seats = slices.DeleteFunc(s.seats, func(x *seat) bool { return x == st })
	if s.byID[st.id] == st {
		s.byID[st.id] = nil
	}
}

// depart is what follows the end of a seat that has been removed, in the order
// of session.md §8.
func (s *session) depart(st *seat) {
	p := st.person
	s.past[st.id] = pastUser{
		id: st.id, authID: p.AuthID, name: p.Name, addr: p.Addr, systemID: p.SystemID,
		mod: p.Moderator(), op: st.op, trusted: st.trusted,
	}
	line := "Left session"
	if p.Ghost() {
		line = "Moderator in ghost mode left session"
	}
	if s.stopping || s.state == stateShutdown {
		s.record(serverlog.Info, serverlog.Leave, st, line)
	} else {
		s.event(serverlog.Info, serverlog.Leave, st, line)
	}
	abandoned := false
	if st == s.initSeat {
		abandoned = s.state == stateInit
		s.abandonUpload()
	}
	if s.thumb != nil && s.thumb.st == st {
		s.thumb = nil
	}
	s.leaveResets(st)
	if !p.Ghost() {
		s.frameBuf = frame.AppendLeave(s.frameBuf[:0], st.id)
		s.add(s.frameBuf)
	}
	s.hist.IDs.Release(st.id)
	if s.state == stateShutdown || s.stopping {
		return
	}
	if abandoned {
		// Nobody could ever finish the upload, nor be let in.
		s.event(serverlog.Info, serverlog.Status, nil, "Host left before the session was initialized.")
		s.kill("Session terminated because its host left before it was ready")
		return
	}
	s.ensureOperator()
	s.attributeChanged()
}
