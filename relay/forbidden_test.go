package relay

import (
	"fmt"
	"strings"
	"testing"

	"drawrelay/store/settings"
)

// A title is compared with the expressions off the loop: others draw on while
// one takes its time, and a title on which it takes too long is forbidden.
func TestRulesForbiddenTitleOffTheLoop(t *testing.T) {
	w := open(t, withSettings(func(s *settings.Settings) { s.ForbiddenNameRegex = "^(a|aa)+$" }))
	b := w.join(person("bob"))
	n := len(w.history())
	w.out.defers = true
	w.conf(w.host, map[string]any{"title": strings.Repeat("a", 80) + "!"})
	w.draw(b, "meanwhile")
	equal(t, "while it takes long", fmt.Sprint(labels(w.history()[n:])), "[putimage]")
	w.out.defers = false
	w.turn()
	equal(t, "title", w.s.hist.Title(), "alice Drawpile")

	// Nothing is compared, nor put off, where nothing is forbidden or asked.
	w.out.defers = true
	w.conf(w.host, map[string]any{"maxUserCount": 7})
	equal(t, "at once", w.s.hist.MaxUsers(), 7)
}
