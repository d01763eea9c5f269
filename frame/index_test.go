package frame

import "testing"

// TestHistoryIndex is the text form of session.md §11.
func TestHistoryIndex(t *testing.T) {
	const id = "01k0000000000000000000000a"
	for _, c := range []struct {
		in   string
		want HistoryIndex // zero = refused
	}{
		{"1789000000:1233:" + id, HistoryIndex{1789000000, 1233, id}},
		{"1:1:x", HistoryIndex{1, 1, "x"}},
		{"001:0002:x", HistoryIndex{1, 2, "x"}},
		{"1:2::", HistoryIndex{1, 2, ":"}},
		{"1:2:a:b c\n", HistoryIndex{1, 2, "a:b c\n"}},
		{"9223372036854775807:9223372036854775807:x", HistoryIndex{1<<63 - 1, 1<<63 - 1, "x"}},

		{"", HistoryIndex{}}, {"1", HistoryIndex{}}, {"1:2", HistoryIndex{}}, {"1:2:", HistoryIndex{}},
		{":2:x", HistoryIndex{}}, {"1::x", HistoryIndex{}}, {"::x", HistoryIndex{}}, {"::", HistoryIndex{}},
		{"0:2:x", HistoryIndex{}}, {"1:0:x", HistoryIndex{}}, {"00:2:x", HistoryIndex{}},
		{"-1:2:x", HistoryIndex{}}, {"1:-2:x", HistoryIndex{}}, {"+1:2:x", HistoryIndex{}}, {"1:+2:x", HistoryIndex{}},
		{" 1:2:x", HistoryIndex{}}, {"1 :2:x", HistoryIndex{}}, {"1: 2:x", HistoryIndex{}}, {"1:2 :x", HistoryIndex{}},
		{"a:2:x", HistoryIndex{}}, {"1:b:x", HistoryIndex{}}, {"0x1:2:x", HistoryIndex{}}, {"1_0:2:x", HistoryIndex{}},
		{"1.0:2:x", HistoryIndex{}}, {"1e3:2:x", HistoryIndex{}}, {"\u0661:2:x", HistoryIndex{}},
		{"9223372036854775808:2:x", HistoryIndex{}}, {"1:9223372036854775808:x", HistoryIndex{}},
		{"99999999999999999999999:2:x", HistoryIndex{}},
	} {
		got, ok := ParseHistoryIndex(c.in)
		if c.want == (HistoryIndex{}) {
			if ok {
				t.Errorf("%q: read as %+v, want it refused", c.in, got)
			}
			continue
		}
		if !ok || got != c.want {
			t.Errorf("%q: got %+v, %v; want %+v", c.in, got, ok, c.want)
		}
		if again, ok := ParseHistoryIndex(got.String()); !ok || again != got {
			t.Errorf("%q: its text %q reads as %+v, %v", c.in, got.String(), again, ok)
		}
	}
}

func TestHistoryIndexText(t *testing.T) {
	for _, c := range []struct {
		x    HistoryIndex
		want string
	}{
		{HistoryIndex{1789000000, 1233, "01k0000000000000000000000a"}, "1789000000:1233:01k0000000000000000000000a"},
		{HistoryIndex{1789000000123, 1, "x"}, "1789000000123:1:x"},
		{HistoryIndex{1, 1, ""}, ""},
		{HistoryIndex{0, 1, "x"}, ""},
		{HistoryIndex{1, 0, "x"}, ""},
		{HistoryIndex{-1, 1, "x"}, ""},
		{HistoryIndex{1, -1, "x"}, ""},
		{HistoryIndex{}, ""},
	} {
		if got := c.x.String(); got != c.want || c.x.Valid() != (c.want != "") {
			t.Errorf("%+v: %q, valid %v; want %q", c.x, got, c.x.Valid(), c.want)
		}
	}
}
