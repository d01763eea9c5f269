//go:build linux

// Package proto speaks the login dialogue of the Drawpile protocol from the
// client's side: hello, STARTTLS, client info, guest identification, hosting
// and joining. What follows the dialogue belongs to the caller.
package proto

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"drawrelay/frame"
)

// ProtocolVersion is the protocol version of every session hosted here.
const ProtocolVersion = "dp:4.25.1"

// readSize is the size in bytes of one read: a whole TLS record, and little
// enough for thousands of connections at once.
const readSize = 16 << 10

// Dialer says how to reach a server.
type Dialer struct {
	Addr    string        // host:port
	TLS     bool          // upgrade with STARTTLS, or before WebSocket; any certificate is accepted
	Web     bool          // WebSocket
	MSS     int           // TCP segment size in bytes; 0 = the kernel's own
	Timeout time.Duration // for connecting and for every answer
}

// Client is one connection. Its methods block; it is for one goroutine, except
// that one may write while another reads once the dialogue is over.
type Client struct {
	Name    string
	User    uint8  // context id, known after Host or Join
	Session string // unique id of the session, likewise
	Listed  int    // sessions in the list that the server sent, known after Login

	conn    net.Conn   // the TCP connection or TLS over it
	web     *WebReader // nil without WebSocket
	tcp     *net.TCPConn
	timeout time.Duration
	info    map[string]any
	in      []byte // received, not yet parsed; a window of buf
	buf     []byte
}

// Dial connects, reads the greeting and upgrades to TLS if asked to.
func (d Dialer) Dial(name string) (*Client, error) {
	nd := net.Dialer{Timeout: d.Timeout}
	if d.MSS > 0 {
		nd.Control = func(_, _ string, c syscall.RawConn) error {
			var err error
			if e := c.Control(func(fd uintptr) {
				err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG, d.MSS)
			}); e != nil {
				return e
			}
			return err
		}
	}
	conn, err := nd.Dial("tcp", d.Addr)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	c := &Client{Name: name, conn: conn, tcp: conn.(*net.TCPConn), timeout: d.Timeout, info: clientInfo()}
	if d.Web {
		if d.TLS {
			err = c.secure()
		}
		if err == nil {
			err = c.upgrade()
		}
	}
	if err == nil {
		err = c.greet(d.TLS && !d.Web)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("greeting: %w", err)
	}
	return c, nil
}

func (c *Client) greet(useTLS bool) error {
	hello, err := c.reply("login")
	if err != nil {
		return err
	}
	if hello.Version != 4 {
		return fmt.Errorf("server speaks protocol %d, not 4", hello.Version)
	}
	offered := false
	for _, f := range hello.Flags {
		offered = offered || f == "TLS"
	}
	switch {
	case useTLS && !offered:
		return errors.New("the server offers no TLS")
	case !useTLS && offered:
		return errors.New("the server requires TLS")
	case !useTLS:
		return nil
	}
	if err := c.command("startTls", nil, nil); err != nil {
		return err
	}
	r, err := c.reply("result")
	if err != nil {
		return err
	}
	if !r.StartTLS || len(c.in) > 0 {
		return errors.New("STARTTLS was refused")
	}
	return c.secure()
}

// secure does the TLS handshake.
func (c *Client) secure() error {
	t := tls.Client(c.tcp, &tls.Config{InsecureSkipVerify: true})
	c.tcp.SetDeadline(time.Now().Add(c.timeout))
	if err := t.Handshake(); err != nil {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	c.tcp.SetDeadline(time.Time{})
	c.conn = t
	return nil
}

// clientInfo is what a client tells about itself, with a system id of its own.
func clientInfo() map[string]any {
	var id [16]byte
	rand.Read(id[:])
	return map[string]any{
		"app_version": "2.3.0", "protocol_version": ProtocolVersion, "qt_version": "6", "os": "linux",
		"s": hex.EncodeToString(id[:]), "m": "cGVyZg==", "capabilities": "KEEPALIVE,THUMBNAIL",
	}
}

// Login goes from the greeting to the session list, as a guest. Host and Join
// begin with it.
func (c *Client) Login() error {
	return c.login([]any{c.Name}, "guest")
}

// LoginAs is Login with the account of the client's name.
func (c *Client) LoginAs(password string) error {
	return c.login([]any{c.Name, password}, "auth")
}

func (c *Client) login(who []any, intent string) error {
	if err := c.command("cinfo", []any{"127.0.0.1", c.info}, nil); err != nil {
		return err
	}
	if _, err := c.reply("result"); err != nil {
		return fmt.Errorf("client info: %w", err)
	}
	if err := c.command("ident", who, map[string]any{"intent": intent}); err != nil {
		return err
	}
	r, err := c.reply("result")
	if err == nil && r.State != "identOk" {
		err = fmt.Errorf("state %q", r.State)
	}
	if err != nil {
		return fmt.Errorf("identify: %w", err)
	}
	if r, err = c.reply("login"); err != nil {
		return fmt.Errorf("session list: %w", err)
	}
	c.Listed = len(r.Sessions)
	return nil
}

// Host logs in, starts a session and sets its title. The initial canvas and
// InitComplete are up to the caller.
func (c *Client) Host() error {
	if err := c.Login(); err != nil {
		return err
	}
	err := c.enter("host", nil, map[string]any{"protocol": ProtocolVersion, "user_id": 1})
	if err != nil {
		return err
	}
	// Clients always send the settings right after hosting.
	return c.command("sessionconf", nil, map[string]any{"title": c.Name + "'s session"})
}

// Join logs in and joins a session. The history, up to the message that says
// "caught up", is still to be read.
func (c *Client) Join(session string) error {
	if err := c.Login(); err != nil {
		return err
	}
	return c.enter("join", []any{session}, nil)
}

func (c *Client) enter(cmd string, args []any, more map[string]any) error {
	kw := map[string]any{}
	for k, v := range c.info {
		kw[k] = v
	}
	for k, v := range more {
		kw[k] = v
	}
	if err := c.command(cmd, args, kw); err != nil {
		return err
	}
	r, err := c.reply("result")
	if err == nil && (r.State != cmd || r.Join.User < 1 || r.Join.User > 254) {
		err = fmt.Errorf("state %q, user id %d", r.State, r.Join.User)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", cmd, err)
	}
	c.User, c.Session = uint8(r.Join.User), r.Join.UniqueID
	if c.Session == "" {
		c.Session = r.Join.ID
	}
	return nil
}

// InitComplete ends the upload of a new session.
func (c *Client) InitComplete() error { return c.command("init-complete", nil, nil) }

// WaitCaughtUp reads until the server says that all of the history has come.
func (c *Client) WaitCaughtUp() error {
	key, left := int64(-1), -1
	for {
		m, err := c.Next()
		if err != nil {
			return fmt.Errorf("catch up: %w", err)
		}
		if left >= 0 {
			if left--; left <= 0 {
				return nil
			}
		}
		if m.Type != frame.TypeServerCommand {
			continue
		}
		var v struct {
			Type  string
			Key   *int64
			Count int
		}
		if json.Unmarshal(m.Body, &v) != nil {
			continue
		}
		switch {
		case v.Type == "catchup" && v.Key != nil:
			key = *v.Key
		case v.Type == "catchup":
			left = v.Count
		case v.Type == "caughtup" && v.Key != nil && *v.Key == key:
			return nil
		}
	}
}

// Conn returns the stream to read from and write to after the dialogue, TLS or
// plain, with the bytes that have already been read from it. The client must
// not be read from any more.
func (c *Client) Conn() (net.Conn, []byte) {
	c.conn.SetDeadline(time.Time{})
	return c.conn, c.in
}

// Secure reports whether the connection uses TLS.
func (c *Client) Secure() bool { return c.conn != net.Conn(c.tcp) }

// Detach takes the socket of a plain connection out of Go's poller. The caller
// owns the descriptor, which does not block; rest are bytes already read.
func (c *Client) Detach() (fd int, rest []byte, err error) {
	raw, err := c.tcp.SyscallConn()
	if err != nil {
		return -1, nil, err
	}
	if e := raw.Control(func(p uintptr) {
		fd, err = unix.FcntlInt(p, unix.F_DUPFD_CLOEXEC, 0)
	}); e != nil {
		err = e
	}
	if err != nil {
		return -1, nil, fmt.Errorf("detach: %w", err)
	}
	c.tcp.Close() // the duplicate keeps the connection
	return fd, c.in, nil
}

// Close ends the connection.
func (c *Client) Close() error { return c.tcp.Close() }
