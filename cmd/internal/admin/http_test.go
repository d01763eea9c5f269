package admin

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// checklist 3, and the forms of admin-api.md §1.2.
func TestParseAccess(t *testing.T) {
	for _, tt := range []struct {
		mask, in, out string // peers that may and may not connect
	}{
		{"", "127.0.0.1 127.9.9.9 ::1 ::ffff:127.0.0.1", "192.0.2.1 ::ffff:192.0.2.1 2001:db8::1"},
		{"all", "127.0.0.1 192.0.2.1 2001:db8::1", ""},
		{"192.0.2.0/24", "127.0.0.1 192.0.2.255 ::ffff:192.0.2.1", "192.0.3.1 2001:db8::1"},
		{"192.0.2.7", "::1 192.0.2.7", "192.0.2.8"},
		{"192.168.1.0/255.255.255.0", "192.168.1.9", "192.168.2.9"},
		{"10.0/16", "10.0.255.1", "10.1.0.1"},
		{"10.1/16", "10.1.2.3", "10.2.0.1"},
		{"10/8", "10.200.0.1", "11.0.0.1"},
		{"2001:db8::/32", "2001:db8:1::1 ::1", "2001:db9::1 192.0.2.1"},
		{"::ffff:10.0.0.0/104", "10.9.9.9 ::ffff:10.9.9.9", "11.0.0.1"},
		{"::ffff:192.0.2.7", "192.0.2.7", "192.0.2.8"},
		{"fe80::/10", "fe80::1%eth0 127.0.0.1", "fec0::1"},
		{"0.0.0.0/0", "192.0.2.1", "2001:db8::1"},
	} {
		a, err := ParseAccess(tt.mask)
		if err != nil {
			t.Errorf("%q: %v", tt.mask, err)
			continue
		}
		for _, peer := range strings.Fields(tt.in) {
			if !a.Allows(netip.MustParseAddr(peer)) {
				t.Errorf("%q keeps %s out", tt.mask, peer)
			}
		}
		for _, peer := range strings.Fields(tt.out) {
			if a.Allows(netip.MustParseAddr(peer)) {
				t.Errorf("%q lets %s in", tt.mask, peer)
			}
		}
	}
	for _, mask := range []string{"nonsense", "10.0.0.0/99", "1.2.3.4.5/8", "/8", "10.0.0.0/", "10.0.0.0/x", "10.0.0.0/255.0.255.0",
		"fe80::/129", "fe80::1%eth0", "ALL", "10.0.0", "::ffff:10.0.0.0/95", "256.0.0.1/8", " all"} {
		if _, err := ParseAccess(mask); err == nil {
			t.Errorf("%q: %v", mask, err)
		}
	}
}

// strangers is a listener whose peers come from elsewhere.
type strangers struct {
	net.Listener
	addr net.Addr
}

func (s strangers) Accept() (net.Conn, error) {
	c, err := s.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return stranger{c, s.addr}, nil
}

type stranger struct {
	net.Conn
	addr net.Addr
}

func (s stranger) RemoteAddr() net.Addr { return s.addr }

// checklist 2: nobody else gets an answer.
func TestAccess(t *testing.T) {
	w := newWorld(t, setup{})
	l := w.listen()
	go w.admin.Serve(strangers{l, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 9}})
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	_, _ = c.Write([]byte("GET /api/status HTTP/1.1\r\nHost: x\r\n\r\n"))
	if n, err := c.Read(make([]byte, 100)); n != 0 || err == nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	w.ok("GET", "status/", "")
}

func TestParseCredentials(t *testing.T) {
	c, err := ParseCredentials("user:pass:word")
	if err != nil || !c.match("user", "pass:word") || c.match("user", "pass") || c.match("User", "pass:word") || c.match("", "") {
		t.Errorf("%v", err)
	}
	for _, text := range []string{"", "nocolon", ":password", "user:"} {
		if c, err := ParseCredentials(text); err == nil || c.Required() || strings.Contains(err.Error(), "nocolon") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// checklist 4 (a colon in the password), 5 and 6.
func TestAuthentication(t *testing.T) {
	auth, err := ParseCredentials("admin:se:cret")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, setup{config: func(c *Config) { c.Auth = auth }})
	const page = "<html><body>401 - Unauthorized</body></html>"
	a := w.request("GET", "/api/status", "")
	w.equal("5: without", []any{a.status, a.body, a.header.Get("WWW-Authenticate"), a.header["Content-Type"]},
		[]any{401, page, `Basic realm="drawpile-srv"`, []string(nil)})
	a = w.request("GET", "/api/status", "", "X-Requested-With", "XMLHttpRequest")
	w.equal("5: front end", []any{a.status, a.body, a.header["Www-Authenticate"]}, []any{401, page, []string(nil)})
	w.auth = "admin:se"
	w.equal("wrong", w.request("GET", "/api/status", "").status, 401)
	w.auth = "admin:se:cret"
	w.equal("4: right", w.request("GET", "/api/status", "").status, 200)
	w.auth = ""
	for _, path := range []string{"/api/x", "/api/status", "/"} {
		a = w.request("OPTIONS", path, "")
		w.equal("6: "+path, []any{a.status, a.body, a.header.Get("Access-Control-Allow-Methods"), a.header.Get("Access-Control-Max-Age")},
			[]any{204, "", "HEAD, GET, POST, PUT, DELETE", "86400"})
		if h := a.header.Get("Access-Control-Allow-Headers"); !strings.HasPrefix(h, "Authorization, Content-Type") {
			t.Errorf("6: %s", h)
		}
	}
	w.equal("no route comes first", w.request("GET", "/foo", "").status, 404)
	for path, status := range map[string]int{"/metrics": 401, "/debug/pprof/": 401, "/debug/flight": 401, "/healthz": 200, "/readyz": 200} {
		w.equal(path, w.request("GET", path, "").status, status)
	}
	// Who comes through the Unix socket needs none.
	path := filepath.Join(t.TempDir(), "admin")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	go w.admin.ServeLocal(l)
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	r, err := client.Get("http://local/api/status")
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close()
	w.equal("local", r.StatusCode, 200)
}

// checklist 7.
func TestOrigin(t *testing.T) {
	w := newWorld(t, setup{config: func(c *Config) { c.Origin = "https://example.org"; c.Auth = Credentials{"a", "b"} }})
	for _, path := range []string{"/api/status", "/nowhere", "/api/nowhere"} {
		for _, method := range []string{"GET", "OPTIONS", "PATCH"} {
			a := w.request(method, path, "")
			w.equal(method+" "+path, a.header["Access-Control-Allow-Origin"], []string{"https://example.org"})
		}
	}
	w = newWorld(t, setup{})
	w.equal("without", w.request("GET", "/api/status", "").header["Access-Control-Allow-Origin"], []string(nil))
	// Pages of others must not change anything.
	evil := []string{"Origin", "https://evil.example", "Content-Type", "text/plain"}
	w.equal("foreign page", w.request("POST", "/api/log", `{}`, evil...).status, 403)
	w.equal("its own page", w.request("POST", "/api/log", `{}`, "Origin", w.url, "Content-Type", "text/plain").status, 400)
	w.equal("behind a proxy", w.request("POST", "/api/log", `{}`, "Origin", "https://pile.example", "X-Requested-With", "XMLHttpRequest").status, 400)
}

// checklist 8 and 9.
func TestRoutes(t *testing.T) {
	w := newWorld(t, setup{})
	want := w.ok("GET", "status", "")
	for _, path := range []string{"status/", "/status", "//status///", "%73tatus", "status%2F"} {
		w.equal("8: "+path, w.ok("GET", path, ""), want)
	}
	for _, path := range []string{"/api", "/foo", "/", "/API/status"} {
		a := w.request("GET", path, "")
		w.equal("8: "+path, []any{a.status, a.body, a.header["Content-Type"]},
			[]any{404, "<html><body>404 - Page not found</body></html>", []string(nil)})
	}
	for _, path := range []string{"", "nosuch", "status/x", "server/x", "Status", "sessions/nosuch", "sessions/nosuch/1", "users/x/y", "log/x", "locks/x"} {
		w.refuse(404, "Not found", "GET", path, "")
	}
	p := w.host("alice", "")
	for _, c := range []string{"POST status", "PUT status", "DELETE status", "POST server", "DELETE server", "POST sessions", "DELETE sessions",
		"POST sessions/ID", "PUT sessions/ID/listing", "DELETE sessions/ID/listing", "GET sessions/ID/listing/1", "GET sessions/ID/auth",
		"PUT sessions/ID/invites", "DELETE sessions/ID/invites", "PUT sessions/ID/invites/x", "POST sessions/ID/thumbnail", "PUT sessions/ID/thumbnail",
		"POST sessions/ID/1", "GET sessions/ID/1/thumbnail", "POST users", "PUT users", "PUT users/x", "PUT users/x/y", "PUT log", "DELETE log", "POST locks", "DELETE locks",
		"PUT locks", "GET extbans/refresh", "POST extbans", "DELETE extbans/1"} {
		method, path, _ := strings.Cut(c, " ")
		w.refuse(400, "Unsupported method", method, strings.ReplaceAll(path, "ID", p.session), "{}")
	}
	w.equal("unknown method", w.request("PATCH", "/api/status", "").status, 405)
	r, err := http.Head(w.url + "/api/status")
	if err != nil || r.StatusCode != 200 || r.Header.Get("Content-Type") != "application/json" || r.ContentLength <= 0 {
		t.Errorf("HEAD: %v %+v", err, r)
	}
}

// checklist 10 and 11.
func TestParameters(t *testing.T) {
	w := newWorld(t, setup{})
	p := w.host("alice", "")
	for _, body := range []string{"{", "nonsense", `{"a":}`, "5", `"text"`, "null", "{} {}", " ", "{\"serverTitle\":\"\xff\"}"} {
		o := w.call(400, "PUT", "server", body).object(t)
		if text, isText := o["message"].(string); o["status"] != "error" || !isText || text == "" {
			t.Errorf("10: %s: %v", body, o)
		}
	}
	for _, body := range []string{"", "\ufeff{}", "[]", `[{"serverTitle":"x"}]`, "{}"} {
		w.equal("10: "+body, w.ok("PUT", "server", body)["serverTitle"], "")
	}
	a := w.request("POST", "/api/log", `{"level":"Info"}`, "Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	w.equal("form", a.object(t)["message"], "Invalid level")
	w.equal("11: PUT ignores the query", w.ok("PUT", "server/?serverTitle=query", "{}")["serverTitle"], "")
	w.refuse(400, "Missing or invalid maxUses", "POST", "sessions/"+p.session+"/invites?maxUses=5", "{}")
	a = w.request("DELETE", "/api/sessions/"+p.session+"/thumbnail?generation=0", `{"thumbnail":false}`)
	w.equal("11: DELETE ignores the body", a.v, object{"status": "ok", "thumbnail": true, "generation": false})
	a = w.request("PUT", "/api/server", `{"ruleText":"`+strings.Repeat("x", maxBody)+`"}`)
	w.equal("too large", a.status, 413)
	w.equal("query", queryParams("a=1&a=2&b&c=%C3%A4+x&=y&d=%zz"), params{"a": "2", "b": "", "c": "ä x", "": "y", "d": "%zz"})
}

func TestLooseParameters(t *testing.T) {
	p := params{"n": 5.0, "f": 1.5, "s": "7", "neg": "-3", "x": "x", "nil": nil, "yes": true, "True": "TRUE", "no": "false", "empty": "", "list": []any{},
		"zero": 0.0, "big": 1e12}
	for key, want := range map[string]int{"n": 5, "f": -9, "s": 7, "neg": -3, "x": -9, "nil": 1, "missing": 1, "yes": -9, "empty": -9, "list": -9, "big": -9} {
		if got := p.looseInt(key, 1, -9); got != want {
			t.Errorf("int %s: %d, want %d", key, got, want)
		}
	}
	for key, want := range map[string]string{"n": "true", "zero": "false", "s": "true", "x": "wrong", "nil": "missing", "missing": "missing",
		"yes": "true", "True": "true", "no": "false", "empty": "false", "list": "wrong", "f": "wrong"} {
		got := "false"
		switch a, b := p.looseBool(key, true, false), p.looseBool(key, false, true); {
		case a && b:
			got = "true"
		case a:
			got = "missing"
		case b:
			got = "wrong"
		}
		if got != want {
			t.Errorf("bool %s: %s, want %s", key, got, want)
		}
	}
}

// checklist 56, and admin-api.md §1.6.
func TestStatic(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"secret.txt": "secret", "web/index.html": "<p>root", "web/a/index.html": "<p>a", "web/app.js": "1", "web/noext": "x"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(dir, "secret.txt"), filepath.Join(dir, "web", "link")); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(filepath.Join(dir, "web"))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	w := newWorld(t, setup{config: func(c *Config) { c.Page = Static(root.FS()) }})
	for _, tt := range []struct {
		path, body, kind string
	}{
		{"/", "<p>root", "text/html; charset=utf-8"}, {"/a/", "<p>a", "text/html; charset=utf-8"}, {"/b/", "<p>root", "text/html; charset=utf-8"},
		{"/app.js", "1", "text/javascript; charset=utf-8"}, {"/noext", "x", "application/octet-stream"},
	} {
		a := w.request("GET", tt.path, "")
		w.equal(tt.path, []any{a.status, a.body, a.header.Get("Content-Type")}, []any{200, tt.body, tt.kind})
	}
	for _, path := range []string{"/../secret.txt", "/%2e%2e/secret.txt", "/a/../../secret.txt", "/..%2fsecret.txt", "/link", "/login", "/a", "/%00",
		"/....//secret.txt", "/%5c..%5csecret.txt", "//secret.txt"} {
		c, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		_, _ = c.Write([]byte("GET " + path + " HTTP/1.0\r\n\r\n"))
		var reply [4096]byte
		n, _ := c.Read(reply[:])
		_ = c.Close()
		if text := string(reply[:n]); strings.Contains(text, "secret") || !strings.Contains(text, " 40") {
			t.Errorf("%s: %s", path, text)
		}
	}
	a := w.request("POST", "/", "")
	w.equal("POST", []any{a.status, a.header.Get("Allow"), a.body}, []any{405, "HEAD,GET", "<html><body>405 - Method not allowed</body></html>"})
}

// Whoever asks too often is told to wait, and guessing credentials is slow.
func TestLimits(t *testing.T) {
	c := new(clock)
	b := newBucket(func() time.Time { return time.Unix(0, 0).Add(c.ahead) })
	for i := range callBurst {
		if !b.take() {
			t.Fatalf("no token after %d", i)
		}
	}
	if b.take() {
		t.Error("more than a burst")
	}
	c.pass(time.Second)
	n := 0
	for b.take() {
		n++
	}
	if n != callsPerSecond {
		t.Errorf("%d in a second", n)
	}
	g := newWrongGuard()
	for range maxWrong {
		g.places <- struct{}{}
	}
	if g.wait(nil) {
		t.Error("one more may guess")
	}
	l := connLimit{places: make(chan struct{}, 1)}
	x, y := net.Pipe()
	held := l.hold(x)
	if l.hold(y) != nil {
		t.Error("more connections than places")
	}
	_, _ = held.Close(), held.Close()
	if l.hold(y) == nil {
		t.Error("the place was not given back")
	}
}

// The log tells about requests, but not secrets.
func TestAccessLog(t *testing.T) {
	w := newWorld(t, setup{})
	w.request("GET", "/api/status/?x=y", "")
	w.request("GET", "/api/sessions/x/invites/sesame", "")
	w.request("GET", "/healthz", "")
	w.mu.Lock()
	defer w.mu.Unlock()
	w.equal("lines", w.lines, []string{"200 GET /api/status/", "404 GET /api/sessions/x/invites/***"})
}

func mustAddr(text string) netip.Addr { return netip.MustParseAddr(text) }
