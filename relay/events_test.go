package relay

import (
	"fmt"
	"strings"
	"testing"

	"drawrelay/store/serverlog"
	"drawrelay/store/settings"
)

// session.md §6.3 row 13: what a joiner sees of the log.
func TestRulesLogReplay(t *testing.T) {
	w := open(t)
	w.s.event(serverlog.Info, serverlog.ClientInfo, w.host, "secret info")
	w.s.event(serverlog.Info, serverlog.Report, w.host, "secret report")
	w.s.event(serverlog.Info, serverlog.Kick, w.host, "a kick")
	w.s.event(serverlog.Warn, serverlog.RuleBreak, w.host, "a warning")
	w.s.event(serverlog.Debug, serverlog.Status, w.host, "a detail")
	w.s.hist.SetAuthOp("internal:oscar", true)
	topics := func(st *seat) (out []string) {
		for _, h := range ofKind(heardBy(st), "log")[4:] {
			out = append(out, h.json["message"].(string))
		}
		return out
	}
	equal(t, "guest", topics(w.join(person("bob"))), []string{"a warning", "Joined session"})
	equal(t, "operator", topics(w.join(person("oscar", registered))),
		[]string{"Session initialized with size 438 bytes", "a kick", "a warning", "Joined session", "Made operator by the server", "Joined session"})
	equal(t, "moderator", topics(w.join(person("mona", mod)))[:4], []string{"secret info", "secret report", "a kick", "a warning"})
	for _, h := range ofKind(heardBy(w.host), "log") {
		if strings.Contains(string(h.Body), "secret") || strings.Contains(string(h.Body), "192.0.2") || h.json["level"] == "Debug" {
			t.Errorf("commands.md 12.39: %v", h)
		}
	}
}

func TestRulesLogReplayLimit(t *testing.T) {
	w := open(t)
	for i := range 1200 {
		w.s.event(serverlog.Info, serverlog.Status, nil, fmt.Sprint(i))
	}
	got := ofKind(heardBy(w.join(person("bob"))), "log")
	equal(t, "entries", len(got), 1001)
	equal(t, "oldest first", got[0].json["message"], "200")
}

func TestRulesWelcomeTooLong(t *testing.T) {
	w := open(t, withSettings(func(s *settings.Settings) { s.WelcomeMessage = strings.Repeat("x", 65536) }))
	b := w.join(person("bob"))
	got := ofKind(heardBy(b), "log")
	equal(t, "log", got[len(got)-2].json["message"], "Welcome message too long")
}
