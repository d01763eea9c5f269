//go:build linux

package proto

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"drawrelay/frame"
)

// upgrade does the WebSocket handshake (RFC 6455 §4.1). The answer's key is not
// checked: the frames that follow are.
func (c *Client) upgrade() error {
	const request = "GET /drawpile-web/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
	c.conn.SetDeadline(time.Now().Add(c.timeout))
	defer c.conn.SetDeadline(time.Time{})
	if _, err := c.conn.Write([]byte(request)); err != nil {
		return err
	}
	var got []byte
	b := make([]byte, readSize)
	for {
		n, err := c.conn.Read(b)
		got = append(got, b[:n]...)
		if head, rest, ok := bytes.Cut(got, []byte("\r\n\r\n")); ok {
			if !bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) {
				return fmt.Errorf("WebSocket handshake answered with %.100q", head)
			}
			c.web = new(WebReader)
			c.in = c.web.Append(nil, rest)
			return nil
		}
		if err != nil {
			return fmt.Errorf("WebSocket handshake: %w", err)
		}
	}
}

// WebReader turns the stream of a WebSocket server, cut anywhere, into
// messages in TCP framing. It expects nothing but whole binary frames.
type WebReader struct {
	head [10]byte
	have int // bytes in head
	left int // bytes of the frame to come
}

// Append appends what the next bytes of the stream hold to dst.
func (r *WebReader) Append(dst, b []byte) []byte {
	for len(b) > 0 {
		if r.left > 0 {
			n := min(r.left, len(b))
			dst = append(dst, b[:n]...)
			r.left -= n
			b = b[n:]
			continue
		}
		r.head[r.have] = b[0]
		r.have++
		b = b[1:]
		size, n := 2, int(r.head[1])
		switch n {
		case 126:
			size, n = 4, int(binary.BigEndian.Uint16(r.head[2:]))
		case 127:
			size, n = 10, int(binary.BigEndian.Uint64(r.head[2:]))
		}
		if r.have < 2 || r.have < size {
			continue
		}
		r.have = 0
		if op := frame.Opcode(r.head[0] & 15); op != frame.OpBinary || n < frame.WebSocketHeadLen {
			// A Close or Pong frame as a message that ends the run with its name.
			dst = frame.AppendDisconnect(dst, frame.ReasonOther, fmt.Sprintf("WebSocket frame %d of %d bytes", op, n))
			return dst
		}
		r.left = n
		dst = binary.BigEndian.AppendUint16(dst, uint16(n-frame.WebSocketHeadLen))
	}
	return dst
}

// AppendClientFrames appends whole messages as a WebSocket client sends them.
func AppendClientFrames(dst, messages []byte) []byte {
	for len(messages) > 0 {
		n := frame.Len(messages)
		dst = frame.AppendClientFrame(dst, frame.OpBinary, true, messages[2:n])
		messages = messages[n:]
	}
	return dst
}

// Web returns what decodes the rest of the stream, nil if it is TCP framing as
// it is. It belongs to who takes the connection.
func (c *Client) Web() *WebReader { return c.web }
