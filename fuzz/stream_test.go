package fuzz

import (
	"bytes"
	"testing"

	"drawrelay/frame"
)

// splitEvery is up to which length a stream is split at every byte, in bytes:
// the work is quadratic. Longer ones are split at one byte.
const splitEvery = 512

// FuzzStream reads bytes as a TCP stream (wire.md §2). What parses must encode
// to the same bytes, and come out the same wherever the stream is split.
//
// Seeds: excerpts of recordings, see testdata/README.md; the examples of
// wire.md §2.
func FuzzStream(f *testing.F) {
	for _, name := range []string{"session.dprec", "client.dprec"} {
		b := recorded(f, name)
		f.Add(b, uint32(1000))
		f.Add(b[:400], uint32(5))
	}
	f.Add([]byte("\x00\x01\x02\x00\x00\x00\x01\x02\x00\x01\x00\x00\x03\x00"), uint32(7))
	f.Add(append([]byte("\xff\xff\xc8\x01"), make([]byte, frame.MaxPayload)...), uint32(3))
	f.Add([]byte("\xff\xff\xc8"), uint32(1))
	f.Fuzz(func(t *testing.T, b []byte, split uint32) {
		want, size := walk(t, b)
		if n, k := frame.Whole(b); n != size || k != len(want) {
			t.Fatalf("Whole = %d bytes, %d messages; want %d, %d", n, k, size, len(want))
		}
		from, to := 0, len(b)
		if len(b) > splitEvery {
			from = int(split) % (len(b) + 1)
			to = from
		}
		for at := from; at <= to; at++ {
			first, n := walk(t, b[:at])
			second, k := walk(t, b[n:])
			if n+k != size || len(first)+len(second) != len(want) {
				t.Fatalf("split at %d: %d+%d bytes, %d+%d messages; want %d, %d", at, n, k, len(first), len(second), size, len(want))
			}
			for i, m := range append(first, second...) {
				if !same(m, want[i]) {
					t.Fatalf("split at %d: message %d is %v, want %v", at, i, m, want[i])
				}
			}
		}
	})
}

// walk parses the whole messages of b and checks each against its bytes. It
// returns them and how long they are together.
func walk(t *testing.T, b []byte) (all []frame.Msg, size int) {
	t.Helper()
	rest := b
	for {
		n := frame.Len(rest)
		m, after, err := frame.Parse(rest)
		if err != nil {
			if n != 0 && n <= len(rest) {
				t.Fatalf("Parse: %v, but %d bytes are there of %d", err, len(rest), n)
			}
			return all, size
		}
		if n != m.Size() || n != len(rest)-len(after) || cap(m.Body) != len(m.Body) {
			t.Fatalf("a message of %d bytes: Len %d, %d consumed, body of capacity %d", m.Size(), n, len(rest)-len(after), cap(m.Body))
		}
		if again := frame.Append(nil, m); !bytes.Equal(again, rest[:n]) {
			t.Fatalf("encodes to %x, was %x", again, rest[:n])
		}
		all, size, rest = append(all, m), size+n, after
	}
}
