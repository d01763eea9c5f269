package login

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"

	"drawrelay/frame"
	"drawrelay/store/settings"
)

// webConn is the client's side of a WebSocket connection in the shape of a TCP
// one: what is written and read is in TCP framing.
type webConn struct {
	net.Conn
	in     *bufio.Reader
	out    []byte   // decoded, not read
	pongs  []string // received
	closed []byte   // body of the server's Close frame, nil = none yet
}

// maskedFrame is a client's frame with a mask.
func maskedFrame(op frame.Opcode, final bool, body string) []byte {
	b := frame.AppendClientFrame(nil, op, final, []byte(body))
	at := len(b) - len(body)
	mask := []byte{0x37, 0xfa, 0x21, 0x3d}
	copy(b[at-4:], mask)
	for i := range body {
		b[at+i] ^= mask[i&3]
	}
	return b
}

// webFrames is whole messages in TCP framing as a client's frames.
func webFrames(messages []byte) (out []byte) {
	for len(messages) > 0 {
		n := frame.Len(messages)
		out = append(out, maskedFrame(frame.OpBinary, true, string(messages[2:n]))...)
		messages = messages[n:]
	}
	return out
}

func (c *webConn) Write(b []byte) (int, error) {
	_, err := c.Conn.Write(webFrames(b))
	return len(b), err
}

func (c *webConn) Read(b []byte) (int, error) {
	for len(c.out) == 0 {
		var head [10]byte
		if _, err := io.ReadFull(c.in, head[:2]); err != nil {
			return 0, err
		}
		size := int(head[1])
		if size == 126 {
			if _, err := io.ReadFull(c.in, head[2:4]); err != nil {
				return 0, err
			}
			size = int(head[2])<<8 | int(head[3])
		}
		body := make([]byte, size)
		if _, err := io.ReadFull(c.in, body); err != nil {
			return 0, err
		}
		switch {
		case c.closed != nil:
			return 0, fmt.Errorf("frame %x after the Close frame", head[0])
		case head[0] == 0x82 && size >= 2:
			c.out = append([]byte{byte((size - 2) >> 8), byte(size - 2)}, body...)
		case head[0] == 0x8a:
			c.pongs = append(c.pongs, string(body))
		case head[0] == 0x88:
			c.closed = append([]byte{}, body...)
		default:
			return 0, fmt.Errorf("unexpected frame %x of %d bytes", head[0], size)
		}
	}
	n := copy(b, c.out)
	c.out = c.out[n:]
	return n, nil
}

// startWeb runs a server with a WebSocket listener beside the native one.
func startWeb(t *testing.T, serve func(*Server, net.Listener) error, configure func(*settings.Settings, *Config)) (b *bed, addr string) {
	t.Helper()
	b = prepare(t, func(set *settings.Settings, cfg *Config) {
		set.WebSockets = true
		if configure != nil {
			configure(set, cfg)
		}
	}, session("s1", "one"))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- serve(b.Server, l) }()
	t.Cleanup(func() {
		if err := <-served; err != nil {
			t.Errorf("serving: %v", err)
		}
	})
	t.Cleanup(b.stop)
	b.addr = l.Addr().String()
	return b, b.addr
}

const (
	sampleKey    = "dGhlIHNhbXBsZSBub25jZQ==" // RFC 6455 §1.3
	sampleAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// request is a handshake with additional or, if empty, left out headers.
func request(path string, headers ...string) string {
	lines := []string{"Host: example.org", "Upgrade: websocket", "Connection: keep-alive, Upgrade", "Sec-WebSocket-Key: " + sampleKey, "Sec-WebSocket-Version: 13"}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ":")
		if at := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, name+":") }); at >= 0 {
			lines = slices.Delete(lines, at, at+1)
		}
		if value != "" {
			lines = append(lines, h)
		}
	}
	return "GET " + path + " HTTP/1.1\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// handshake sends a request, in pieces of step bytes if that is not 0, and
// returns status and headers of the answer.
func handshake(t *testing.T, conn net.Conn, in *bufio.Reader, text string, step int) (status string, headers textproto.MIMEHeader) {
	t.Helper()
	_ = conn.SetDeadline(time.Now().Add(patience))
	for b := []byte(text); len(b) > 0; {
		n := len(b)
		if step > 0 {
			n = min(n, step)
		}
		if _, err := conn.Write(b[:n]); err != nil {
			t.Fatal(err)
		}
		b = b[n:]
	}
	r := textproto.NewReader(in)
	status, err := r.ReadLine()
	if err != nil {
		return err.Error(), nil
	}
	headers, err = r.ReadMIMEHeader()
	if err != nil {
		t.Fatalf("answer %q: %v", status, err)
	}
	return status, headers
}

// web connects by WebSocket, with TLS if secure, and returns the hello.
func (b *bed) web(secure bool, headers ...string) (*client, *webConn, object) {
	b.t.Helper()
	conn, err := net.Dial("tcp", b.addr)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { conn.Close() })
	if secure {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	}
	w := &webConn{Conn: conn, in: bufio.NewReader(conn)}
	status, got := handshake(b.t, conn, w.in, request("/", headers...), 0)
	if status != "HTTP/1.1 101 Switching Protocols" || got.Get("Sec-Websocket-Accept") != sampleAccept {
		b.t.Fatalf("handshake: %s, %v", status, got)
	}
	_ = conn.SetDeadline(time.Time{})
	c := &client{t: b.t, conn: w}
	return c, w, c.reply()
}

// ended expects the orderly end after a Close frame with this code.
func (c *client) ended(code uint16) {
	c.t.Helper()
	w := c.conn.(*webConn)
	if m, err := c.next(); err != io.EOF {
		c.t.Fatalf("got %v %q, %v, want the end", m.Type, m.Body, err)
	}
	if want := []byte{byte(code >> 8), byte(code)}; !bytes.Equal(w.closed, want) {
		c.t.Fatalf("Close frame %x, want %x", w.closed, want)
	}
}
