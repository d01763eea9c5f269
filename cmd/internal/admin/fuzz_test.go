package admin

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"drawrelay/frame"
	"drawrelay/store/db"
	"drawrelay/store/entry"
	"drawrelay/store/password"
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

// cheapSalt is the salt of all hashes that tests make.
const cheapSalt = "a6c1f09b27d35e84"

// cheapHasher makes hashes in an old form that takes no time: on a slow machine
// calls would end before a usual one is computed.
type cheapHasher struct{ password.Here }

// Hash implements password.Hasher.
func (cheapHasher) Hash(pass string) (string, error) {
	salt, err := hex.DecodeString(cheapSalt)
	sum := sha1.Sum(append(salt, pass...))
	return "s+sha1;" + cheapSalt + ";" + hex.EncodeToString(sum[:]), err
}

// FuzzCall: no call is our fault, what is answered is JSON, and no hash of a
// password is in it.
func FuzzCall(f *testing.F) {
	for _, seed := range [][4]string{
		{"GET", "status", "", ""}, {"GET", "sessions/SESSION/chat", "offset=-1", ""}, {"PUT", "server", "", `{"clientTimeout":{}}`},
		{"POST", "sessions/SESSION/invites", "", `{"maxUses":1e9}`}, {"DELETE", "users/ffffffffffffffffff", "message=%ff", ""},
		{"POST", "banlist", "", `{"ip":"::1","subnet":1e300,"expires":"2099-01-01 00:00:00"}`}, {"POST", "log", "", `{"level":"Info","topic":"Join","message":"[x] \ud800","user":5}`},
		{"PUT", "sessions/SESSION", "", `{"title":"\u0000","maxUserCount":-1e9,"archive":[]}`}, {"PUT", "sessions/SESSION/1", "", `{"op":null,"message":"x"}`},
		{"GET", "log", "page=99999999999&after=2020", ""}, {"PUT", "extbans/-1", "", `{"enabled":"x"}`}, {"POST", "sessions/SESSION/1/thumbnail", "", `{"quality":1e99}`},
		{"POST", "accounts", "", `{"username":"a","password":"b","locked":0,"flags":"MOD,,x"}`}, {"GET", "accounts", "v=2", ""}, {"DELETE", "accounts/1", "", ""},
		{"PUT", "accounts/ACCOUNT", "", `{"username":"\"","password":[],"locked":"","flags":null}`}, {"POST", "accounts/auth", "", `{"username":"known","password":"x\u0000"}`},
		{"PUT", "sessions/SESSION", "", `{"password":"","opword":"x"}`}, {"POST", "sessions/SESSION/auth/op", "", `{"password":"x"}`}, {"POST", "sessions/SESSION/auth", "", `{"password":5}`},
		{"PUT", "locks", "", `{"sections":["accounts","",7],"password":"x"}`}, {"GET", "locks", "", ""}, {"PUT", "locks", "", `{"sections":{},"password":{}}`},
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
		if strings.Contains(body, "extBansUrl") {
			t.Skip() // asks whoever is named there
		}
		w.t = t
		account := w.fuzzed()
		r := httptest.NewRequest(method, "/", strings.NewReader(body))
		r.URL = &url.URL{Path: "/api/" + strings.NewReplacer("SESSION", "fuzzed", "ACCOUNT", account).Replace(path), RawQuery: query}
		reply := httptest.NewRecorder()
		w.admin.ServeHTTP(reply, r)
		if reply.Code >= 500 || reply.Code < 200 || reply.Code == http.StatusTooManyRequests {
			t.Errorf("%d %s", reply.Code, reply.Body)
		}
		if kind := reply.Header().Get("Content-Type"); kind != "application/json" {
			t.Errorf("%d with content type %q", reply.Code, kind)
		}
		if strings.Contains(reply.Body.String(), cheapSalt) {
			t.Errorf("a hash is shown: %s", reply.Body)
		}
	})
}

// fuzzed undoes what would keep further calls from coming far: there is a
// session with its host, and an account, whose id it returns; every second call
// finds things locked at most.
func (w *world) fuzzed() (account string) {
	w.t.Helper()
	w.admin.rate.mu.Lock()
	w.admin.rate.left = callBurst
	w.admin.rate.mu.Unlock()
	if len(w.db.Current().LockedSections) > 0 {
		if w.unlock = !w.unlock; w.unlock {
			if err := w.db.Lock(nil, ""); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	a, known := w.db.Current().Account("known")
	if !known {
		hash, err := cheapHasher{}.Hash("x")
		if err == nil {
			a, err = w.db.AddAccount(db.Account{Name: "known", PasswordHash: hash})
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	if _, here := w.relay.Find("fuzzed"); !here {
		if err := w.db.SetSettings(map[string]string{"sessionCountLimit": "25"}); err != nil {
			w.t.Fatal(err)
		}
		w.hostDirectly("fuzzed")
	}
	return strconv.FormatInt(a.ID, 10)
}

// hostDirectly has somebody host who is not asked for names, passwords and
// bans.
func (w *world) hostDirectly(alias string) {
	w.t.Helper()
	l := w.listen()
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		w.t.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.relay.Host(context.Background(), &entry.HostRequest{
		Person: &entry.Person{Name: "alice", SystemID: sid, Addr: netip.IPv6Loopback()}, Conn: &entry.Conn{Net: far},
		UserID: 1, Alias: alias, Version: frame.OwnVersion,
	}); err != nil {
		w.t.Fatal(err)
	}
	ready := frame.Append(nil, frame.Msg{Type: frame.TypeServerCommand, User: 1, Body: []byte(`{"cmd":"init-complete"}`)})
	if _, err := conn.Write(ready); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		_, _ = io.Copy(io.Discard, conn) // until the session is ended
		_ = conn.Close()
	}()
}
