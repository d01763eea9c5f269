package relay

import (
	"fmt"
	"testing"

	"drawrelay/frame"
	"drawrelay/store"
)

// errorsSince returns the texts of the error replies since a mark.
func errorsSince(st *seat, from int) []string {
	out := []string{}
	for _, h := range ofKind(since(st, from), "error") {
		if h.json["code"] != nil {
			out = append(out, "with a code: ")
		}
		out = append(out, h.json["message"].(string))
	}
	return out
}

// commands.md §12 items 1, 2, 4, 33, 38.
func TestRulesPermissions(t *testing.T) {
	w := open(t)
	w.s.listings = &fakeListings{}
	w.s.setFlag(store.Deputies, true)
	guest, deputy, m := w.join(person("bob")), w.join(person("dep")), w.join(person("mona", mod))
	deputy.trusted = true
	who := map[string]*seat{"guest": guest, "deputy": deputy, "op": w.host, "mod": m}
	for name, spec := range commands {
		for role, st := range who {
			want := ""
			switch {
			case spec.need == modLevel && role != "mod":
				want = "Not a moderator"
			case spec.need == opLevel && (role == "guest" || role == "deputy"):
				want = "Not a session owner"
			case spec.need == deputyLevel && role == "guest":
				want = "Not a session owner or a deputy"
			}
			if want == "" {
				continue
			}
			from, n, heard := mark(st), len(w.history()), mark(w.host)
			w.cmd(st, name, []any{"x"}, map[string]any{"title": "x"})
			equal(t, "1: "+name+" by "+role, errorsSince(st, from), []string{name + ": " + want})
			equal(t, "1: effect of "+name, []int{len(w.history()) - n, mark(w.host) - heard}, []int{0, map[bool]int{true: 1}[st == w.host]})
		}
	}
	from := mark(guest)
	w.cmd(guest, "ready-thumbnail", nil, nil)
	w.cmd(guest, "", nil, nil)
	for _, text := range []string{"", "{", "[]", `"x"`, "null", `{"cmd":5}`, `{"cmd":["sessionconf"]}`} {
		w.send(guest, frame.TypeServerCommand, 0, text)
	}
	got := errorsSince(guest, from)
	equal(t, "38", got[0], "ready-thumbnail: Unknown command")
	for _, e := range got[1:] {
		equal(t, "2", e, ": Unknown command")
	}
	equal(t, "2: answers", len(got), 9)
}

// commands.md §12 items 6, 7 and naming of users in general.
func TestRulesNaming(t *testing.T) {
	w := open(t)
	w.join(person("bob"))
	for _, tt := range []struct {
		arg  any
		want string
	}{
		{true, "invalid user ID or name"}, {nil, "invalid user ID or name"}, {[]any{}, "invalid user ID or name"},
		{0, "invalid user id: 0"}, {255, "invalid user id: 255"}, {-3, "invalid user id: -3"}, {1.5, "invalid user id: 0"},
		{258, "invalid user id: 258"}, {77, "user not found"}, {"nobody", "user not found"}, {"", "user not found"},
		{1, "cannot kick self"}, {"ALICE", "cannot kick self"},
	} {
		from := mark(w.host)
		w.cmd(w.host, "kick-user", []any{tt.arg}, nil)
		equal(t, fmt.Sprintf("6: %v", tt.arg), errorsSince(w.host, from), []string{"kick-user: " + tt.want})
	}
	w.cmd(w.host, "kick-user", []any{"BOB"}, nil)
	equal(t, "6: name, case ignored", len(w.s.seats), 1)
}

// commands.md §12 item 9.
func TestRulesGainOp(t *testing.T) {
	w := open(t)
	b := w.join(person("bob"))
	try := func(args ...any) []string {
		from := mark(b)
		if args == nil {
			args = []any{}
		}
		w.cmd(b, "gain-op", args, nil)
		return errorsSince(b, from)
	}
	equal(t, "no argument", try(), []string{"gain-op: Expected one argument: opword"})
	equal(t, "none set", try("x"), []string{"gain-op: No opword set"})
	w.conf(w.host, map[string]any{"opword": "sesame"})
	equal(t, "wrong", try("x"), []string{"gain-op: Incorrect password"})
	equal(t, "not a string", try(5), []string{"gain-op: Incorrect password"})
	from := mark(b)
	equal(t, "right", try("sesame"), []string{})
	labelsEqual(t, "right", since(b, from), "log Made operator by password", "msg opgive", "auth", "banlist", "invitelist", "sessionowner")
	equal(t, "P.by", since(b, from)[1].json["P"], "map[by:password target:bob]")
	from = mark(b)
	try("sesame")
	labelsEqual(t, "once more", since(b, from), "sessionowner")
	w.conf(w.host, map[string]any{"opword": ""})
	equal(t, "removed", try("sesame"), []string{"gain-op: No opword set"})
}

// Slow commands: nothing of the same sender overtakes them, no change of
// settings overtakes an earlier one, and they survive their sender.
func TestRulesSlowCommands(t *testing.T) {
	w := open(t)
	b, c := w.join(person("bob")), w.join(person("carol"))
	w.send(w.host, frame.TypeSessionOwner, 0, ids(b.id, c.id))
	w.out.defers = true
	n, from := len(w.history()), mark(c)
	w.conf(b, map[string]any{"password": "first"})
	w.draw(b, "after the password")
	w.conf(c, map[string]any{"title": "T"})
	w.draw(c, "after the title")
	w.draw(w.host, "somebody else")
	labelsEqual(t, "while it takes long", w.history()[n:], "putimage")
	w.out.defers = false
	w.turn()
	equal(t, "order", fmt.Sprint(labels(w.history()[n:])), "[putimage sessionconf putimage sessionconf putimage]")
	equal(t, "password", w.s.hist.PasswordHash(), "hash:first")
	labelsEqual(t, "at a member", filter(since(c, from), func(h heard) bool { return !h.history }),
		"passwordchange", "log Changed password", "log Changed title to 'T'")

	// Two of one kind keep their order although the second sender waits.
	w.out.defers = true
	w.conf(b, map[string]any{"password": "b"})
	w.conf(c, map[string]any{"password": "c"})
	w.out.defers = false
	w.turn()
	equal(t, "last one wins", w.s.hist.PasswordHash(), "hash:c")

	// What was sent before leaving is processed.
	w.out.defers = true
	n = len(w.history())
	w.conf(b, map[string]any{"password": "", "opword": "o"})
	w.draw(b, "last stroke")
	w.cmd(b, "gain-op", []any{"x"}, nil)
	w.draw(b, "very last stroke")
	w.leave(b)
	w.out.defers = false
	w.turn()
	equal(t, "left meanwhile", fmt.Sprint(labels(w.history()[n:])), "[putimage putimage leave sessionconf]")
	equal(t, "applied", []string{w.s.hist.PasswordHash(), w.s.hist.OpwordHash()}, []string{"", "hash:o"})

	// A session that ends meanwhile stays as it is.
	w.out.defers = true
	w.conf(c, map[string]any{"password": "late"})
	w.s.kill("x")
	w.out.defers = false
	w.turn()
	equal(t, "ended", w.s.hist.PasswordHash(), "")
}

func TestRulesSlowCommandFails(t *testing.T) {
	w := open(t)
	w.s.passwords = fakeHasher{fmt.Errorf("no randomness")}
	w.conf(w.host, map[string]any{"password": "old"})
	w.conf(w.host, map[string]any{"opword": "old", "title": "T"})
	equal(t, "unchanged", []string{w.s.hist.PasswordHash(), w.s.hist.OpwordHash(), w.s.hist.Title()}, []string{"", "", "T"})
}

// Input of a member who must wait is held back.
func TestRulesHeldInput(t *testing.T) {
	w := open(t)
	out := w.out
	w.out.defers = true
	w.conf(w.host, map[string]any{"password": "x"})
	for range heldPause/1000 + 10 {
		w.draw(w.host, string(make([]byte, 1000)))
	}
	equal(t, "paused", out.paused, []bool{true})
	w.out.defers = false
	w.turn()
	equal(t, "goes on", out.paused, []bool{true, false})
	equal(t, "stored", len(ofType(w.history(), 136)), heldPause/1000+11)

	w.out.defers = true
	w.conf(w.host, map[string]any{"password": "x"})
	for range heldLimit/60000 + 1 {
		if !w.host.gone {
			w.draw(w.host, string(make([]byte, 60000)))
		}
	}
	equal(t, "too much", w.host.gone, true)
}

// commands.md §8.6.
func TestRulesKillSession(t *testing.T) {
	for reason, want := range map[string]string{
		"":    `{"P":{"by":"mona"},"T":"terminatesession","message":"Session shut down by moderator (mona)","type":"alert"}`,
		" \t": `{"P":{"by":"mona"},"T":"terminatesession","message":"Session shut down by moderator (mona)","type":"alert"}`,
		" why ": `{"P":{"by":"mona","reason":"why"},"T":"terminatesessionreason",` +
			`"message":"Session shut down by moderator (mona): why","type":"alert"}`,
	} {
		w := open(t)
		m := w.join(person("mona", mod))
		from := mark(w.host)
		n := len(w.history())
		w.cmd(m, "kill-session", nil, map[string]any{"reason": reason})
		got := since(w.host, from)
		labelsEqual(t, reason, got[1:], "disconnect")
		equal(t, reason, string(got[0].Body), want)
		equal(t, reason, string(got[1].Body), "\x02Session terminated by moderator")
		equal(t, "history", len(w.history()), n)
		equal(t, "ended with removal", w.out.ended, []bool{true})
		w.draw(m, "too late")
		w.cmd(m, "kill-session", nil, nil)
		equal(t, "ended once", len(w.out.ended), 1)
	}
}

// commands.md §12 item 3: success has no reply.
func TestRulesSilentSuccess(t *testing.T) {
	w := open(t)
	b := w.join(person("bob"))
	from := mark(b)
	w.cmd(w.host, "mute", []any{b.id, true}, nil)
	w.cmd(w.host, "remove-ban", []any{99}, nil)
	w.cmd(w.host, "auth-list", []any{[]any{}}, nil)
	w.conf(w.host, map[string]any{"nothing": 1})
	labelsEqual(t, "3", since(b, from), "muted", "log Muted by alice")
	equal(t, "errors", errorsSince(w.host, 0), []string{})
	equal(t, "muted list", string(since(b, from)[0].Body), fmt.Sprintf(`{"config":{"muted":[%d]},"type":"sessionconf"}`, b.id))
}

// commands.md §12 item 32.
func TestRulesMute(t *testing.T) {
	w := open(t)
	b, m := w.join(person("bob")), w.join(person("mona", mod))
	for _, tt := range []struct {
		args  []any
		want  []string
		heard []string
	}{
		{[]any{b.id}, []string{"mute: Expected two arguments: userId true/false"}, nil},
		{[]any{m.id, true}, []string{"mute: cannot mute moderators"}, nil},
		{[]any{m.id, false}, []string{}, nil},
		{[]any{77, true}, []string{"mute: user not found"}, nil},
		{[]any{b.id, "true"}, []string{}, nil},
		{[]any{b.id, true}, []string{}, []string{"muted", "log Muted by alice"}},
		{[]any{"BOB", true}, []string{}, nil},
		{[]any{b.id, 1}, []string{}, []string{"muted", "log Unmuted by alice"}},
		{[]any{1, true}, []string{}, []string{"muted", "log Muted by alice"}},
	} {
		fromA, fromB := mark(w.host), mark(b)
		w.cmd(w.host, "mute", tt.args, nil)
		equal(t, fmt.Sprint("32: ", tt.args), errorsSince(w.host, fromA), tt.want)
		labelsEqual(t, fmt.Sprint("32: ", tt.args), since(b, fromB), tt.heard...)
	}
}
