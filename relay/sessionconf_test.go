package relay

import (
	"fmt"
	"strings"
	"testing"

	"drawrelay/store"
	"drawrelay/store/entry"
	"drawrelay/store/settings"
)

// commands.md §9 and §12 items 14 to 21: who may set what, with which effect
// and log entry. An empty log means: no update at all.
func TestRulesSessionConf(t *testing.T) {
	type values = map[string]any
	flag := func(f store.Flags, on bool) func(*world) bool {
		return func(w *world) bool { return w.s.flag(f) == on }
	}
	set := func(f store.Flags, on bool) func(*world) { return func(w *world) { w.s.setFlag(f, on) } }
	title := func(s string) func(*world) bool { return func(w *world) bool { return w.s.hist.Title() == s } }
	users := func(n int) func(*world) bool { return func(w *world) bool { return w.s.hist.MaxUsers() == n } }
	threshold := func(n int64) func(*world) bool { return func(w *world) bool { return w.s.hist.AutoReset() == n } }
	tests := []struct {
		name   string
		by     string // op, account, mod, admin
		flags  entry.Flags
		conf   func(*settings.Settings)
		before func(*world)
		values values
		log    string
		check  func(*world) bool
	}{
		{"14: authOnly by a guest", "op", 0, nil, nil, values{"authOnly": true}, "", flag(store.AuthOnly, false)},
		{"authOnly off by a guest", "op", 0, nil, nil, values{"authOnly": false}, "Permitted guest logins", nil},
		{"authOnly by an account", "account", 0, nil, nil, values{"authOnly": true}, "Blocked guest logins", flag(store.AuthOnly, true)},
		{"authOnly by the server", "admin", 0, nil, nil, values{"authOnly": true}, "Blocked guest logins", flag(store.AuthOnly, true)},
		{"15: persistent by an operator", "op", 0, nil, nil, values{"persistent": true}, "", flag(store.Persistent, false)},
		{"15: persistent with the flag", "account", entry.FlagPersist, nil, nil, values{"persistent": true}, "Made persistent", flag(store.Persistent, true)},
		{"15: persistent with the setting", "op", 0, func(s *settings.Settings) { s.Persistence = true }, nil, values{"persistent": false}, "Made nonpersistent", nil},
		{"persistent by a moderator", "mod", 0, nil, nil, values{"persistent": true}, "Made persistent", flag(store.Persistent, true)},
		{"21: founder by an operator", "op", 0, nil, nil, values{"founder": "eve"}, "", func(w *world) bool { return w.s.hist.Founder() == "alice" }},
		{"founder", "mod", 0, nil, nil, values{"founder": "eve"}, "Changed founder", func(w *world) bool { return w.s.hist.Founder() == "eve" }},
		{"no founder", "mod", 0, nil, nil, values{"founder": ""}, "Changed founder", func(w *world) bool { return w.s.hist.Founder() == "" }},
		{"founder of a wrong type", "mod", 0, nil, nil, values{"founder": 5}, "Changed founder", func(w *world) bool { return w.s.hist.Founder() == "" }},
		{"founder with autotitle", "mod", 0, nil, set(store.AutoTitle, true), values{"founder": "eve", "title": "x"},
			"Changed founder, changed autotitle to 'eve Drawpile'", title("eve Drawpile")},
		{"autotitle", "op", 0, nil, nil, values{"autotitle": true, "title": "ignored"}, "Changed autotitle to 'alice Drawpile'", flag(store.AutoTitle, true)},
		{"autotitle with the same title", "op", 0, nil, func(w *world) { w.s.hist.SetTitle("alice Drawpile") }, values{"autotitle": true}, "Enabled autotitle", nil},
		{"autotitle again", "op", 0, nil, func(w *world) { w.s.hist.SetTitle("alice Drawpile"); w.s.setFlag(store.AutoTitle, true) },
			values{"autotitle": true}, "", nil},
		{"autotitle off", "op", 0, nil, set(store.AutoTitle, true), values{"autotitle": false}, "", flag(store.AutoTitle, true)},
		{"autotitle of a forbidden founder", "op", 0, func(s *settings.Settings) { s.ForbiddenNameRegex = "ALICE" }, nil, values{"autotitle": true},
			"Changed autotitle to 'Drawpile'", nil},
		{"title", "op", 0, nil, nil, values{"title": "Hello"}, "Changed title to 'Hello'", title("Hello")},
		{"same title", "op", 0, nil, nil, values{"title": ""}, "", nil},
		{"same title, autotitle", "op", 0, nil, func(w *world) { w.s.hist.SetTitle("x"); w.s.setFlag(store.AutoTitle, true) }, values{"title": "x"},
			"Disabled autotitle", flag(store.AutoTitle, false)},
		{"18: long title", "op", 0, nil, nil, values{"title": strings.Repeat("ä", 150)}, "Changed title to '" + strings.Repeat("ä", 100) + "'", nil},
		{"18: title of wide characters", "op", 0, nil, nil, values{"title": "x" + strings.Repeat("🖌", 60)},
			"Changed title to 'x" + strings.Repeat("🖌", 49) + "'", nil},
		{"title with line breaks", "op", 0, nil, nil, values{"title": "a\nb\x7f"}, "Changed title to 'a b '", nil},
		{"title of another type", "op", 0, nil, func(w *world) { w.s.hist.SetTitle("x") }, values{"title": 5}, "Changed title to ''", title("")},
		{"forbidden title", "op", 0, func(s *settings.Settings) { s.ForbiddenNameRegex = "b.d" }, nil, values{"title": "so B\u00e4D"},
			"Attempt to set forbidden name 'so B\u00e4D'|Changed autotitle to 'alice Drawpile' due to forbidden title", flag(store.AutoTitle, true)},
		{"forbidden title, same automatic one", "op", 0, func(s *settings.Settings) { s.ForbiddenNameRegex = "bad" },
			func(w *world) { w.s.hist.SetTitle("alice Drawpile") }, values{"title": "bad"},
			"Attempt to set forbidden name 'bad'|Enabled autotitle due to forbidden title", nil},
		{"forbidden title with autotitle", "op", 0, func(s *settings.Settings) { s.ForbiddenNameRegex = "bad" }, set(store.AutoTitle, true),
			values{"title": "bad"}, "Attempt to set forbidden name 'bad'", title("")},
		{"filtered title", "op", 0, func(s *settings.Settings) { s.ForbiddenNameRegex = "bad"; s.FilterNameRegex = "[_ ]" }, nil,
			values{"title": "b_a d"}, "Attempt to set forbidden name 'b_a d'|Changed autotitle to 'alice Drawpile' due to forbidden title", nil},
		{"forbidden title by a moderator", "mod", 0, func(s *settings.Settings) { s.ForbiddenNameRegex = "bad" }, nil, values{"title": "bad"},
			"Changed title to 'bad'", nil},
		{"16: one user", "op", 0, nil, nil, values{"maxUserCount": 1}, "Changed max. user count", users(2)},
		{"16: text", "op", 0, nil, nil, values{"maxUserCount": "x"}, "Changed max. user count", users(2)},
		{"16: above the server's limit", "op", 0, func(s *settings.Settings) { s.SessionUserLimit = 20 }, func(w *world) { w.s.hist.SetMaxUsers(15) },
			values{"maxUserCount": 100}, "Changed max. user count", users(20)},
		{"16: above it, but not above before", "op", 0, func(s *settings.Settings) { s.SessionUserLimit = 20 }, func(w *world) { w.s.hist.SetMaxUsers(50) },
			values{"maxUserCount": 40}, "Changed max. user count", users(40)},
		{"16: above before", "op", 0, func(s *settings.Settings) { s.SessionUserLimit = 20 }, func(w *world) { w.s.hist.SetMaxUsers(50) },
			values{"maxUserCount": 60}, "Changed max. user count", users(50)},
		{"16: moderator", "mod", 0, func(s *settings.Settings) { s.SessionUserLimit = 20 }, nil, values{"maxUserCount": 1000}, "Changed max. user count", users(254)},
		{"17: threshold as text", "op", 0, nil, nil, values{"resetThreshold": "10mb"}, "Changed autoreset threshold", threshold(10485760)},
		{"17: with blanks", "op", 0, nil, nil, values{"resetThreshold": " 1.5 KB "}, "Changed autoreset threshold", threshold(1536)},
		{"17: number", "op", 0, nil, nil, values{"resetThreshold": 12345}, "Changed autoreset threshold", threshold(12345)},
		{"17: off", "op", 0, func(s *settings.Settings) { s.MinimumAutoResetThreshold = 100 }, nil, values{"resetThreshold": 0}, "Changed autoreset threshold", threshold(0)},
		{"17: below the minimum", "op", 0, func(s *settings.Settings) { s.MinimumAutoResetThreshold = 1000 }, nil, values{"resetThreshold": 10},
			"Changed autoreset threshold", threshold(1000)},
		{"17: negative", "op", 0, nil, nil, values{"resetThreshold": -5}, "", threshold(15 << 20)},
		{"17: junk", "op", 0, nil, nil, values{"resetThreshold": "x"}, "", threshold(15 << 20)},
		{"17: other type", "op", 0, nil, nil, values{"resetThreshold": true}, "", threshold(15 << 20)},
		{"opword", "op", 0, nil, nil, values{"opword": "o"}, "Changed opword", func(w *world) bool { return w.s.hist.OpwordHash() == "hash:o" }},
		{"preserveChat", "op", 0, nil, nil, values{"preserveChat": true}, "Preserve chat", flag(store.PreserveChat, true)},
		{"preserveChat off", "op", 0, nil, nil, values{"preserveChat": 1}, "Don't preserve chat", flag(store.PreserveChat, false)},
		{"nsfm", "op", 0, nil, nil, values{"nsfm": true}, "Tagged NSFM", flag(store.NSFM, true)},
		{"nsfm off", "op", 0, nil, set(store.NSFM, true), values{"nsfm": false}, "Removed NSFM tag", flag(store.NSFM, false)},
		{"nsfm forced", "op", 0, func(s *settings.Settings) { s.ForceNSFM = true }, nil, values{"nsfm": false}, "", flag(store.NSFM, true)},
		{"nsfm to be forced", "op", 0, func(s *settings.Settings) { s.ForceNSFM = true }, set(store.NSFM, false), values{"nsfm": false}, "Forced NSFM", flag(store.NSFM, true)},
		{"deputies", "op", 0, nil, nil, values{"deputies": true}, "Enabled deputies", flag(store.Deputies, true)},
		{"deputies off", "op", 0, nil, nil, values{"deputies": false}, "Disabled deputies", nil},
		{"21: reserved to moderators", "op", 0, nil, nil, values{"idleOverride": true, "invites": false, "unlisted": true, "archive": true, "overrideSize": 1}, "",
			func(w *world) bool {
				return !w.s.flag(store.IdleOverride) && w.s.flag(store.Invites) && !w.s.flag(store.Unlisted) && w.s.hist.SizeOverride() == 0
			}},
		{"idleOverride", "mod", 0, nil, nil, values{"idleOverride": true}, "Enabled idle override", flag(store.IdleOverride, true)},
		{"idleOverride not allowed", "mod", 0, func(s *settings.Settings) { s.AllowIdleOverride = false }, nil, values{"idleOverride": true}, "", flag(store.IdleOverride, false)},
		{"invites", "mod", 0, nil, nil, values{"invites": false}, "Disabled invites", flag(store.Invites, false)},
		{"unlisted", "mod", 0, nil, nil, values{"unlisted": true}, "Unlisted", flag(store.Unlisted, true)},
		{"listed already", "mod", 0, nil, nil, values{"unlisted": false}, "", nil},
		{"listed", "admin", 0, nil, set(store.Unlisted, true), values{"unlisted": false}, "Listed", flag(store.Unlisted, false)},
		{"allowWeb", "op", 0, nil, nil, values{"allowWeb": false}, "", flag(store.AllowWeb, true)},
		{"allowWeb with the flag", "account", entry.FlagWebSession, nil, nil, values{"allowWeb": false}, "Disabled browser connections", flag(store.AllowWeb, false)},
		{"allowWeb by the server", "admin", 0, nil, set(store.AllowWeb, false), values{"allowWeb": true}, "Enabled browser connections", flag(store.AllowWeb, true)},
		{"password", "op", 0, nil, nil, values{"password": "p"}, "Changed password", func(w *world) bool { return w.s.hist.PasswordHash() == "hash:p" }},
		{"overrideSize", "mod", 0, nil, nil, values{"overrideSize": "50 mb"}, "Changed override size limit", func(w *world) bool { return w.s.hist.SizeOverride() == 50<<20 }},
		{"overrideSize removed", "admin", 0, nil, func(w *world) { w.s.hist.SetSizeOverride(5 << 20) }, values{"overrideSize": -1}, "Changed override size limit",
			func(w *world) bool { return w.s.hist.SizeOverride() == 0 }},
		{"archive in memory", "mod", 0, nil, nil, values{"archive": true}, "", nil},
		{"20: several, in table order", "mod", 0, nil, nil, values{"password": "p", "deputies": true, "title": "T", "maxUserCount": 5, "authOnly": true, "unknown": 1},
			"Blocked guest logins, changed title to 'T', changed max. user count, enabled deputies, changed password", nil},
	}
	for _, tt := range tests {
		var options []option
		if tt.conf != nil {
			options = append(options, withSettings(tt.conf))
		}
		w := newWorld(t, options...)
		by := person("alice", with(tt.flags))
		if tt.by == "account" {
			registered(by)
		}
		w.hosts(by)
		w.cmd(w.host, "init-complete", nil, nil)
		by2 := w.host
		if tt.by == "mod" {
			by2 = w.join(person("mona", mod))
		}
		if tt.before != nil {
			tt.before(w)
		}
		b := w.join(person("bob"))
		from := mark(b)
		if tt.by == "admin" {
			w.s.configure(toJSON(tt.values), nil)
			w.turn()
		} else {
			w.conf(by2, tt.values)
		}
		var logs []string
		for _, h := range ofKind(since(b, from), "log") {
			logs = append(logs, h.json["message"].(string))
			user := map[string]string{"admin": "<nil>", "mod": "2;mona"}[tt.by]
			if user == "" {
				user = "1;alice"
			}
			equal(t, tt.name+": user", fmt.Sprint(h.json["user"]), user)
		}
		equal(t, tt.name+": log", strings.Join(logs, "|"), tt.log)
		last := tt.log[strings.LastIndex(tt.log, "|")+1:]
		equal(t, tt.name+": updates", len(ofKind(since(b, from), "sessionconf")), map[bool]int{true: 1}[last != "" && !strings.HasPrefix(last, "Attempt")])
		if tt.check != nil && !tt.check(w) {
			t.Errorf("%s: not as expected", tt.name)
		}
		equal(t, tt.name+": errors", errorsSince(w.host, 0), []string{})
	}
}

// toJSON gives options the types they have after parsing.
func toJSON(v map[string]any) map[string]any {
	out := map[string]any{}
	for k, x := range v {
		if n, ok := x.(int); ok {
			x = float64(n)
		}
		out[k] = x
	}
	return out
}

// commands.md §12 items 13 and 19.
func TestRulesSessionConfReplies(t *testing.T) {
	w := open(t)
	b := w.join(person("bob"))
	c := w.invited(person("carol"), &entry.Invite{})
	fromA, fromB := mark(w.host), mark(b)
	w.conf(w.host, map[string]any{"closed": true})
	labelsEqual(t, "13", since(w.host, fromA), "alert closeunsupported", "closed true", "closed <nil>")
	labelsEqual(t, "13: others", since(b, fromB))
	w.conf(w.host, map[string]any{"closed": false})
	labelsEqual(t, "13: open", since(w.host, fromA)[3:])

	fromB, fromC := mark(b), mark(c)
	w.s.configure(map[string]any{"password": "x"}, w.host)
	w.out.settle()
	w.out.deliver()
	got := since(b, fromB)
	// The history is delivered at the end of the turn here.
	labelsEqual(t, "19", got, "passwordchange", "log Changed password", "sessionconf")
	equal(t, "19: plain text", got[0].json["password"], "x")
	equal(t, "19: configuration", got[2].json["config"].(map[string]any)["hasPassword"], true)
	labelsEqual(t, "19: invited", since(c, fromC), "log Changed password", "sessionconf")
	for _, h := range w.history() {
		if h.kind() == "passwordchange" {
			t.Error("a password in the history")
		}
	}
}

// commands.md §12 items 22 and 23.
func TestRulesConfKeys(t *testing.T) {
	keys := func(w *world) string {
		v := w.s.conf(w.set.Get())
		var out []string
		for _, k := range []string{"closed", "authOnly", "persistent", "autotitle", "preserveChat", "nsfm", "deputies", "idleOverride", "invites",
			"title", "maxUserCount", "resetThreshold", "resetThresholdBase", "resetThresholdMin", "hasPassword", "hasOpword", "forceNsfm",
			"allowIdleOverride", "idleTimeLimit", "maxSize", "allowWeb", "preferWebSockets"} {
			if _, ok := v[k]; ok {
				out = append(out, k)
			} else {
				out = append(out, "-"+k)
			}
		}
		return fmt.Sprint(len(v), out[19:])
	}
	equal(t, "23: without WebSockets", keys(open(t)), "20 [maxSize -allowWeb -preferWebSockets]")
	equal(t, "23: with", keys(open(t, withSettings(func(s *settings.Settings) { s.WebSockets = true }))), "22 [maxSize allowWeb preferWebSockets]")
	w := open(t)
	if v, ok := w.s.conf(w.set.Get())["closed"]; !ok || v != nil {
		t.Errorf("22: closed is %v", v)
	}
}

// session.md §22.2.
func TestRulesPasswordForBrowsers(t *testing.T) {
	depends := withSettings(func(s *settings.Settings) { s.PasswordDependentWebSession = true })
	start := func(f ...func(*entry.Person)) (*world, *seat) {
		w := newWorld(t, depends)
		w.hosts(person("alice", f...))
		w.cmd(w.host, "init-complete", nil, nil)
		w.conf(w.host, map[string]any{"password": "x"})
		b := w.join(person("bob"))
		return w, b
	}
	w, b := start()
	w.s.setFlag(store.AllowWeb, false)
	from := mark(b)
	w.conf(w.host, map[string]any{"password": "y"})
	labelsEqual(t, "set", filter(since(b, from), func(h heard) bool { return h.kind() == "log" }),
		"log Enabled browser connections because password is set, changed password")
	equal(t, "set", w.s.flag(store.AllowWeb), true)

	web, invited, m := w.join(person("web", browser)), w.invited(person("inv", browser), &entry.Invite{}), w.join(person("mona", mod, browser))
	from, fromWeb := mark(b), mark(web)
	w.conf(w.host, map[string]any{"password": ""})
	equal(t, "removed", w.s.flag(store.AllowWeb), false)
	equal(t, "who stays", []bool{web.gone, invited.gone, m.gone, b.gone}, []bool{true, false, false, false})
	const bye = "Web browser clients are only allowed on sessions with a password, but alice removed it."
	labelsEqual(t, "at a member", since(b, from), "passwordchange", "log Disabled browser connections because no password is set, changed password",
		"alert kickwebusers", "log "+bye, "log Left session", "sessionconf", "leave")
	got := since(web, fromWeb)
	equal(t, "at the browser", string(got[len(got)-1].Body), "\x02"+bye)

	w, _ = start(browser)
	w.conf(w.host, map[string]any{"password": ""})
	equal(t, "by a browser user", w.s.hist.PasswordHash(), "hash:x")
	w, _ = start(with(entry.FlagWebSession))
	w.conf(w.host, map[string]any{"password": ""})
	equal(t, "with the flag", []any{w.s.hist.PasswordHash(), w.s.flag(store.AllowWeb)}, []any{"", true})
	w, _ = start(with(entry.FlagWebSession))
	w.conf(w.host, map[string]any{"allowWeb": false, "password": "z"})
	equal(t, "with an explicit choice", []any{w.s.hist.PasswordHash(), w.s.flag(store.AllowWeb)}, []any{"hash:z", false})
}

// Passwords never get into the history or the log.
func TestRulesSecrets(t *testing.T) {
	w := open(t)
	b := w.join(person("bob"))
	w.conf(w.host, map[string]any{"password": "geheim", "opword": "geheim"})
	for _, h := range append(w.history(), ofKind(heardBy(b), "log")...) {
		if strings.Contains(string(h.Body), "geheim") {
			t.Errorf("secret in %v", h)
		}
	}
}

func TestRulesCutUTF16(t *testing.T) {
	for _, tt := range []struct {
		s    string
		n    int
		want string
	}{{"abc", 2, "ab"}, {"abc", 3, "abc"}, {"äöü", 2, "äö"}, {"🖌🖌", 3, "🖌"}, {"🖌", 1, ""}, {"", 0, ""}} {
		equal(t, tt.s, cutUTF16(tt.s, tt.n), tt.want)
	}
}
