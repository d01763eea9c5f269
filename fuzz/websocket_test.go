package fuzz

import (
	"bytes"
	"errors"
	"testing"

	"drawrelay/frame"
)

// FuzzWebSocket reads bytes as the content of one WebSocket message (wire.md
// §3). What parses must encode to the same bytes, and have the same form on
// TCP but for the length.
//
// Seeds: messages of the recordings in testdata/seeds; the examples of wire.md
// §3; the lengths at the limits.
func FuzzWebSocket(f *testing.F) {
	for _, name := range []string{"session.dprec", "client.dprec"} {
		for _, m := range oneOfEach(f, recorded(f, name)) {
			f.Add(frame.AppendWebSocket(nil, m))
		}
	}
	for _, s := range []string{"", "\x02", "\x03\x00", "\x02\x00\x00", "\x02\x00\x01"} {
		f.Add([]byte(s))
	}
	f.Add(make([]byte, frame.MaxWebSocket))
	f.Add(make([]byte, frame.MaxWebSocket+1))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := frame.ParseWebSocket(b)
		switch {
		case len(b) < frame.WebSocketHeadLen:
			if !errors.Is(err, frame.ErrShort) {
				t.Fatalf("%d bytes: got %v, want ErrShort", len(b), err)
			}
			return
		case len(b) > frame.MaxWebSocket:
			if !errors.Is(err, frame.ErrTooLong) {
				t.Fatalf("%d bytes: got %v, want ErrTooLong", len(b), err)
			}
			return
		case err != nil:
			t.Fatal(err)
		}
		if again := frame.AppendWebSocket(nil, m); !bytes.Equal(again, b) || cap(m.Body) != len(m.Body) {
			t.Fatalf("encodes to %x, was %x; body of capacity %d", again, b, cap(m.Body))
		}
		tcp, rest, err := frame.Parse(frame.Append(nil, m))
		if err != nil || len(rest) > 0 || !same(tcp, m) {
			t.Fatalf("on TCP it becomes %v and %d bytes, %v", tcp, len(rest), err)
		}
	})
}
