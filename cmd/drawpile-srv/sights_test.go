package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"drawrelay/frame"
)

// browser connects through WebSocket as a browser does.
func (w *world) browser() *client {
	w.t.Helper()
	return dialWeb(w.t, w.web, http.Header{"Origin": {"https://draw.example"}})
}

// dialWeb opens a WebSocket at host:port.
func dialWeb(t *testing.T, addr string, header http.Header) *client {
	t.Helper()
	dialer := ws.Dialer{Header: ws.HandshakeHeaderHTTP(header)}
	conn, early, _, err := dialer.Dial(context.Background(), "ws://"+addr+"/")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	c := &webConn{Conn: conn, in: struct {
		io.Reader
		io.Writer
	}{conn, conn}}
	if early != nil { // came with the answer to the handshake
		c.in.Reader = early
	}
	return &client{t: t, conn: c}
}

// webConn makes a WebSocket look like TCP: every binary message gets the
// length that it has not.
type webConn struct {
	net.Conn
	in struct {
		io.Reader
		io.Writer
	}
	rest []byte
}

func (c *webConn) Read(b []byte) (int, error) {
	if len(c.rest) == 0 {
		m, err := wsutil.ReadServerBinary(c.in)
		if err != nil {
			return 0, err
		}
		c.rest = append(binary.BigEndian.AppendUint16(nil, uint16(len(m)-2)), m...)
	}
	n := copy(b, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// Write expects one whole message.
func (c *webConn) Write(b []byte) (int, error) {
	return len(b), wsutil.WriteClientBinary(c.Conn, b[2:])
}

// What somebody sees. Every call is somebody new.

// hello is the greeting.
func (w *world) hello() string { return w.greet(func() *client { return w.dial() }) }

// webHello is the greeting of a browser.
func (w *world) webHello() string { return w.greet(w.browser) }

func (w *world) greet(dial func() *client) string {
	c := dial()
	defer c.conn.Close()
	return string(c.next(frame.TypeServerCommand))
}

// silent is somebody who does nothing until the server has enough of it.
func (w *world) silent() string {
	c := w.dial()
	for {
		var late net.Error
		if _, err := c.read(); errors.As(err, &late) && late.Timeout() {
			return "still connected"
		} else if err != nil {
			return "cut off"
		}
	}
}

// enter is a guest of this name and what it is told, up to the list of
// sessions.
func enter(c *client, ident string) string {
	c.next(frame.TypeServerCommand) // greeting
	c.send(ident)
	told := ""
	for {
		m, err := c.read()
		if err != nil {
			return told
		}
		told += string(m.Body) + "\n"
		if m.Type == frame.TypeDisconnect || strings.Contains(told, `"type":"error"`) || strings.Contains(told, `"sessions"`) ||
			strings.Contains(told, "needPassword") || strings.Contains(told, "needExtAuth") {
			return told
		}
	}
}

// seeGuest logs in as this name.
func seeGuest(name string) func(w *world) string {
	return func(w *world) string {
		c := w.dial()
		defer c.conn.Close()
		return enter(c, fmt.Sprintf(`{"cmd":"ident","args":[%q]}`, name))
	}
}

// webGuest is a guest in a browser.
func (w *world) webGuest() string {
	c := w.browser()
	defer c.conn.Close()
	return enter(c, `{"cmd":"ident","args":["bob"]}`)
}

// ghost logs in with the account that is one.
func (w *world) ghost() string {
	c := w.dial()
	defer c.conn.Close()
	return enter(c, `{"cmd":"ident","args":["`+ghostUser+`","pw"]}`)
}

// seeToken logs in with an external account that has these flags.
func seeToken(flags ...string) func(w *world) string {
	return func(w *world) string {
		c := w.dial()
		defer c.conn.Close()
		told := enter(c, `{"cmd":"ident","args":["auth"]}`)
		var needed challenge
		if json.Unmarshal([]byte(told), &needed) != nil || needed.Nonce == "" {
			return told
		}
		payload, err := json.Marshal(map[string]any{"username": "Ext", "uid": 7, "flags": append([]string{}, flags...), "nonce": needed.Nonce})
		if err != nil {
			w.t.Fatal(err)
		}
		c.send(fmt.Sprintf(`{"cmd":"ident","args":["auth"],"kwargs":{"extauth":%q}}`, w.auth.token(string(payload))))
		return told + string(c.next(frame.TypeServerCommand))
	}
}

// seeHost hosts a session and returns what its host is told, up to the session's
// configuration. more are further arguments.
func seeHost(more string) func(w *world) string {
	return func(w *world) string {
		c := w.dial()
		defer c.conn.Close()
		return hostOn(c, more)
	}
}

// seeWebHost hosts from a browser.
func seeWebHost(more string) func(w *world) string {
	return func(w *world) string {
		c := w.browser()
		defer c.conn.Close()
		return hostOn(c, more)
	}
}

func hostOn(c *client, more string) string {
	told := enter(c, `{"cmd":"ident","args":["hank"]}`)
	c.send(fmt.Sprintf(`{"cmd":"host","kwargs":{"protocol":"dp:4.24.0","user_id":1,"s":%q%s}}`, bannedSID, more))
	for {
		m, err := c.read()
		if err != nil {
			return told
		}
		told += string(m.Body) + "\n"
		switch {
		case m.Type == frame.TypeDisconnect || strings.Contains(told, `"type":"error"`) || strings.Contains(told, `"redirect"`):
			return told
		case strings.Contains(string(m.Body), "Starting new session!"):
			c.send(`{"cmd":"init-complete"}`)
			c.send(`{"cmd":"sessionconf","kwargs":{"title":"Something"}}`) // is answered with the configuration
		case strings.Contains(string(m.Body), `"maxSize"`):
			return told
		}
	}
}

// hosted is what a guest sees of a session that somebody has just hosted.
func (w *world) hosted() string {
	c := w.dial()
	defer c.conn.Close()
	hostOn(c, `,"alias":"fresh"`)
	return seeGuest("bob")(w)
}

// left says what becomes of a session when its only member leaves.
func (w *world) left() string {
	c := w.dial()
	id := hostedID(hostOn(c, ""))
	_ = c.conn.Close()
	for {
		list := seeGuest("bob")(w)
		_, session, found := strings.Cut(list, id)
		if !found {
			return "gone"
		}
		if session, _, _ = strings.Cut(session, "}"); strings.Contains(session, `"userCount":0`) {
			return "stays"
		}
	}
}

// archived says what becomes of the files of a session that ends.
func (w *world) archived() string {
	c := w.dial()
	id := hostedID(hostOn(c, ""))
	_ = c.conn.Close()
	for {
		files, err := filepath.Glob(filepath.Join(w.sessions, id+"*"))
		if err != nil {
			w.t.Fatal(err)
		}
		kept := 0
		for _, f := range files {
			if strings.HasSuffix(f, ".archived") {
				kept++
			}
		}
		if kept == len(files) {
			return fmt.Sprintf("%d files", min(kept, 1))
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// hostedID finds the session's id in what its host was told.
func hostedID(told string) string {
	_, told, _ = strings.Cut(told, `"join":{`)
	_, told, _ = strings.Cut(told, `"id":"`)
	id, _, _ := strings.Cut(told, `"`)
	return id
}

// announce lists a session.
func (w *world) announce() string {
	c := w.dial()
	defer c.conn.Close()
	hostOn(c, "")
	c.send(fmt.Sprintf(`{"cmd":"announce-session","args":[%q]}`, w.outside.url+"/list"))
	for {
		if told := string(c.next(frame.TypeServerCommand)); strings.Contains(told, "isting") || strings.Contains(told, "listed") {
			return told
		}
	}
}

// report reports a session and returns what the receiver gets.
func (w *world) report() string {
	c := w.dial()
	defer c.conn.Close()
	hostOn(c, "")
	c.send(`{"cmd":"report","kwargs":{"user":1,"reason":"x"}}`)
	for {
		if r := w.outside.next(); strings.Contains(r, "/in ") {
			return r
		}
	}
}

// sharedBans is what the admin API says about the list of shared bans.
func (w *world) sharedBans() string {
	return askAdmin(w.t, w.admin, "/api/extbans/")
}

// askAdmin gets something from the admin API at host:port, as a:b.
func askAdmin(t *testing.T, addr, path string) string {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("a", "b")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// member is the configuration that members of the running session have been
// sent without asking.
func (w *world) member() string {
	w.hello() // whoever connects makes the server look
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.conf
}
