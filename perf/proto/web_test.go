//go:build linux

package proto

import (
	"bytes"
	"testing"

	"drawrelay/frame"
)

// TestWebReader reads what the encoder writes, cut everywhere.
func TestWebReader(t *testing.T) {
	var want []byte
	for _, n := range []int{0, 5, 123, 124, 300, 65533, 65535, 1} {
		want = frame.Append(want, frame.Msg{Type: 148, User: 7, Body: bytes.Repeat([]byte{byte(n)}, n)})
	}
	stream := frame.AppendFrames(nil, want)
	for _, step := range []int{1, 2, 3, 7, 1000, 1 << 20} {
		var r WebReader
		var got []byte
		for b := stream; len(b) > 0; {
			n := min(step, len(b))
			got = r.Append(got, b[:n])
			b = b[n:]
		}
		if !bytes.Equal(got, want) {
			t.Errorf("in pieces of %d bytes it reads %d bytes, want %d", step, len(got), len(want))
		}
	}
}
