package login

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"drawrelay/frame"
	"drawrelay/store/entry"
	"drawrelay/store/password"
	"drawrelay/store/serverlog"
	"drawrelay/store/settings"
)

// patience bounds every wait of a test; reaching it is a failure.
const patience = 20 * time.Second

const (
	sidA = "0123456789abcdef0123456789abcdef"
	sidB = "fedcba9876543210fedcba9876543210"
)

// bed is a running server with its fakes.
type bed struct {
	*Server
	t      *testing.T
	dir    *directory
	seater *seater
	slog   *serverlog.Log
	addr   string
}

// start runs a server. configure may change settings and configuration.
func start(t *testing.T, configure func(*settings.Settings, *Config), sessions ...*entry.Session) *bed {
	t.Helper()
	b := prepare(t, configure, sessions...)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.addr = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- b.Serve(l) }()
	t.Cleanup(func() {
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(func() { b.stop() })
	return b
}

// quickHasher leaves out the work that only hides whether an account exists: on
// a slow machine tests would wait for it longer than for anything else.
type quickHasher struct{ password.Here }

func (h quickHasher) Check(stored, pass string) (bool, error) {
	if stored == password.Decoy {
		return false, nil
	}
	return h.Here.Check(stored, pass)
}

// prepare makes a server that does not listen.
func prepare(t *testing.T, configure func(*settings.Settings, *Config), sessions ...*entry.Session) *bed {
	t.Helper()
	set := settings.Default()
	b := &bed{t: t, dir: newDirectory(sessions...), seater: new(seater)}
	b.slog = serverlog.New(io.Discard, serverlog.FormatText, nil)
	t.Cleanup(func() { b.slog.Close(patience) })
	cfg := Config{Log: b.slog, Directory: b.dir, Seater: b.seater, Version: "2.3.1-beta.1", Passwords: quickHasher{}}
	if configure != nil {
		configure(set, &cfg)
	}
	cfg.Settings = settings.NewSource(set)
	b.Server = New(cfg)
	return b
}

func (b *bed) stop() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = b.Stop(ctx) // the context's error says that somebody had to be cut
}

// logged waits for a log entry "Level/Topic text" that contains want.
func (b *bed) logged(want string) {
	b.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		for _, e := range b.slog.Recent(serverlog.Debug, nil) {
			if strings.Contains(e.Level.String()+"/"+e.Topic.String()+" "+e.Message, want) {
				return
			}
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("no log entry %q in:\n%s", want, b.logText())
		}
		time.Sleep(time.Millisecond)
	}
}

func (b *bed) logText() string {
	var out strings.Builder
	for _, e := range b.slog.Recent(serverlog.Debug, nil) {
		out.WriteString(e.Level.String() + "/" + e.Abridged() + "\n")
	}
	return out.String()
}

// client speaks the protocol from the other side.
type client struct {
	t    *testing.T
	conn net.Conn
	buf  []byte
}

type object = map[string]any

// dial connects and checks the hello.
func (b *bed) dial() *client {
	b.t.Helper()
	c, _ := b.greeted()
	return c
}

func (b *bed) greeted() (*client, object) {
	b.t.Helper()
	conn, err := net.Dial("tcp", b.addr)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { conn.Close() })
	c := &client{t: b.t, conn: conn}
	hello := c.reply()
	if hello["type"] != "login" || hello["version"] != 4.0 {
		b.t.Fatalf("hello = %v", hello)
	}
	return c, hello
}

// login identifies as a guest, or with a password, and eats the list.
func (b *bed) login(name string, pass ...any) *client {
	b.t.Helper()
	c := b.dial()
	c.ident(name, pass...)
	return c
}

func (c *client) ident(name string, pass ...any) object {
	c.t.Helper()
	c.cmd("ident", append([]any{name}, pass...), nil)
	r := c.reply()
	c.want(r, object{"type": "result", "state": "identOk"})
	c.want(c.reply(), object{"type": "login", "message": "Welcome"})
	return r
}

func command(name string, args []any, kwargs object) []byte {
	doc := object{"cmd": name}
	if args != nil {
		doc["args"] = args
	}
	if kwargs != nil {
		doc["kwargs"] = kwargs
	}
	text, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	return frame.Append(nil, frame.Msg{Body: text})
}

func (c *client) cmd(name string, args []any, kwargs object) {
	c.t.Helper()
	c.raw(command(name, args, kwargs))
}

func (c *client) raw(b []byte) {
	c.t.Helper()
	_ = c.conn.SetWriteDeadline(time.Now().Add(patience))
	if _, err := c.conn.Write(b); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

// next returns the next message or the error that ended the connection.
func (c *client) next() (frame.Msg, error) {
	_ = c.conn.SetReadDeadline(time.Now().Add(patience))
	for {
		if m, rest, err := frame.Parse(c.buf); err == nil {
			c.buf = rest
			return m, nil
		}
		b := make([]byte, 70000)
		n, err := c.conn.Read(b)
		if n > 0 {
			c.buf = append(slices.Clip(c.buf), b[:n]...)
			continue
		}
		if err != nil {
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				c.t.Fatalf("nothing more arrived within %v", patience)
			}
			return frame.Msg{}, err
		}
	}
}

// message returns the next message.
func (c *client) message() frame.Msg {
	c.t.Helper()
	m, err := c.next()
	if err != nil {
		c.t.Fatalf("read: %v", err)
	}
	return m
}

// reply returns the next message, which must be a server command of a type
// that clients expect during login (§20 item 48).
func (c *client) reply() object {
	c.t.Helper()
	m := c.message()
	if m.Type != frame.TypeServerCommand || m.User != 0 {
		c.t.Fatalf("got message type %v %q, want a reply", m.Type, m.Body)
	}
	var o object
	if err := json.Unmarshal(m.Body, &o); err != nil {
		c.t.Fatalf("reply %q: %v", m.Body, err)
	}
	switch o["type"] {
	case "login", "result", "error":
	default:
		c.t.Fatalf("reply of type %v during login", o["type"])
	}
	return o
}

// want checks that got has these values.
func (c *client) want(got, want object) {
	c.t.Helper()
	for k, v := range want {
		g, _ := json.Marshal(got[k])
		w, _ := json.Marshal(v)
		if !bytes.Equal(g, w) {
			c.t.Fatalf("%s = %s, want %s, in %v", k, g, w, got)
		}
	}
}

// disconnect expects a Disconnect message and the orderly end.
func (c *client) disconnect(reason uint8, text string) {
	c.t.Helper()
	m := c.message()
	d, err := frame.ParseDisconnect(m.Body)
	if m.Type != frame.TypeDisconnect || err != nil || d.Reason != reason || string(d.Text) != text {
		c.t.Fatalf("got %v %q, want Disconnect %d %q", m.Type, m.Body, reason, text)
	}
	if _, err := c.next(); err != io.EOF {
		c.t.Fatalf("after Disconnect: %v, want EOF", err)
	}
}

// refused expects a fatal error.
func (c *client) refused(code, message string) {
	c.t.Helper()
	got := c.reply()
	c.want(got, object{"type": "error", "code": code, "message": message})
	if len(got) != 3 {
		c.t.Fatalf("error object has extra keys: %v", got)
	}
	c.disconnect(frame.ReasonError, "Login error")
}

// violated expects the end without an error object.
func (c *client) violated() {
	c.t.Helper()
	c.disconnect(frame.ReasonError, "invalid message")
}

// cut expects the end without any message.
func (c *client) cut() {
	c.t.Helper()
	if m, err := c.next(); err == nil {
		c.t.Fatalf("got %v %q, want the end", m.Type, m.Body)
	}
}

// ping makes sure that everything sent before has been handled and that
// nothing was answered.
func (c *client) ping() {
	c.t.Helper()
	c.raw([]byte{0, 1, 2, 0, 0})
	if m := c.message(); m.Type != frame.TypePing || !bytes.Equal(m.Body, []byte{1}) || m.User != 0 {
		c.t.Fatalf("got %v %q, want a pong", m.Type, m.Body)
	}
}

// info is client info that fits every check.
func info(more ...object) object {
	o := object{"app_version": "2.3.0", "protocol_version": "dp:4.25.1", "os": "linux", "s": sidA}
	for _, m := range more {
		for k, v := range m {
			if v == nil {
				delete(o, k)
			} else {
				o[k] = v
			}
		}
	}
	return o
}

func session(id, alias string, change ...func(*entry.Session)) *entry.Session {
	s := &entry.Session{ID: id, Alias: alias, Version: "dp:4.25.1", Founder: "alice", Title: "Title of " + id,
		MaxUsers: 254, UserCount: 1, StartTime: time.Date(2026, 5, 16, 12, 0, 0, 0, time.UTC)}
	for _, f := range change {
		f(s)
	}
	return s
}

var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

// withTLS makes the listener require TLS.
func withTLS(_ *settings.Settings, cfg *Config) {
	config := &tls.Config{Certificates: []tls.Certificate{certificate()}}
	cfg.TLS = func() *tls.Config { return config }
}

// secure upgrades the client to TLS.
func (c *client) secure(version uint16) {
	c.t.Helper()
	c.cmd("startTls", nil, nil)
	c.want(c.reply(), object{"type": "result", "message": "Start TLS now!", "startTls": true})
	if len(c.buf) > 0 {
		c.t.Fatalf("plaintext after the reply: %q", c.buf)
	}
	conn := tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
	if err := conn.Handshake(); err != nil {
		c.t.Fatalf("handshake: %v", err)
	}
	c.conn = conn
}

// oneByte is a random source that repeats a number.
type oneByte byte

func (o oneByte) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(o)
	}
	return len(b), nil
}
