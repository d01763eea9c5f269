package relay

import (
	"sync/atomic"
	"testing"
	"time"

	"drawrelay/frame"
	"drawrelay/store/entry"
)

// virtualClock is a clock that only moves when told to.
type virtualClock struct {
	start time.Time
	past  atomic.Int64
}

func newVirtualClock() *virtualClock { return &virtualClock{start: time.Now()} }

func (c *virtualClock) now() time.Time { return c.start.Add(time.Duration(c.past.Load())) }

// pass lets time pass on a server and has its loops notice, second by second.
func (c *virtualClock) pass(ts *testServer, d time.Duration) {
	for ; d > 0; d -= time.Second {
		c.past.Add(int64(min(d, time.Second)))
		for _, l := range ts.loops {
			_ = l.call(func() error { return nil }) // wakes it
			_ = l.call(func() error { return nil }) // the turn before has ended
		}
	}
}

// session.md §33 item 41, wire.md §19 items 14 to 16: KeepAlive after 30 s in
// which the server has sent nothing, to those who know it and have an idle
// timeout; who is silent for that long is cut off.
func TestKeepAlive(t *testing.T) {
	for _, s := range []setup{{loops: 1}, {loops: 2, tls: true}, {loops: 2, transport: TransportGoroutine}, {loops: 1, web: true}} {
		t.Run(s.String(), func(t *testing.T) {
			clock := newVirtualClock()
			s.now = clock.now
			s.conn = func(p *entry.Person, c *entry.Conn) {
				p.KeepAlive = p.Name != "old"
				if c.IdleTimeout = time.Minute; p.Name == "endless" {
					c.IdleTimeout = 0
				}
			}
			ts := startServer(t, s)
			host, id := ts.host("host", 1)
			old, endless := ts.join("old", id), ts.join("endless", id)
			all := []*client{host, old, endless}
			alive := func(c *client) (n int) {
				c.mu.Lock()
				defer c.mu.Unlock()
				for _, m := range c.msgs {
					if m.Type == frame.TypeKeepAlive {
						if n++; m.User != 0 || len(m.Body) != 0 {
							t.Errorf("KeepAlive %v", m)
						}
					}
				}
				return n
			}
			expect := func(what string, want ...int) {
				t.Helper()
				for i, c := range all {
					c.ping() // restarts the 30 s too: a pong is something sent
					if got := alive(c); got != want[i] {
						t.Errorf("%s: %s was sent %d KeepAlives, want %d", what, c.name, got, want[i])
					}
				}
			}
			host.send(stroke, []byte("drawn"))
			for _, c := range all {
				c.waitBody("drawn")
			}
			expect("while something was sent", 0, 0, 0)
			clock.pass(ts, 28*time.Second)
			expect("after 28 s", 0, 0, 0)
			clock.pass(ts, 28*time.Second)
			host.send(stroke, []byte("more"))
			for _, c := range all {
				c.waitBody("more")
			}
			clock.pass(ts, 28*time.Second)
			expect("after a stroke", 0, 0, 0)
			clock.pass(ts, 32*time.Second)
			host.wait(0, "KeepAlive", func(m frame.Msg) bool { return m.Type == frame.TypeKeepAlive })
			expect("after 32 s", 1, 0, 0)
			// 14: nobody says anything but the one without a timeout.
			clock.pass(ts, 62*time.Second)
			host.waitEnd()
			old.waitEnd()
			if got := lastText(host) + lastText(old); got != "" {
				t.Errorf("14: told %q", got)
			}
			endless.ping()
			if got := alive(endless); got != 0 {
				t.Errorf("16: %d KeepAlives without an idle timeout", got)
			}
			ts.awaitLog("Message queue exceeded timeout of 60000ms")
		})
	}
}
