package login

import (
	"net"
	"net/netip"

	"drawrelay/store/serverlog"
)

func peer(s string) netip.Addr { return netip.MustParseAddr(s) }

// dialAs connects a client that the server believes to be at addr, and to be a
// browser or not.
func (b *bed) dialAs(addr netip.Addr, browser bool) *client {
	b.t.Helper()
	c := b.connectAs(addr, browser)
	c.want(c.reply(), object{"type": "login", "version": 4})
	return c
}

func (b *bed) connectAs(addr netip.Addr, browser bool) *client {
	b.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	defer l.Close()
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { near.Close() })
	far, err := l.Accept()
	if err != nil {
		b.t.Fatal(err)
	}
	c := newConn(b.Server, far, addr)
	c.browser = browser
	b.take(c)
	return &client{t: b.t, conn: near}
}

// fatal expects a refusal that ends the connection.
func (c *client) fatal(code string) {
	c.t.Helper()
	c.want(c.reply(), object{"type": "error", "code": code})
	c.disconnect(0, "Login error")
}

// outcome is what a command leads to, in the notation of the tables:
// "code=X" a fatal error, "violation", "state=X", "message=X", "cut".
func (c *client) outcome(want string) {
	c.t.Helper()
	switch kind, value, _ := cutKind(want); kind {
	case "code":
		c.fatal(value)
	case "violation":
		c.violated()
	case "cut":
		c.cut()
	default:
		c.want(c.reply(), object{kind: value})
	}
}

func cutKind(s string) (kind, value string, ok bool) {
	for i := range s {
		if s[i] == '=' {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// result expects the result with a state, after any updates of the list.
func (c *client) result(state string) {
	c.t.Helper()
	for {
		r := c.reply()
		if r["type"] == "login" {
			continue
		}
		c.want(r, object{"type": "result", "state": state})
		return
	}
}

// entries counts the log entries of a topic.
func (b *bed) entries(topic serverlog.Topic) int {
	return len(b.slog.Recent(serverlog.Debug, func(e *serverlog.Entry) bool { return e.Topic == topic }))
}
