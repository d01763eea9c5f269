package frame

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// masked is a client's frame with a mask that is not zero.
func masked(op Opcode, final bool, body string) []byte {
	b := AppendClientFrame(nil, op, final, []byte(body))
	mask := [4]byte{0x37, 0xfa, 0x21, 0x3d} // of the examples in RFC 6455 §5.7
	at := len(b) - len(body)
	copy(b[at-4:], mask[:])
	for i := range body {
		b[at+i] ^= mask[i&3]
	}
	return b
}

// decodeAll decodes b as a caller does that receives it in pieces of step
// bytes. Control frames are written as "<opcode:body>" between the messages.
func decodeAll(b []byte, step int) (got string, err error) {
	var d WebSocketDecoder
	var out strings.Builder
	var kept []byte
	for len(b) > 0 {
		n := min(step, len(b))
		kept = append(kept, b[:n]...)
		b = b[n:]
		for rest := kept; ; {
			messages, control, next, err := d.Decode(rest)
			out.Write(messages)
			if err != nil {
				return out.String(), err
			}
			if control.Op != 0 {
				out.WriteString("<" + string('0'+rune(control.Op)) + ":" + string(control.Body) + ">")
			}
			if len(messages) == 0 && control.Op == 0 {
				kept = append([]byte(nil), next...)
				break
			}
			rest = next
		}
	}
	if len(kept) > 0 {
		return out.String(), ErrShort
	}
	return out.String(), nil
}

// tcp is a message in TCP framing, as text.
func tcp(t Type, user uint8, body string) string {
	return string(Append(nil, Msg{t, user, []byte(body)}))
}

// TestWebSocketDecoder has the frame cases of RFC 6455 and of wire.md §3 and
// §18. Every case is fed in pieces of several sizes.
func TestWebSocketDecoder(t *testing.T) {
	frames := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	full := strings.Repeat("x", MaxPayload)
	head := func(first, second byte, length uint64, bytes int) []byte {
		b := []byte{first, second}
		for i := bytes - 1; i >= 0; i-- {
			b = append(b, byte(length>>(8*i)))
		}
		return append(b, 0, 0, 0, 0)
	}
	for _, c := range []struct {
		name string
		in   []byte
		want string
		err  error
	}{
		{"§5.2 one binary message", masked(OpBinary, true, "\xc8\x01hello"), tcp(200, 1, "hello"), nil},
		{"§5.2 messages one behind the other", frames(masked(OpBinary, true, "\xc8\x01a"), masked(OpBinary, true, "\x40\x02"), masked(OpBinary, true, "\xff\xffbcd")),
			tcp(200, 1, "a") + tcp(64, 2, "") + tcp(255, 255, "bcd"), nil},
		{"§5.2 reserved bit 1", frames(masked(OpBinary, true, "\xc8\x01a"), []byte{0xc2, 0x80, 0, 0, 0, 0}), tcp(200, 1, "a"), ErrWebSocket},
		{"§5.2 reserved bit 2", []byte{0xa2, 0x80, 0, 0, 0, 0}, "", ErrWebSocket},
		{"§5.2 reserved bit 3", []byte{0x92, 0x80, 0, 0, 0, 0}, "", ErrWebSocket},
		{"§5.2 reserved opcode 3", masked(3, true, "ab"), "", ErrWebSocket},
		{"§5.2 reserved opcode 7", masked(7, true, "ab"), "", ErrWebSocket},
		{"§5.2 reserved control opcode 11", masked(11, true, ""), "", ErrWebSocket},
		{"§5.2 reserved control opcode 15", masked(15, true, ""), "", ErrWebSocket},
		{"§5.1 not masked", []byte{0x82, 2, 200, 1}, "", ErrWebSocket},
		{"§5.1 control frame not masked", []byte{0x89, 0}, "", ErrWebSocket},
		{"§5.2 length 125", masked(OpBinary, true, "\xc8\x01"+full[:123]), tcp(200, 1, full[:123]), nil},
		{"§5.2 length 126", masked(OpBinary, true, "\xc8\x01"+full[:124]), tcp(200, 1, full[:124]), nil},
		{"§5.2 length 65535", masked(OpBinary, true, "\xc8\x01"+full[:65533]), tcp(200, 1, full[:65533]), nil},
		{"§5.2 length 65536", masked(OpBinary, true, "\xc8\x01"+full[:65534]), tcp(200, 1, full[:65534]), nil},
		{"§5.2 length 125 in 16 bits", append(head(0x82, 0xfe, 125, 2), make([]byte, 125)...), "", ErrWebSocket},
		{"§5.2 length 65535 in 64 bits", append(head(0x82, 0xff, 65535, 8), make([]byte, 65535)...), "", ErrWebSocket},
		{"§5.2 length with the highest bit", head(0x82, 0xff, 1<<63|5, 8), "", ErrWebSocket},
		{"§5.4 fragments", frames(masked(OpBinary, false, "\xc8"), masked(OpContinuation, false, "\x01he"), masked(OpContinuation, true, "llo")),
			tcp(200, 1, "hello"), nil},
		{"§5.4 empty fragments", frames(masked(OpBinary, false, ""), masked(OpContinuation, false, ""), masked(OpContinuation, true, "\xc8\x01a")),
			tcp(200, 1, "a"), nil},
		{"§5.4 control frames between fragments", frames(masked(OpBinary, false, "\xc8\x01"), masked(OpPing, true, "p"), masked(OpContinuation, true, "a")),
			"<9:p>" + tcp(200, 1, "a"), nil},
		{"§5.4 message, fragments, message", frames(masked(OpBinary, true, "\xc8\x01a"), masked(OpBinary, false, "\xc8\x01"), masked(OpContinuation, true, "b"),
			masked(OpBinary, true, "\xc8\x01c")), tcp(200, 1, "a") + tcp(200, 1, "b") + tcp(200, 1, "c"), nil},
		{"§5.4 continuation of nothing", masked(OpContinuation, true, "ab"), "", ErrWebSocket},
		{"§5.4 continuation after the end", frames(masked(OpBinary, false, "\xc8\x01"), masked(OpContinuation, true, ""), masked(OpContinuation, true, "b")),
			tcp(200, 1, ""), ErrWebSocket},
		{"§5.4 message within fragments", frames(masked(OpBinary, false, "\xc8\x01a"), masked(OpBinary, true, "\xc8\x01b")), "", ErrWebSocket},
		{"§5.4 text within fragments", frames(masked(OpBinary, false, "\xc8\x01a"), masked(OpText, true, "b")), "", ErrWebSocket},
		{"§5.5 control frame of 125 bytes", masked(OpPing, true, full[:125]), "<9:" + full[:125] + ">", nil},
		{"§5.5 control frame of 126 bytes", masked(OpPing, true, full[:126]), "", ErrWebSocket},
		{"§5.5 fragmented control frame", masked(OpPing, false, "a"), "", ErrWebSocket},
		{"§5.5.1 close", masked(OpClose, true, "\x03\xe8bye"), "<8:\x03\xe8bye>", nil},
		{"§5.5.2 empty ping", masked(OpPing, true, ""), "<9:>", nil},
		{"§5.5.3 pong", masked(OpPong, true, "a"), "<::a>", nil},
		{"wire.md §3 text is ignored", frames(masked(OpText, true, "text"), masked(OpBinary, true, "\xc8\x01a")), tcp(200, 1, "a"), nil},
		{"wire.md §3 empty text is ignored", masked(OpText, true, ""), "", nil},
		{"wire.md §3 fragmented text is ignored", frames(masked(OpText, false, "te"), masked(OpPing, true, ""), masked(OpContinuation, true, "xt"),
			masked(OpBinary, true, "\xc8\x01a")), "<9:>" + tcp(200, 1, "a"), nil},
		{"wire.md §18.1 empty message", frames(masked(OpBinary, true, "\xc8\x01a"), masked(OpBinary, true, "")), tcp(200, 1, "a"), ErrShort},
		{"wire.md §18.1 message of one byte", masked(OpBinary, true, "\xc8"), "", ErrShort},
		{"wire.md §18.1 fragments of one byte", frames(masked(OpBinary, false, "\xc8"), masked(OpContinuation, true, "")), "", ErrShort},
		{"wire.md §18.2 longest message", masked(OpBinary, true, "\xc8\x01"+full), tcp(200, 1, full), nil},
		{"wire.md §18.2 longest message in fragments", frames(masked(OpBinary, false, "\xc8\x01"), masked(OpContinuation, true, full)), tcp(200, 1, full), nil},
		{"wire.md §18.2 too long, by its head", head(0x82, 0xff, MaxWebSocket+1, 8), "", ErrTooLong},
		{"wire.md §18.2 too long in fragments", frames(masked(OpBinary, false, "\xc8\x01a"), masked(OpContinuation, true, full)), "", ErrTooLong},
		{"cut in the head", masked(OpBinary, true, "\xc8\x01a")[:3], "", ErrShort},
		{"cut in the message", masked(OpBinary, true, "\xc8\x01abc")[:9], "", ErrShort},
	} {
		for _, step := range []int{1, 2, 3, 5, 7, 11, 64, 1000, 1 << 20} {
			if step < 1000 && len(c.in) > 60000 {
				continue
			}
			got, err := decodeAll(c.in, step)
			if got != c.want || !errors.Is(err, c.err) {
				t.Errorf("%s, in pieces of %d: got %.60q, %v; want %.60q, %v", c.name, step, got, err, c.want, c.err)
			}
		}
	}
}

// TestWant: it never asks for more than the frame lacks, and what it asks for
// in the end completes it.
func TestWant(t *testing.T) {
	for _, n := range []int{2, 100, 125, 126, 1000, 65535, 65536, 65537} {
		whole := masked(OpBinary, true, strings.Repeat("x", n))
		var d WebSocketDecoder
		for have, rounds := 0, 0; ; rounds++ {
			want, err := d.Want(whole[:have])
			if err != nil || rounds > 3 || have+want > len(whole) {
				t.Fatalf("frame of %d: after %d of %d bytes it wants %d, %v", n, have, len(whole), want, err)
			}
			if want == 0 {
				if have != len(whole) {
					t.Errorf("frame of %d: satisfied with %d of %d bytes", n, have, len(whole))
				}
				break
			}
			have += want
		}
	}
}

// TestPendingFragments: another decoder can go on where one has stopped.
func TestPendingFragments(t *testing.T) {
	for _, c := range []struct{ name, first, rest, want string }{
		{"binary", string(masked(OpBinary, false, "\xc8\x01he")), string(masked(OpContinuation, true, "llo")), tcp(200, 1, "hello")},
		{"text", string(masked(OpText, false, "he")), string(masked(OpContinuation, true, "llo")), ""},
		{"nothing", "", string(masked(OpBinary, true, "\xc8\x01")), tcp(200, 1, "")},
	} {
		var a, b WebSocketDecoder
		if _, _, _, err := a.Decode([]byte(c.first)); err != nil {
			t.Fatal(err)
		}
		stream := append(a.Pending(nil), c.rest...)
		got := ""
		for range 3 {
			messages, _, rest, err := b.Decode(stream)
			if err != nil {
				t.Fatal(c.name, err)
			}
			got += string(messages)
			stream = rest
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// TestCloseReply has the status codes of RFC 6455 §7.4.
func TestCloseReply(t *testing.T) {
	for in, want := range map[string]uint16{
		"\x03\xe8": 1000, "\x03\xe9going away": 1001, "\x03\xeb": 1003, "\x03\xef": 1007, "\x03\xf3": 1011, "\x0b\xb8": 3000, "\x13\x87": 4999,
		"\x03": 1002, "\x03\xe7": 1002, "\x03\xec": 1002, "\x03\xed": 1002, "\x03\xee": 1002, "\x04\x00": 1002, "\x13\x88": 1002, "\x00\x00": 1002,
		"\x03\xe8\xff\xfe": 1007,
	} {
		got := AppendCloseReply(nil, []byte(in))
		if len(got) != 4 || got[0] != 0x88 || got[1] != 2 || binary.BigEndian.Uint16(got[2:]) != want {
			t.Errorf("reply to %q is %x, want status %d", in, got, want)
		}
	}
	if got := AppendCloseReply(nil, nil); !bytes.Equal(got, []byte{0x88, 0}) {
		t.Errorf("reply without a status is %x", got)
	}
}

// TestWebSocketEncoder: the frames of a stream are those of its messages,
// wherever the stream is cut.
func TestWebSocketEncoder(t *testing.T) {
	var raw, want []byte
	for _, n := range []int{0, 1, 5, 123, 124, 125, 300, 65533, 65534, 65535, 2} {
		m := Msg{200, uint8(n), bytes.Repeat([]byte{byte(n)}, n)}
		raw = Append(raw, m)
		content := AppendWebSocket(nil, m)
		want = append(AppendWebSocketHead(want, OpBinary, len(content)), content...)
	}
	if got := AppendFrames(nil, raw); !bytes.Equal(got, want) {
		t.Fatal("frames of whole messages are wrong")
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, most := range []int{1, 2, 3, 10, 1000, 100000} {
		var e WebSocketEncoder
		var got []byte
		for b := raw; len(b) > 0; {
			n := min(1+rnd.IntN(most), len(b))
			got = e.Append(got, b[:n])
			b = b[n:]
		}
		if !bytes.Equal(got, want) {
			t.Errorf("cut into pieces of up to %d bytes the frames are wrong", most)
		}
	}
	for b := want; len(b) > 0; {
		size, message := FrameLen(b)
		if message != Len(raw) {
			t.Fatalf("a frame of %d bytes is taken for a message of %d, not %d", size, message, Len(raw))
		}
		b, raw = b[size:], raw[message:]
	}
	if len(raw) > 0 {
		t.Errorf("%d bytes of messages have no frame", len(raw))
	}
}

func TestWebSocketAllocations(t *testing.T) {
	in := bytes.Repeat(masked(OpBinary, true, "\xc8\x01"+strings.Repeat("x", 200)), 100)
	buf := make([]byte, len(in))
	out := make([]byte, 0, 2*len(in))
	var d WebSocketDecoder
	n := testing.AllocsPerRun(100, func() {
		copy(buf, in)
		messages, _, rest, err := d.Decode(buf)
		if err != nil || len(rest) > 0 {
			t.Fatal(err)
		}
		out = AppendFrames(out[:0], messages)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkWebSocketDecoder(b *testing.B) {
	in := bytes.Repeat(masked(OpBinary, true, "\xc8\x01"+strings.Repeat("x", 420)), 100)
	buf := make([]byte, len(in))
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		copy(buf, in)
		var d WebSocketDecoder
		if _, _, _, err := d.Decode(buf); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAppendFrames renders messages of several sizes (relay-design.md §8).
func BenchmarkAppendFrames(b *testing.B) {
	for _, size := range []int{20, 200, 4096, 60000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			in := bytes.Repeat(Append(nil, Msg{200, 1, make([]byte, size-HeaderLen)}), max(1, (256<<10)/size))
			var out []byte
			b.SetBytes(int64(len(in)))
			for b.Loop() {
				out = AppendFrames(out[:0], in)
			}
		})
	}
}
