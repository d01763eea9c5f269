package relay

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"drawrelay/frame"
	"drawrelay/store/entry"
	"drawrelay/store/settings"
	"drawrelay/store/storetest"
)

// lastIndex returns where a client knows it is in the history: the last index
// it was told, and one more for every message since that counts (session.md
// §11).
func (c *client) lastIndex() (x frame.HistoryIndex) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.msgs {
		v := object(m)
		text, _ := v["hidx"].(string)
		if text == "" {
			text, _ = v["hid*"].(string)
		}
		switch {
		case v["type"] == "catchup" && v["key"] == 0.0: // a classic reset
			x = frame.HistoryIndex{}
		case text != "":
			x, _ = frame.ParseHistoryIndex(text)
		case m.Type < 32, m.Type == frame.TypePrivateChat, m.Type == frame.TypeResetStream,
			m.Type == frame.TypeChat && m.Body[0]&frame.ChatBypass != 0:
		default:
			x.Pos++
		}
	}
	return x
}

// rejoin joins as somebody who has been there up to x. It returns whether the
// server lets it skip what it has.
func (ts *testServer) rejoin(name, session string, x frame.HistoryIndex) (c *client, skips bool) {
	ts.t.Helper()
	c, ec := ts.connect(name)
	q := &entry.JoinRequest{Person: c.person(), Conn: ec, Session: session, Index: x}
	if err := ts.Join(context.Background(), q); err != nil {
		ts.t.Fatalf("join %s: %v", name, err)
	}
	go c.readAll()
	join := c.waitReply("result")["join"].(map[string]any)
	c.id = uint8(join["user"].(float64))
	skips, ok := join["skip"].(bool)
	if !ok {
		ts.t.Errorf("the result says skip: %v", join["skip"])
	}
	c.wait(0, "own join", func(m frame.Msg) bool { return m.Type == frame.TypeJoin && m.User == c.id })
	return c, skips
}

// drop ends a member's connection and waits until the others know.
func (c *client) drop(other *client) {
	c.t.Helper()
	other.mu.Lock()
	at := len(other.msgs)
	other.mu.Unlock()
	_ = c.raw.Close()
	other.wait(at, "leave of "+c.name, func(m frame.Msg) bool { return m.Type == frame.TypeLeave && m.User == c.id })
}

// TestResume: a client that comes back with what it knows of its place in the
// history is sent what it has missed: the last message once more, as it knows
// one less than it has (session.md §11), and everything after it. So it is
// after a streamed reset and a restart in order, but not after a classic reset
// or a crash.
func TestResume(t *testing.T) {
	for _, s := range []setup{
		{loops: 1}, {loops: 2, files: true}, {loops: 2, files: true, tls: true}, {loops: 2, files: true, transport: TransportGoroutine},
		{loops: 2, files: true, mixed: true},
	} {
		s.grace = forever
		s.edit = func(s *settings.Settings) { s.MinimumAutoResetThreshold = 0 }
		if s.files {
			s.fs = storetest.New(1)
		}
		t.Run(s.String(), func(t *testing.T) { resume(t, s) })
	}
}

func resume(t *testing.T, s setup) {
	ts := startServer(t, s)
	host, id := ts.host("host", 50)
	ann := ts.join("ann", id)
	ann.wait(0, "own join", func(m frame.Msg) bool { return m.Type == frame.TypeJoin && m.User == ann.id })
	draw := func(what string) {
		t.Helper()
		for i := range 3 {
			host.send(stroke, fmt.Appendf(nil, "%s %d", what, i))
		}
		host.waitBody(what + " 2")
	}
	// missed joins with an index and checks that exactly the strokes of what
	// are sent, after the stroke that was the last.
	missed := func(x frame.HistoryIndex, last, what string) {
		t.Helper()
		var skips bool
		if ann, skips = ts.rejoin("ann", id, x); !skips {
			t.Errorf("%s: index %v is not accepted", what, x)
			return
		}
		want := []string{last, what + " 0", what + " 1", what + " 2"}
		if got := ann.canvas(nil, -1); strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s: was sent %q instead of %q", what, got, want)
		}
	}
	// refused joins with an index that is not valid any more.
	refused := func(x frame.HistoryIndex, what string) {
		t.Helper()
		var skips bool
		if ann, skips = ts.rejoin("ann", id, x); skips {
			t.Errorf("%s: index %v is accepted", what, x)
		}
		late := ts.join("late", id)
		late.wait(0, "own join", func(m frame.Msg) bool { return m.Type == frame.TypeJoin && m.User == late.id })
		if a, b := ann.history(), late.history(); !bytes.Equal(a[:min(len(a), len(b))], b[:min(len(a), len(b))]) {
			t.Errorf("%s: a joiner with an index that is not valid is sent another history", what)
		}
		late.drop(host)
	}

	// away has the host draw, and ann leave with what she knows then.
	away := func(what string) frame.HistoryIndex {
		t.Helper()
		draw(what)
		ann.waitBody(what + " 2")
		x := ann.lastIndex()
		ann.drop(host)
		return x
	}

	x := away("a")
	draw("b")
	missed(x, "a 2", "b")
	x = away("c") // with what she has learned from that
	draw("d")
	missed(x, "c 2", "d")

	if s.files {
		x = away("e")
		ts.stop()
		ts.open()
		host = ts.join("host", id)
		draw("f")
		missed(x, "e 2", "f")
	}

	// A streamed reset, at whose end nobody starts over but who was away.
	other := ts.join("other", id)
	other.wait(0, "own join", func(m frame.Msg) bool { return m.Type == frame.TypeJoin && m.User == other.id })
	x = other.lastIndex()
	other.drop(host)
	r := &resetter{client: host, piece: 1000}
	host.call("sessionconf", nil, map[string]any{"resetThreshold": 1})
	if !r.autoreset() {
		t.Fatal("the reset has failed")
	}
	old := x
	x = away("g")
	draw("h")
	missed(x, "g 2", "h")
	ann.drop(host)
	refused(old, "streamed reset")

	// A classic reset: everybody does.
	x = away("i")
	if !r.reset("current") {
		t.Fatal("the reset has failed")
	}
	refused(x, "classic reset")
	x = away("j")
	draw("k")
	missed(x, "j 2", "k")

	if s.files {
		// A killed process leaves files that may lack what members have seen.
		x = away("l")
		ts.setup.fs = ts.setup.fs.(*storetest.FS).Reopen(storetest.ProcessKill)
		ts.kill()
		ts.open()
		host = ts.join("host", id)
		refused(x, "kill")
	}
}

// kill stops a server whose disk has crashed.
func (ts *testServer) kill() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ts.listen.Close()
	if err := ts.Server.Stop(ctx); err != nil {
		ts.t.Errorf("stop: %v", err)
	}
	if n := ts.Panics(); n != 0 {
		ts.t.Errorf("%d broken invariants:\n%s", n, ts.out)
	}
	_ = ts.store.Close()
	ts.log.Close(patience)
}
