package login

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/gobwas/ws"

	"drawrelay/store/serverlog"
)

// forbidden is the HTTP status for those who may not connect.
const forbidden = 403

// webRequest is what matters of a WebSocket handshake (integrations.md §6.2).
// Path, query, Host, sub-protocols and extensions do not.
type webRequest struct {
	origin  string
	realIP  string
	realIPs int // headers of that name
}

// upgrade does the WebSocket handshake; first has been read of it already. What
// is no handshake is answered by an HTTP error and closed.
func (c *conn) upgrade(in io.Reader, out io.Writer, first []byte) error {
	request, rest, err := readRequest(in, first)
	if err == errLongRequest {
		return c.decline(out, "431 Request Header Fields Too Large", err.Error())
	}
	if err != nil {
		return errPeerGone // nobody who would understand anything
	}
	var r webRequest
	upgrader := ws.Upgrader{
		Header: ws.HandshakeHeaderString("Server: drawpile-srv_" + c.server.cfg.Version + "\r\n"),
		OnHeader: func(key, value []byte) error {
			switch {
			case strings.EqualFold(string(key), "Origin"):
				r.origin = string(value)
			case strings.EqualFold(string(key), "X-Real-IP"):
				r.realIP = string(value)
				r.realIPs++
			}
			return nil
		},
		OnBeforeUpgrade: func() (ws.HandshakeHeader, error) {
			if reason := c.introduce(&r); reason != "" {
				return nil, ws.RejectConnectionError(ws.RejectionStatus(forbidden), ws.RejectionReason(reason))
			}
			return nil, nil
		},
	}
	_ = c.socket.SetWriteDeadline(time.Now().Add(c.patience(writeTimeout))) // fails on a closed socket only, as the write will
	answer := &answerWriter{out: out}
	if _, err := upgrader.Upgrade(struct {
		io.Reader
		io.Writer
	}{bytes.NewReader(request), answer}); err != nil {
		if answer.written {
			c.closeOrderly()
			return errPeerGone
		}
		return c.decline(out, "400 Bad Request", "this port speaks WebSocket")
	}
	c.alarm.limit(0)
	c.tr = newWebStream(in, out, rest, c.received, c.writeControl)
	return nil
}

// introduce settles the client's address and kind. It returns why the client
// may not connect, or nothing.
func (c *conn) introduce(r *webRequest) (reason string) {
	set := c.server.cfg.Settings.Get()
	if r.origin != "" && !set.AllowsOrigin(r.origin) {
		c.log(serverlog.Info, serverlog.Status, fmt.Sprintf("Refused a WebSocket client from %v: its origin '%s' is not in webSocketOrigins", c.socket.RemoteAddr(), r.origin))
		return "origin not allowed"
	}
	source := "WebSocket peer address"
	if r.realIPs == 1 && c.server.cfg.TrustedProxy(c.addr) {
		if addr, err := netip.ParseAddr(r.realIP); err == nil {
			source = "X-Real-IP header"
			if reason := c.server.readdress(c, addr.Unmap().WithZone("")); reason != "" {
				if n, ok := c.server.refusals.due(); ok {
					c.log(serverlog.Warn, serverlog.Status, fmt.Sprintf("Refused %d new connections: %s", n, reason))
				}
				return "too many connections"
			}
		}
	}
	c.browser = r.origin != ""
	c.log(serverlog.Info, serverlog.Status, fmt.Sprintf("New WebSocket client connected from %v (IP from %s, Origin '%s')",
		c.socket.RemoteAddr(), source, r.origin))
	return ""
}

// decline answers what is no WebSocket handshake.
func (c *conn) decline(out io.Writer, status, text string) error {
	_ = c.socket.SetWriteDeadline(time.Now().Add(c.patience(writeTimeout)))
	_, err := fmt.Fprintf(out, "HTTP/1.1 %s\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s\n",
		status, len(text)+1, text)
	if err == nil {
		c.closeOrderly()
	}
	return errPeerGone
}

// answerWriter knows whether anything has been answered.
type answerWriter struct {
	out     io.Writer
	written bool
}

func (a *answerWriter) Write(b []byte) (int, error) {
	a.written = true
	return a.out.Write(b)
}

// writeControl writes control frames at once.
func (c *conn) writeControl(b []byte) error {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	if c.werr != nil {
		return errPeerGone
	}
	_ = c.socket.SetWriteDeadline(time.Now().Add(c.patience(writeTimeout)))
	w, ok := c.tr.(*webStream)
	if !ok {
		return nil
	}
	_, c.werr = w.out.Write(b)
	return c.werr
}

// hangUp ends the connection with a Close frame.
func (c *conn) hangUp(closeFrame []byte) {
	if c.writeControl(closeFrame) == nil {
		c.closeOrderly()
	}
}

// closedByPeer answers a Close frame; it reports false for other errors.
func (c *conn) closedByPeer(err error) bool {
	var closed *webClosed
	if !errors.As(err, &closed) {
		return false
	}
	c.hangUp(closed.reply)
	return true
}
