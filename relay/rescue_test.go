package relay

import (
	"strings"
	"testing"

	"drawrelay/frame"
)

// TestRescue: a broken invariant, wherever it shows, ends its session and
// nothing else: members are told, the files stay, and the panic is counted and
// logged.
func TestRescue(t *testing.T) {
	breaks := map[string]func(r *room){
		"on the loop": func(r *room) {
			r.loop.do(func() {
				defer r.rescue()
				panic("broken on purpose")
			})
		},
		"in a slow command": func(r *room) {
			r.loop.do(func() { r.offload(func() { panic("broken on purpose") }, func() {}) })
		},
		"in a replacement": func(r *room) {
			r.loop.do(func() {
				r.steps(func(error) {}, func() { panic("again") }, step{off: func() error { panic("broken on purpose") }})
			})
		},
		"in an I/O worker": func(r *room) {
			if _, _, err := new(carrier).carry(&link{room: r, loop: r.loop}); err == nil { // it has no log
				t.Error("a turn without a log does not fail")
			}
		},
	}
	for name, breakIt := range breaks {
		t.Run(name, func(t *testing.T) {
			ts := startServer(t, setup{loops: 1, files: true})
			host, id := ts.host("host", 3)
			ann := ts.join("ann", id)
			other, _ := ts.host("other", 3)
			ann.send(148, []byte("drawn"))
			host.waitBody("drawn")
			breakIt(ts.room(id))
			for _, c := range []*client{host, ann} {
				c.wait(0, "farewell", func(m frame.Msg) bool {
					return m.Type == frame.TypeDisconnect && strings.HasSuffix(string(m.Body), "Internal server error")
				})
				c.waitEnd()
			}
			other.ping()
			if n := ts.panics.Swap(0); n != 1 || ts.registry.find(id) != nil {
				t.Errorf("%d panics, the session is there: %v", n, ts.registry.find(id) != nil)
			}
			ts.awaitLog("internal error, the session is closed: ")
			ts.stop()
			ts.open()
			again := ts.join("again", id)
			again.waitBody("drawn")
		})
	}
}
