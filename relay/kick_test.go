package relay

import (
	"fmt"
	"strings"
	"testing"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/entry"
)

func trust(w *world, list ...*seat) {
	var b []byte
	for _, st := range list {
		b = append(b, st.id)
	}
	w.send(w.host, frame.TypeTrustedUsers, 0, string(b))
}

// commands.md §12 items 5 and 7, §8.4.
func TestRulesKick(t *testing.T) {
	w := open(t)
	b, c := w.join(person("bob")), w.join(person("carol"))
	fromA, fromB, fromC, n := mark(w.host), mark(b), mark(c), len(w.history())
	w.cmd(w.host, "kick-user", []any{b.id}, nil)
	labelsEqual(t, "7: target", since(b, fromB), "log Kicked by alice", "disconnect")
	equal(t, "7: disconnect", string(since(b, fromB)[1].Body), "\x01alice")
	labelsEqual(t, "7: others", since(c, fromC), "log Kicked by alice", "log Left session", "msg kick", "leave")
	labelsEqual(t, "7: operator", since(w.host, fromA), "log Kicked by alice", "log Left session", "msg kick", "leave")
	equal(t, "notice", string(since(c, fromC)[2].Body), `{"P":{"by":"alice","target":"bob"},"T":"kick","message":"bob kicked by alice","type":"msg"}`)
	labelsEqual(t, "history", w.history()[n:], "leave")

	for _, args := range [][]any{{}, {1, 2}} {
		from := mark(w.host)
		w.cmd(w.host, "kick-user", args, nil)
		equal(t, "arguments", errorsSince(w.host, from), []string{"kick-user: Expected one argument: user ID or name"})
	}
	m := w.join(person("mona", mod))
	from := mark(w.host)
	w.cmd(w.host, "kick-user", []any{m.id}, map[string]any{"ban": true})
	equal(t, "moderator", errorsSince(w.host, from), []string{"kick-user: cannot kick moderators"})

	// 5: deputies.
	d, o, plain := w.join(person("dep")), w.join(person("op")), w.join(person("plain"))
	w.send(w.host, frame.TypeSessionOwner, 0, ids(o.id))
	trust(w, d, c)
	w.s.setFlag(store.Deputies, true)
	for _, tt := range []struct {
		target *seat
		want   []string
	}{
		{o, []string{"kick-user: cannot kick operators"}}, {w.host, []string{"kick-user: cannot kick operators"}},
		{c, []string{"kick-user: cannot kick trusted users"}}, {m, []string{"kick-user: cannot kick moderators"}},
		{d, []string{"kick-user: cannot kick self"}}, {plain, []string{}},
	} {
		from := mark(d)
		w.cmd(d, "kick-user", []any{tt.target.id}, nil)
		equal(t, "5: "+tt.target.person.Name, errorsSince(d, from), tt.want)
		equal(t, "5: "+tt.target.person.Name, tt.target.gone, len(tt.want) == 0)
	}
}

// commands.md §12 item 7, session.md §33 items 36, 37, 44.
func TestRulesBan(t *testing.T) {
	w := newWorld(t)
	w.hosts(person("alice", at("198.51.100.1")))
	w.cmd(w.host, "init-complete", nil, nil)
	near := w.join(person("near", local))
	m, c := w.join(person("mona", mod)), w.join(person("carol"))
	w.send(w.host, frame.TypeSessionOwner, 0, ids(near.id))
	b := w.join(person("bob", registered, at("203.0.113.5")))
	marks := map[*seat]int{}
	for _, st := range w.s.seats {
		marks[st] = mark(st)
	}
	w.cmd(w.host, "kick-user", []any{b.id}, map[string]any{"ban": true})
	direct := func(st *seat) []heard {
		return filter(since(st, marks[st]), func(h heard) bool { return !h.history })
	}
	labelsEqual(t, "7: target", direct(b), "log Banned by alice", "msg ban", "log Kicked by alice", "disconnect")
	labelsEqual(t, "7: guest", direct(c), "log Banned by alice", "msg ban", "log Kicked by alice", "log Left session")
	plain := `[map[bannedBy:alice id:1 username:bob]]`
	full := fmt.Sprintf(`[map[bannedBy:alice extauthid:internal:bob id:1 ip:::ffff:203.0.113.5 s:%s username:bob]]`, b.person.SystemID)
	for st, want := range map[*seat]string{w.host: plain, near: full, m: full} {
		got := direct(st)
		labelsEqual(t, "operator", got, "log Banned by alice", "banlist", "msg ban", "log Kicked by alice", "log Left session")
		equal(t, "44: "+st.person.Name, got[1].json["config"].(map[string]any)["banlist"], want)
	}
	for _, h := range append(heardBy(w.host), heardBy(c)...) {
		if h.kind() != "log" && strings.Contains(string(h.Body), "203.0.113") {
			t.Errorf("44: address in %v", h)
		}
	}
	equal(t, "kept out", w.s.describe().Banned("Bob", "", "", b.person.Addr), 1)

	// Already banned: goes without a second entry.
	b2 := w.join(person("zed", mod, func(p *entry.Person) { p.Flags = 0; p.AuthID = "" }))
	w.s.hist.AddBan(store.Ban{Name: "zed"}, nil)
	from := mark(w.host)
	w.cmd(w.host, "kick-user", []any{b2.id}, map[string]any{"ban": true})
	equal(t, "banned already", errorsSince(w.host, from), []string{"kick-user: zed is already banned."})
	equal(t, "goes", b2.gone, true)
	equal(t, "told", len(ofKind(since(w.host, from), "msg")), 1)

	// Nothing left to match: refused, but it goes.
	e := w.join(person("", func(p *entry.Person) { p.SystemID = ""; p.Addr = w.host.person.Addr }))
	from = mark(w.host)
	w.cmd(w.host, "kick-user", []any{e.id}, map[string]any{"ban": true})
	equal(t, "refused", errorsSince(w.host, from), []string{"kick-user: Error banning ."})
	equal(t, "goes", e.gone, true)
	labelsEqual(t, "without notice", ofKind(since(w.host, from), "msg"))

	// D9: removal, also of an entry without a name.
	w.s.hist.AddBan(store.Ban{AuthID: "internal:x"}, nil)
	for _, entry := range w.s.hist.Bans.All() {
		from, fromC := mark(w.host), mark(c)
		w.cmd(w.host, "remove-ban", []any{entry.ID}, nil)
		labelsEqual(t, "D9: operator", since(w.host, from), "log "+entry.Name+" unbanned by alice", "banlist")
		labelsEqual(t, "D9: guest", since(c, fromC), "log "+entry.Name+" unbanned by alice")
	}
	equal(t, "empty", len(w.s.hist.Bans.All()), 0)
	equal(t, "D8: let in again", w.s.describe().Banned("bob", "internal:bob", b.person.SystemID, b.person.Addr), 0)
	from = mark(w.host)
	w.cmd(w.host, "remove-ban", []any{}, nil)
	equal(t, "arguments", errorsSince(w.host, from), []string{"remove-ban: Expected one argument: ban entry ID"})
	w.cmd(w.host, "remove-ban", []any{"x"}, nil)
	labelsEqual(t, "unknown", since(w.host, from)[1:])
}

// session.md §33 item 37: what also holds for the banning user is left out.
func TestRulesBanSparesBanner(t *testing.T) {
	w := open(t)
	b := w.join(person("bob", func(p *entry.Person) { p.SystemID = w.host.person.SystemID }))
	w.cmd(w.host, "kick-user", []any{b.id}, map[string]any{"ban": true})
	got := w.s.hist.Bans.All()[0]
	equal(t, "37", got, store.Ban{ID: 1, Name: "bob", By: "alice"})
}

// commands.md §12 item 8 and session.md §32 D14.
func TestRulesBanPast(t *testing.T) {
	w := open(t)
	b, c, d, o, m := w.join(person("bob")), w.join(person("carol")), w.join(person("dep")), w.join(person("op")), w.join(person("mona", mod))
	w.send(w.host, frame.TypeSessionOwner, 0, ids(o.id))
	trust(w, d, c)
	w.s.setFlag(store.Deputies, true)
	for _, st := range []*seat{b, c, o, m} {
		w.leave(st)
	}
	ban := func(by *seat, id any) []string {
		from := mark(by)
		w.cmd(by, "kick-user", []any{id}, map[string]any{"ban": true})
		return errorsSince(by, from)
	}
	equal(t, "D14: operator", ban(d, o.id), []string{"kick-user: cannot kick operators"})
	equal(t, "D14: trusted", ban(d, c.id), []string{"kick-user: cannot kick trusted users"})
	equal(t, "moderator", ban(w.host, m.id), []string{"kick-user: mona cannot be banned."})
	equal(t, "no numbers modulo 256", ban(w.host, int(b.id)+256), []string{fmt.Sprintf("kick-user: invalid user id: %d", int(b.id)+256)})
	equal(t, "names are for those present", ban(w.host, "bob"), []string{"kick-user: user not found"})
	from := mark(d)
	equal(t, "8: by a deputy", ban(d, b.id), []string{})
	labelsEqual(t, "8", since(d, from), "log Banned by dep", "msg ban")
	equal(t, "8: notice", since(d, from)[1].json["P"], "map[by:dep target:bob]")
	equal(t, "8: twice", ban(w.host, b.id), []string{"kick-user: bob is already banned."})
	equal(t, "without ban", func() []string {
		from := mark(w.host)
		w.cmd(w.host, "kick-user", []any{c.id}, nil)
		return errorsSince(w.host, from)
	}(), []string{"kick-user: user not found"})
	c2 := w.join(person("carol"))
	equal(t, "8: same id in use", c2.id, c.id)
	equal(t, "8: the member is meant", ban(w.host, c.id), []string{})
	equal(t, "8: the member is meant", c2.gone, true)
}

// commands.md §12 items 24 to 26.
func TestRulesBanTransfer(t *testing.T) {
	key := strings.Repeat("k", cryptKeySize)
	w := open(t, withKey(key))
	m := w.join(person("mona", mod))
	w.s.hist.AddBan(store.Ban{Name: "troll", By: "alice"}, nil)
	w.s.hist.AddBan(store.Ban{AuthID: "internal:x", SystemID: "sid"}, nil)
	w.s.hist.AddBan(store.Ban{Addr: person("x", at("203.0.113.9")).Addr}, nil)
	impex := func(st *seat, name string, args []any, kwargs map[string]any) map[string]any {
		t.Helper()
		from := mark(st)
		w.cmd(st, name, args, kwargs)
		got := ofKind(since(st, from), "banimpex")
		if len(got) != 1 {
			t.Fatalf("%s: %v", name, since(st, from))
		}
		return got[0].json
	}
	got := impex(w.host, "export-bans", nil, map[string]any{"plain": true})
	equal(t, "24", fmt.Sprint(got), "map[T:banexportmodonly error:Only moderators can export plain bans. type:banimpex]")
	plain := impex(m, "export-bans", nil, map[string]any{"plain": true})["export"].(string)
	sealed := impex(w.host, "export-bans", nil, nil)["export"].(string)
	if plain[0] != 'p' || sealed[0] != 'c' || !strings.Contains(sealed, ":") {
		t.Fatalf("exports %q, %q", plain, sealed)
	}
	for name, text := range map[string]string{"plain": plain, "encrypted": sealed} {
		w = open(t, withKey(key))
		from := mark(w.host)
		equal(t, "25: "+name, fmt.Sprint(impex(w.host, "import-bans", []any{text}, nil)), "map[imported:3 total:3 type:banimpex]")
		labelsEqual(t, "25: "+name, since(w.host, from), "banlist", "banimpex")
		from = mark(w.host)
		equal(t, "25: again", fmt.Sprint(impex(w.host, "import-bans", []any{text}, nil)), "map[imported:0 total:3 type:banimpex]")
		labelsEqual(t, "25: again", since(w.host, from), "banimpex")
		equal(t, "25: "+name, fmt.Sprint(w.s.hist.Bans.All()), "[{1 troll   invalid IP alice} {2  internal:x sid invalid IP } {3    ::ffff:203.0.113.9 }]")
	}
	w = open(t)
	failure := func(text any) any { return impex(w.host, "import-bans", []any{text}, nil)["T"] }
	equal(t, "no key: export", impex(w.host, "export-bans", nil, nil)["T"], "banexportunconfigured")
	equal(t, "no key: import", failure(sealed), "banimportunconfigured")
	w = open(t, withKey(strings.Repeat("o", cryptKeySize)))
	equal(t, "26: other key", failure(sealed), "banimportcrypterror")
	for text, want := range map[string]string{
		"": "malformed", "p": "malformed", "garbage": "malformed", "pAAA": "malformed", "p====": "malformed", "pAAAA": "invalid",
		"x" + plain: "malformed", plain + "\n": "malformed", "pAAAAAAAA": "invalid", "c" + sealed[2:]: "malformed",
		"c" + strings.Repeat("A", 32) + ":AAAA":                       "malformed",
		"c" + strings.Repeat("A", 32) + ":" + strings.Repeat("A", 64): "crypterror",
	} {
		equal(t, fmt.Sprintf("%q", text), failure(text), "banimport"+want)
	}
	equal(t, "not a text", failure(5), "banimportmalformed")
	from := mark(w.host)
	w.cmd(w.host, "import-bans", nil, nil)
	equal(t, "arguments", errorsSince(w.host, from), []string{"import-bans: Expected one argument: bans"})
}

// Exports of the reference (conformance suite): one ban with name, system id
// and address.
func TestRulesForeignBanExport(t *testing.T) {
	plain := "pAAAAanicDYo7CoAwEAXv8uoQsoka3auIRb4QCDaijXgbb+LF3KkGZm508HojghF6SwUKTZy5CmyN00YTOe29lEOKMUTWOjcM4zhN3s/zsoQQ" +
		"Y0o5l1KrbKds8Xv3vWQ8m8IFpucHwdAc6w=="
	bans, err := unpackBans(plain, nil)
	if err != nil || len(bans) != 1 || bans[0].Name == "" || bans[0].SystemID == "" {
		t.Errorf("plain: %+v, %v", bans, err)
	}
	sealed := "cG+Xn9huelIpS9B7dkch77RkBq+HudDsu:YmCIrGvc4iAlViYXdHifICwbb2d4z5hEQssR9BoUWGk3SOMBpgD9XRG//WJjEuQSQa/YZuQEq9d0vq8" +
		"4DjuBvsMGIhZ6Y/7pJlIplzHVnfiZXWFBNwqjvdIfXDp0GHTRzYS/0akZp88X07kWl2Ge+J33qvundEFCqiE="
	same, err := unpackBans(sealed, []byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatalf("encrypted: %v", err)
	}
	equal(t, "both", same, bans)
}

// An import that unpacks to very much is refused.
func TestRulesBanImportBomb(t *testing.T) {
	long := make([]store.Ban, 20)
	for i := range long {
		long[i] = store.Ban{Name: strings.Repeat("x", 60000) + fmt.Sprint(i)}
	}
	text, err := packBans(long)
	if err != nil || len(text) > frame.MaxPayload {
		t.Fatal(len(text), err)
	}
	if _, err := unpackBans(text, nil); err != errBanImportInvalid {
		t.Errorf("bomb: %v", err)
	}
}
