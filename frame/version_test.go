package frame

import "testing"

// TestParseVersion has wire.md §13 with the tolerance of C's strtol, item 30
// of §19, and storage.md §3.3.
func TestParseVersion(t *testing.T) {
	for _, c := range []struct {
		in   string
		want string // canonical text, empty = invalid
	}{
		{"dp:4.25.1", "dp:4.25.1"},
		{"dp:4.24.0", "dp:4.24.0"},
		{"a:01.002.0", "a:1.2.0"},
		{"drawpile:0.0.0", "drawpile:0.0.0"},
		{"abcdefghijklmnopqrstuvwxyz:1.2.3", "abcdefghijklmnopqrstuvwxyz:1.2.3"},
		{"dp:2147483647.2147483647.2147483647", "dp:2147483647.2147483647.2147483647"},
		{"dp: 4.\t25.\n\v\f\r 1", "dp:4.25.1"},
		{"dp:+4.+25.+1", "dp:4.25.1"},
		{"dp: +4.25.1", "dp:4.25.1"},
		{"dp:-0.-00.4", "dp:0.0.4"},

		{"", ""}, {":", ""}, {"dp", ""}, {"dp:", ""},
		{"dp:4", ""}, {"dp:4.25", ""}, {"dp:4.25.", ""}, {"dp:4.25.1.", ""}, {"dp:4.25.1.0", ""},
		{"dp:.25.1", ""}, {"dp:4..1", ""}, {"dp:..", ""},
		{"DP:4.25.1", ""}, {"Dp:4.25.1", ""}, {"d1:4.25.1", ""}, {"d-p:4.25.1", ""}, {"dü:4.25.1", ""},
		{":4.25.1", ""}, {"4.25.1", ""}, {"dp 4.25.1", ""}, {"dp::4.25.1", ""}, {" dp:4.25.1", ""}, {"dp :4.25.1", ""},
		{"dp:4.25.1x", ""}, {"dp:4.25.1 ", ""}, {"dp:4 .25.1", ""}, {"dp:4x.25.1", ""}, {"dp:4.25.1\n", ""}, {"dp:4.25.1\x00", ""},
		{"dp:4.-1.0", ""}, {"dp:-4.25.1", ""}, {"dp:4.+-1.0", ""}, {"dp:4.+.0", ""}, {"dp:4.- 0.0", ""}, {"dp:4.+ 1.0", ""}, {"dp:4.--0.0", ""},
		{"dp:2147483648.0.0", ""}, {"dp:0.0.99999999999999999999999999", ""}, {"dp:-2147483648.0.0", ""},
		{"dp:0x4.25.1", ""}, {"dp:4.1e1.0", ""}, {"dp:4.1_0.0", ""}, {"dp:٤.25.1", ""}, {"dp:\u00a04.25.1", ""},
	} {
		v, ok := ParseVersion(c.in)
		got := ""
		if ok {
			got = v.String()
		} else if v != (Version{}) {
			t.Errorf("%q: invalid, but gives %v", c.in, v)
		}
		if got != c.want {
			t.Errorf("%q: got %q, want %q", c.in, got, c.want)
		}
		if again, ok2 := ParseVersion(got); ok && (!ok2 || again != v) {
			t.Errorf("%q: its canonical form %q reads as %v, %v", c.in, got, again, ok2)
		}
	}
	if got := OwnVersion.String(); got != "dp:4.25.1" {
		t.Errorf("own version %q", got)
	}
}

func TestCompareVersions(t *testing.T) {
	ordered := []string{"dp:0.0.0", "dp:0.0.1", "dp:0.1.0", "dp:1.0.0", "dp:4.9.99", "dp:4.24.0", "dp:4.24.1", "dp:4.25.0", "dp:5.0.0", "dp:2147483647.0.0"}
	for i, a := range ordered {
		for j, b := range ordered {
			v, _ := ParseVersion(a)
			w, _ := ParseVersion(b)
			want := 0
			switch {
			case i < j:
				want = -1
			case i > j:
				want = 1
			}
			if got := v.Compare(w); got != want {
				t.Errorf("%s to %s: %d, want %d", a, b, got, want)
			}
		}
	}
}

func TestNeedsSystemID(t *testing.T) {
	for in, want := range map[string]bool{
		"dp:4.24.0": true, "dp:4.25.1": true, "dp:5.0.0": true,
		"dp:4.23.9": false, "dp:4.0.0": false, "dp:3.99.0": false,
		"other:4.25.1": false,
	} {
		v, ok := ParseVersion(in)
		if !ok || v.NeedsSystemID() != want {
			t.Errorf("%s: %v, want %v", in, v.NeedsSystemID(), want)
		}
	}
}
