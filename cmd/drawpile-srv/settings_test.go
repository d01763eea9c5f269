package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

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
