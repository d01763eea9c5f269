package frame

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestExamples has the worked examples of wire.md §2, §6 and storage.md §3.2,
// byte for byte.
func TestExamples(t *testing.T) {
	avatar := []byte{0x89, 0x50, 0x4e, 0x47}
	for _, c := range []struct {
		name, want string
		got        []byte
	}{
		{"Ping", "00 01 02 00 00", AppendPing(nil, false)},
		{"Pong", "00 01 02 00 01", AppendPing(nil, true)},
		{"KeepAlive", "00 00 03 00", AppendKeepAlive(nil)},
		{"Join", "00 05 20 03 01 03 62 6f 62", AppendJoin(nil, 3, JoinAuth, "bob", nil)},
		{"Join with avatar", "00 09 20 03 00 03 62 6f 62 89 50 4e 47", AppendJoin(nil, 3, 0, "bob", avatar)},
		{"Leave", "00 00 21 03", AppendLeave(nil, 3)},
		{"SessionOwner", "00 02 22 00 01 03", AppendUsers(nil, TypeSessionOwner, 0, []uint8{1, 3})},
		{"TrustedUsers", "00 01 24 00 02", AppendUsers(nil, TypeTrustedUsers, 0, []uint8{2})},
		{"no users", "00 00 24 07", AppendUsers(nil, TypeTrustedUsers, 7, nil)},
		{"SoftReset", "00 00 25 00", AppendSoftReset(nil)},
		{"Chat", "00 05 23 03 00 00 68 c3 a9", AppendChat(nil, 3, Chat{Text: []byte("hé")})},
		{"Chat bypass action", "00 07 23 03 01 02 77 61 76 65 73",
			AppendChat(nil, 3, Chat{ChatBypass, ChatAction, []byte("waves")})},
		{"Chat in a recording", "00 07 23 01 00 00 74 65 73 74 31", AppendChat(nil, 1, Chat{Text: []byte("test1")})},
		{"PrivateChat", "00 04 26 03 01 00 68 69", AppendPrivateChat(nil, 3, PrivateChat{1, 0, []byte("hi")})},
		{"Disconnect error", "00 0c 01 00 00 4c 6f 67 69 6e 20 65 72 72 6f 72", AppendDisconnect(nil, ReasonError, "Login error")},
		{"Disconnect kick", "00 04 01 00 01 62 6f 62", AppendDisconnect(nil, ReasonKick, "bob")},
		{"Disconnect shutdown", "00 01 01 00 02", AppendDisconnect(nil, ReasonShutdown, "")},
	} {
		if want := unhex(t, c.want); !bytes.Equal(c.got, want) {
			t.Errorf("%s: got % x, want % x", c.name, c.got, want)
		}
		m, rest, err := Parse(c.got)
		if err != nil || len(rest) > 0 || Check(m) != nil {
			t.Errorf("%s cannot be read back: %v, %d bytes left, %v", c.name, err, len(rest), Check(m))
		}
	}
}

// TestBehind appends each message to a buffer that has something in it.
func TestBehind(t *testing.T) {
	for name, f := range map[string]func([]byte) []byte{
		"Join":        func(b []byte) []byte { return AppendJoin(b, 1, 0, "a", nil) },
		"Leave":       func(b []byte) []byte { return AppendLeave(b, 1) },
		"Users":       func(b []byte) []byte { return AppendUsers(b, TypeSessionOwner, 1, []uint8{1}) },
		"SoftReset":   AppendSoftReset,
		"Chat":        func(b []byte) []byte { return AppendChat(b, 1, Chat{}) },
		"PrivateChat": func(b []byte) []byte { return AppendPrivateChat(b, 1, PrivateChat{}) },
		"Disconnect":  func(b []byte) []byte { return AppendDisconnect(b, 0, "a") },
		"Ping":        func(b []byte) []byte { return AppendPing(b, false) },
		"KeepAlive":   AppendKeepAlive,
	} {
		if got, want := f([]byte("abc")), append([]byte("abc"), f(nil)...); !bytes.Equal(got, want) {
			t.Errorf("%s: got %x, want %x", name, got, want)
		}
		dst := make([]byte, 0, 64)
		noAllocs(t, name, func() { f(dst) })
	}
}

// TestViews parses payloads and encodes what came out.
func TestViews(t *testing.T) {
	for _, c := range []struct {
		t    Type
		body string
		err  error
	}{
		{TypeJoin, "0000", nil},
		{TypeJoin, "ff00", nil},
		{TypeJoin, "0103626f62", nil},
		{TypeJoin, "0f0200ff89504e47", nil},
		{TypeJoin, "", ErrMalformed},
		{TypeJoin, "01", ErrMalformed},
		{TypeJoin, "0101", ErrMalformed},
		{TypeJoin, "0104626f62", ErrMalformed},
		{TypeChat, "0000", nil},
		{TypeChat, "ffff", nil},
		{TypeChat, "010268c3a900ff", nil},
		{TypeChat, "", ErrMalformed},
		{TypeChat, "00", ErrMalformed},
		{TypePrivateChat, "0000", nil},
		{TypePrivateChat, "fe1f6869", nil},
		{TypePrivateChat, "", ErrMalformed},
		{TypePrivateChat, "01", ErrMalformed},
		{TypeDisconnect, "00", nil},
		{TypeDisconnect, "ff6869", nil},
		{TypeDisconnect, "", ErrMalformed},
		{TypePing, "00", nil},
		{TypePing, "01", nil},
		{TypePing, "", ErrMalformed},
		{TypePing, "0000", ErrMalformed},
	} {
		m := Msg{c.t, 9, unhex(t, c.body)}
		if m.Type == TypePing || m.Type == TypeDisconnect {
			m.User = 0 // these are the server's when encoded
		}
		got, err := recode(m)
		if !errors.Is(err, c.err) || (Check(m) == nil) != (err == nil) {
			t.Errorf("%v %s: got %v, Check %v; want %v", c.t, c.body, err, Check(m), c.err)
			continue
		}
		if err == nil && !bytes.Equal(got, Append(nil, m)) {
			t.Errorf("%v %s: encoded again as %x", c.t, c.body, got)
		}
	}
}

// recode parses m by its type and encodes the view.
func recode(m Msg) ([]byte, error) {
	switch m.Type {
	case TypeJoin:
		v, err := ParseJoin(m.Body)
		return AppendJoin(nil, m.User, v.Flags, string(v.Name), v.Avatar), err
	case TypeChat:
		v, err := ParseChat(m.Body)
		return AppendChat(nil, m.User, v), err
	case TypePrivateChat:
		v, err := ParsePrivateChat(m.Body)
		return AppendPrivateChat(nil, m.User, v), err
	case TypeDisconnect:
		v, err := ParseDisconnect(m.Body)
		return AppendDisconnect(nil, v.Reason, string(v.Text)), err
	case TypePing:
		pong, err := ParsePing(m.Body)
		return AppendPing(nil, pong), err
	}
	panic("internal error: no view for " + m.Type.String())
}

// TestFields reads every field of the views by itself.
func TestFields(t *testing.T) {
	j, err := ParseJoin(unhex(t, "0a03626f6289504e47"))
	if err != nil || j.Flags != JoinMod|JoinOld || string(j.Name) != "bob" || string(j.Avatar) != "\x89PNG" {
		t.Errorf("Join: %+v, %v", j, err)
	}
	if cap(j.Name) != len(j.Name) {
		t.Error("the name of a Join reaches into its avatar")
	}
	c, err := ParseChat(unhex(t, "011f6869"))
	if err != nil || c.Transient != ChatBypass || c.Opaque != ChatShout|ChatAction|ChatPin|ChatAlert|ChatRoll || string(c.Text) != "hi" {
		t.Errorf("Chat: %+v, %v", c, err)
	}
	p, err := ParsePrivateChat(unhex(t, "05026869"))
	if err != nil || p.Target != 5 || p.Opaque != ChatAction || string(p.Text) != "hi" {
		t.Errorf("PrivateChat: %+v, %v", p, err)
	}
	d, err := ParseDisconnect(unhex(t, "036869"))
	if err != nil || d.Reason != ReasonOther || string(d.Text) != "hi" {
		t.Errorf("Disconnect: %+v, %v", d, err)
	}
	for body, want := range map[string]bool{"00": false, "01": true, "02": true, "ff": true} {
		if pong, err := ParsePing(unhex(t, body)); err != nil || pong != want {
			t.Errorf("Ping %s: pong %v, %v", body, pong, err)
		}
	}
}

func TestViewAllocs(t *testing.T) {
	b := unhex(t, "0103626f6289504e47")
	noAllocs(t, "ParseJoin", func() { _, _ = ParseJoin(b) })
	noAllocs(t, "ParseChat", func() { _, _ = ParseChat(b) })
	noAllocs(t, "ParsePrivateChat", func() { _, _ = ParsePrivateChat(b) })
	noAllocs(t, "ParseDisconnect", func() { _, _ = ParseDisconnect(b) })
	noAllocs(t, "ParsePing", func() { _, _ = ParsePing(b[:1]) })
}

// TestJoinLimits is the end of wire.md §6: names have one byte for their
// length, and an avatar is left out rather than the message.
func TestJoinLimits(t *testing.T) {
	for _, c := range []struct {
		name, in, want string
	}{
		{"fits", strings.Repeat("a", 255), strings.Repeat("a", 255)},
		{"one byte too long", strings.Repeat("a", 256), strings.Repeat("a", 255)},
		{"cut between characters", strings.Repeat("a", 254) + "é", strings.Repeat("a", 254)},
		{"cut before four bytes", strings.Repeat("a", 252) + "🎨", strings.Repeat("a", 252)},
		{"four bytes fit", strings.Repeat("a", 251) + "🎨b", strings.Repeat("a", 251) + "🎨"},
		{"no text", strings.Repeat("\x80", 300), strings.Repeat("\x80", 255)},
	} {
		m, rest, err := Parse(AppendJoin(nil, 1, 0, c.in, []byte("avatar")))
		if err != nil || len(rest) > 0 || Check(m) != nil {
			t.Fatalf("%s: %v, %d bytes left, %v", c.name, err, len(rest), Check(m))
		}
		j, err := ParseJoin(m.Body)
		if err != nil || string(j.Name) != c.want || string(j.Avatar) != "avatar" {
			t.Errorf("%s: name %q, avatar %q, %v", c.name, j.Name, j.Avatar, err)
		}
	}
	for _, c := range []struct{ avatar, want int }{
		{MaxPayload - 2 - 3, MaxPayload - 2 - 3}, {MaxPayload - 2 - 3 + 1, 0}, {1 << 20, 0},
	} {
		m, _, err := Parse(AppendJoin(nil, 1, 0, "bob", make([]byte, c.avatar)))
		if err != nil {
			t.Fatal(err)
		}
		if j, err := ParseJoin(m.Body); err != nil || len(j.Avatar) != c.want || string(j.Name) != "bob" {
			t.Errorf("avatar of %d bytes: %d are left, name %q, %v", c.avatar, len(j.Avatar), j.Name, err)
		}
	}
}

func TestDisconnectLimits(t *testing.T) {
	for _, c := range []struct {
		in   string
		want int
	}{
		{strings.Repeat("a", MaxPayload-1), MaxPayload - 1},
		{strings.Repeat("a", MaxPayload), MaxPayload - 1},
		{strings.Repeat("a", MaxPayload-2) + "é", MaxPayload - 2},
	} {
		m, _, err := Parse(AppendDisconnect(nil, ReasonKick, c.in))
		if err != nil {
			t.Fatal(err)
		}
		if d, err := ParseDisconnect(m.Body); err != nil || len(d.Text) != c.want || !utf8.Valid(d.Text) {
			t.Errorf("text of %d bytes: %d are left, %v", len(c.in), len(d.Text), err)
		}
	}
}

// TestTooLong: texts that callers have to bound panic instead of writing a
// wrong length.
func TestTooLong(t *testing.T) {
	text := make([]byte, MaxPayload-1)
	mustPanic(t, "Chat", func() { AppendChat(nil, 1, Chat{Text: text}) })
	mustPanic(t, "PrivateChat", func() { AppendPrivateChat(nil, 1, PrivateChat{Text: text}) })
}
