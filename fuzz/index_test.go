package fuzz

import (
	"regexp"
	"strings"
	"testing"

	"drawrelay/frame"
)

var (
	indexForm     = regexp.MustCompile(`(?s)^[0-9]+:[0-9]+:.+$`)
	canonicalForm = regexp.MustCompile(`(?s)^[1-9][0-9]{0,17}:[1-9][0-9]{0,17}:.+$`)
)

// FuzzHistoryIndex reads text as a history index (session.md §11). What is
// accepted has the form, what is in canonical form is accepted, and writing
// gives the same index again.
//
// Seeds: session.md §11, commands.md §10.
func FuzzHistoryIndex(f *testing.F) {
	for _, s := range []string{
		"1789000000:1233:01k0000000000000000000000a", "1789000000123:1:x", "001:2:x:y", "0:1:x", "1:0:x", "1:2:",
		"-1:2:x", "9223372036854775807:9223372036854775808:x", "::", "",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		x, ok := frame.ParseHistoryIndex(s)
		if ok != x.Valid() || ok && !indexForm.MatchString(s) {
			t.Fatalf("%q: read as %+v, %v", s, x, ok)
		}
		if !ok {
			if canonicalForm.MatchString(s) {
				t.Fatalf("%q is refused", s)
			}
			if x != (frame.HistoryIndex{}) && x.String() != "" {
				t.Fatalf("%q is refused, but gives %q", s, x.String())
			}
			return
		}
		if again, ok := frame.ParseHistoryIndex(x.String()); !ok || again != x {
			t.Fatalf("%q is written as %q and read as %+v, %v", s, x.String(), again, ok)
		}
		if canonicalForm.MatchString(s) && x.String() != s {
			t.Fatalf("%q is written as %q", s, x.String())
		}
		if !strings.HasSuffix(s, x.Session) {
			t.Fatalf("%q: session %q", s, x.Session)
		}
	})
}
