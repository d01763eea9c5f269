package relay

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"drawrelay/frame"
	"drawrelay/store/entry"
)

func ids(ids ...uint8) string { return string(ids) }

// lastOps returns the newest list of operators in the history.
func (w *world) lastOps() string {
	list := ofType(w.history(), frame.TypeSessionOwner)
	if len(list) == 0 {
		return "none"
	}
	return string(list[len(list)-1].Body)
}

// session.md §33 items 12, 18, 19 and §13.2.
func TestRulesOps(t *testing.T) {
	w := open(t)
	b, c, d := w.join(person("bob")), w.join(person("carol", registered)), w.join(person("dave", mod))
	fromB, fromC := mark(b), mark(c)
	w.send(w.host, frame.TypeSessionOwner, 99, ids(c.id, 200, c.id, 0))
	list := ofType(w.history(), frame.TypeSessionOwner)
	last := list[len(list)-1]
	equal(t, "18: list in join order, sender kept, strangers out", string(last.Body), ids(1, c.id, d.id))
	equal(t, "18: sender's context id", last.User, 1)
	labelsEqual(t, "at a guest", since(b, fromB), "log Made operator by alice", "msg opgive", "banlist", "sessionowner")
	equal(t, "19: ban list for those who are not operators", since(b, fromB)[2].json["config"], "map[banlist:[]]")
	labelsEqual(t, "at the new operator", since(c, fromC), "log Made operator by alice", "msg opgive", "auth", "banlist", "invitelist", "sessionowner")
	equal(t, "notice", string(since(c, fromC)[1].Body),
		`{"P":{"by":"alice","target":"carol"},"T":"opgive","message":"carol made operator by alice","type":"msg"}`)
	equal(t, "13.1: remembered", w.s.hist.IsAuthOp("internal:carol"), true)

	fromA := mark(w.host)
	w.send(c, frame.TypeSessionOwner, 0, "")
	equal(t, "moderators stay", w.lastOps(), ids(c.id, d.id))
	labelsEqual(t, "19: at the de-opped", since(w.host, fromA), "log Operator status revoked by carol", "msg optake", "banlist", "sessionowner")
	equal(t, "19: empty list", since(w.host, fromA)[2].json["config"], "map[banlist:[]]")

	fromB = mark(b)
	w.send(c, frame.TypeSessionOwner, 0, ids(c.id))
	labelsEqual(t, "no change", since(b, fromB), "sessionowner")

	n := len(w.history())
	fromB = mark(b)
	w.send(b, frame.TypeSessionOwner, 0, ids(b.id))
	equal(t, "guest: history", len(w.history()), n)
	labelsEqual(t, "guest", since(b, fromB), "log Tried to change session ownership")
	equal(t, "user of the entry", since(b, fromB)[0].json["user"], fmt.Sprintf("%d;bob", b.id))

	// 12: an account is remembered as operator, so nobody is promoted.
	w.leave(d)
	w.leave(c)
	equal(t, "12: remembered operator", b.operator() || w.host.operator(), false)
	c = w.join(person("carol", registered))
	equal(t, "13.1: restored", c.op, true)
	equal(t, "list", w.lastOps(), ids(c.id))
}

func TestRulesEnsureOperator(t *testing.T) {
	w := open(t)
	g := w.join(person("gus", ghost))
	b, c := w.join(person("bob")), w.join(person("carol"))
	from := mark(c)
	w.leave(w.host)
	equal(t, "12: oldest member who is no ghost", []bool{g.op, b.op, c.op}, []bool{false, true, false})
	labelsEqual(t, "at others", since(c, from), "log Left session", "log Made operator by the server", "msg opgive", "banlist", "leave", "sessionowner")
	equal(t, "list with the ghost", w.lastOps(), ids(g.id, b.id))
	equal(t, "11: user count includes the ghost", w.s.describe().UserCount, 3)

	w.conf(b, map[string]any{"opword": "x"})
	w.leave(b)
	equal(t, "12: not with an operator password", c.op, false)
}

func TestRulesGhost(t *testing.T) {
	w := open(t)
	b := w.join(person("bob"))
	n, from := len(w.history()), mark(b)
	g := w.join(person("gus", ghost))
	labelsEqual(t, "11: history", w.history()[n:], "caughtup", "sessionowner")
	labelsEqual(t, "at others", since(b, from), "announcements", "muted", "log Moderator in ghost mode joined session", "caughtup", "sessionowner")
	equal(t, "11: in the list", w.lastOps(), ids(1, g.id))
	n, from = len(w.history()), mark(b)
	w.leave(g)
	labelsEqual(t, "11: no Leave", w.history()[n:])
	labelsEqual(t, "at others", since(b, from), "log Moderator in ghost mode left session")
}

func TestRulesTrust(t *testing.T) {
	w := open(t)
	b, c := w.join(person("bob")), w.join(person("carol", registered))
	from := mark(b)
	w.send(w.host, frame.TypeTrustedUsers, 0, ids(c.id, b.id, 77))
	labelsEqual(t, "at a guest", since(b, from), "log Trusted by alice", "msg trustgive", "log Trusted by alice", "msg trustgive", "trusted")
	last := since(b, from)[4]
	equal(t, "list", string(last.Body), ids(b.id, c.id))
	equal(t, "context id", last.User, 1)
	equal(t, "remembered", w.s.hist.IsAuthTrusted("internal:carol"), true)
	from = mark(b)
	w.send(w.host, frame.TypeTrustedUsers, 0, ids(b.id))
	labelsEqual(t, "at a guest", since(b, from), "log Untrusted by alice", "msg trusttake", "trusted")
	equal(t, "forgotten", w.s.hist.IsAuthTrusted("internal:carol"), false)
	from = mark(w.host)
	w.send(b, frame.TypeTrustedUsers, 0, ids(b.id, c.id))
	labelsEqual(t, "by a guest", since(w.host, from), "log Tried to change trusted user list")
	if since(w.host, from)[0].json["user"] != nil {
		t.Error("the entry names a user")
	}
}

func TestRulesRolesOnEntry(t *testing.T) {
	tests := []struct {
		name    string
		person  *entry.Person
		invite  *entry.Invite
		history []string
		notice  string
	}{
		{"guest", person("bob"), nil, []string{"caughtup", "join"}, ""},
		{"invited", person("bob"), &entry.Invite{Creator: "alice"}, []string{"caughtup", "join"}, ""},
		{"invited operator", person("bob"), &entry.Invite{Creator: "alice", Op: true}, []string{"caughtup", "join", "sessionowner"},
			"bob made operator via invite created by alice"},
		{"operator invited by the server", person("bob"), &entry.Invite{Op: true}, []string{"caughtup", "join", "sessionowner"},
			"bob made operator via invite created by a server administrator"},
		{"invited trusted", person("bob"), &entry.Invite{Creator: "alice", Trust: true}, []string{"caughtup", "join", "trusted"},
			"bob trusted via invite created by alice"},
		{"account flag", person("bob", registered, with(entry.FlagTrusted)), nil, []string{"caughtup", "join", "trusted"},
			"bob trusted by the server"},
		{"moderator", person("bob", mod), nil, []string{"caughtup", "join", "sessionowner"}, ""},
	}
	for _, tt := range tests {
		w := open(t)
		n, from := len(w.history()), mark(w.host)
		st := w.invited(tt.person, tt.invite)
		labelsEqual(t, "10: "+tt.name, w.history()[n:], tt.history...)
		got := ""
		for _, h := range ofKind(since(w.host, from), "msg") {
			got += h.json["message"].(string)
		}
		equal(t, tt.name, got, tt.notice)
		if i := slices.IndexFunc(heardBy(st), func(h heard) bool { return label(h) == "invitelist" }); tt.invite != nil && tt.invite.Op != (i >= 0) {
			t.Errorf("%s: invite list at %d", tt.name, i)
		}
	}
}

// Commands that change roles in the name of the server or of an account.
func TestRulesAuthList(t *testing.T) {
	w := newWorld(t)
	w.hosts(person("alice", registered))
	w.cmd(w.host, "init-complete", nil, nil)
	b := w.join(person("bob", registered))
	c := w.join(person("carol"))
	item := func(kv ...any) any {
		m := map[string]any{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i].(string)] = kv[i+1]
		}
		return m
	}
	errorOf := func(args ...any) string {
		from := mark(w.host)
		if args == nil {
			args = []any{}
		}
		w.cmd(w.host, "auth-list", args, nil)
		if e := ofKind(since(w.host, from), "error"); len(e) > 0 {
			return e[0].json["message"].(string)
		}
		return ""
	}
	equal(t, "no argument", errorOf(), "auth-list: Expected one argument: list")
	equal(t, "27: 101 elements", errorOf(make([]any, 101)), "auth-list: Insane argument")
	equal(t, "100 elements", errorOf(make([]any, 100)), "")

	fromA, fromC := mark(w.host), mark(c)
	equal(t, "changes", errorOf([]any{
		item("a", "internal:bob", "o", true, "t", true),
		item("a", "internal:alice", "o", false),
		item("a", "internal:zoe", "o", true, "u", "Zoe"),
		item("a", "internal:yan", "t", true, "u", "Yan"),
		item("a", "internal:bob", "u", "renamed"),
		item("a", "", "o", true), "junk",
	}), "")
	equal(t, "27: own status", w.host.op, true)
	equal(t, "present", []bool{b.op, b.trusted}, []bool{true, true})
	equal(t, "absent", []bool{w.s.hist.IsAuthOp("internal:zoe"), w.s.hist.IsAuthTrusted("internal:yan")}, []bool{true, true})
	equal(t, "one list", len(ofKind(since(w.host, fromA), "sessionconf")), 1)
	labelsEqual(t, "guest", since(c, fromC), "log Made operator by alice", "msg opgive", "log Trusted by alice", "msg trustgive", "sessionowner", "trusted")
	lists := filter(since(w.host, fromA), func(h heard) bool { return label(h) == "auth" })
	equal(t, "list", string(lists[0].Body), `{"config":{"auth":[{"authId":"internal:zoe","op":true,"username":"Zoe"},`+
		`{"authId":"internal:alice","op":true,"username":"alice"},{"authId":"internal:bob","op":true,"trusted":true,"username":"bob"},`+
		`{"authId":"internal:yan","trusted":true,"username":"Yan"}]},"type":"sessionconf"}`)
	errorOf([]any{item("a", "internal:bob", "o", false, "t", false)})
	equal(t, "taken again", []bool{b.op, b.trusted, w.s.hist.IsAuthOp("internal:bob")}, []bool{false, false, false})
}

// commands.md §3.5: shortening of the list.
func TestRulesAuthListTooLong(t *testing.T) {
	w := open(t)
	long := make([]byte, 200)
	for i := range long {
		long[i] = 'x'
	}
	for i := range 100 {
		w.s.hist.SetAuthName(fmt.Sprintf("plain:%03d", i), string(long))
	}
	list := func() []any {
		from := mark(w.host)
		w.s.sendAuths()
		got := filter(since(w.host, from), func(h heard) bool { return label(h) == "auth" })
		if len(got) != 1 {
			t.Fatalf("%d lists", len(got))
		}
		return got[0].json["config"].(map[string]any)["auth"].([]any)
	}
	equal(t, "absent accounts without a role", len(list()), maxOfflinePlain)
	for i := range 230 {
		id := fmt.Sprintf("trusted:%03d", i)
		w.s.hist.SetAuthName(id, string(long))
		w.s.hist.SetAuthTrusted(id, true)
	}
	from := mark(w.host)
	equal(t, "level 1", len(list()), 230)
	equal(t, "warning", since(w.host, from)[0].json["message"], "Auth list too large (level 1)")
	for i := range 200 {
		w.s.hist.SetAuthOp(fmt.Sprintf("trusted:%03d", i), i < 50)
	}
	for i := range 200 {
		id := fmt.Sprintf("more:%03d", i)
		w.s.hist.SetAuthName(id, string(long))
		w.s.hist.SetAuthTrusted(id, true)
	}
	equal(t, "level 2", len(list()), 50)
}

// commands.md §3.5: the operators' list of accounts shows remembered roles; a
// moderator is an operator without being remembered as one.
func TestRulesAccountRoles(t *testing.T) {
	w := newWorld(t)
	w.hosts(person("host"))
	w.join(person("mod", func(p *entry.Person) { p.AuthID, p.Flags = "internal:mod", entry.FlagMod }))
	w.join(person("ann", func(p *entry.Person) { p.AuthID = "internal:ann" }))
	w.cmd(w.host, "auth-list", []any{[]any{map[string]any{"a": "internal:ann", "o": true}}}, nil)
	got := map[string]account{}
	for _, a := range w.s.accounts() {
		got[a.id] = a
	}
	if a := got["internal:mod"]; !a.mod || a.op || !a.online {
		t.Errorf("moderator: %+v", a)
	}
	if a := got["internal:ann"]; a.mod || !a.op || !a.online {
		t.Errorf("operator: %+v", a)
	}
}

// An operator who has the session remember more accounts than it can is told.
func TestRulesAuthListFull(t *testing.T) {
	w := open(t)
	id := func(i int) string { return fmt.Sprintf("%s%03d", strings.Repeat("x", 60000), i) }
	for i := range 10 {
		from := mark(w.host)
		w.cmd(w.host, "auth-list", []any{[]any{map[string]any{"a": id(i), "t": true}}}, nil)
		errs := ofKind(since(w.host, from), "error")
		if known := w.s.hist.IsAuthTrusted(id(i)); known != (len(errs) == 0) || known != (i < 4) {
			t.Errorf("account %d remembered: %v, errors %v", i, known, errs)
		}
	}
}
