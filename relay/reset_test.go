package relay

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"drawrelay/frame"
	"drawrelay/store/entry"
	"drawrelay/store/settings"
)

// commands.md §12 items 10 and 11.
func TestRulesResetStart(t *testing.T) {
	for kind, key := range map[any]string{"current": "resetpreparecurrent", "past": "resetpreparepast", "external": "resetprepareexternal",
		"": "resetprepareby", "other": "resetprepareby", 5: "resetprepareby"} {
		w := open(t)
		b := w.join(person("bob"))
		from, fromA := mark(b), mark(w.host)
		w.cmd(w.host, "reset-session", nil, map[string]any{"type": kind})
		labelsEqual(t, "11", since(b, from), "alert "+key)
		equal(t, "11", since(b, from)[0].json["P"], "map[name:alice]")
		equal(t, "11", since(b, from)[0].json["reset"], "prepare")
		labelsEqual(t, "11: resetter", since(w.host, fromA), "alert "+key, "reset")
		equal(t, "11", string(since(w.host, fromA)[1].Body), `{"message":"Prepared to receive session data","state":"init","type":"reset"}`)
		fromA = mark(w.host)
		w.cmd(w.host, "reset-session", nil, nil)
		equal(t, "10", errorsSince(w.host, fromA), []string{"reset-session: Unable to reset in this state"})
		equal(t, "history is not delivered", w.out.running, false)
	}
	w := open(t)
	w.cmd(w.host, "reset-session", nil, map[string]any{"type": "current"})
	equal(t, "exact text", string(ofKind(heardBy(w.host), "alert")[0].Body), `{"P":{"name":"alice"},"T":"resetpreparecurrent",`+
		`"message":"alice is compressing the canvas! Please wait, the session should be available again shortly…","reset":"prepare","type":"alert"}`)
	w = newWorld(t)
	w.hosts(person("alice"))
	w.cmd(w.host, "reset-session", nil, nil)
	equal(t, "10: initialising", errorsSince(w.host, 0), []string{"reset-session: Unable to reset in this state"})
	w = newWorld(t)
	w.hosts(person("alice", incompatible))
	w.cmd(w.host, "init-complete", nil, nil)
	w.cmd(w.host, "reset-session", nil, nil)
	equal(t, "incompatible", errorsSince(w.host, 0), []string{"reset-session: Incompatible client"})
}

// session.md §33 items 4, 20, 21, 24.
func TestRulesReset(t *testing.T) {
	w := open(t)
	b, g := w.join(person("bob", registered)), w.join(person("gus", ghost))
	trust(w, b)
	w.draw(b, "old")
	last, stamp := w.s.hist.LastIndex(), w.s.hist.StartStamp
	w.cmd(w.host, "reset-session", nil, nil)
	w.draw(w.host, "leftover")
	w.cmd(w.host, "init-begin", nil, nil)
	marks := map[*seat]int{w.host: mark(w.host), b: mark(b), g: mark(g)}
	w.send(w.host, 136, 77, "image 1")
	w.chat(w.host, "kept", 0, 0)
	w.send(w.host, frame.TypeTrustedUsers, 9, "")
	w.send(w.host, frame.TypeJoin, 9, "\x00\x01x")
	w.chat(w.host, "bypass", frame.ChatBypass, 0)
	w.send(w.host, 136, 0, "image 2")
	w.draw(b, "meanwhile")
	labelsEqual(t, "only direct messages", since(b, marks[b]), "log Untrusted by alice", "msg trusttake", "log Received server-to-user only command join", "chat")
	_, err := w.tryJoin(&entry.JoinRequest{Person: person("carol"), Session: w.s.hist.ID})
	equal(t, "20", err, entry.ErrClosed)
	m := w.join(person("mona", mod))
	labelsEqual(t, "20, 14.6: history", filter(heardBy(m), func(h heard) bool { return h.history }))
	marks[m] = mark(m)
	for st := range marks {
		marks[st] = mark(st)
	}
	w.cmd(w.host, "init-complete", nil, nil)
	for st, from := range marks {
		labelsEqual(t, "21: "+st.person.Name, since(st, from), "reset", "catchup", "status",
			"join", "join", "join", "sessionowner", "putimage", "chat", "trusted", "putimage", "sessionowner", "trusted", "caughtup", "sessionconf")
	}
	got := since(b, marks[b])
	equal(t, "21: reset", string(got[0].Body), `{"message":"Session reset!","state":"reset","type":"reset"}`)
	equal(t, "21: catchup", string(got[1].Body), `{"count":9,"key":0,"type":"catchup"}`)
	if got[2].json["hid*"] != nil {
		t.Error("21: the status has an index")
	}
	equal(t, "joins in order", []uint8{got[3].User, got[4].User, got[5].User}, []uint8{1, b.id, m.id})
	equal(t, "operators", string(got[6].Body), ids(1, g.id, m.id))
	equal(t, "4: context ids untouched", []uint8{got[7].User, got[9].User, got[10].User}, []uint8{77, 9, 0})
	equal(t, "24: indices go on", w.s.hist.FirstIndex, last+5) // meanwhile: a stroke, caughtup, join and operators
	if w.s.hist.StartStamp == stamp {
		t.Error("24: the start id stays")
	}
	equal(t, "21: marker", got[13].json["hidx"], fmt.Sprintf("%d:%d:%s", w.s.hist.StartStamp, w.s.hist.FirstIndex+9, w.s.hist.ID))
	if got[14].json["hidx"] != nil {
		t.Error("21: the configuration has an index")
	}
	equal(t, "base", w.s.resetBase, int64(len(w.out.all)-2*frame.HeaderLen-len(got[13].Body)-len(got[14].Body)))
	equal(t, "state", w.s.state, stateRunning)
	c := w.join(person("carol"))
	labelsEqual(t, "joiner", filter(heardBy(c), func(h heard) bool { return h.history }),
		"join", "join", "join", "sessionowner", "putimage", "chat", "trusted", "putimage", "sessionowner", "trusted", "caughtup", "sessionconf", "caughtup", "join")
	equal(t, "9: count after a reset", ofKind(heardBy(c), "catchup")[0].json["count"], w.s.hist.LastIndex()-1-w.s.hist.FirstIndex)
}

// session.md §33 item 22.
func TestRulesResetCancelled(t *testing.T) {
	ends := map[string]struct {
		f    func(w *world, b *seat)
		gone bool
	}{
		"init-cancel": {func(w *world, b *seat) { w.cmd(b, "init-cancel", nil, nil) }, false},
		"leaves":      {func(w *world, b *seat) { w.leave(b) }, true},
		"de-opped":    {func(w *world, b *seat) { w.send(w.host, frame.TypeSessionOwner, 0, "") }, true},
		"too large":   {func(w *world, b *seat) { w.draw(b, strings.Repeat("x", 20000)) }, true},
		"empty":       {func(w *world, b *seat) { w.cmd(b, "init-begin", nil, nil); w.cmd(b, "init-complete", nil, nil) }, false},
	}
	for name, tt := range ends {
		w := open(t, limited(20000))
		b, c := w.join(person("bob")), w.join(person("carol"))
		w.send(w.host, frame.TypeSessionOwner, 0, ids(b.id))
		w.cmd(b, "reset-session", nil, nil)
		w.draw(b, "part of the image")
		w.draw(c, "meanwhile")
		from := mark(c)
		tt.f(w, b)
		alerts := ofKind(since(c, from), "alert")
		labelsEqual(t, "22, D12: "+name, alerts, "alert resetcancel")
		equal(t, "22: "+name, alerts[0].json["reset"], "cancel")
		equal(t, "22: "+name, w.s.state, stateRunning)
		labelsEqual(t, "22: "+name, ofType(heardBy(c), 136), "putimage", "putimage")
		equal(t, "22: "+name, string(ofType(heardBy(c), 136)[1].Body), "meanwhile")
		equal(t, name+": resetter gone", b.gone, tt.gone)
		bye := heardBy(b)[mark(b)-1]
		switch name {
		case "de-opped":
			equal(t, name, string(bye.Body), "\x00De-opped while resetting")
		case "too large":
			equal(t, "23", string(bye.Body), "\x00History limit exceeded")
		}
		d := w.join(person("dave"))
		equal(t, "22: history at joiners", len(ofType(heardBy(d), 136)), 2)
	}
}

// Roles that the image of a cancelled reset has changed stay changed, and the
// others learn of it.
func TestRulesResetCancelledRoles(t *testing.T) {
	w := open(t)
	b := w.join(person("bob"))
	w.cmd(w.host, "reset-session", nil, nil)
	w.send(w.host, frame.TypeSessionOwner, 0, ids(b.id))
	equal(t, "during the reset", w.lastOps(), ids(1))
	w.cmd(w.host, "init-cancel", nil, nil)
	equal(t, "afterwards", w.lastOps(), ids(1, b.id))
	n := len(w.history())
	w.cmd(w.host, "reset-session", nil, nil)
	w.cmd(w.host, "init-cancel", nil, nil)
	equal(t, "without a change", len(w.history()), n)
}

// session.md §33 item 23: too large only with the server state; and a disk
// that fails.
func TestRulesResetFailed(t *testing.T) {
	w := open(t, limited(3000))
	w.cmd(w.host, "reset-session", nil, nil)
	w.draw(w.host, strings.Repeat("x", 3000-frame.HeaderLen))
	from := mark(w.host)
	w.cmd(w.host, "init-complete", nil, nil)
	labelsEqual(t, "23", since(w.host, from), "alert resetfailed")
	equal(t, "23", since(w.host, from)[0].json["reset"], "failed")
	equal(t, "state", w.s.state, stateRunning)

	w = open(t)
	w.out.fails = errors.New("disk full")
	w.cmd(w.host, "reset-session", nil, nil)
	w.draw(w.host, "image")
	from = mark(w.host)
	w.cmd(w.host, "init-complete", nil, nil)
	labelsEqual(t, "disk", since(w.host, from), "alert resetfailed")
	w.draw(w.host, "goes on")
	equal(t, "old history", len(ofType(w.history(), 136)), 2)
	equal(t, "thawed", w.s.frozen, false)
}

// While the new history is written nothing is lost: what comes meanwhile lands
// in the new one, in order.
func TestRulesResetFrozen(t *testing.T) {
	w := open(t)
	b, c := w.join(person("bob")), w.join(person("carol"))
	w.out.defers = true
	w.cmd(w.host, "reset-session", nil, nil)
	w.draw(w.host, "image")
	w.cmd(w.host, "init-complete", nil, nil)
	n := len(w.out.all)
	w.draw(b, "stroke 1")
	w.chat(b, "chat", 0, 0)
	w.conf(w.host, map[string]any{"title": "T"})
	w.draw(b, "stroke 2")
	w.leave(c)
	w.change(func(s *settings.Settings) { s.IdleTimeLimit = 1e12 })
	w.s.tick(w.time.Add(1e12))
	var joined *seat
	w.s.whenReady(func() {
		joined, _ = w.tryJoin(&entry.JoinRequest{Person: person("dave"), Session: w.s.hist.ID})
	})
	if _, err := w.tryJoin(&entry.JoinRequest{Person: person("eve"), Session: w.s.hist.ID}); err != entry.ErrClosed {
		t.Errorf("a join that does not wait: %v", err)
	}
	equal(t, "nothing is appended", len(w.out.all), n)
	w.out.defers = false
	w.turn()
	labelsEqual(t, "new history", w.history(), "join", "join", "join", "sessionowner", "putimage", "caughtup", "sessionconf",
		"sessionconf", "putimage", "chat", "putimage", "leave", "sessionconf", "caughtup", "join")
	equal(t, "joined", joined != nil && joined.id > 0, true)
	// A stop waits too.
	w.out.defers = true
	w.cmd(w.host, "reset-session", nil, nil)
	w.draw(w.host, "image")
	w.cmd(w.host, "init-complete", nil, nil)
	w.s.stop()
	equal(t, "not stopped yet", len(w.out.ended), 0)
	w.out.defers = false
	w.turn()
	equal(t, "stopped", w.out.ended, []bool{false})
}

// A resetter that comes back under its name cancels its reset.
func TestRulesResetterReplaced(t *testing.T) {
	w := open(t)
	b := w.join(person("bob", mod))
	w.cmd(b, "reset-session", nil, nil)
	w.draw(b, "part")
	b2 := w.join(person("bob", mod))
	equal(t, "state", w.s.state, stateRunning)
	equal(t, "member", b2.gone, false)
	labelsEqual(t, "order", heardBy(b2)[:1], "result")
}
