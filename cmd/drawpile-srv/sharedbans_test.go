package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"drawrelay/frame"
	"drawrelay/store/db"
)

// A shared list bans whom it names, after the server's own bans, from the
// moment it is switched on in the running server (configuration.md §14).
func TestRunSharedBans(t *testing.T) {
	sid := strings.Repeat("a", 32)
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.UserAgent(); got != "DrawpileExtBansClient/"+version {
			t.Errorf("user agent %q", got)
		}
		w.Header().Set("ETag", "one")
		_, _ = w.Write([]byte(`{"bans":[{"id":7,"expires":"9999-12-31 23:59:59","reason":"Appeal at example.org",
			"system":[{"sids":["` + sid + `","` + strings.Repeat("b", 32) + `"]}]}]}`))
	}))
	defer source.Close()
	path := writeFile(t, "settings.ini", "")
	s := launch(t, "--config", path)
	tell := func(id string) string { return s.hosting(id) }
	if got := tell(sid); got != "hosts" {
		t.Errorf("before: %s", got)
	}
	settings := "extBansUrl = " + source.URL + "\n[systembans]\n" + strings.Repeat("b", 32) + "\n"
	if err := os.WriteFile(path, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	const want = "Permanently banned from this server: Appeal at example.org"
	s.await("the list to count", func() bool { return tell(sid) == want })
	if got := tell(strings.Repeat("b", 32)); got != "Permanently banned from this server" {
		t.Errorf("own ban: %s", got)
	}
	if got := tell(strings.Repeat("c", 32)); got != "hosts" {
		t.Errorf("somebody else: %s", got)
	}
	s.awaitLog("SID '" + sid + "' is banned (extban 7)")
	if status := s.stop(syscall.SIGTERM); status != exitOK {
		t.Errorf("exit status %d", status)
	}
}

// hosting lets somebody with this system id host a session, and returns
// "hosts", or what they are told instead.
func (s *testServer) hosting(id string) string {
	s.t.Helper()
	c, _ := s.connect()
	c.send(`{"cmd":"cinfo","args":["x",{"app_version":"2.3.0","s":"` + id + `"}]}`)
	c.reply(`"Client info OK!"`)
	c.send(`{"cmd":"ident","args":["alice"]}`)
	c.reply(`"identOk"`)
	c.send(`{"cmd":"host","kwargs":{"app_version":"2.3.0","protocol":"dp:4.24.0","user_id":1,"s":"` + id + `"}}`)
	for {
		m, err := c.read()
		switch {
		case err != nil:
			s.t.Fatal(err)
		case m.Type == frame.TypeDisconnect:
			return string(m.Body[1:])
		case strings.Contains(string(m.Body), `"Starting new session!"`):
			return "hosts"
		}
	}
}

// A database keeps the list for a start without its source, and the switches
// of single bans (configuration.md §23 item 30).
func TestRunKeptSharedBans(t *testing.T) {
	ids := []string{strings.Repeat("a", 32), strings.Repeat("b", 32)}
	var down atomic.Bool
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("ETag", "one")
		_, _ = fmt.Fprintf(w, `{"bans":[{"id":7,"expires":"9999-12-31 23:59:59","system":[{"sids":[%q]}]},
			{"id":8,"expires":"9999-12-31 23:59:59","system":[{"sids":[%q]}]}]}`, ids[0], ids[1])
	}))
	defer source.Close()
	path := filepath.Join(t.TempDir(), "config.db")
	change := func(f func(d *db.DB) error) {
		t.Helper()
		d, err := db.Open(path, db.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f(d), d.Close()); err != nil {
			t.Fatal(err)
		}
	}
	change(func(d *db.DB) error { return d.SetSettings(map[string]string{"extBansUrl": source.URL}) })
	const banned = "Permanently banned from this server"
	s := launch(t, "--database", path)
	s.await("the list to count", func() bool { return s.hosting(ids[0]) == banned && s.hosting(ids[1]) == banned })
	// Another program switches one off while the server runs.
	change(func(d *db.DB) error { return d.EnableExtBan(7, false) })
	if got := s.hosting(ids[0]); got != "hosts" {
		t.Errorf("switched off: %s", got)
	}
	s.stop(syscall.SIGTERM)

	down.Store(true)
	s = launch(t, "--database", path)
	if first, second := s.hosting(ids[0]), s.hosting(ids[1]); first != "hosts" || second != banned {
		t.Errorf("without the source: %s, %s", first, second)
	}
	s.awaitLog("Error/ExtBan Network error: status 503")
}
