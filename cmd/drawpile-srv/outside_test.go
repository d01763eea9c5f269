package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// outsideFake stands for a listing server and a receiver of reports.
type outsideFake struct {
	t        *testing.T
	url      string
	requests chan string // method, path, update key or token, body
	status   atomic.Int32
}

func newOutsideFake(t *testing.T) *outsideFake {
	f := &outsideFake{t: t, requests: make(chan string, 100)}
	f.status.Store(200)
	number := atomic.Int32{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		f.requests <- fmt.Sprintf("%s %s %s%s %s", r.Method, r.URL.Path, r.Header.Get("X-Update-Key"), r.Header.Get("Authorization"), b)
		w.WriteHeader(int(f.status.Load()))
		n := number.Add(1)
		fmt.Fprintf(w, `{"id":%d,"key":"key-%d","expires":10,"message":"Welcome"}`, n, n)
	}))
	t.Cleanup(s.Close)
	f.url = s.URL
	return f
}

// next returns the next request.
func (f *outsideFake) next() string {
	f.t.Helper()
	select {
	case r := <-f.requests:
		return r
	case <-time.After(patience):
		f.t.Fatal("no request")
		return ""
	}
}

// hears waits until the artist has been sent this text.
func (a *artist) hears(text string) {
	a.t.Helper()
	a.await(text, func() bool { return bytes.Contains(a.raw, []byte(text)) })
}

// TestRunListings announces a session and restarts the server under it
// (integrations.md §9 items 1, 2, 11, 14, 16 and 17).
func TestRunListings(t *testing.T) {
	f, dir := newOutsideFake(t), t.TempDir()
	settings := writeFile(t, "settings.ini", "[config]\nannounceWhitelist = true\npersistence = true\n[announceWhitelist]\n"+f.url+"/list\n")
	args := []string{"--sessions", dir, "--config", settings, "--local-host", "draw.example", "--announce-port", "1234"}
	s := launch(t, args...)
	a := s.hostAs("alice", "doodles")
	a.cmd("announce-session", nil, f.url+"/other")
	a.hears("Listing on 127.0.0.1 is not allowed on this server")
	a.cmd("announce-session", nil, f.url+"/list")
	announced := func(what string) {
		t.Helper()
		r := f.next()
		var body map[string]any
		text, ok := strings.CutPrefix(r, "POST /list/sessions/  ")
		if err := json.Unmarshal([]byte(text), &body); err != nil || !ok {
			t.Fatalf("%s: %s: %v", what, r, err)
		}
		if body["id"] != "doodles" || body["host"] != "draw.example" || body["port"] != 1234. {
			t.Errorf("%s: %s", what, r)
		}
	}
	announced("first")
	a.hears("This session is now listed at 127.0.0.1: Welcome")
	a.hears(`"announcements":[{"url":"` + f.url + `/list"}]`)

	if status := s.stop(syscall.SIGTERM); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if r := f.next(); r != "DELETE /list/sessions/1 key-1 " {
		t.Errorf("at the stop: %s", r)
	}
	s = launch(t, args...)
	announced("after a stop")
	s.awaitLog("Announced at: ")
	s.stop(syscall.SIGKILL)
	s = launch(t, args...)
	announced("after a crash")

	// Hiding the session takes it off the list for good.
	s.awaitLog("Announced at: ")
	if err := os.WriteFile(settings, []byte("[config]\npersistence = true\n[users]\nmod:plain;pw:MOD\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, _ := s.connect()
	c.cmd("ident", nil, "mod", "pw")
	c.reply(`"identOk"`)
	c.cmd("join", clientInfo("mod"), "doodles")
	c.reply(`"state":"join"`)
	c.cmd("sessionconf", map[string]any{"unlisted": true})
	if r := f.next(); r != "DELETE /list/sessions/4 key-4 " {
		t.Errorf("unlisted: %s", r)
	}
	s.stop(syscall.SIGTERM)
	s = launch(t, args...)
	s.joinAs("bob", "doodles", "").catchUp()
	s.stop(syscall.SIGTERM)
	if len(f.requests) != 0 {
		t.Errorf("still announced: %s", f.next())
	}
}

// TestRunReports reports from within a session and from outside
// (integrations.md §9 items 33 and 34).
func TestRunReports(t *testing.T) {
	f := newOutsideFake(t)
	settings := writeFile(t, "settings.ini", "abusereport = true\nreporttoken = s3cret\n[users]\nmod:plain;pw:MOD\n")
	s := launch(t, "--config", settings, "--report-url", f.url+"/in")
	_, g := s.connect()
	if !strings.Contains(strings.Join(g.Flags, " "), "REPORT") {
		t.Errorf("flags %v", g.Flags)
	}
	a := s.hostAs("alice", "doodles")
	a.cmd("sessionconf", map[string]any{"title": "Night"})
	b := s.joinAs("bob", "doodles", "").catchUp()
	b.cmd("report", map[string]any{"user": 1, "reason": "spam"})
	r := f.next()
	for _, want := range []string{
		"POST /in Token s3cret {", `"user":"bob"`, `"perp":1`, `"message":"spam"`, `"ip":"127.0.0.1"`, `"sessionTitle":"Night"`,
		`{"name":"alice","auth":false,"op":true,"ip":"127.0.0.1","id":1}`,
	} {
		if !strings.Contains(r, want) {
			t.Errorf("no %s in %s", want, r)
		}
	}
	a.hears("Session was reported.")

	f.status.Store(503)
	c := s.login("carol", "doodles")
	c.cmd("report", map[string]any{"session": "doodles", "reason": "rude title"})
	r = f.next()
	if !strings.Contains(r, `"user":"carol"`) || strings.Contains(r, "perp") || !strings.Contains(r, `"name":"bob"`) || strings.Contains(r, `"name":"carol"`) {
		t.Errorf("from outside: %s", r)
	}
	s.await("the failure", func() bool {
		return strings.Contains(s.log.String(), "Unable to send abuse report: the receiver replied 503 Service Unavailable")
	})
	if strings.Contains(s.log.String(), "s3cret") {
		t.Error("the token is in the log")
	}
	if len(f.requests) != 0 {
		t.Errorf("more: %s", f.next())
	}
}
