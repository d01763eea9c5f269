package frame

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// head is the example of wire.md §16: item 34 of §19.
const head = "44 50 52 45 43 00 00 17 7b 22 76 65 72 73 69 6f 6e 22 3a 22 64 70 3a 34 2e 32 35 2e 31 22 7d"

func TestRecordingHeadExample(t *testing.T) {
	want := unhex(t, head)
	got, err := AppendRecordingHead(nil, SessionMeta("dp:4.25.1", -1))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("got % x, %v; want % x", got, err, want)
	}
	h, err := ParseRecordingHead(append(want, unhex(t, "00 07 23 01 00 00 74 65 73 74 31")...))
	if err != nil || h.Len != len(want) || h.Version != "dp:4.25.1" || string(h.Meta) != `{"version":"dp:4.25.1"}` {
		t.Errorf("read as %+v, %v", h, err)
	}
	for n := range len(want) {
		if _, err := ParseRecordingHead(want[:n]); !errors.Is(err, ErrShort) {
			t.Errorf("the first %d bytes: got %v, want ErrShort", n, err)
		}
	}
	clear(want)
	if string(h.Meta) != `{"version":"dp:4.25.1"}` {
		t.Error("the metadata refers to the buffer")
	}
}

func TestSessionMeta(t *testing.T) {
	for _, c := range []struct {
		version string
		fork    int64
		want    string
	}{
		{"dp:4.25.1", -1, `{"version":"dp:4.25.1"}`},
		{"dp:4.24.0", 0, `{"version":"dp:4.24.0","streamfork":0}`},
		{"dp:4.25.1", 123456789012, `{"version":"dp:4.25.1","streamfork":123456789012}`},
		{"dp:4.25.1\n\"", -1, `{"version":"dp:4.25.1\n\""}`},
	} {
		if got := string(SessionMeta(c.version, c.fork)); got != c.want {
			t.Errorf("SessionMeta(%q, %d) = %s, want %s", c.version, c.fork, got, c.want)
		}
	}
}

// TestRecordingHeads has one corrupt case per field (wire.md §16).
func TestRecordingHeads(t *testing.T) {
	with := func(meta string) []byte {
		b, err := AppendRecordingHead(nil, []byte(meta))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	good := with(`{"version":"dp:4.25.1"}`)
	long := `{"version":"x","pad":"` + strings.Repeat("a", 65535-24) + `"}`
	for _, c := range []struct {
		name    string
		in      []byte
		version string
		err     error
	}{
		{"good", good, "dp:4.25.1", nil},
		{"longest", with(long), "x", nil},
		{"no version", with(`{}`), "", nil},
		{"version is a number", with(`{"version":4}`), "", nil},
		{"version is null", with(`{"version":null}`), "", nil},
		{"version in another case", with(`{"Version":"dp:4.25.1"}`), "", nil},
		{"unknown keys", with(`{"a":[1],"version":"dp:4.24.0","streamfork":7}`), "dp:4.24.0", nil},
		{"blanks", with(" {\"version\" : \"a\" }\n"), "a", nil},
		{"escaped slash", with(`{"version":"dp:4.25.1","u":"a\/b"}`), "dp:4.25.1", nil},

		{"empty file", nil, "", ErrShort},
		{"text recording", []byte("!version=dp:4.25.1\n"), "", ErrNotRecording},
		{"first byte wrong", append([]byte("X"), good[1:]...), "", ErrNotRecording},
		{"no NUL", append([]byte("DPREC1"), good[6:]...), "", ErrNotRecording},
		{"lower case", append([]byte("dprec\x00"), good[6:]...), "", ErrNotRecording},
		{"short and wrong", []byte("DPREX"), "", ErrNotRecording},
		{"length of zero", append([]byte("DPREC\x00\x00\x00"), good[8:]...), "", ErrNotRecording},
		{"length too long", append([]byte("DPREC\x00\x00\x18"), good[8:]...), "", ErrShort},
		{"length too short", append([]byte("DPREC\x00\x00\x16"), good[8:]...), "", ErrNotRecording},
		{"not JSON", with("version"), "", ErrNotRecording},
		{"something behind", with("{} x"), "", ErrNotRecording},
		{"array", with(`["version"]`), "", ErrNotRecording},
		{"null", with("null"), "", ErrNotRecording},
		{"string", with(`"version"`), "", ErrNotRecording},
		{"NUL behind", with("{}\x00"), "", ErrNotRecording},
	} {
		h, err := ParseRecordingHead(c.in)
		if !errors.Is(err, c.err) || h.Version != c.version {
			t.Errorf("%s: got %q, %v; want %q, %v", c.name, h.Version, err, c.version, c.err)
			continue
		}
		if err != nil {
			continue
		}
		if h.Len != len(c.in) || h.Len > MaxRecordingHead {
			t.Errorf("%s: messages start at %d, want %d", c.name, h.Len, len(c.in))
		}
		if again, err := AppendRecordingHead(nil, h.Meta); err != nil || !bytes.Equal(again, c.in) {
			t.Errorf("%s: encoded again as %.60x, %v", c.name, again, err)
		}
	}
}

func TestAppendRecordingHeadLimits(t *testing.T) {
	for _, c := range []struct {
		n   int
		err error
	}{
		{0, ErrTooLong}, {1, nil}, {65535, nil}, {65536, ErrTooLong},
	} {
		got, err := AppendRecordingHead([]byte("before"), make([]byte, c.n))
		if !errors.Is(err, c.err) {
			t.Errorf("%d bytes of metadata: got %v, want %v", c.n, err, c.err)
		}
		want := len("before")
		if err == nil {
			want += RecordingPrefix + c.n
		}
		if len(got) != want || string(got[:6]) != "before" {
			t.Errorf("%d bytes of metadata: %d bytes, want %d", c.n, len(got), want)
		}
	}
}
