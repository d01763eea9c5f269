package main

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"drawrelay/frame"
)

// artist is a member of a session as a real client is one: with client info,
// reading all the time.
type artist struct {
	*client
	name string
	user uint8

	mu      sync.Mutex
	cond    *sync.Cond
	raw     []byte // everything received since the login
	history []byte // of that, what is certainly history: messages from type 32 on
	stored  int    // messages in history
	key     int    // of the end mark meant for this client
	caught  bool   // it has come
	joined  bool   // its own Join has come
	err     error  // of the connection
}

// clientInfo is what a client says about itself; the system id is made of its
// name.
func clientInfo(name string) map[string]any {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // never fails
	return map[string]any{
		"app_version": "2.3.1", "protocol_version": "dp:4.25.1", "qt_version": "6.8.0", "os": "linux",
		"s": fmt.Sprintf("%016x%016x", h.Sum64(), ^h.Sum64()),
	}
}

func (c *client) cmd(name string, kwargs map[string]any, args ...any) {
	c.t.Helper()
	text, err := json.Marshal(map[string]any{"cmd": name, "args": args, "kwargs": kwargs})
	if err != nil {
		c.t.Fatal(err)
	}
	c.send(string(text))
}

// login connects and goes through the login up to host or join. session is
// what it will join, empty for hosts.
func (s *testServer) login(name, session string) *artist {
	s.t.Helper()
	c, _ := s.connect()
	c.cmd("cinfo", nil, s.addr, clientInfo(name))
	c.reply(`"cinfo"`)
	c.cmd("lookup", nil, session)
	c.reply(`lookup OK!`)
	c.cmd("ident", nil, name)
	c.reply(`"identOk"`)
	a := &artist{client: c, name: name, key: -1}
	a.cond = sync.NewCond(&a.mu)
	return a
}

// hostAs hosts a persistent session.
func (s *testServer) hostAs(name, alias string) *artist {
	s.t.Helper()
	a := s.login(name, "")
	kwargs := clientInfo(name)
	kwargs["protocol"], kwargs["user_id"], kwargs["alias"] = "dp:4.25.1", 1, alias
	a.cmd("host", kwargs)
	a.reply(`"state":"host"`)
	a.user, a.caught = 1, true
	go a.readAll()
	a.cmd("sessionconf", map[string]any{"persistent": true})
	a.cmd("init-complete", nil)
	a.await("own Join", func() bool { return a.joined })
	return a
}

// joinAs joins a session and starts reading.
func (s *testServer) joinAs(name, session, password string) *artist {
	s.t.Helper()
	a := s.login(name, session)
	kwargs := clientInfo(name)
	if password != "" {
		kwargs["password"] = password
	}
	a.cmd("join", kwargs, session)
	var result struct{ Join struct{ User uint8 } }
	if err := json.Unmarshal([]byte(a.reply(`"state":"join"`)), &result); err != nil {
		s.t.Fatal(err)
	}
	a.user = result.Join.User
	go a.readAll()
	return a
}

// catchUp waits until the artist has the history up to its own Join.
func (a *artist) catchUp() *artist {
	a.t.Helper()
	a.await("the end of the history", func() bool { return a.caught && a.joined })
	return a
}

// readAll collects what comes until the connection ends.
func (a *artist) readAll() {
	chunk := make([]byte, 64<<10)
	at := 0
	buf := a.buf
	for {
		a.mu.Lock()
		a.raw = append(a.raw, buf...)
		for {
			m, rest, err := frame.Parse(a.raw[at:])
			if err != nil {
				break
			}
			a.take(m, a.raw[at:len(a.raw)-len(rest)])
			at = len(a.raw) - len(rest)
		}
		a.cond.Broadcast()
		a.mu.Unlock()
		n, err := a.conn.Read(chunk)
		if buf = chunk[:n]; n == 0 && err != nil {
			a.mu.Lock()
			a.err = err
			a.cond.Broadcast()
			a.mu.Unlock()
			return
		}
	}
}

// take notes one message. The caller holds a.mu.
func (a *artist) take(m frame.Msg, whole []byte) {
	if m.Type >= 32 {
		a.history = append(a.history, whole...)
		a.stored++
	}
	switch m.Type {
	case frame.TypeJoin:
		a.joined = a.joined || a.caught && m.User == a.user
	case frame.TypeDisconnect:
		_ = a.conn.Close() // as clients do
	case frame.TypeServerCommand:
		var mark struct {
			Type string
			Key  int
		}
		if json.Unmarshal(m.Body, &mark) != nil {
			return
		}
		switch mark.Type {
		case "catchup":
			a.key = mark.Key
		case "caughtup":
			a.caught = a.caught || mark.Key == a.key
		}
	}
}

// await waits until ready, which is called with a.mu held.
func (a *artist) await(what string, ready func() bool) {
	a.t.Helper()
	timer := time.AfterFunc(patience, func() { _ = a.conn.Close() })
	defer timer.Stop()
	a.mu.Lock()
	defer a.mu.Unlock()
	for !ready() {
		if a.err != nil {
			a.t.Fatalf("%s: waiting for %s: %v", a.name, what, a.err)
		}
		a.cond.Wait()
	}
}

// end waits until the connection has ended and everything that came is read.
func (a *artist) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.err == nil {
		a.cond.Wait()
	}
}

// received returns the history so far.
func (a *artist) received() []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.history[:len(a.history):len(a.history)]
}

// doodle draws strokes of all sizes, numbered from n on, limit of them unless
// the connection ends before.
func (a *artist) doodle(rnd *rand.Rand, n, limit int) {
	for end := n + limit; n < end; {
		var batch []byte
		for range min(1+rnd.IntN(20), end-n) {
			size := rnd.IntN(300)
			if rnd.IntN(200) == 0 {
				size = rnd.IntN(20000)
			}
			body := fmt.Appendf(nil, "%s %d ", a.name, n)
			for range size {
				body = append(body, byte(n))
			}
			batch = frame.Append(batch, frame.Msg{Type: stroke, User: a.user, Body: body})
			n++
		}
		if _, err := a.conn.Write(batch); err != nil {
			return
		}
	}
}

// numbers returns the numbers of all strokes of a history by the name of who
// drew them, and reports an error if one is missing or there twice.
func numbers(t *testing.T, history []byte) map[string]int {
	t.Helper()
	next := make(map[string]int)
	for len(history) > 0 {
		m, rest, err := frame.Parse(history)
		if err != nil {
			t.Fatalf("broken history: %v", err)
		}
		history = rest
		var name string
		var n int
		if m.Type != stroke {
			continue
		}
		if _, err := fmt.Sscanf(string(m.Body[:min(40, len(m.Body))]), "%s %d ", &name, &n); err != nil {
			t.Fatalf("stroke %q: %v", m.Body[:min(40, len(m.Body))], err)
		}
		if n != next[name] {
			t.Fatalf("stroke %d of %s comes when %d is due", n, name, next[name])
		}
		next[name]++
	}
	return next
}
