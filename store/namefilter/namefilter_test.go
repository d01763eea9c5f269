package namefilter

import (
	"strings"
	"sync"
	"testing"
)

func TestForbids(t *testing.T) {
	for _, tt := range []struct{ forbidden, filter, name, want string }{
		{"", "", "anything", "ok"},
		{"", "x", "anything", "ok"},
		{"  bad|e.il ", "", "XBADX", "forbidden"},
		{"bad", "", "so B\u00e4D", "ok"},
		{"b.d", "", "so B\u00e4D", "forbidden"},
		{"e.il", "", "e\nil", "forbidden"},
		{"bad", "badger", "badger", "ok"},
		{"bad", "badger", "badger bad", "forbidden"},
		{"bad", "$1", "bad", "forbidden"},
		{"^admin$", "\\s", "a d m i n", "forbidden"},
		// Perl's look-around and back references.
		{"admin(?!istrator)", "", "administrator", "ok"},
		{"admin(?!istrator)", "", "admins", "forbidden"},
		{"(?<!no)bot", "", "robot", "forbidden"},
		{"(?<!no)bot", "", "nobot", "ok"},
		{"^(?=.*\\d)(?=.*x)", "", "ax7", "forbidden"},
		{"^(?=.*\\d)(?=.*x)", "", "ax", "ok"},
		{"(?<c>.)\\k<c>\\k<c>", "", "baaad", "forbidden"},
		{"(?P<c>.)\\k<c>\\k<c>", "", "baad", "ok"},
		{"(?>a+)b", "", "aaab", "forbidden"},
		{"(?i)straße", "", "STRAßE", "forbidden"},
		{"^\\d+$", "", "123", "forbidden"},
		{"^\\d+$", "", "١٢٣", "ok"},
		{"[[:punct:]]", "", "a!b", "forbidden"},
		{"a\\_b", "", "a_b", "forbidden"},
		{"\\p{Cyrillic}", "", "Иван", "forbidden"},
		// A bad expression is off; a filter alone does nothing.
		{"(", "x", "(", "ok"},
		{"bad", "(", "bad", "forbidden"},
	} {
		var f Filter
		got := "ok"
		if f.Forbids(tt.forbidden, tt.filter, tt.name, func(string) {}) {
			got = "forbidden"
		}
		if got != tt.want {
			t.Errorf("%q, filter %q, name %q: %s, want %s", tt.forbidden, tt.filter, tt.name, got, tt.want)
		}
	}
}

// Bad expressions are told once, and again after a change; the pattern is not
// tried meanwhile.
func TestReports(t *testing.T) {
	var f Filter
	var told []string
	report := func(text string) { told = append(told, text) }
	for range 3 {
		f.Forbids("(", "", "x", report)
	}
	f.Forbids("good", "[", "x", report)
	f.Forbids("good", "[", "x", report)
	f.Forbids(strings.Repeat("a", maxExpression+1), "", "x", report)
	if len(told) != 3 || !strings.HasPrefix(told[0], "forbiddenNameRegex is off because it cannot be used: ") ||
		!strings.HasPrefix(told[1], "filterNameRegex is off") || !strings.Contains(told[2], "longer than") {
		t.Errorf("told %q", told)
	}
	if !f.Forbids("good", "", "GOODNESS", report) {
		t.Error("a good expression does not count after a bad one")
	}
}

// An expression that would take hours takes a moment, whoever asks and however
// many do; the name is forbidden, and neither it nor the expression is told.
func TestCatastrophe(t *testing.T) {
	var f Filter
	name := strings.Repeat("a", 99) + "!"
	var mu sync.Mutex
	var told []string
	report := func(text string) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, text)
	}
	var done sync.WaitGroup
	for range 6 {
		done.Go(func() {
			if !f.Forbids("^(a|aa)+$", "", name, report) {
				t.Error("allowed")
			}
		})
	}
	done.Wait()
	if len(told) != 1 || strings.Contains(told[0], "aaaa") || !strings.Contains(told[0], "forbiddenNameRegex took too long") {
		t.Errorf("told %q", told)
	}
	if !f.Forbids("x", "(a|aa)+$", name, report) || len(told) != 2 || !strings.Contains(told[1], "filterNameRegex took too long") {
		t.Errorf("told %q", told)
	}
}
