package fuzz

import (
	"bytes"
	"testing"

	"drawrelay/frame"
)

// FuzzMessage reads one message of any type (wire.md §4, §6). Check and the
// view of the type must agree on what is well-formed, and the view must encode
// to the same bytes.
//
// Seeds: messages of the recordings in testdata/seeds; the examples of wire.md
// §6; empty payloads of all types below 64.
func FuzzMessage(f *testing.F) {
	for _, name := range []string{"session.dprec", "client.dprec"} {
		for _, m := range oneOfEach(f, recorded(f, name)) {
			f.Add(uint8(m.Type), m.User, m.Body)
		}
	}
	for n := range uint8(frame.FirstOpaque) {
		f.Add(n, uint8(1), []byte{})
	}
	for _, m := range []frame.Msg{
		{Type: frame.TypePing, Body: []byte("\x01")},
		{Type: frame.TypePing, Body: []byte("\x00\x00")},
		{Type: frame.TypeDisconnect, Body: []byte("\x01bob")},
		{Type: frame.TypeJoin, User: 3, Body: []byte("\x00\x03bob\x89PNG")},
		{Type: frame.TypeJoin, User: 3, Body: []byte("\x00\x04bob")},
		{Type: frame.TypeSessionOwner, Body: make([]byte, 256)},
		{Type: frame.TypeChat, User: 3, Body: []byte("\x01\x02waves")},
		{Type: frame.TypePrivateChat, User: 3, Body: []byte("\x01\x00hi")},
	} {
		f.Add(uint8(m.Type), m.User, m.Body)
	}
	f.Fuzz(func(t *testing.T, number, user uint8, body []byte) {
		if len(body) > frame.MaxPayload {
			body = body[:frame.MaxPayload]
		}
		m := frame.Msg{Type: frame.Type(number), User: user, Body: body}
		if m.Type == frame.TypePing && len(body) == 1 && body[0] > 1 {
			m.Body = []byte{1} // every other number means the same
		}
		bad := frame.Check(m)
		if m.Type.Opaque() != (m.Type >= 64) || m.Type.Opaque() && bad != nil {
			t.Fatalf("an opaque type is refused: %v", bad)
		}
		again, err := recode(m)
		if (bad == nil) != (err == nil) {
			t.Fatalf("Check: %v, view: %v", bad, err)
		}
		if want := frame.Append(nil, m); err == nil && !bytes.Equal(again, want) {
			t.Fatalf("encodes to %x, was %x", again, want)
		}
		if m.Type.String() == "" {
			t.Fatal("no name")
		}
		frame.Stored(m)
	})
}

// recode parses m by its type and encodes what came out.
func recode(m frame.Msg) ([]byte, error) {
	switch m.Type {
	case frame.TypeJoin:
		v, err := frame.ParseJoin(m.Body)
		return frame.AppendJoin(nil, m.User, v.Flags, string(v.Name), v.Avatar), err
	case frame.TypeLeave:
		if len(m.Body) > 0 {
			return nil, frame.ErrMalformed
		}
		return frame.AppendLeave(nil, m.User), nil
	case frame.TypeSoftReset:
		if len(m.Body) > 0 {
			return nil, frame.ErrMalformed
		}
		return withUser(frame.AppendSoftReset(nil), m.User), nil
	case frame.TypeSessionOwner, frame.TypeTrustedUsers:
		if len(m.Body) > 255 {
			return nil, frame.ErrMalformed
		}
		return frame.AppendUsers(nil, m.Type, m.User, m.Body), nil
	case frame.TypeChat:
		v, err := frame.ParseChat(m.Body)
		return frame.AppendChat(nil, m.User, v), err
	case frame.TypePrivateChat:
		v, err := frame.ParsePrivateChat(m.Body)
		return frame.AppendPrivateChat(nil, m.User, v), err
	case frame.TypeDisconnect:
		v, err := frame.ParseDisconnect(m.Body)
		return withUser(frame.AppendDisconnect(nil, v.Reason, string(v.Text)), m.User), err
	case frame.TypePing:
		pong, err := frame.ParsePing(m.Body)
		return withUser(frame.AppendPing(nil, pong), m.User), err
	case frame.TypeServerCommand, frame.TypeKeepAlive, frame.TypeThumbnail, frame.TypeResetStream:
		return frame.Append(nil, m), nil
	}
	if m.Type.Opaque() {
		return frame.Append(nil, m), nil
	}
	return nil, frame.ErrMalformed // no such type
}

// withUser changes the context id of a message that is always the server's
// when it is encoded.
func withUser(b []byte, user uint8) []byte {
	b[3] = user
	return b
}
