package relay

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"

	"drawrelay/frame"
)

// webConn is the client's side of a WebSocket connection in the shape of a
// TCP one: what is written and read is in TCP framing. It sends in as many ways
// as RFC 6455 allows, and insists on whole binary frames from the server.
type webConn struct {
	net.Conn

	mu      sync.Mutex
	pending []byte // written, not a whole message yet
	writes  int

	in     []byte // received
	out    []byte // decoded, not read
	pongs  int
	closed []byte // body of the server's Close frame, nil = none yet
}

// clientFrame is a frame with a mask.
func clientFrame(op frame.Opcode, final bool, body []byte, mask uint32) []byte {
	b := frame.AppendClientFrame(nil, op, final, body)
	at := len(b) - len(body)
	binary.BigEndian.PutUint32(b[at-4:], mask)
	for i := range body {
		b[at+i] ^= b[at-4+i&3]
	}
	return b
}

func (c *webConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending = append(c.pending, b...)
	var out []byte
	for {
		n := frame.Len(c.pending)
		if n == 0 || n > len(c.pending) {
			break
		}
		body := c.pending[2:n]
		c.writes++
		mask := uint32(c.writes) * 0x9e3779b9
		switch c.writes % 7 {
		case 2: // in three fragments with a ping between them
			a, z := len(body)/3, len(body)/2
			out = append(out, clientFrame(frame.OpBinary, false, body[:a], mask)...)
			out = append(out, clientFrame(frame.OpPing, true, []byte("between"), mask+1)...)
			out = append(out, clientFrame(frame.OpContinuation, false, body[a:z], mask+2)...)
			out = append(out, clientFrame(frame.OpContinuation, true, body[z:], 0)...)
		case 4: // after a text message in fragments, which is ignored
			out = append(out, clientFrame(frame.OpText, false, []byte("te"), mask)...)
			out = append(out, clientFrame(frame.OpContinuation, true, []byte("xt"), mask)...)
			out = append(out, clientFrame(frame.OpBinary, true, body, mask)...)
		case 5: // after an unsolicited pong
			out = append(out, clientFrame(frame.OpPong, true, nil, mask)...)
			fallthrough
		default:
			out = append(out, clientFrame(frame.OpBinary, true, body, mask)...)
		}
		c.pending = c.pending[n:]
	}
	if _, err := c.Conn.Write(out); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (c *webConn) Read(b []byte) (int, error) {
	for len(c.out) == 0 {
		buf := make([]byte, 64<<10)
		n, err := c.Conn.Read(buf)
		c.in = append(c.in, buf[:n]...)
		if derr := c.decode(); derr != nil {
			return 0, derr
		}
		if len(c.out) == 0 && err != nil {
			return 0, err
		}
	}
	n := copy(b, c.out)
	c.out = c.out[n:]
	return n, nil
}

// decode takes the whole frames received.
func (c *webConn) decode() error {
	for len(c.in) >= 2 {
		head, n := 2, int(c.in[1])
		switch n {
		case 126:
			head = 4
		case 127:
			head = 10
		}
		if len(c.in) < head {
			return nil
		}
		switch head {
		case 4:
			n = int(binary.BigEndian.Uint16(c.in[2:]))
		case 10:
			n = int(binary.BigEndian.Uint64(c.in[2:]))
		}
		if len(c.in) < head+n {
			return nil
		}
		body := c.in[head : head+n]
		switch {
		case c.closed != nil:
			return errors.New("a frame after the Close frame")
		case c.in[0] == 0x82 && n >= 2 && n <= frame.MaxWebSocket:
			c.out = append(c.out, byte((n-2)>>8), byte(n-2))
			c.out = append(c.out, body...)
		case c.in[0] == 0x8a:
			c.pongs++
		case c.in[0] == 0x88:
			c.closed = append([]byte{}, body...)
		default:
			return io.ErrUnexpectedEOF
		}
		c.in = c.in[head+n:]
	}
	return nil
}
