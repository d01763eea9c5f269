package login

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"time"

	"drawrelay/store/serverlog"
)

// entrance is what clients speak at a listener.
type entrance uint8

const (
	enterNative entrance = iota // the protocol itself; TLS by startTls
	enterWeb                    // WebSocket
	enterWebTLS                 // WebSocket over TLS
	enterAny                    // told apart by the first bytes
)

// tlsHandshake is the first byte of a TLS connection: the record type of the
// client's hello (RFC 8446 §5.1).
const tlsHandshake = 22

// enter brings the connection to where the server greets: c.tr is set then.
func (c *conn) enter() error {
	e, first := c.entrance, []byte(nil)
	if e == enterAny {
		var err error
		if first, err = c.firstBytes(); err != nil {
			return err
		}
		switch {
		case len(first) == 0:
			e = enterNative
		case first[0] == tlsHandshake && c.server.cfg.TLS != nil:
			e = enterWebTLS
		case first[0] == 'G': // GET; a native message of such a length does not begin a login
			e = enterWeb
		default:
			e = enterNative
		}
	}
	switch e {
	case enterWeb:
		c.alarm.limit(upgradeTimeout)
		return c.upgrade(c.socket, c.socket, first)
	case enterWebTLS:
		c.alarm.limit(upgradeTimeout)
		if err := c.secure(&replay{c.socket, first}); err != nil {
			return err
		}
		return c.upgrade(c.pipe.TLS, c.pipe.TLS, nil)
	}
	s := newStream(c.socket, c.socket, c.received)
	s.buf, s.w = first, len(first)
	c.tr = s
	c.log(serverlog.Info, serverlog.Status, "New TCP client connected")
	return nil
}

// firstBytes returns what the client sends of its own accord, empty if that is
// nothing.
func (c *conn) firstBytes() ([]byte, error) {
	c.alarm.limit(firstBytesWait)
	defer c.alarm.limit(0)
	b := make([]byte, smallBuffer)
	n, err := c.socket.Read(b)
	if n == 0 && err != nil {
		if timeout, ok := err.(net.Error); ok && timeout.Timeout() && c.alarm.pending() == 0 && time.Since(c.accepted) >= firstBytesWait {
			return nil, nil
		}
		return nil, c.readError(err)
	}
	return b[:n], nil
}

// replay is a connection whose first bytes have been read already.
type replay struct {
	net.Conn
	first []byte
}

func (r *replay) Read(b []byte) (int, error) {
	if len(r.first) > 0 {
		n := copy(b, r.first)
		r.first = r.first[n:]
		return n, nil
	}
	return r.Conn.Read(b)
}

// readRequest reads an HTTP request without a body, of which first has been
// read already, and returns it with what came after it.
func readRequest(in io.Reader, first []byte) (request, rest []byte, err error) {
	i := input{in: in, most: maxRequest, buf: first, w: len(first)}
	for {
		if at := bytes.Index(i.waiting(), endOfRequest); at >= 0 {
			at += len(endOfRequest)
			return i.waiting()[:at], i.waiting()[at:], nil
		}
		if len(i.waiting()) >= maxRequest {
			return nil, nil, errLongRequest
		}
		if err := i.fill(); err != nil {
			return nil, nil, err
		}
	}
}

var (
	endOfRequest   = []byte("\r\n\r\n")
	errLongRequest = fmt.Errorf("the request is longer than %d bytes", maxRequest)
)
