package relay

import (
	"strings"
	"testing"

	"drawrelay/frame"
	"drawrelay/store/settings"
)

// The path of every stroke allocates nothing.
func TestRulesFastAllocates(t *testing.T) {
	w := open(t, withSettings(func(s *settings.Settings) { s.SessionSizeLimit = 0 }))
	b := w.join(person("bob"))
	frames := frame.Append(nil, frame.Msg{Type: 136, User: b.id, Body: []byte(strings.Repeat("x", 200))})
	allocs := testing.AllocsPerRun(1000, func() {
		if !w.s.fast(b, len(frames)) {
			t.Fatal("not fast")
		}
		w.s.appended(b, len(frames), 1, true)
	})
	equal(t, "allocations", allocs, 0)
	if got := b.lastDrawing.Load(); got != w.time.Unix() {
		t.Errorf("last drawing %d", got)
	}
}

func TestRulesFast(t *testing.T) {
	w := newWorld(t, limited(10000))
	w.hosts(person("alice"))
	b := w.join(person("bob"))
	check := func(what string, want bool, st *seat, n int) {
		t.Helper()
		equal(t, what, w.s.fast(st, n), want)
	}
	check("host while initialising", false, w.host, 10)
	check("member while initialising", false, b, 10)
	w.cmd(w.host, "init-complete", nil, nil)
	check("running", true, w.host, 10)
	check("up to the limit", true, b, int(10000-w.s.hist.Log().Size()))
	check("beyond the limit", false, b, int(10001-w.s.hist.Log().Size()))
	w.out.defers = true
	w.conf(w.host, map[string]any{"password": "x"})
	check("behind a slow command", false, w.host, 10)
	check("others meanwhile", true, b, 10)
	w.out.defers = false
	w.turn()
	check("after it", true, w.host, 10)
	w.leave(b)
	check("gone", false, b, 10)
}

func BenchmarkReceiveOpaque(b *testing.B) {
	w := open(b, withSettings(func(s *settings.Settings) { s.SessionSizeLimit = 0 }))
	w.s.out = discardOutlet{w.out}
	m := frame.Msg{Type: 136, Body: make([]byte, 200)}
	b.ReportAllocs()
	for b.Loop() {
		w.s.receive(w.host, m)
	}
}

// discardOutlet forgets what is appended.
type discardOutlet struct{ *fakeOutlet }

func (discardOutlet) append([]byte, int) {}

func BenchmarkJoinLeave(b *testing.B) {
	w := open(b, withSettings(func(s *settings.Settings) { s.SessionSizeLimit = 0 }))
	w.s.out = quietOutlet{discardOutlet{w.out}}
	p := person("bob")
	b.ReportAllocs()
	for b.Loop() {
		st := w.join(p)
		w.s.left(st, "")
	}
}

type quietOutlet struct{ discardOutlet }

func (quietOutlet) direct(*seat, []byte)               {}
func (quietOutlet) broadcast([]byte, func(*seat) bool) {}
