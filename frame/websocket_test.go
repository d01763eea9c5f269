package frame

import (
	"bytes"
	"errors"
	"testing"
)

// TestWebSocket has the examples of wire.md §3 and the hazards of §18.
func TestWebSocket(t *testing.T) {
	full := make([]byte, MaxPayload)
	for _, c := range []struct {
		name string
		in   []byte
		want Msg
		err  error
	}{
		{"ping", unhex(t, "020000"), Msg{TypePing, 0, []byte{0}}, nil},
		{"pong", unhex(t, "020001"), Msg{TypePing, 0, []byte{1}}, nil},
		{"keep-alive", unhex(t, "0300"), Msg{TypeKeepAlive, 0, []byte{}}, nil},
		{"empty", nil, Msg{}, ErrShort},
		{"one byte", unhex(t, "02"), Msg{}, ErrShort},
		{"longest", append(unhex(t, "c801"), full...), Msg{200, 1, full}, nil},
		{"too long", append(unhex(t, "c80100"), full...), Msg{}, ErrTooLong},
	} {
		m, err := ParseWebSocket(c.in)
		if message(m) != message(c.want) || !errors.Is(err, c.err) {
			t.Errorf("%s: got %.40s, %v; want %.40s, %v", c.name, message(m), err, message(c.want), c.err)
		}
		if err == nil && !bytes.Equal(AppendWebSocket(nil, m), c.in) {
			t.Errorf("%s: AppendWebSocket gives other bytes", c.name)
		}
	}
	mustPanic(t, "too long", func() { AppendWebSocket(nil, Msg{Body: make([]byte, MaxPayload+1)}) })
}

// TestWebSocketView appends to a view and looks whether that harms the buffer
// behind it.
func TestWebSocketView(t *testing.T) {
	buf := []byte{200, 1, 7, 8}
	m, err := ParseWebSocket(buf[:3])
	if err != nil {
		t.Fatal(err)
	}
	_ = append(m.Body, 9)
	if buf[3] != 8 {
		t.Error("appending to the body changed the buffer behind the message")
	}
}

// TestTransports is item 3 of wire.md §19: the two framings differ in the
// length only.
func TestTransports(t *testing.T) {
	_, raw := stream()
	for len(raw) > 0 {
		m, rest, err := Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := AppendWebSocket(nil, m); !bytes.Equal(got, raw[2:m.Size()]) {
			t.Errorf("WebSocket form of %s is %x", message(m), got)
		}
		raw = rest
	}
}
