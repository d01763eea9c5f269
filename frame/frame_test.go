package frame

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// unhex reads bytes as the specification writes them.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// message is what a whole message is compared as.
func message(m Msg) string { return fmt.Sprintf("%d %d %x", m.Type, m.User, m.Body) }

// mustPanic runs f, which has to panic.
func mustPanic(t *testing.T, name string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s: no panic", name)
		}
	}()
	f()
}

// noAllocs fails if f allocates.
func noAllocs(t *testing.T, name string, f func()) {
	t.Helper()
	if n := testing.AllocsPerRun(100, f); n != 0 {
		t.Errorf("%s: %v allocations, want 0", name, n)
	}
}

func TestParse(t *testing.T) {
	full := make([]byte, MaxPayload)
	for _, c := range []struct {
		name string
		in   []byte
		want Msg
		rest int
		err  error
	}{
		{"nothing", nil, Msg{}, 0, ErrShort},
		{"half a length", unhex(t, "00"), Msg{}, 1, ErrShort},
		{"no type", unhex(t, "0001"), Msg{}, 2, ErrShort},
		{"no user", unhex(t, "000102"), Msg{}, 3, ErrShort},
		{"no payload", unhex(t, "00010200"), Msg{}, 4, ErrShort},
		{"one byte is missing", unhex(t, "0002220001"), Msg{}, 5, ErrShort},
		{"ping", unhex(t, "0001020000"), Msg{TypePing, 0, []byte{0}}, 0, nil},
		{"pong and more", unhex(t, "0001020001 00"), Msg{TypePing, 0, []byte{1}}, 1, nil},
		{"keep-alive", unhex(t, "00000300"), Msg{TypeKeepAlive, 0, []byte{}}, 0, nil},
		{"two messages", unhex(t, "00002103 00000300"), Msg{TypeLeave, 3, []byte{}}, 4, nil},
		{"highest type and user", unhex(t, "0001fffe09"), Msg{TypeUndo, 254, []byte{9}}, 0, nil},
		{"length is big-endian", append(unhex(t, "0100c801"), full[:256]...), Msg{200, 1, full[:256]}, 0, nil},
		{"longest payload", append(unhex(t, "ffffc801"), full...), Msg{200, 1, full}, 0, nil},
		{"longest payload but one byte", append(unhex(t, "ffffc801"), full[1:]...), Msg{}, MaxFrame - 1, ErrShort},
	} {
		m, rest, err := Parse(c.in)
		if message(m) != message(c.want) || len(rest) != c.rest || !errors.Is(err, c.err) {
			t.Errorf("%s: got %.40s, %d bytes left, %v; want %.40s, %d, %v", c.name, message(m), len(rest), err, message(c.want), c.rest, c.err)
		}
		if err == nil {
			if got := Append(nil, m); !bytes.Equal(got, c.in[:len(c.in)-c.rest]) {
				t.Errorf("%s: Append gives %.40x", c.name, got)
			}
			if m.Size() != len(c.in)-c.rest {
				t.Errorf("%s: Size = %d, want %d", c.name, m.Size(), len(c.in)-c.rest)
			}
			if cap(m.Body) != len(m.Body) {
				t.Errorf("%s: the body reaches into what follows it", c.name)
			}
		}
	}
}

func TestLen(t *testing.T) {
	for _, c := range []struct {
		in   string
		want int
	}{
		{"", 0}, {"00", 0}, {"000102", 0},
		{"00000300", 4}, {"00010200", 5}, {"0100c801", 260}, {"ffffc801", MaxFrame},
		{"0001020000ffff", 5},
	} {
		if got := Len(unhex(t, c.in)); got != c.want {
			t.Errorf("Len(%s) = %d, want %d", c.in, got, c.want)
		}
	}
}

func TestWhole(t *testing.T) {
	for _, c := range []struct {
		in              string
		bytes, messages int
	}{
		{"", 0, 0},
		{"000003", 0, 0},
		{"00000300", 4, 1},
		{"0000030000", 4, 1},
		{"00000300 00000300", 8, 2},
		{"00000300 00010200", 4, 1},
		{"00000300 0001020000", 9, 2},
		{"00000300 0001020000 ffffc801 0000", 9, 2},
	} {
		if n, k := Whole(unhex(t, c.in)); n != c.bytes || k != c.messages {
			t.Errorf("Whole(%s) = %d, %d; want %d, %d", c.in, n, k, c.bytes, c.messages)
		}
	}
}

func TestAppend(t *testing.T) {
	if got := Append([]byte("x"), Msg{TypeLeave, 3, nil}); string(got) != "x\x00\x00\x21\x03" {
		t.Errorf("Append behind other bytes: %x", got)
	}
	if got := AppendHeader(nil, MaxPayload, TypeChat, 7); !bytes.Equal(got, unhex(t, "ffff2307")) {
		t.Errorf("AppendHeader of the longest payload: %x", got)
	}
	mustPanic(t, "body too long", func() { Append(nil, Msg{Type: 200, Body: make([]byte, MaxPayload+1)}) })
	mustPanic(t, "payload too long", func() { AppendHeader(nil, MaxPayload+1, 200, 1) })
	mustPanic(t, "negative payload", func() { AppendHeader(nil, -1, 200, 1) })
}

// stream returns messages of all sizes around the interesting ones, and their
// bytes.
func stream() (messages []string, raw []byte) {
	for i, n := range []int{0, 1, 2, 3, 4, 5, 255, 256, 257, 0, 700, 1} {
		m := Msg{Type(i * 23), uint8(i * 21), bytes.Repeat([]byte{byte(i)}, n)}
		messages = append(messages, message(m))
		raw = Append(raw, m)
	}
	return messages, raw
}

// TestSplit is items 1 and 2 of wire.md §19: wherever a stream is cut, the
// same messages come out of it.
func TestSplit(t *testing.T) {
	want, raw := stream()
	for cut := range len(raw) + 1 {
		var got []string
		var again, buf []byte
		for _, part := range [][]byte{raw[:cut], raw[cut:]} {
			buf = append(buf, part...)
			whole, n := Whole(buf)
			for rest := buf; ; n-- {
				m, after, err := Parse(rest)
				if err != nil {
					if whole != len(buf)-len(rest) || n != 0 {
						t.Fatalf("cut at %d: Whole and Parse disagree", cut)
					}
					buf = bytes.Clone(rest)
					break
				}
				got = append(got, message(m))
				again = Append(again, m)
				rest = after
			}
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") || !bytes.Equal(again, raw) || len(buf) > 0 {
			t.Fatalf("cut at %d: other messages than from one piece", cut)
		}
	}
}

// TestCoalesced is item 2 of wire.md §19: 100 messages in one piece.
func TestCoalesced(t *testing.T) {
	raw := bytes.Repeat(unhex(t, "0002c80102 03"), 100)
	if n, k := Whole(raw); n != len(raw) || k != 100 {
		t.Errorf("Whole = %d, %d; want %d, 100", n, k, len(raw))
	}
}

func TestFramingAllocs(t *testing.T) {
	_, raw := stream()
	ws := AppendWebSocket(nil, Msg{TypeChat, 1, []byte("\x00\x00hello")})
	dst := make([]byte, 0, 2*MaxFrame)
	m := Msg{TypeJoin, 1, []byte("\x00\x01ab")}
	noAllocs(t, "Parse", func() {
		for rest := raw; len(rest) > 0; {
			_, rest, _ = Parse(rest)
		}
	})
	noAllocs(t, "Len", func() { Len(raw) })
	noAllocs(t, "Whole", func() { Whole(raw) })
	noAllocs(t, "Append", func() { Append(dst, m) })
	noAllocs(t, "AppendHeader", func() { AppendHeader(dst, 5, 200, 1) })
	noAllocs(t, "Check", func() { _ = Check(m) })
	noAllocs(t, "Class", func() { _ = m.Type.Class() })
	noAllocs(t, "Stored", func() { Stored(m) })
	noAllocs(t, "ParseWebSocket", func() { _, _ = ParseWebSocket(ws) })
	noAllocs(t, "AppendWebSocket", func() { AppendWebSocket(dst, m) })
}
