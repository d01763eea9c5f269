package fuzz

import (
	"bytes"
	"errors"
	"testing"

	"drawrelay/frame"
)

// webResult is what a decoder makes of a stream.
type webResult struct {
	messages []byte
	controls []frame.Control
	err      error
}

// decodeWeb decodes a client's stream that arrives in pieces, as relay does.
// step says how long the pieces are.
func decodeWeb(t *testing.T, b []byte, step func() int) (r webResult) {
	var d frame.WebSocketDecoder
	var kept []byte
	for {
		want, err := d.Want(kept)
		if err != nil {
			r.err = err
			return r
		}
		if want > 0 && len(b) == 0 {
			return r
		}
		n := min(step(), len(b))
		kept = append(kept, b[:n]...)
		b = b[n:]
		for rest := kept; ; {
			before := len(rest)
			messages, control, next, err := d.Decode(rest)
			if n, _ := frame.Whole(messages); n != len(messages) {
				t.Fatalf("%d of %d bytes are whole messages", n, len(messages))
			}
			r.messages = append(r.messages, messages...)
			if control.Op != 0 {
				r.controls = append(r.controls, frame.Control{Op: control.Op, Body: bytes.Clone(control.Body)})
			}
			if err != nil {
				r.err = err
				return r
			}
			if len(messages) == 0 && control.Op == 0 {
				kept = bytes.Clone(next)
				break
			}
			if len(next) >= before {
				t.Fatal("no progress")
			}
			rest = next
		}
		if len(kept) > frame.MaxWebSocket+14 {
			t.Fatalf("%d bytes of one frame are kept", len(kept))
		}
	}
}

// class is the kind of an error: which of two broken rules is found first may
// depend on how much of a head is there.
func class(err error) error {
	if errors.Is(err, frame.ErrWebSocket) {
		return frame.ErrWebSocket
	}
	return err
}

// FuzzWebSocketStream reads bytes as the frames of a client after the
// handshake (RFC 6455 §5). However they are cut, the same messages, control
// frames and error come of them; what comes of them is sent by a server as
// frames that hold the same.
//
// Seeds: messages of the recordings in testdata/seeds, whole and in fragments;
// control frames; one frame for each rule that can be broken.
func FuzzWebSocketStream(f *testing.F) {
	for _, m := range oneOfEach(f, recorded(f, "session.dprec")) {
		content := frame.AppendWebSocket(nil, m)
		whole := frame.AppendClientFrame(nil, frame.OpBinary, true, content)
		f.Add(whole, uint16(7))
		parts := frame.AppendClientFrame(nil, frame.OpBinary, false, content[:len(content)/2])
		parts = frame.AppendClientFrame(parts, frame.OpPing, true, []byte("between"))
		parts = frame.AppendClientFrame(parts, frame.OpContinuation, true, content[len(content)/2:])
		f.Add(append(parts, whole...), uint16(3))
	}
	for _, op := range []frame.Opcode{0, 1, 2, 3, 8, 9, 10, 11} {
		for _, final := range []bool{false, true} {
			f.Add(frame.AppendClientFrame(nil, op, final, []byte("\x03\xe8")), uint16(1))
		}
	}
	f.Add([]byte{0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0}, uint16(5))
	f.Add([]byte{0x82, 0xfe, 0, 125, 0, 0, 0, 0}, uint16(5))
	f.Add([]byte{0x82, 0x02, 200, 1}, uint16(5))
	f.Fuzz(func(t *testing.T, b []byte, seed uint16) {
		all := decodeWeb(t, bytes.Clone(b), func() int { return len(b) + 1 })
		state := uint32(seed)
		cut := decodeWeb(t, bytes.Clone(b), func() int {
			state = state*1664525 + 1013904223
			return 1 + int(state>>24)
		})
		if !bytes.Equal(all.messages, cut.messages) || len(all.controls) != len(cut.controls) || class(cut.err) != class(all.err) {
			t.Fatalf("%x: at once %x, %v, %v; in pieces %x, %v, %v", b, all.messages, all.controls, all.err, cut.messages, cut.controls, cut.err)
		}
		for i := range all.controls {
			if x, y := all.controls[i], cut.controls[i]; x.Op != y.Op || !bytes.Equal(x.Body, y.Body) || len(x.Body) > 125 {
				t.Fatalf("control frame %v in pieces is %v", x, y)
			}
		}
		if err := class(all.err); err != nil && err != frame.ErrWebSocket && err != frame.ErrShort && err != frame.ErrTooLong {
			t.Fatalf("unexpected error %v", all.err)
		}
		frames := frame.AppendFrames(nil, all.messages)
		for raw := all.messages; len(raw) > 0; {
			m, rest, _ := frame.Parse(raw)
			size, n := frame.FrameLen(frames)
			if got, err := frame.ParseWebSocket(frames[size-n+2 : size]); err != nil || n != m.Size() || !same(got, m) {
				t.Fatalf("message %v is sent as %x", m, frames[:size])
			}
			frames, raw = frames[size:], rest
		}
		if len(frames) > 0 {
			t.Fatalf("%d bytes too many", len(frames))
		}
	})
}
