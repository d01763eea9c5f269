package desktop

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func environment(system string, pairs ...string) Environment {
	m := make(map[string]string)
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return Environment{OS: system, Getenv: func(name string) string { return m[name] }}
}

func TestDisplay(t *testing.T) {
	for _, tt := range []struct {
		e    Environment
		want bool
	}{
		{environment("linux"), false},
		{environment("linux", "DISPLAY", ":0"), true},
		{environment("linux", "WAYLAND_DISPLAY", "wayland-0"), true},
		{environment("linux", "DISPLAY", ":0", "NOTIFY_SOCKET", "/run/systemd/notify"), false},
		{environment("linux", "DISPLAY", ":0", "LISTEN_FDS", "1"), false},
		{environment("freebsd", "DISPLAY", ":0"), true},
		{environment("windows"), true},
		{environment("darwin"), true},
		{environment("darwin", "SSH_CONNECTION", "192.0.2.1 1 192.0.2.2 22"), false},
	} {
		if got := tt.e.Display(); got != tt.want {
			t.Errorf("%+v: %v", tt.e, got)
		}
	}
}

// TestDatabase: configuration.md §10.5.
func TestDatabase(t *testing.T) {
	for _, tt := range []struct {
		e    Environment
		want string
	}{
		{environment("linux", "HOME", "/home/a"), "/home/a/.local/share/drawpile/drawpile-srv/guiserver.db"},
		{environment("linux", "HOME", "/home/a", "XDG_DATA_HOME", "/data"), "/data/drawpile/drawpile-srv/guiserver.db"},
		{environment("linux", "HOME", "/home/a", "XDG_DATA_HOME", "relative"), "/home/a/.local/share/drawpile/drawpile-srv/guiserver.db"},
		{environment("darwin", "HOME", "/Users/a"), "/Users/a/Library/Application Support/drawpile-srv/guiserver.db"},
		{environment("windows", "LOCALAPPDATA", "/c/AppData/Local"), "/c/AppData/Local/drawpile-srv/guiserver.db"},
	} {
		got, err := tt.e.Database()
		if err != nil || filepath.ToSlash(got) != tt.want {
			t.Errorf("got %s, %v; want %s", got, err, tt.want)
		}
	}
	if _, err := environment("linux").Database(); err == nil || !strings.Contains(err.Error(), "--database") {
		t.Errorf("without HOME: %v", err)
	}
}

func TestOpenBrowser(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs shell scripts")
	}
	folder := t.TempDir()
	t.Setenv("PATH", folder)
	e := environment("linux")
	if err := e.OpenBrowser(context.Background(), "http://x/"); err == nil || !strings.Contains(err.Error(), "xdg-open") {
		t.Errorf("without a program: %v", err)
	}
	script := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	script("xdg-open", "exit 3")
	if err := e.OpenBrowser(context.Background(), "http://x/"); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("with a failing program: %v", err)
	}
	script("gio", `echo "$@" > `+filepath.Join(folder, "opened"))
	if err := e.OpenBrowser(context.Background(), "http://x/?a=b&c"); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(folder, "opened")); err != nil || string(got) != "open http://x/?a=b&c\n" {
		t.Errorf("opened %q, %v", got, err)
	}
}

// browser follows redirects and keeps cookies.
func browser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar}
}

func get(t *testing.T, c *http.Client, address string) (int, string) {
	t.Helper()
	answer, err := c.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

func openDoor(t *testing.T, next http.Handler, stop func(), now func() time.Time) *Door {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := NewDoor(next, "server", stop, l, now)
	web := &http.Server{Handler: d}
	go func() { _ = web.Serve(l) }()
	t.Cleanup(func() { _ = web.Close() })
	return d
}

func TestDoor(t *testing.T) {
	now := time.Now()
	inside := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "inside") })
	stopped := 0
	d := openDoor(t, inside, func() { stopped++ }, func() time.Time { return now })
	link := d.Link()

	if status, _ := get(t, browser(t), d.Address()); status != http.StatusForbidden {
		t.Errorf("a stranger got %d", status)
	}
	if status, _ := get(t, browser(t), d.Address()+"open?token=x"); status != http.StatusForbidden {
		t.Errorf("a guess got %d", status)
	}
	b := browser(t)
	if status, body := get(t, b, link); status != http.StatusOK || body != "inside" {
		t.Errorf("the link got %d %q", status, body)
	}
	if status, body := get(t, b, d.Address()+"api/status"); status != http.StatusOK || body != "inside" {
		t.Errorf("the browser got %d %q", status, body)
	}
	evil, err := http.NewRequest(http.MethodPost, d.Address()+"api/banlist/", nil)
	if err != nil {
		t.Fatal(err)
	}
	evil.Header.Set("Origin", "http://evil.example")
	if answer, err := b.Do(evil); err != nil || answer.StatusCode != http.StatusForbidden {
		t.Errorf("a change by another site: %v, %v", answer, err)
	}
	for _, c := range []*http.Client{browser(t), b} {
		if answer, err := c.Post(d.Address()+"desktop/stop", "", nil); err != nil || (answer.StatusCode == http.StatusNoContent) != (c == b) || stopped == 1 != (c == b) {
			t.Errorf("stopping: %v, %v, %d", answer, err, stopped)
		}
	}
	if status, _ := get(t, browser(t), link); status != http.StatusForbidden {
		t.Errorf("the second use of the link got %d", status)
	}
	old := d.Link()
	now = now.Add(linkTime)
	if status, _ := get(t, browser(t), old); status != http.StatusForbidden {
		t.Errorf("the old link got %d", status)
	}
	// A site that makes its own name point to this machine.
	if status, _ := get(t, b, strings.Replace(d.Address(), "127.0.0.1", "localhost", 1)); status != http.StatusMisdirectedRequest {
		t.Errorf("another name got %d", status)
	}
}

// far is another server's admin port.
func far(t *testing.T, user, password string) (*httptest.Server, *[]*http.Request) {
	t.Helper()
	var seen []*http.Request
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, p, _ := r.BasicAuth()
		if u != user || p != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="drawpile-srv"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		seen = append(seen, r)
		w.Header().Set("Set-Cookie", "evil=1")
		_, _ = io.WriteString(w, r.Method+" "+r.URL.EscapedPath()+"?"+r.URL.RawQuery)
	}))
	t.Cleanup(s.Close)
	return s, &seen
}

func TestRemote(t *testing.T) {
	other, seen := far(t, "admin", "a:b")
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "page") })
	address, err := ParseRemote(other.URL + "/drawpile/api/")
	if err != nil {
		t.Fatal(err)
	}
	ask := func(h http.Handler, path string, headers ...string) *httptest.ResponseRecorder {
		q := httptest.NewRequest(http.MethodGet, path, nil)
		for i := 0; i < len(headers); i += 2 {
			q.Header.Set(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, q)
		return w
	}
	with := NewRemote(page, address, "admin:a:b")
	for path, want := range map[string]string{
		"/":                            "page",
		"/assets/app.js":               "page",
		"/api/sessions/a%2Fb/chat?o=1": "GET /drawpile/api/sessions/a%2Fb/chat?o=1",
		"/api/status/":                 "GET /drawpile/api/status/?",
		"/metrics":                     "GET /drawpile/metrics?",
	} {
		w := ask(with, path, "Cookie", "drawpile-admin-1=secret", "Origin", "http://127.0.0.1:1", "Sec-Fetch-Site", "same-origin")
		if got := w.Body.String(); got != want {
			t.Errorf("%s: %d %q, want %q", path, w.Code, got, want)
		}
		if w.Header().Get("Set-Cookie") != "" {
			t.Errorf("%s: the other server sets a cookie", path)
		}
	}
	for _, r := range *seen {
		for _, name := range own {
			if r.Header.Get(name) != "" {
				t.Errorf("%s was passed on with %s", name, r.URL)
			}
		}
	}
	// Without credentials the browser asks for them, once, with the page.
	without := NewRemote(page, address, "")
	if w := ask(without, "/"); w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") == "" {
		t.Errorf("without credentials: %d %v", w.Code, w.Header())
	}
	q := httptest.NewRequest(http.MethodGet, "/", nil)
	q.SetBasicAuth("admin", "a:b")
	if w := ask(without, "/", "Authorization", q.Header.Get("Authorization")); w.Body.String() != "page" {
		t.Errorf("with the browser's: %d", w.Code)
	}
	if w := ask(without, "/api/status/"); w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") != "" {
		t.Errorf("a call without credentials: %d %v", w.Code, w.Header())
	}
	// Wrong ones of its own: the browser cannot do anything about it, so it is told.
	wrong := NewRemote(page, address, "admin:secret")
	if w := ask(wrong, "/api/status/"); w.Code != http.StatusUnauthorized || !strings.Contains(w.Body.String(), "Start it again with others") ||
		w.Header().Get("Content-Type") != "application/json" || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("with wrong credentials: %d %s", w.Code, w.Body)
	}
	other.Close()
	if w := ask(with, "/api/status/"); w.Code != http.StatusBadGateway || !strings.Contains(w.Body.String(), "cannot be reached") || strings.Contains(w.Body.String(), "a:b") {
		t.Errorf("without a server: %d %s", w.Code, w.Body)
	}
}

func TestParseRemote(t *testing.T) {
	for text, want := range map[string]string{
		"http://host:27780/api":   "http://host:27780/api",
		"https://host/admin/api/": "https://host/admin/api",
		"http://u:p@host":         "http://u:p@host/api",
		"host:27780":              "",
		"ftp://host/api":          "",
		"http://":                 "",
	} {
		u, err := ParseRemote(text)
		if want == "" && err == nil || want != "" && (err != nil || u.String() != want) {
			t.Errorf("%s: %v, %v", text, u, err)
		}
	}
}
