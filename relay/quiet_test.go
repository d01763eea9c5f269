package relay

import (
	"bytes"
	"testing"

	"drawrelay/frame"
)

// session.md §33 item 40 and wire.md §19 item 27: a session that is ended
// quietly leaves each member alone with what it draws.
func TestRulesQuietEnd(t *testing.T) {
	w := open(t)
	b := w.join(person("bob"))
	from, n := mark(b), len(w.history())
	w.s.killQuietly()
	labelsEqual(t, "40: told", since(b, from))
	equal(t, "40: history", len(w.history()), n)
	equal(t, "40: over", []any{w.s.state, len(w.s.seats), w.out.ended}, []any{stateShutdown, 0, []bool{true}})
	w.s.killQuietly()
	w.s.kill("again")
	equal(t, "once", len(w.out.ended), 1)
}

// quietInput is what somebody sends who has been left alone.
var quietInput = []frame.Msg{
	{Type: stroke, User: 200, Body: []byte("stroke")},
	{Type: frame.TypeChat, User: 3, Body: []byte("\x00\x00stored")},
	{Type: frame.TypeChat, User: 0, Body: []byte("\x01\x00bypass")},
	{Type: frame.TypePrivateChat, User: 3, Body: []byte("\x01\x00strange")},
	{Type: frame.TypeServerCommand, Body: []byte(`{"cmd":"sessionconf"}`)},
	{Type: frame.TypeKeepAlive, Body: []byte("x")},
	{Type: frame.TypeSessionOwner, Body: []byte{1}},
	{Type: frame.TypeLeave},
	{Type: frame.TypeResetStream, Body: []byte("x")},
	{Type: frame.TypePing, Body: []byte{1}},
	{Type: frame.TypeDisconnect, Body: []byte{0}},
	{Type: frame.TypeData, User: 9, Body: []byte{}},
	{Type: 255, User: 255, Body: []byte{0, 1}},
}

func TestQuietEnd(t *testing.T) {
	for _, s := range []setup{{loops: 1}, {loops: 2, files: true}, {loops: 2, tls: true}, {loops: 2, transport: TransportGoroutine},
		{loops: 1, web: true}, {loops: 2, web: true, tls: true}} {
		t.Run(s.String(), func(t *testing.T) {
			ts := startServer(t, s)
			host, id := ts.host("host", 3)
			if s.loops > 1 {
				ts.crowd(id, plainPerLoop) // ann on another loop than the session
			}
			ann := ts.join("ann", id)
			ann.send(stroke, []byte("seen"))
			host.waitBody("seen")
			ann.waitBody("seen")
			// A message that has come in half stays whole (wire.md §18).
			cut := frame.Append(nil, frame.Msg{Type: stroke, User: 77, Body: []byte("cut in two")})
			if _, err := ann.conn.Write(cut[:7]); err != nil {
				t.Fatal(err)
			}
			r := ts.room(id)
			await(t, "half a message", func() bool {
				k := ts.link(r, ann.id)
				half := false
				_ = k.loop.call(func() error { half = k.partial != nil; return nil })
				return half || s.web // it is sent in one frame, once it is whole
			})
			_ = r.loop.call(func() error { r.session.killQuietly(); return nil })
			if _, ok := ts.Find(id); ok {
				t.Error("the session can still be found")
			}
			at := ann.count()
			if _, err := ann.conn.Write(cut[7:]); err != nil {
				t.Fatal(err)
			}
			want := cut
			for _, m := range quietInput {
				ann.id = m.User
				ann.send(m.Type, m.Body)
				if m.Type == frame.TypeChat || m.Type == frame.TypePrivateChat || m.Type >= 64 {
					want = frame.Append(want, m)
				}
			}
			ann.ping()
			host.send(stroke, []byte("host alone"))
			host.waitBody("host alone")
			var got []byte
			await(t, "what comes back", func() bool { // the pong has overtaken it
				ann.mu.Lock()
				defer ann.mu.Unlock()
				got = got[:0]
				for _, m := range ann.msgs[at:] {
					if m.Type != frame.TypePing {
						got = frame.Append(got, m)
					}
				}
				return len(got) >= len(want)
			})
			if !bytes.Equal(got, want) {
				t.Errorf("ann alone is sent\n%q instead of\n%q", got, want)
			}
			if host.has("\x01\x00strange") || ann.has("host alone") {
				t.Error("somebody hears of somebody else")
			}
			// A flood comes back whole, and bad data still ends it.
			for range 100 {
				ann.send(stroke, make([]byte, 60000))
			}
			ann.send(stroke, []byte("flooded"))
			ann.waitBody("flooded")
			ann.send(frame.Type(50), nil)
			ann.waitEnd()
			if text := lastText(host); text != "" {
				t.Errorf("the host was disconnected: %q", text)
			}
			// Who is still there when the server stops is told.
			ts.stop()
			host.waitEnd()
			if text := lastText(host); text != "\x02Server shutting down" {
				t.Errorf("the host is told %q", text)
			}
			ts.open()
		})
	}
}

// count returns how many messages have come.
func (c *client) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.msgs)
}

// lastText is the content of a Disconnect that has come, "" for none.
func lastText(c *client) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.msgs {
		if m.Type == frame.TypeDisconnect {
			return string(m.Body)
		}
	}
	return ""
}

// link returns the connection of a member.
func (ts *testServer) link(r *room, id uint8) (k *link) {
	_ = r.loop.call(func() error {
		if st := r.session.byID[id]; st != nil {
			k = st.link.(*link)
		}
		return nil
	})
	if k == nil {
		ts.t.Fatalf("no member %d", id)
	}
	return k
}
