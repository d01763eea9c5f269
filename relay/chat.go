package relay

import "drawrelay/frame"

// chat treats a member's chat message (session.md §23). Everything a ghost
// says is an alert of the server, as its notice on entry promises (§32 D5).
func (s *session) chat(st *seat, m frame.Msg) {
	if st.muted {
		return
	}
	c, err := frame.ParseChat(m.Body)
	if err != nil {
		return
	}
	s.hearChat(st, c)
	if st.person.Ghost() {
		s.tellAll(alert("", string(c.Text), nil))
		return
	}
	s.frameBuf = frame.Append(s.frameBuf[:0], m)
	if c.Transient&frame.ChatBypass != 0 {
		s.out.broadcast(s.frameBuf, notSilenced)
		return
	}
	s.store(st, s.frameBuf)
}

// privateChat relays a message to one member and back to its sender. It is
// never stored, and muting does not concern it.
func (s *session) privateChat(st *seat, m frame.Msg) {
	c, err := frame.ParsePrivateChat(m.Body)
	if err != nil {
		return
	}
	if st.person.Ghost() {
		s.frameBuf = frame.AppendPrivateChat(s.frameBuf[:0], st.id, frame.PrivateChat{
			Target: c.Target, Text: []byte("Can't send private messages in ghost mode."),
		})
		s.out.direct(st, s.frameBuf)
		return
	}
	target := s.byID[c.Target]
	if c.Target == 0 || target == nil || target.silenced() {
		return
	}
	s.frameBuf = frame.Append(s.frameBuf[:0], m)
	if !st.silenced() {
		s.out.direct(st, s.frameBuf)
	}
	s.out.direct(target, s.frameBuf)
}
