package relay

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/entry"
	"drawrelay/store/settings"
)

// session.md §33 items 1 to 4.
func TestRulesHosting(t *testing.T) {
	w := newWorld(t)
	first := w.history()
	labelsEqual(t, "item 1: first messages", first, "sessionconf")
	if _, ok := first[0].json["hidx"]; ok || first[0].User != 0 {
		t.Errorf("item 1: first message is %v", first[0])
	}
	a := w.hosts(person("alice"))
	labelsEqual(t, "item 2: what the host hears", heardBy(a),
		"result", "join", "log Made operator by the server", "msg opgive", "auth", "banlist", "invitelist", "sessionowner",
		"log Session  created by alice", "log Made operator by the server",
		"announcements", "banlist", "muted", "auth", "invitelist", "log Joined session")
}

func TestRulesHostResult(t *testing.T) {
	w := newWorld(t, withCreate(func(c *store.Create) { c.Alias = "demo" }))
	a := w.hosts(person("alice", registered))
	r := heardBy(a)[0].json
	equal(t, "commands.md 12.40: host result", fmt.Sprint(r["join"]), fmt.Sprint(map[string]any{
		"id": "demo", "uniqueId": w.s.hist.ID, "user": 1, "flags": []any{"SKIP"}, "authId": "internal:alice"}))
	equal(t, "state", r["state"], "host")
	b := w.join(person("bob"))
	r = heardBy(b)[0].json
	equal(t, "commands.md 12.40: join result", fmt.Sprint(r["join"]), fmt.Sprint(map[string]any{
		"id": "demo", "uniqueId": w.s.hist.ID, "user": 2, "flags": []any{"SKIP"}, "authId": "", "skip": false}))
}

func TestRulesInitialization(t *testing.T) {
	w := newWorld(t)
	a := w.hosts(person("alice"))
	from := mark(a)
	w.send(a, 136, 77, "image")
	w.send(a, 70, 0, "features")
	w.chat(a, "hello", 0, 0)
	w.conf(a, map[string]any{"title": "T"})
	labelsEqual(t, "item 3: echo", since(a, from), "featureaccess", "chat", "sessionconf", "log Changed title to 'T'")
	h := w.history()
	equal(t, "item 4: context id of the init user", ofType(h, 136)[0].User, 77)

	b := w.join(person("bob"))
	labelsEqual(t, "item 5: a joiner hears direct messages only", filter(heardBy(b), func(h heard) bool { return h.history }))
	w.send(b, 136, 9, "early 1")
	w.chat(b, "early 2", 0, 0)
	w.cmd(b, "nonsense", nil, nil)
	w.send(b, 136, 9, "early 3")
	before := len(w.history())
	equal(t, "item 5: held back", len(w.history()), before)
	w.cmd(a, "init-complete", nil, nil)
	var early []string
	for _, h := range w.history()[before:] {
		early = append(early, fmt.Sprintf("%d %s", h.User, strings.TrimLeft(string(h.Body), "\x00")))
	}
	equal(t, "items 4, 5: processed in order afterwards", early, []string{"2 early 1", "2 early 2", "2 early 3"})
	labelsEqual(t, "item 5: error for a held command", ofKind(heardBy(b), "error"), "error nonsense: Unknown command")
	w.draw(a, "more")
	equal(t, "host gets later drawing", len(ofType(heardBy(a), 136)), 3)
	if got := ofType(heardBy(a), 136)[0]; string(got.Body) != "early 1" {
		t.Errorf("item 3: the host got its upload back: %v", got)
	}
}

// commands.md §12 items about init commands: 12.
func TestRulesInitComplete(t *testing.T) {
	w := newWorld(t)
	a := w.hosts(person("alice"))
	w.draw(a, "image")
	m := w.join(person("mona", mod))
	from := mark(a)
	w.cmd(a, "init-complete", nil, nil)
	got := since(a, from)
	labelsEqual(t, "session.md 3.1", got, "log Session initialized with size "+formatSize(w.s.resetBase), "status")
	if got[1].json["hid*"] == nil {
		t.Error("session.md 3.1: the status to the host has no index")
	}
	if s := ofKind(heardBy(m), "status"); s[len(s)-1].json["hid*"] != nil {
		t.Error("session.md D7: the status to a member who lags has an index")
	}
	for _, name := range []string{"init-begin", "init-complete", "init-cancel"} {
		from, n := mark(m), len(w.history())
		w.cmd(m, name, nil, nil)
		labelsEqual(t, "12: not the init user", since(m, from), "log Sent "+name+", but init user is #-1")
		equal(t, "12: history", len(w.history()), n)
	}
	w = newWorld(t)
	a = w.hosts(person("alice"))
	from = mark(a)
	w.cmd(a, "init-cancel", nil, nil)
	labelsEqual(t, "session.md 3.1: cancel", ofKind(since(a, from), "alert"), "alert resetcancel")
	equal(t, "state", w.s.state, stateRunning)
}

func TestRulesJoinOrder(t *testing.T) {
	tests := []struct {
		name   string
		person *entry.Person
		want   []string
	}{
		{"guest", person("bob"), []string{"result", "catchup", "status",
			"log Session  created by alice", "log Made operator by the server", "log Joined session",
			"log Session initialized with size 438 bytes",
			"msg", "announcements", "muted", "log Joined session",
			"sessionconf", "join", "sessionowner", "putimage", "caughtup", "join"}},
		{"moderator", person("mona", mod), []string{"result", "catchup", "status",
			"log Session  created by alice", "log Made operator by the server", "log Joined session",
			"log Session initialized with size 438 bytes",
			"msg", "announcements", "banlist", "muted", "auth", "invitelist", "log Joined session", "log info",
			"sessionconf", "join", "sessionowner", "putimage", "caughtup", "join", "sessionowner"}},
		{"ghost", person("gus", ghost), []string{"result", "catchup", "status", "alert",
			"log Session  created by alice", "log Made operator by the server", "log Joined session",
			"log Session initialized with size 438 bytes",
			"msg", "announcements", "banlist", "muted", "auth", "invitelist", "log Moderator in ghost mode joined session",
			"log info", "sessionconf", "join", "sessionowner", "putimage", "caughtup", "sessionowner"}},
	}
	for _, tt := range tests {
		w := open(t, withSettings(func(s *settings.Settings) { s.WelcomeMessage = "hi" }))
		tt.person.Info = "info"
		st := w.join(tt.person)
		labelsEqual(t, "items 7, 8: "+tt.name, heardBy(st), tt.want...)
		direct := true
		for _, h := range heardBy(st) {
			if !h.history && !direct {
				t.Errorf("item 7: %s: %v after history", tt.name, h)
			}
			direct = direct && !h.history
		}
	}
}

// session.md §6.5: what others hear of a join; item 10.
func TestRulesJoinAtOthers(t *testing.T) {
	w := open(t)
	b := w.join(person("bob"))
	fromA, fromB := mark(w.host), mark(b)
	w.join(person("carol"))
	labelsEqual(t, "op", since(w.host, fromA), "announcements", "banlist", "muted", "auth", "invitelist", "log Joined session", "caughtup", "join")
	labelsEqual(t, "guest, item 10", since(b, fromB), "announcements", "muted", "log Joined session", "caughtup", "join")
	fromB = mark(b)
	w.join(person("mona", mod))
	labelsEqual(t, "moderator, item 10", since(b, fromB), "announcements", "muted", "log Joined session", "caughtup", "join", "sessionowner")
}

func TestRulesCatchupCount(t *testing.T) {
	w := open(t)
	for i := range 10 {
		w.draw(w.host, fmt.Sprint(i))
	}
	b := w.join(person("bob"))
	c := ofKind(heardBy(b), "catchup")[0].json
	marker := ofKind(heardBy(b), "caughtup")[0]
	n := 0
	for i, h := range w.history() {
		if string(h.Body) == string(marker.Body) {
			n = i
		}
	}
	equal(t, "item 9: count", c["count"], n)
	equal(t, "key", c["key"], marker.json["key"])
	equal(t, "first key", c["key"], 1e6)
	equal(t, "hidx", marker.json["hidx"], fmt.Sprintf("%d:%d:%s", w.s.hist.StartStamp, n-1, w.s.hist.ID))
	d := w.join(person("dave"))
	equal(t, "next key", ofKind(heardBy(d), "catchup")[0].json["key"], 1000001.0)
}

// session.md §11 and §33 item 25.
func TestRulesSkip(t *testing.T) {
	w := open(t)
	for i := range 10 {
		w.draw(w.host, fmt.Sprint(i))
	}
	id, stamp, last := w.s.hist.ID, w.s.hist.StartStamp, w.s.hist.LastIndex()
	tests := []struct {
		name  string
		index frame.HistoryIndex
		skip  bool
	}{
		{"none", frame.HistoryIndex{}, false},
		{"in the middle", frame.HistoryIndex{Start: stamp, Pos: 5, Session: id}, true},
		{"last", frame.HistoryIndex{Start: stamp, Pos: last, Session: id}, true},
		{"beyond", frame.HistoryIndex{Start: stamp, Pos: last + 1, Session: id}, false},
		{"other start", frame.HistoryIndex{Start: stamp + 1, Pos: 5, Session: id}, false},
		{"other session", frame.HistoryIndex{Start: stamp, Pos: 5, Session: "x"}, false},
		{"position 0", frame.HistoryIndex{Start: stamp, Pos: 0, Session: id}, false},
	}
	for _, tt := range tests {
		last := w.s.hist.LastIndex()
		tt.index.Pos = min(tt.index.Pos, last+1)
		if tt.name == "beyond" {
			tt.index.Pos = last + 1
		}
		st, err := w.tryJoin(&entry.JoinRequest{Person: person("bob"), Session: id, Index: tt.index})
		if err != nil {
			t.Fatal(err)
		}
		join := heardBy(st)[0].json["join"].(map[string]any)
		equal(t, tt.name+": skip", join["skip"], tt.skip)
		got := filter(heardBy(st), func(h heard) bool { return h.history })
		all := w.history()
		want, count := all, w.s.hist.LastIndex()-1
		if tt.skip {
			want, count = all[tt.index.Pos+1:], last+1-tt.index.Pos
		}
		equal(t, tt.name+": history", len(got), len(want))
		labelsEqual(t, tt.name+": messages", got, labels(want)...)
		equal(t, tt.name+": catchup", ofKind(heardBy(st), "catchup")[0].json["count"], count)
		w.leave(st)
	}
}

func TestRulesUserIDs(t *testing.T) {
	w := open(t)
	b := w.join(person("bob"))
	equal(t, "item 6: first joiner", b.id, 2)
	c := w.join(person("carol"))
	equal(t, "item 6: second joiner", c.id, 3)
	w.leave(b)
	d := w.join(person("dave"))
	equal(t, "item 6: freed ids come last", d.id, 4)
	b = w.join(person("bob"))
	equal(t, "item 6: a name gets its id back", b.id, 2)
	e := w.join(person("BOB2"))
	equal(t, "next", e.id, 5)
	w.leave(b)
	w.leave(e)
	// Names are exact here.
	equal(t, "other spelling", w.join(person("Bob")).id, 6)
}

func TestRulesAllIDsInUse(t *testing.T) {
	w := open(t)
	for i := range 253 {
		w.invited(person(fmt.Sprintf("u%d", i)), &entry.Invite{})
	}
	_, err := w.tryJoin(&entry.JoinRequest{Person: person("late"), Session: w.s.hist.ID, Invited: &entry.Invite{}})
	equal(t, "session.md §5: 255th member", err, entry.ErrClosed)
	equal(t, "members", len(w.s.seats), 254)
}

func TestRulesJoinRefused(t *testing.T) {
	w := open(t, withSettings(func(s *settings.Settings) { s.SessionUserLimit = 254 }))
	ban := func(b store.Ban) { w.s.hist.AddBan(b, nil) }
	ban(store.Ban{Name: "Troll"})
	ban(store.Ban{AuthID: "internal:dora"})
	w.conf(w.host, map[string]any{"maxUserCount": 2})
	invite := &entry.Invite{Secret: "x"}
	full := func() { w.s.hist.SetMaxUsers(1) }
	authOnly := func() { w.s.setFlag(store.AuthOnly, true) }
	tests := []struct {
		name    string
		setup   func()
		person  *entry.Person
		invited *entry.Invite
		code    string
	}{
		{"banned name", nil, person("tROLL"), nil, "banned"},
		{"banned account", nil, person("x", registered, func(p *entry.Person) { p.AuthID = "internal:dora" }), nil, "banned"},
		{"banned with an invite", nil, person("troll"), invite, "banned"},
		{"banned moderator", nil, person("troll", mod), nil, ""},
		{"full", full, person("bob"), nil, "closed"},
		{"full with an invite", full, person("bob"), invite, ""},
		{"full for a moderator", full, person("mona", mod), nil, ""},
		{"guest where accounts are needed", authOnly, person("bob"), nil, "authOnly"},
		{"account where accounts are needed", authOnly, person("bob", registered), nil, ""},
		{"invited guest where accounts are needed", authOnly, person("bob"), invite, ""},
		{"browser", nil, person("bob", browser), nil, ""},
		{"browser where not allowed", func() { w.s.setFlag(store.AllowWeb, false) }, person("bob", browser), nil, "noWebJoin"},
		{"moderator's browser where not allowed", func() { w.s.setFlag(store.AllowWeb, false) }, person("mona", mod, browser), nil, "noWebJoin"},
		{"invited browser where not allowed", func() { w.s.setFlag(store.AllowWeb, false) }, person("bob", browser), invite, ""},
		{"name in use", nil, person("ALICE", func(p *entry.Person) { p.SystemID = "other" }), nil, "nameInuse"},
		{"name in use, no system ids", nil, person("alice", func(p *entry.Person) { p.SystemID = "" }), nil, "nameInuse"},
		{"ended", func() { w.s.state = stateShutdown }, person("bob"), nil, "notFound"},
	}
	for _, tt := range tests {
		w.s.hist.SetMaxUsers(254)
		w.s.setFlag(store.AuthOnly, false)
		w.s.setFlag(store.AllowWeb, true)
		if tt.setup != nil {
			tt.setup()
		}
		from := mark(w.host)
		st, err := w.tryJoin(&entry.JoinRequest{Person: tt.person, Session: w.s.hist.ID, Invited: tt.invited})
		code := ""
		var r *entry.Refusal
		if errors.As(err, &r) {
			code = r.Code
		}
		equal(t, tt.name, code, tt.code)
		if tt.code == "banned" {
			labelsEqual(t, tt.name, since(w.host, from), fmt.Sprintf("log Join prevented by ban %d", w.s.hist.Bans.Match(tt.person.Name, tt.person.AuthID, "", tt.person.Addr)))
		}
		if st != nil {
			w.leave(st)
		}
	}
}

// A password that was changed between its check and the seat.
func TestRulesPasswordChanged(t *testing.T) {
	w := open(t)
	w.s.hist.SetPasswordHash("hash:new")
	try := func(p *entry.Person, invite *entry.Invite, checked string) error {
		return w.s.admitJoin(&entry.JoinRequest{Person: p, Session: w.s.hist.ID, Invited: invite, PasswordHash: checked}, w.attach)
	}
	equal(t, "changed", try(person("a"), nil, "hash:old"), entry.ErrPasswordChanged)
	equal(t, "set", try(person("a"), nil, ""), entry.ErrPasswordChanged)
	equal(t, "members", len(w.s.seats), 1)
	equal(t, "the same", try(person("b"), nil, "hash:new"), nil)
	equal(t, "moderator", try(person("m", mod), nil, ""), nil)
	equal(t, "invited", try(person("c"), &entry.Invite{}, ""), nil)
	w.s.hist.SetPasswordHash("")
	equal(t, "removed", try(person("d"), nil, "hash:old"), nil)
}

// session.md §6.2 and §6.3 row 3.
func TestRulesReplacing(t *testing.T) {
	for _, how := range []string{"account", "system id"} {
		w := open(t)
		p, again := person("bob"), person("BOB", func(p *entry.Person) { p.SystemID = person("bob").SystemID })
		if how == "account" {
			p, again = person("bob", registered), person("bob", registered, func(p *entry.Person) { p.SystemID = "other" })
		}
		b := w.join(p)
		from, fromB := mark(w.host), mark(b)
		b2 := w.join(again)
		equal(t, how+": id", b2.id, b.id)
		equal(t, how+": members", len(w.s.seats), 2)
		labelsEqual(t, how+": old connection", since(b, fromB), "log Kicked by "+again.Name+" (Replaced by rejoining)", "disconnect")
		bye := since(b, fromB)[1]
		equal(t, how+": disconnect", string(bye.Body), "\x01"+again.Name)
		got := since(w.host, from)
		labelsEqual(t, how+": others", got[:2], "log Kicked by "+again.Name+" (Replaced by rejoining)", "log Left session")
		labelsEqual(t, how+": history", filter(got, func(h heard) bool { return h.history }), "leave", "caughtup", "join")
		if w.s.byID[b.id] != b2 {
			t.Errorf("%s: the id belongs to somebody else", how)
		}
		if _, ok := w.s.past[b.id]; ok {
			t.Errorf("%s: a past user with the id of a member", how)
		}
		w.s.left(b, "late") // the transport may notice later
		equal(t, how+": members", len(w.s.seats), 2)
	}
}

// session.md §3.2: the session ends, nobody could ever finish the upload.
func TestRulesHostVanishes(t *testing.T) {
	w := newWorld(t, withCreate(func(c *store.Create) { c.Flags |= store.Persistent }))
	a := w.hosts(person("alice"))
	b := w.join(person("bob"))
	w.leave(a)
	equal(t, "state", w.s.state, stateShutdown)
	equal(t, "ended with removal", w.out.ended, []bool{true})
	last := heardBy(b)[mark(b)-1]
	equal(t, "the joiner is told", last.Type, frame.TypeDisconnect)

	// A host who comes back under its name ends it too, and is told.
	w = newWorld(t)
	w.hosts(person("alice"))
	a2 := w.join(person("alice"))
	equal(t, "state", w.s.state, stateShutdown)
	equal(t, "the rejoiner is told", heardBy(a2)[mark(a2)-1].Type, frame.TypeDisconnect)
}

func TestRulesJoinFlags(t *testing.T) {
	tests := []struct {
		person *entry.Person
		flags  uint8
	}{
		{person("b"), 0},
		{person("b", registered), frame.JoinAuth},
		{person("b", mod), frame.JoinAuth | frame.JoinMod},
		{person("b", incompatible), frame.JoinOld},
	}
	for _, tt := range tests {
		w := open(t)
		tt.person.Avatar = []byte("png")
		st := w.join(tt.person)
		joins := ofType(heardBy(st), frame.TypeJoin)
		j, err := frame.ParseJoin(joins[len(joins)-1].Body)
		if err != nil || j.Flags != tt.flags || string(j.Name) != "b" || string(j.Avatar) != "png" {
			t.Errorf("%+v: %+v, %v", tt.person, j, err)
		}
	}
}

// session.md §31: a loaded session runs from the start.
func TestRulesLoadedSession(t *testing.T) {
	w := newWorld(t, func(c *worldConfig) { c.loaded = true })
	equal(t, "state", w.s.state, stateRunning)
	b := w.join(person("bob"))
	labelsEqual(t, "history", filter(heardBy(b), func(h heard) bool { return h.history }), "sessionconf", "caughtup", "join", "sessionowner")
}

// session.md §33 items 10 and 20, commands.md §12: who is remembered as an
// operator, and who is let in during a reset.
func TestRulesJoinDuringReset(t *testing.T) {
	w := open(t)
	w.s.hist.SetAuthOp("internal:oscar", true)
	n := len(w.history())
	w.leave(w.join(person("oscar", registered)))
	labelsEqual(t, "10: account with operator status", w.history()[n:], "caughtup", "join", "sessionowner", "leave")

	w.cmd(w.host, "reset-session", nil, nil)
	tests := []struct {
		person *entry.Person
		invite *entry.Invite
		err    error
	}{
		{person("bob"), nil, entry.ErrClosed}, {person("rita", registered), nil, entry.ErrClosed}, {person("oscar", registered), nil, entry.ErrClosed},
		{person("ivy"), &entry.Invite{}, nil}, {person("mona", mod), nil, nil}, {person("gus", ghost), nil, nil},
	}
	for _, tt := range tests {
		st, err := w.tryJoin(&entry.JoinRequest{Person: tt.person, Session: w.s.hist.ID, Invited: tt.invite})
		equal(t, "20: "+tt.person.Name, err == tt.err, true)
		if st != nil {
			labelsEqual(t, "14.6: "+tt.person.Name, filter(heardBy(st), func(h heard) bool { return h.history }))
		}
	}
	w.draw(w.host, "image")
	w.cmd(w.host, "init-complete", nil, nil)
	labelsEqual(t, "14.6: among the members", ofType(w.history(), frame.TypeJoin), "join", "join", "join")
}

// session.md §32 D4: a session's own threshold stays, also 0; without one it
// takes what is configured.
func TestRulesLoadedThreshold(t *testing.T) {
	for _, tt := range []struct{ own, configured, minimum, want int64 }{
		{5 << 20, 10 << 20, 0, 5 << 20}, {5 << 20, 10 << 20, 7 << 20, 7 << 20}, {0, 10 << 20, 7 << 20, 0},
	} {
		w := newWorld(t, func(c *worldConfig) { c.loaded = true }, withCreate(func(c *store.Create) { c.AutoReset = tt.own }),
			withSettings(func(s *settings.Settings) {
				s.AutoResetThreshold, s.MinimumAutoResetThreshold = tt.configured, tt.minimum
			}))
		equal(t, fmt.Sprintf("D4: %+v", tt), w.s.hist.AutoReset(), tt.want)
	}
}
