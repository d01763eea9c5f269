package relay

import (
	"testing"

	"drawrelay/store/settings"
)

// TestCatchingUp: a joiner counts as catching up until it has been sent what
// was there when it came, also when the history is replaced meanwhile, and
// everybody does after a classic reset.
func TestCatchingUp(t *testing.T) {
	for _, s := range []setup{{loops: 1}, {loops: 1, files: true}, {loops: 2, tls: true, files: true}, {loops: 2, transport: TransportGoroutine}} {
		s.grace = forever
		s.edit = func(s *settings.Settings) { s.MinimumAutoResetThreshold = 0 }
		t.Run(s.String(), func(t *testing.T) {
			ts := startServer(t, s)
			host, id := ts.host("host", 5)
			r := ts.room(id)
			behind := func(uid uint8) (b bool) {
				_ = r.loop.call(func() error { b = r.catchingUp(r.session.byID[uid]); return nil })
				return b
			}
			for range 200 { // more than sockets take
				host.send(stroke, make([]byte, 60000))
			}
			host.send(stroke, []byte("drawn"))
			host.waitBody("drawn")
			if behind(host.id) {
				t.Error("the host counts as catching up")
			}
			if s.loops > 1 {
				ts.crowd(id, plainPerLoop)
			}
			lag, lagID := ts.joinQuiet("lag", id), uint8(2)
			prompt := ts.join("prompt", id)
			prompt.waitBody("drawn")
			await(t, "prompt to have caught up", func() bool { return !behind(prompt.id) })
			if !behind(lagID) {
				t.Error("who has not read counts as caught up")
			}
			reset := &resetter{client: host, base: uploaded(5), piece: 10000}
			host.call("sessionconf", nil, map[string]any{"resetThreshold": 1})
			if !reset.autoreset() {
				t.Fatal("the streamed reset has failed")
			}
			host.call("sessionconf", nil, map[string]any{"resetThreshold": 0})
			if !behind(lagID) || behind(prompt.id) {
				t.Error("after a streamed reset: who was behind is not, or the reverse")
			}
			go lag.readAll()
			lag.waitBody("drawn")
			await(t, "the laggard to have caught up", func() bool { return !behind(lagID) })

			if !reset.reset("current") {
				t.Fatal("the classic reset has failed")
			}
			for _, c := range []*client{host, prompt} {
				c.ping()
				await(t, c.name+" to have caught up again", func() bool { return !behind(c.id) })
			}
			await(t, "the laggard to have caught up again", func() bool { return !behind(lagID) })
			late := ts.joinQuiet("lax", id)
			if !behind(4) {
				t.Error("a joiner after a reset counts as caught up")
			}
			go late.readAll()
			await(t, "the last one to have caught up", func() bool { return !behind(4) })
		})
	}
}
