package relay

import (
	"testing"
	"time"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/settings"
)

// session.md §21 and §33 item 38.
func TestRulesEmptySession(t *testing.T) {
	linger := func(d time.Duration) option {
		return withSettings(func(s *settings.Settings) { s.EmptySessionLingerTime = d })
	}
	tests := []struct {
		name   string
		option option
		flags  store.Flags
		after  time.Duration // end after leaving; negative: never
	}{
		{"no linger time", linger(0), 0, 0},
		{"linger time", linger(20 * time.Second), 0, 30 * time.Second},
		{"persistent", linger(0), store.Persistent, -1},
	}
	for _, tt := range tests {
		w := open(t, tt.option)
		w.s.setFlag(tt.flags, true)
		w.time = w.time.Add(time.Second)
		w.s.tick(w.time)
		w.leave(w.host)
		ended := func() bool { return w.s.state == stateShutdown }
		if tt.after == 0 {
			equal(t, tt.name+": at once", ended(), true)
			equal(t, tt.name+": with removal", w.out.ended, []bool{true})
			continue
		}
		equal(t, tt.name+": at once", ended(), false)
		if tt.after < 0 {
			w.advance(time.Hour)
			equal(t, tt.name+": later", ended(), false)
			continue
		}
		w.advance(tt.after - 12*time.Second)
		equal(t, tt.name+": during the linger time", ended(), false)
		w.advance(17 * time.Second)
		equal(t, tt.name+": after it", ended(), true)
	}
}

func TestRulesGhostDoesNotKeep(t *testing.T) {
	w := open(t)
	g := w.join(person("gus", ghost))
	from := mark(g)
	w.leave(w.host)
	labelsEqual(t, "ghost", since(g, from), "log Left session", "log Last user left.", "log Closing non-persistent session.", "disconnect")
	bye := heardBy(g)[mark(g)-1]
	equal(t, "text", string(bye.Body), "\x02Session terminated due to being empty")
}

// session.md §33 item 39.
func TestRulesIdle(t *testing.T) {
	tests := []struct {
		name   string
		keeps  bool
		action func(w *world, b *seat)
	}{
		{"nothing", false, func(w *world, b *seat) {}},
		{"bypass chat", false, func(w *world, b *seat) { w.chat(b, "x", frame.ChatBypass, 0) }},
		{"private chat", false, func(w *world, b *seat) { w.send(b, frame.TypePrivateChat, 0, "\x01\x00x") }},
		{"command without effect", false, func(w *world, b *seat) { w.cmd(b, "nonsense", nil, nil) }},
		{"chat", true, func(w *world, b *seat) { w.chat(b, "x", 0, 0) }},
		{"drawing", true, func(w *world, b *seat) { w.draw(b, "x") }},
		{"operator list", true, func(w *world, b *seat) { w.send(w.host, frame.TypeSessionOwner, 0, "") }},
		{"configuration", true, func(w *world, b *seat) { w.conf(w.host, map[string]any{"deputies": true}) }},
	}
	for _, tt := range tests {
		w := open(t, withSettings(func(s *settings.Settings) { s.IdleTimeLimit = 100 * time.Second }))
		b := w.join(person("bob"))
		for range 10 {
			w.advance(30 * time.Second)
			if w.s.state != stateShutdown {
				tt.action(w, b)
			}
		}
		equal(t, "39: "+tt.name, w.s.state != stateShutdown, tt.keeps)
	}
	w := open(t, withSettings(func(s *settings.Settings) { s.IdleTimeLimit = 100 * time.Second }))
	w.s.setFlag(store.IdleOverride, true)
	w.advance(time.Hour)
	equal(t, "override", w.s.state, stateRunning)
	w.change(func(s *settings.Settings) { s.AllowIdleOverride = false })
	from := mark(w.host)
	w.advance(time.Hour)
	labelsEqual(t, "override not allowed any more", since(w.host, from), "status", "log Idle session expired.", "disconnect")
}

// storage.md §11.1: a stop keeps everything.
func TestRulesStop(t *testing.T) {
	w := open(t)
	b, g := w.join(person("bob")), w.join(person("gus", ghost))
	n := len(w.history())
	w.s.stop()
	labelsEqual(t, "history", w.history()[n:], "leave", "leave")
	equal(t, "ended, kept", w.out.ended, []bool{false})
	for _, st := range []*seat{w.host, b, g} {
		equal(t, "told", string(heardBy(st)[mark(st)-1].Body), "\x02Server shutting down")
	}
	w.s.stop()
	w.s.kill("again")
	equal(t, "once", len(w.out.ended), 1)
	w.s.tick(w.time.Add(time.Hour))
	w.s.left(b, "")
}

func TestRulesStopWhileInitialising(t *testing.T) {
	w := newWorld(t)
	w.hosts(person("alice"))
	w.join(person("bob"))
	w.s.stop()
	equal(t, "ended, kept", w.out.ended, []bool{false})
	labelsEqual(t, "history", w.history()[len(w.history())-2:], "leave", "leave")
}

// session.md §27.
func TestRulesSettingsChange(t *testing.T) {
	tests := []struct {
		name   string
		before func(w *world)
		change func(s *settings.Settings)
		want   []string
		check  func(w *world) bool
	}{
		{"irrelevant", nil, func(s *settings.Settings) { s.WelcomeMessage = "x" }, nil, nil},
		{"idle limit", nil, func(s *settings.Settings) { s.IdleTimeLimit = time.Minute }, []string{"sessionconf"}, nil},
		{"WebSocket preference without listener", nil, func(s *settings.Settings) { s.PreferWebSockets = true }, nil, nil},
		{"NSFM", nil, func(s *settings.Settings) { s.ForceNSFM = true }, []string{"log Forced NSFM after config change", "sessionconf"},
			func(w *world) bool { return w.s.flag(store.NSFM) }},
		{"idle override", func(w *world) { w.s.setFlag(store.IdleOverride, true) },
			func(s *settings.Settings) { s.AllowIdleOverride = false }, []string{"sessionconf"},
			func(w *world) bool { return !w.s.flag(store.IdleOverride) }},
		{"minimum threshold", func(w *world) { w.s.hist.SetAutoReset(1 << 20) },
			func(s *settings.Settings) { s.MinimumAutoResetThreshold = 2 << 20 }, []string{"sessionconf"},
			func(w *world) bool { return w.s.hist.AutoReset() == 2<<20 }},
		{"minimum threshold, autoreset off", func(w *world) { w.s.hist.SetAutoReset(0) },
			func(s *settings.Settings) { s.MinimumAutoResetThreshold = 2 << 20 }, []string{"sessionconf"},
			func(w *world) bool { return w.s.hist.AutoReset() == 0 }},
		{"size limit", nil, func(s *settings.Settings) { s.SessionSizeLimit = 1 << 20 }, []string{"sessionconf"}, nil},
		{"size limit, overridden", func(w *world) { w.s.hist.SetSizeOverride(1 << 20) },
			func(s *settings.Settings) { s.SessionSizeLimit = 1 << 20 }, nil, nil},
		{"several at once", nil, func(s *settings.Settings) { s.SessionSizeLimit = 1 << 20; s.IdleTimeLimit = time.Minute },
			[]string{"sessionconf"}, nil},
	}
	for _, tt := range tests {
		w := open(t)
		if tt.before != nil {
			tt.before(w)
		}
		from := mark(w.host)
		w.change(tt.change)
		labelsEqual(t, tt.name, since(w.host, from), tt.want...)
		if tt.check != nil && !tt.check(w) {
			t.Errorf("%s: not applied", tt.name)
		}
	}
	w := open(t, withSettings(func(s *settings.Settings) { s.WebSockets = true }))
	from := mark(w.host)
	w.change(func(s *settings.Settings) { s.PreferWebSockets = true })
	labelsEqual(t, "WebSocket preference", since(w.host, from), "sessionconf")
	// Empty sessions that only linger do not survive it without a linger time.
	w = open(t, withSettings(func(s *settings.Settings) { s.EmptySessionLingerTime = time.Hour }))
	w.leave(w.host)
	w.change(func(s *settings.Settings) { s.EmptySessionLingerTime = 0; s.IdleTimeLimit = time.Minute })
	equal(t, "empty session", w.s.state, stateShutdown)
}

// TestRulesLoadedLingers is storage.md §20 item 21: people have the linger time
// to come back to a session after a restart.
func TestRulesLoadedLingers(t *testing.T) {
	w := newWorld(t, func(c *worldConfig) { c.loaded = true },
		withSettings(func(s *settings.Settings) { s.EmptySessionLingerTime = 5 * time.Minute }))
	w.advance(4 * time.Minute)
	equal(t, "after 4 minutes", w.s.state, stateRunning)
	a := w.join(person("ann"))
	w.advance(10 * time.Minute)
	equal(t, "with somebody in it", w.s.state, stateRunning)
	w.leave(a)
	w.advance(4 * time.Minute)
	equal(t, "4 minutes after that", w.s.state, stateRunning)
	w.advance(2 * time.Minute)
	equal(t, "6 minutes after that", w.s.state, stateShutdown)
}
