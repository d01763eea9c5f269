package admin

import (
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

// FuzzParseAccess: no text makes it panic, loopback is never kept out, and only
// "all" lets everybody in.
func FuzzParseAccess(f *testing.F) {
	for _, seed := range []string{"", "all", "10.0/16", "192.0.2.0/255.255.255.0", "1.2.3.4.5/8", "fe80::/10", "::ffff:10.0.0.0/104", "/", "10/", "1.2.3.4/33"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseAccess(text)
		if err != nil {
			if a != (Access{}) {
				t.Errorf("%q: %v and %+v", text, err, a)
			}
			return
		}
		if !a.Allows(netip.MustParseAddr("127.0.0.1")) || !a.Allows(netip.IPv6Loopback()) {
			t.Errorf("%q keeps loopback out", text)
		}
		if text != "all" && a.Allows(netip.MustParseAddr("192.0.2.1")) && a.Allows(netip.MustParseAddr("2001:db8::1")) {
			t.Errorf("%q lets everybody in", text)
		}
	})
}

// FuzzCall: no call is our fault, and what is answered is JSON.
func FuzzCall(f *testing.F) {
	for _, seed := range [][4]string{
		{"GET", "status", "", ""}, {"GET", "sessions/SESSION/chat", "offset=-1", ""}, {"PUT", "server", "", `{"clientTimeout":{}}`},
		{"POST", "sessions/SESSION/invites", "", `{"maxUses":1e9}`}, {"DELETE", "users/ffffffffffffffffff", "message=%ff", ""},
		{"POST", "banlist", "", `{"ip":"::1","subnet":1e300,"expires":"2099-01-01 00:00:00"}`}, {"POST", "log", "", `{"level":"Info","topic":"Join","message":"[x] \ud800","user":5}`},
		{"PUT", "sessions/SESSION", "", `{"title":"\u0000","maxUserCount":-1e9,"archive":[]}`}, {"PUT", "sessions/SESSION/1", "", `{"op":null,"message":"x"}`},
		{"GET", "log", "page=99999999999&after=2020", ""}, {"PUT", "extbans/-1", "", `{"enabled":"x"}`}, {"POST", "sessions/SESSION/1/thumbnail", "", `{"quality":1e99}`},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	w := newWorld(f, setup{database: true, files: true})
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		switch method {
		case "GET", "HEAD", "POST", "PUT", "DELETE":
		default:
			t.Skip()
		}
		if strings.Contains(path, "locks") || strings.Contains(path, "accounts") || strings.Contains(body, "password") ||
			strings.Contains(body, "opword") || strings.Contains(body, "extBansUrl") {
			t.Skip() // hashes are slow, and locks would end the run
		}
		if w.t = t; len(w.relay.All()) == 0 {
			w.host("alice", "fuzzed")
		}
		r := httptest.NewRequest(method, "/", strings.NewReader(body))
		r.URL = &url.URL{Path: "/api/" + strings.ReplaceAll(path, "SESSION", "fuzzed"), RawQuery: query}
		reply := httptest.NewRecorder()
		w.admin.ServeHTTP(reply, r)
		if reply.Code >= 500 || reply.Code < 200 {
			t.Errorf("%d %s", reply.Code, reply.Body)
		}
		if kind := reply.Header().Get("Content-Type"); kind != "application/json" {
			t.Errorf("%d with content type %q", reply.Code, kind)
		}
	})
}
