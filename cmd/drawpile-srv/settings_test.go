package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"drawrelay/frame"
	"drawrelay/store/config"
)

// world is a server with all features, whose settings are changed while a
// session runs.
type world struct {
	*testServer
	auth     *authFake
	outside  *outsideFake
	sessions string // folder
	web      string // host:port of the WebSocket port
	admin    string // host:port of the admin API
	// store writes exactly these settings, and the accounts of TestEachSetting,
	// where the server has them from.
	store func(values map[string]string)

	mu   sync.Mutex
	conf string // newest configuration that the host of the session was sent
}

// ghostUser and banned are what the settings of the test act upon.
const (
	ghostUser = "specter"
	bannedSID = "dddddddddddddddddddddddddddddddd"
)

func newWorld(t *testing.T, database bool) *world {
	t.Helper()
	dir := t.TempDir()
	web, admin := freePort(t), freePort(t)
	w := &world{auth: newAuthFake(t), outside: newOutsideFake(t), sessions: filepath.Join(dir, "sessions"),
		web: fmt.Sprintf("127.0.0.1:%d", web), admin: fmt.Sprintf("127.0.0.1:%d", admin)}
	option, path := "--config", filepath.Join(dir, "settings.ini")
	w.store = func(values map[string]string) {
		lines := []string{}
		for key, value := range values {
			lines = append(lines, key+" = "+value)
		}
		slices.Sort(lines)
		text := strings.Join(lines, "\n") + "\n[users]\n" + ghostUser + ":plain;pw:GHOST,MOD\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if database {
		option, path = "--database", filepath.Join(dir, "config.db")
		edit(t, path, "CREATE TABLE users (username UNIQUE, password, locked, flags)", "CREATE TABLE settings (key PRIMARY KEY, value)",
			"INSERT INTO users VALUES ('"+ghostUser+"', 'plain;pw', 0, 'GHOST,MOD')")
		w.store = func(values map[string]string) {
			statements := []string{"BEGIN IMMEDIATE", "DELETE FROM settings"}
			for key, value := range values {
				statements = append(statements, fmt.Sprintf("INSERT INTO settings VALUES ('%s', '%s')", key, value))
			}
			edit(t, path, append(statements, "COMMIT")...)
		}
	} else {
		w.store(nil)
	}
	w.testServer = launch(t, option, path, "--sessions", w.sessions, "--extauth", w.auth.url, "--report-url", w.outside.url+"/in",
		"--local-host", "draw.example", "--websocket-port", fmt.Sprint(web), "--websocket-listen", "127.0.0.1",
		"--web-admin-port", fmt.Sprint(admin), "--web-admin-auth", "a:b")
	host, _ := w.connect()
	_ = host.conn.SetDeadline(time.Time{}) // it stays to the end
	host.host("running")
	host.send(`{"cmd":"sessionconf","kwargs":{"title":"Running"}}`)
	go w.follow(host)
	go func() { // until the test is over
		for host.alive() == nil {
			time.Sleep(aliveEvery)
		}
	}()
	return w
}

// aliveEvery is how often the host of the session says that it is there.
const aliveEvery = 10 * time.Second

func (c *client) alive() error {
	_, err := c.conn.Write(frame.AppendPing(nil, false))
	return err
}

// follow remembers the configuration that the members of the session see.
func (w *world) follow(host *client) {
	for {
		m, err := host.read()
		if err != nil {
			return // the test is over
		}
		if m.Type == frame.TypeServerCommand && bytes.Contains(m.Body, []byte(`"maxSize"`)) {
			w.mu.Lock()
			w.conf = string(m.Body)
			w.mu.Unlock()
		}
	}
}

// browser connects through WebSocket as a browser does.
func (w *world) browser() *client {
	w.t.Helper()
	dialer := ws.Dialer{Header: ws.HandshakeHeaderHTTP(http.Header{"Origin": {"https://draw.example"}})}
	conn, early, _, err := dialer.Dial(context.Background(), "ws://"+w.web+"/")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		w.t.Fatal(err)
	}
	c := &webConn{Conn: conn, in: struct {
		io.Reader
		io.Writer
	}{conn, conn}}
	if early != nil { // came with the answer to the handshake
		c.in.Reader = early
	}
	return &client{t: w.t, conn: c}
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

// dial connects without reading the greeting.
func (w *world) dial() *client {
	w.t.Helper()
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		w.t.Fatal(err)
	}
	return &client{t: w.t, conn: conn}
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
	r, err := http.NewRequest(http.MethodGet, "http://"+w.admin+"/api/extbans/", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("a:b")))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatal(err)
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

// expect waits until somebody sees want, or no longer sees it if it begins
// with an exclamation mark. Nobody looks for nothing.
func (w *world) expect(key string, see func(w *world) string, want string) {
	w.t.Helper()
	if want == "" {
		return
	}
	text, not := strings.CutPrefix(want, "!")
	last := ""
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if last = see(w); strings.Contains(last, text) != not {
			return
		}
		if time.Now().After(end) {
			w.t.Errorf("%s: %q is not what is seen:\n%s", key, want, last)
			return
		}
	}
}

// TestEachSetting changes every setting of the reference (configuration.md
// §8) in each store while a session runs, and looks at what people see before,
// with it, and after it has been taken back (§23 items 12, 14, 17 and 21).
func TestEachSetting(t *testing.T) {
	for name, database := range map[string]bool{"file": false, "database": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, database)
			for _, row := range eachSetting(w) {
				if row.see == nil {
					continue
				}
				if testing.Verbose() {
					t.Log(row.key)
				}
				base, changed := map[string]string{}, map[string]string{row.key: row.value}
				for key, value := range row.with {
					base[key], changed[key] = value, value
				}
				w.store(base)
				w.expect(row.key, row.see, row.was)
				w.store(changed)
				w.expect(row.key, row.see, row.is)
				w.store(base)
				w.expect(row.key+" taken back", row.see, row.was)
			}
		})
	}
}

// TestEachSettingIsListed makes sure that no key is forgotten above.
func TestEachSettingIsListed(t *testing.T) {
	listed := make(map[string]int)
	for _, row := range eachSetting(&world{auth: newAuthFake(t), outside: newOutsideFake(t)}) {
		listed[row.key]++
	}
	for _, key := range config.Keys() {
		if strings.HasPrefix(key, "rateLimit") { // relay's TestThrottle
			continue
		}
		if listed[key] != 1 {
			t.Errorf("%s is listed %d times", key, listed[key])
		}
	}
}
