package fuzz

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"drawrelay/frame"
)

var (
	versionForm = regexp.MustCompile(`^([a-z]+):([^.]*)\.([^.]*)\.([^.]*)$`)
	numberForm  = regexp.MustCompile("^[ \t\n\v\f\r]*([+-]?[0-9]+)$")
)

// FuzzVersion reads text as a protocol version (wire.md §13), compares with a
// plain reading by regular expressions, and reads the canonical text again.
//
// Seeds: wire.md §13, §19 item 30.
func FuzzVersion(f *testing.F) {
	for _, s := range []string{
		"dp:4.25.1", "dp:4.24.0", "a:01.002.0", "dp: +4.\t25.-0", "dp:2147483647.0.0", "dp:2147483648.0.0",
		"dp:4.25", "DP:4.25.1", ":4.25.1", "dp:4.25.1x", "dp:4.-1.0", "dp::1.2.3", "dp:1.2.3.4", "",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, ok := frame.ParseVersion(s)
		want, valid := plainVersion(s)
		if ok != valid || v != want {
			t.Fatalf("%q: got %+v, %v; want %+v, %v", s, v, ok, want, valid)
		}
		if !ok {
			return
		}
		again, ok := frame.ParseVersion(v.String())
		if !ok || again != v || v.Compare(again) != 0 || again.String() != v.String() {
			t.Fatalf("%q is written as %q and read as %+v, %v", s, v.String(), again, ok)
		}
		if v.Compare(frame.OwnVersion) != -frame.OwnVersion.Compare(v) {
			t.Fatalf("%q: the order depends on the side", s)
		}
		v.NeedsSystemID()
	})
}

func plainVersion(s string) (frame.Version, bool) {
	m := versionForm.FindStringSubmatch(s)
	if m == nil {
		return frame.Version{}, false
	}
	var n [3]int
	for i := range n {
		digits := numberForm.FindStringSubmatch(m[2+i])
		if digits == nil {
			return frame.Version{}, false
		}
		v, err := strconv.ParseInt(strings.TrimPrefix(digits[1], "+"), 10, 32)
		if err != nil || v < 0 {
			return frame.Version{}, false
		}
		n[i] = int(v)
	}
	return frame.Version{Namespace: m[1], Server: n[0], Major: n[1], Minor: n[2]}, true
}
