package relay

import (
	"drawrelay/frame"
	"drawrelay/store/serverlog"
)

// fast reports whether a run of bytes bytes of opaque messages from st may be
// appended to the history as it is, under the context id of st, without
// asking message by message. The caller then appends it and calls appended.
// Guarantee: no allocation.
func (s *session) fast(st *seat, bytes int) bool {
	return s.state == stateRunning && !s.frozen && !st.locked && !st.busy && !st.gone && s.fits(bytes)
}

// fastUpload reports whether a run of bytes bytes of drawing commands from st
// may be appended to the history as it is, context ids included: st uploads
// the initial canvas and is not sent what it uploads (session.md §4). The
// caller then appends it, skips st to the end and calls appended.
// Guarantee: no allocation.
func (s *session) fastUpload(st *seat, bytes int) bool {
	return s.state == stateInit && st == s.initSeat && !st.busy && !st.gone && s.fits(bytes)
}

// appended keeps the books after a run that fast has allowed: n messages in
// bytes bytes, with drawing among them if drew.
// Guarantee: no allocation, unless it sets off an autoreset.
func (s *session) appended(st *seat, bytes, n int, drew bool) {
	now := s.now()
	unix := now.Unix()
	st.lastActive = unix
	if drew {
		st.lastDrawing.Store(unix)
	}
	s.size.Store(s.hist.Log().Size())
	s.active = now
	s.grown = true
	s.checkAutoreset()
}

// receive takes one message from a member. m is as received and its body is
// borrowed for the call. The transport has consumed Ping, KeepAlive and
// Disconnect and has run frame.Check.
func (s *session) receive(st *seat, m frame.Msg) {
	if st.gone || s.state == stateShutdown {
		return
	}
	st.lastActive = s.now().Unix()
	if m.Type >= frame.FirstCommand {
		st.lastDrawing.Store(st.lastActive)
	}
	if st != s.initSeat {
		m.User = st.id
	}
	if st.locked || st.busy || s.frozen {
		s.hold(st, m)
		return
	}
	s.process(st, m)
}

// process acts on a message whose context id is settled (session.md §12).
func (s *session) process(st *seat, m frame.Msg) {
	switch m.Type {
	case frame.TypeServerCommand:
		s.command(st, frame.ParseCommand(m.Body))
	case frame.TypeJoin, frame.TypeLeave, frame.TypeSoftReset:
		s.event(serverlog.Warn, serverlog.RuleBreak, st, "Received server-to-user only command "+m.Type.String())
	case frame.TypeSessionOwner:
		if !st.operator() {
			s.event(serverlog.Warn, serverlog.RuleBreak, st, "Tried to change session ownership")
			return
		}
		ids := newIDSet(m.Body)
		ids[st.id] = true
		s.setOps(ids.has, cause{by: st.person.Name, lists: true})
		s.frameBuf = s.opsMessage(s.frameBuf[:0], m.User)
		s.store(st, s.frameBuf)
	case frame.TypeTrustedUsers:
		if !st.operator() {
			s.event(serverlog.Warn, serverlog.RuleBreak, nil, "Tried to change trusted user list")
			return
		}
		s.setTrusted(newIDSet(m.Body).has, cause{by: st.person.Name, lists: true})
		s.frameBuf = s.trustedMessage(s.frameBuf[:0], m.User)
		s.store(st, s.frameBuf)
	case frame.TypeChat:
		s.chat(st, m)
	case frame.TypePrivateChat:
		s.privateChat(st, m)
	case frame.TypeResetStream:
		s.resetStream(st, m.Body)
	case frame.TypeThumbnail:
		s.thumbnail(st, m.Body)
	default:
		if m.Type.Opaque() {
			s.frameBuf = frame.Append(s.frameBuf[:0], m)
			s.store(st, s.frameBuf)
		}
	}
}

// store puts a member's message where it belongs: the image that is being
// uploaded for a reset, or the history.
func (s *session) store(st *seat, msg []byte) {
	if s.state == stateReset && st == s.initSeat {
		if t := frame.Type(msg[2]); t == frame.TypeSessionOwner || t == frame.TypeTrustedUsers {
			s.imageRoles = true
		}
		s.upload(msg)
		return
	}
	s.add(msg)
}
