package relay

import (
	"fmt"
	"strings"
	"testing"

	"drawrelay/store"
	"drawrelay/store/entry"
)

// commands.md §12 items 28 and 29, §8.14.
func TestRulesInvites(t *testing.T) {
	w := open(t)
	b, m := w.join(person("bob")), w.join(person("mona", mod))
	w.send(w.host, 34, 0, ids(b.id))
	c := w.join(person("carol"))
	create := func(st *seat, kwargs map[string]any) (secret string, errs []string) {
		from := mark(st)
		w.cmd(st, "invite-create", nil, kwargs)
		if got := ofKind(since(st, from), "invitecreated"); len(got) == 1 {
			secret = got[0].json["secret"].(string)
		}
		return secret, errorsSince(st, from)
	}
	fromB, fromC := mark(b), mark(c)
	s1, errs := create(w.host, nil)
	equal(t, "28", errs, []string{})
	labelsEqual(t, "29: other operator", since(b, fromB), "log Created invite with 1 use(s)", "invitelist")
	labelsEqual(t, "29: guest", since(c, fromC), "log Created invite with 1 use(s)")
	equal(t, "29: list", string(since(b, fromB)[1].Body), fmt.Sprintf(
		`{"config":{"invitelist":[{"at":"2026-05-16T12:34:56Z","creator":"alice","maxUses":1,"secret":"%s","uses":[]}]},"type":"sessionconf"}`, s1))
	for _, tt := range []struct {
		kwargs map[string]any
		log    string
	}{
		{map[string]any{"maxUses": 1000, "op": true, "trust": true}, "Created op and trust invite with 50 use(s)"},
		{map[string]any{"maxUses": -5, "op": true}, "Created op invite with 1 use(s)"},
		{map[string]any{"maxUses": "x", "trust": true}, "Created trust invite with 1 use(s)"},
	} {
		from := mark(c)
		create(w.host, tt.kwargs)
		labelsEqual(t, "28", since(c, from), "log "+tt.log)
	}
	from := mark(w.host)
	w.cmd(w.host, "invite-create", []any{1}, nil)
	w.cmd(w.host, "invite-remove", nil, nil)
	w.cmd(w.host, "invite-remove", []any{"nosuch"}, nil)
	equal(t, "arguments", errorsSince(w.host, from), []string{"invite-create: Create invite expected no arguments",
		"invite-remove: Remove invite expected one argument: secret", "invite-remove: Invite code to remove not found"})

	// Use.
	fromB, fromC = mark(b), mark(c)
	v, result := w.s.redeem(s1, person("dave"))
	equal(t, "redeem", []any{*v, result}, []any{entry.Invite{Secret: s1, Creator: "alice"}, entry.RedeemOK})
	labelsEqual(t, "operator", since(b, fromB), "log Used invite created by alice", "invitelist")
	labelsEqual(t, "guest", since(c, fromC), "log Used invite created by alice")
	uses := since(b, fromB)[1].json["config"].(map[string]any)["invitelist"].([]any)[0].(map[string]any)["uses"]
	equal(t, "use", uses, "[map[at:2026-05-16T12:34:56Z name:dave s:]]")
	check := w.s.describe().CheckInvite
	for _, tt := range []struct {
		name, secret string
		person       *entry.Person
		want, check  entry.RedeemResult
	}{
		{"same again", s1, person("dave"), entry.RedeemOK, entry.RedeemOK},
		{"same under another name", s1, person("david", func(p *entry.Person) { p.SystemID = person("dave").SystemID }), entry.RedeemOK, entry.RedeemOK},
		{"used up", s1, person("eve"), entry.RedeemUsedUp, entry.RedeemUsedUp},
		{"unknown", "nosuch", person("eve"), entry.RedeemUnknown, entry.RedeemUnknown},
		{"no system id", s1, person("eve", func(p *entry.Person) { p.SystemID = "" }), entry.RedeemNoClientKey, entry.RedeemOK},
	} {
		_, got := w.s.redeem(tt.secret, tt.person)
		equal(t, tt.name, got, tt.want)
		equal(t, tt.name+": check", check(tt.secret, tt.person.SystemID), tt.check)
	}

	// Switched off.
	w.s.setFlag(store.Invites, false)
	_, errs = create(w.host, nil)
	equal(t, "off: operator", errs, []string{"invite-create: You're not allowed to create invite codes in this session"})
	from = mark(w.host)
	w.cmd(w.host, "invite-remove", []any{s1}, nil)
	equal(t, "off: operator", errorsSince(w.host, from), []string{"invite-remove: You're not allowed to remove invite codes in this session"})
	_, errs = create(m, nil)
	equal(t, "off: moderator", errs, []string{})
	w.s.setFlag(store.Invites, true)
	from = mark(c)
	w.cmd(w.host, "invite-remove", []any{s1}, nil)
	labelsEqual(t, "removed", since(c, from), "log Removed invite "+s1)
	equal(t, "removed", w.s.describe().CheckInvite(s1, "x"), entry.RedeemUnknown)

	for len(w.s.hist.Invites.All()) < 50 {
		create(m, nil)
	}
	_, errs = create(m, nil)
	equal(t, "28: 51st", errs, []string{"invite-create: Too many invite codes"})
}

// commands.md §3.5: the oldest invite goes when the list is too long.
func TestRulesInviteListTooLong(t *testing.T) {
	w := open(t)
	for range 50 {
		w.s.createInvite(nil, 50, false, false)
	}
	for _, v := range w.s.hist.Invites.All() {
		for i := range 50 {
			w.s.hist.Invites.Redeem(v.Secret, fmt.Sprint(i), strings.Repeat("x", 22))
		}
	}
	from := mark(w.host)
	w.s.sendInvites()
	got := since(w.host, from)
	n := len(w.s.hist.Invites.All())
	if n >= 50 || n < 10 {
		t.Fatalf("%d invites left", n)
	}
	equal(t, "warnings", len(ofKind(got, "log")), 50-n)
	equal(t, "list", len(got[len(got)-1].json["config"].(map[string]any)["invitelist"].([]any)), n)
}
