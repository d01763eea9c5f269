package fuzz

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"
	"time"
	"unicode/utf16"

	"drawrelay/frame"
	"drawrelay/login"
	"drawrelay/store/entry"
)

// patience bounds the wait for the end of a login; reaching it is a failure.
const patience = 60 * time.Second

// maxReply is more than one command is ever answered with here, in bytes.
const maxReply = 8 << 10

// maxWrong is how many wrong passwords a connection may send: ten for accounts
// and ten for sessions, the last of either being the end (login.md §16).
const maxWrong = 19

// outcome is what a login leads to.
type outcome struct {
	replies []frame.Msg // without pongs
	seated  bool
	rest    []byte // whole messages for the session, without those that the connection consumes
}

// attempt logs in to a server of a variant by sending stream, in pieces of
// size bytes, and checks everything that must hold whatever the stream says:
//
//   - the connection ends, and nothing of it is left in the server
//   - buffers stay bounded
//   - only messages that clients expect during login are sent, a Disconnect
//     being the last
//   - the session is asked at most once, for somebody who may enter by what was
//     said until then, and the connection is not touched afterwards
func attempt(t *testing.T, stream []byte, variant uint16, size int) outcome {
	t.Helper()
	w := newWire(stream, size)
	seats := &seater{wire: w}
	server := newServer(variant, seats)
	memory := allocated(func() {
		server.Handle(w)
		select {
		case <-w.done:
		case <-time.After(patience):
			t.Fatalf("the login did not end; it said %q", w.out)
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := server.Stop(ctx); err != nil || server.InLogin() != 0 {
			t.Fatalf("after the end of the connection: %v, %d in login", err, server.InLogin())
		}
	})
	// One password hash takes 64 MiB. Parsed JSON is far larger than its text.
	if limit := uint64(96<<20 + 1000*len(stream)); memory > limit {
		t.Fatalf("%d bytes of input took %d bytes of memory", len(stream), memory)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.faults {
		t.Fatal(f)
	}
	said, pings := hear(stream[:len(stream)-len(seats.rest)])
	if limit := maxReply*(len(said)+4) + 5*pings; len(w.out) > limit {
		t.Fatalf("%d bytes were sent in answer to %d commands and %d pings", len(w.out), len(said), pings)
	}
	if n := seats.watchers.Load(); n != 0 {
		t.Fatalf("%d watch the sessions after the end", n)
	}
	o := outcome{seated: w.seated, replies: checkReplies(t, w.out, pings)}
	checkSeat(t, seats, variant, said)
	for rest := seats.rest; ; {
		m, after, err := frame.Parse(rest)
		if err != nil {
			break
		}
		if m.Type < frame.TypeDisconnect || m.Type > frame.TypeKeepAlive {
			o.rest = frame.Append(o.rest, m)
		}
		rest = after
	}
	return o
}

// hear returns the commands of a stream and the number of its pings.
func hear(stream []byte) (said []frame.Command, pings int) {
	for {
		m, rest, err := frame.Parse(stream)
		if err != nil {
			return said, pings
		}
		switch m.Type {
		case frame.TypeServerCommand:
			said = append(said, frame.ParseCommand(m.Body))
		case frame.TypePing:
			pings++
		}
		stream = rest
	}
}

// checkReplies reads what the server has sent and returns it without pongs and
// news of the sessions, which come when they want.
func checkReplies(t *testing.T, out []byte, pings int) (replies []frame.Msg) {
	t.Helper()
	ended, wrong := false, 0
	for len(out) > 0 {
		m, rest, err := frame.Parse(out)
		if err != nil || ended {
			t.Fatalf("the server sends %.80q, Disconnect before: %v", out, ended)
		}
		out = rest
		if m.User != 0 {
			t.Fatalf("message of user %d: %q", m.User, m.Body)
		}
		switch m.Type {
		case frame.TypePing:
			if pong, err := frame.ParsePing(m.Body); err != nil || !pong {
				t.Fatalf("the server sends a ping: %x", m.Body)
			}
			if pings--; pings < 0 {
				t.Fatal("more pongs than pings")
			}
			continue
		case frame.TypeDisconnect:
			ended = true
		case frame.TypeServerCommand:
			var reply struct {
				Type     string `json:"type"`
				Message  string `json:"message"`
				Code     string `json:"code"`
				Version  int    `json:"version"`
				StartTLS bool   `json:"startTls"`
			}
			if err := json.Unmarshal(m.Body, &reply); err != nil {
				t.Fatalf("reply %q: %v", m.Body, err)
			}
			switch reply.Type {
			case "login", "result":
			case "error":
				if reply.Code == "" {
					t.Fatalf("error without a code: %s", m.Body)
				}
				if reply.Code == "badPassword" {
					if wrong++; wrong > maxWrong {
						t.Fatal("guessing goes on")
					}
				}
			default:
				t.Fatalf("reply of another type during login: %s", m.Body)
			}
			if len(replies) == 0 && (reply.Type != "login" || reply.Version != frame.ServerProtocol) {
				t.Fatalf("the first message is no hello: %s", m.Body)
			}
			if reply.Message == "New session" || reply.Message == "Session ended" {
				continue
			}
			if reply.StartTLS {
				return append(replies, m) // the rest is encrypted
			}
		default:
			t.Fatalf("message of type %v during login", m.Type)
		}
		replies = append(replies, m)
	}
	return replies
}

// checkSeat checks who was let in.
func checkSeat(t *testing.T, s *seater, variant uint16, said []frame.Command) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls == 0 {
		return
	}
	if s.calls > 1 {
		t.Fatalf("the session was asked %d times", s.calls)
	}
	heard := func(match func(frame.Command) bool) bool {
		for _, c := range said {
			if match(c) {
				return true
			}
		}
		return false
	}
	var p *entry.Person
	switch {
	case s.host != nil:
		r := s.host
		p = r.Person
		if r.UserID < 1 || r.UserID > 254 || r.Version.Server != frame.ServerProtocol || len(r.Alias) > 32 {
			t.Fatalf("hosts as %d, %v, %q", r.UserID, r.Version, r.Alias)
		}
		if p.Ghost() || !p.Flags.Has(entry.FlagHost) {
			t.Fatalf("hosts with flags %b", p.Flags)
		}
	default:
		r := s.join
		p = r.Person
		session, ok := findSession(r.Session)
		if !ok || session.ID != r.Session {
			t.Fatalf("joins the session %q", r.Session)
		}
		if session.PasswordHash != "" && !p.Moderator() && r.Invited == nil &&
			!heard(func(c frame.Command) bool { return frame.Str(c.Kwargs["password"]) == sessionSecret }) {
			t.Fatal("joins without the password")
		}
		if r.Invited != nil && r.Invited.Secret != inviteSecret {
			t.Fatalf("joins with the invite %q", r.Invited.Secret)
		}
		if !p.Moderator() && (session.Alias == "full" || session.Alias == "members" && p.AuthID == "" || session.Alias == "banned" && len(p.Name)%2 != 0) {
			t.Fatalf("%q joins %q", p.Name, session.Alias)
		}
	}
	if n := len(utf16.Encode([]rune(p.Name))); n < 1 || n > 22 {
		t.Fatalf("a name of %d units: %q", n, p.Name)
	}
	guest := p.AuthID == ""
	if guest && variant&guestsOff != 0 {
		t.Fatal("a guest, although guests are not allowed")
	}
	if p.Moderator() && guest {
		t.Fatal("a guest is moderator")
	}
	if p.AuthID == "internal:1" && !heard(func(c frame.Command) bool { return frame.Str(c.Arg(1)) == accountSecret }) {
		t.Fatal("an account without its password")
	}
	if p.AuthID != "" && p.AuthID != "internal:1" && variant&extAuth == 0 {
		t.Fatalf("account %q without an authentication server", p.AuthID)
	}
	if p.SystemID == bannedSystem && variant&bansOn != 0 && reactionOf(variant) != login.ReactTimer {
		t.Fatal("somebody banned")
	}
	if len(p.Avatar) > frame.MaxPayload || p.TLS != (variant&withTLS != 0) {
		t.Fatalf("avatar of %d bytes, TLS %v", len(p.Avatar), p.TLS)
	}
}

// conclude makes the last message of stream whole and appends a command that
// no state admits, so that whatever is in progress is waited for.
func conclude(stream []byte) []byte {
	n, _ := frame.Whole(stream)
	if n < len(stream) {
		end := frame.Len(stream[n:])
		for end == 0 {
			stream = append(stream, 0)
			end = frame.Len(stream[n:])
		}
		stream = append(stream, make([]byte, n+end-len(stream))...)
	}
	return append(stream, command(`{"cmd":""}`)...)
}

// attempts logs in with the stream in one piece and in pieces of size bytes:
// how it was cut must make no difference.
func attempts(t *testing.T, stream []byte, variant uint16, size int) {
	t.Helper()
	stream = conclude(bytes.Clone(stream))
	whole := attempt(t, stream, variant, 0)
	if size == 0 || size >= len(stream) {
		return
	}
	cut := attempt(t, stream, variant, size)
	if variant&withTLS != 0 || bad(stream) {
		return // there it matters what has arrived together
	}
	if cut.seated != whole.seated || !bytes.Equal(cut.rest, whole.rest) || len(cut.replies) != len(whole.replies) {
		t.Fatalf("in one piece: %d replies, seated %v, %d bytes left; in pieces of %d: %d, %v, %d",
			len(whole.replies), whole.seated, len(whole.rest), size, len(cut.replies), cut.seated, len(cut.rest))
	}
	for i, m := range cut.replies {
		if !same(m, whole.replies[i]) {
			t.Fatalf("in one piece: %q; in pieces of %d: %q", whole.replies[i].Body, size, m.Body)
		}
	}
}

// bad reports whether a stream has a message that ends a connection at once,
// also while a command before it waits for something.
func bad(stream []byte) bool {
	for {
		m, rest, err := frame.Parse(stream)
		if err != nil {
			return false
		}
		if frame.Check(m) != nil {
			return true
		}
		stream = rest
	}
}
