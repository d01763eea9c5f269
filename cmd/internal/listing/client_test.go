package listing

import (
	"context"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"drawrelay/store/entry"
	"drawrelay/store/serverlog"
	"drawrelay/store/settings"
)

// fakeSessions stands for the relay: sessions by id, and what they were told.
type fakeSessions struct {
	mu       sync.Mutex
	sessions map[string]*entry.Session
	unwanted map[string]bool // Listed is answered with false
	told     []string
}

func (f *fakeSessions) Find(id string) (*entry.Session, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.sessions[id]
	return s, ok
}

func (f *fakeSessions) tell(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = append(f.told, text)
}

func (f *fakeSessions) Listed(id, url string, number int64, message string) bool {
	f.tell(fmt.Sprintf("%s listed as %d %s", id, number, message))
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sessions[id] != nil && !f.unwanted[id]
}

func (f *fakeSessions) ListingFailed(id, url, reason string, retry bool) {
	f.tell(fmt.Sprintf("%s failed (%v): %s", id, retry, reason))
}
func (f *fakeSessions) ListingForbidden(id, url string) { f.tell(id + " forbidden") }
func (f *fakeSessions) ListingLost(id, url string)      { f.tell(id + " lost") }
func (f *fakeSessions) Delisted(id, url, reason string) { f.tell(id + " delisted: " + reason) }

func (f *fakeSessions) change(id string, change func(s *entry.Session)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := *f.sessions[id]
	change(&s)
	f.sessions[id] = &s
}

// world is a client with sessions and a listing server.
type world struct {
	t        *testing.T
	clock    *clock
	sessions *fakeSessions
	settings *settings.Source
	list     *listServer
	client   *Client
}

func newWorld(t *testing.T, change ...func(c *Config)) *world {
	w := &world{t: t, clock: &clock{now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}}
	w.list = newListServer(t, w.clock)
	w.sessions = &fakeSessions{sessions: make(map[string]*entry.Session), unwanted: make(map[string]bool)}
	for _, id := range []string{"s1", "s2"} {
		w.sessions.sessions[id] = &entry.Session{ID: id, Title: "Title of " + id, Version: "dp:4.25.1", Founder: "alice", MaxUsers: 20, UserCount: 1}
	}
	w.settings = settings.NewSource(settings.Default())
	config := Config{
		Settings: w.settings, Log: serverlog.New(io.Discard, serverlog.FormatText, w.clock.Now),
		Allowed: func(string) bool { return true }, Version: "1.2", Now: w.clock.Now,
	}
	for _, f := range change {
		f(&config)
	}
	w.client = New(config)
	w.client.Start(w.sessions, 27750)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := w.client.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return w
}

// settle waits until no request is under way.
func (w *world) settle() {
	w.t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		busy := false
		w.client.mu.Lock()
		for _, srv := range w.client.servers {
			busy = busy || srv.refreshing
			for _, l := range srv.listings {
				busy = busy || l.busy
			}
		}
		w.client.mu.Unlock()
		if !busy {
			return
		}
		if time.Now().After(end) {
			w.t.Fatal("requests do not end")
		}
	}
}

// pass lets time pass, with ticks.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	for ; d > 0; d -= tickEvery {
		w.clock.move(min(d, tickEvery))
		w.client.tick()
		w.settle()
	}
}

func (w *world) announce(session string) {
	w.client.Announce(session, w.list.url, false)
	w.settle()
}

// told returns what sessions were told since the last call, sorted.
func (w *world) told() []string {
	w.sessions.mu.Lock()
	defer w.sessions.mu.Unlock()
	out := w.sessions.told
	w.sessions.told = nil
	slices.Sort(out)
	return out
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

func lines(requests []request) (out []string) {
	for _, r := range requests {
		out = append(out, r.String())
	}
	slices.Sort(out)
	return out
}

// integrations.md §9 items 1, 2, 3, 4 and 15.
func TestAnnounce(t *testing.T) {
	w := newWorld(t)
	w.announce("s1")
	w.announce("s1")
	got := w.list.take()
	equal(t, "15: requests", lines(got), []string{"POST /sessions/"})
	equal(t, "1: agent", got[0].agent, "DrawpileListingClient/1.2")
	equal(t, "2, 3, 4: body", got[0].body, map[string]any{
		"port": 27750., "id": "s1", "protocol": "dp:4.25.1", "title": "Title of s1", "users": 1., "activedrawingusers": 0.,
		"password": false, "owner": "alice", "nsfm": false, "maxusers": 20.,
	})
	equal(t, "told", w.told(), []string{"s1 listed as 17 "})

	w = newWorld(t, func(c *Config) { c.Host = "draw.example" })
	w.client.port = 1234
	set := *settings.Default()
	set.WebSockets, set.PreferWebSockets = true, true
	w.settings.Set(&set)
	w.sessions.change("s1", func(s *entry.Session) {
		s.Alias, s.PasswordHash, s.NSFM, s.AllowWeb, s.UserCount = "doodles", "x", true, true, 3
	})
	w.list.set(func(s *listServer) { s.welcome = "  Be nice.\n" })
	w.announce("s1")
	equal(t, "2: body", w.list.take()[0].body, map[string]any{
		"host": "draw.example", "port": 1234., "id": "doodles", "protocol": "dp:4.25.1", "title": "Title of s1", "users": 3.,
		"activedrawingusers": 0., "password": true, "owner": "alice", "nsfm": true, "maxusers": 20., "allowweb": true, "preferwebsockets": true,
	})
	equal(t, "told", w.told(), []string{"s1 listed as 17 Be nice."})
}

func TestSessionsURL(t *testing.T) {
	for _, tt := range [][3]string{
		{"http://h", "", "http://h/sessions/"},
		{"http://h/", "", "http://h/sessions/"},
		{"https://h:81/list", "", "https://h:81/list/sessions/"},
		{"https://h/list/", "7", "https://h/list/sessions/7"},
		{"https://h/a%2Fb?key=x%20y#z", "", "https://h/a%2Fb/sessions/?key=x%20y"},
		{"http://[::1]:80/ü", "", "http://[::1]:80/%C3%BC/sessions/"},
	} {
		if got, err := sessionsURL(tt[0], tt[1]); got != tt[2] || err != nil {
			t.Errorf("%s: %s, %v; want %s", tt[0], got, err, tt[2])
		}
	}
}

// integrations.md §9 items 3, 5 and 6.
func TestRefresh(t *testing.T) {
	for _, tt := range []struct {
		expires any
		want    time.Duration
	}{{10, 9 * time.Minute}, {nil, 5 * time.Minute}, {1, time.Minute}, {-5, time.Minute}, {"x", 5 * time.Minute}, {1e300, 5 * time.Minute}, {int64(1) << 40, (maxExpires - 1) * time.Minute}} {
		w := newWorld(t)
		w.list.set(func(s *listServer) { s.expires = tt.expires })
		w.announce("s1")
		w.list.take()
		w.clock.move(tt.want - 31*time.Second)
		w.pass(30 * time.Second)
		equal(t, fmt.Sprint("5: early: ", tt.expires), lines(w.list.take()), []string(nil))
		w.pass(time.Second)
		equal(t, fmt.Sprint("5: due: ", tt.expires), lines(w.list.take()), []string{"PUT /sessions/"})
	}

	w := newWorld(t)
	w.announce("s1")
	w.announce("s2")
	w.list.take()
	w.sessions.change("s1", func(s *entry.Session) { s.UserCount = 19 })
	w.pass(tickEvery)
	equal(t, "6: a user more", lines(w.list.take()), []string(nil))
	for _, tt := range []struct {
		what   string
		change func(s *entry.Session)
	}{
		{"title", func(s *entry.Session) { s.Title = "new" }},
		{"nsfm", func(s *entry.Session) { s.NSFM = true }},
		{"password", func(s *entry.Session) { s.PasswordHash = "x" }},
		{"full", func(s *entry.Session) { s.UserCount = 20 }},
		{"not full", func(s *entry.Session) { s.MaxUsers = 30 }},
	} {
		w.sessions.change("s1", tt.change)
		w.pass(tickEvery)
		equal(t, "6: "+tt.what, lines(w.list.take()), []string{"PUT /sessions/"})
		w.pass(tickEvery)
		equal(t, "6: told already: "+tt.what, lines(w.list.take()), []string(nil))
	}
	w.sessions.change("s1", func(s *entry.Session) {
		*s = entry.Session{ID: "s1", Title: "end", Founder: "bob", UserCount: 2, MaxUsers: 9}
	})
	w.pass(tickEvery)
	got := w.list.take()
	equal(t, "7: batch", lines(got), []string{"PUT /sessions/"})
	equal(t, "7: numbers", slices.Sorted(maps.Keys(got[0].body)), []string{"17", "18"})
	equal(t, "3: body", got[0].body["17"], any(map[string]any{
		"updatekey": "key-17", "title": "end", "users": 2., "activedrawingusers": 0., "password": false, "owner": "bob",
		"nsfm": false, "maxusers": 9., "closed": false, "allowweb": false, "preferwebsockets": false,
	}))
	equal(t, "renamed on the list", w.list.list(), map[string]string{"s1": "end", "s2": "Title of s2"})
	w.pass(8 * time.Minute)
	equal(t, "7: the refresh counts for both", lines(w.list.take()), []string(nil))
}

// integrations.md §9 items 7 and 8.
func TestRefreshLeavesOut(t *testing.T) {
	w := newWorld(t)
	other := newListServer(t, w.clock)
	w.announce("s1")
	w.client.Announce("s1", other.url, false)
	w.settle()
	hold := make(chan struct{})
	w.list.set(func(s *listServer) { s.hold = hold })
	w.client.Announce("s2", w.list.url, false) // is not answered yet
	w.list.take()
	other.take()
	w.sessions.change("s1", func(s *entry.Session) { s.Title = "new" })
	other.set(func(s *listServer) { s.down = true })
	w.clock.move(tickEvery)
	w.client.tick()
	var put request
	for put.method != "PUT" {
		time.Sleep(time.Millisecond)
		for _, r := range w.list.take() {
			if r.method == "PUT" {
				put = r
			}
		}
	}
	equal(t, "8: numbers", slices.Sorted(maps.Keys(put.body)), []string{"17"})
	close(hold)
	w.settle()
	w.told()
	w.list.take()
	w.pass(tickEvery)
	equal(t, "7: not in trouble", lines(w.list.take()), []string(nil))
}

// integrations.md §9 item 9.
func TestDelisted(t *testing.T) {
	w := newWorld(t)
	w.announce("s1")
	w.announce("s2")
	w.told()
	w.list.set(func(s *listServer) { s.sessions[17].removed = "Broke the rules" })
	w.list.take()
	w.pass(9 * time.Minute)
	equal(t, "told", w.told(), []string{"s1 delisted: Broke the rules"})
	equal(t, "no DELETE", lines(w.list.take()), []string{"PUT /sessions/"})
	w.pass(time.Hour)
	for _, r := range w.list.take() {
		equal(t, "the other goes on", slices.Sorted(maps.Keys(r.body)), []string{"18"})
	}
	equal(t, "told once", w.told(), []string(nil))
}

// integrations.md §9 item 10; then the server comes back.
func TestOutage(t *testing.T) {
	w := newWorld(t)
	w.announce("s1")
	w.announce("s2")
	w.told()
	w.list.take()
	w.list.set(func(s *listServer) { s.down = true })
	w.sessions.change("s1", func(s *entry.Session) { s.Title = "new" })
	w.pass(tickEvery)
	equal(t, "10: told", w.told(), []string{"s1 lost", "s2 lost"})
	equal(t, "10: requests", lines(w.list.take()), []string{"PUT /sessions/"})
	// It answers again while it still knows the sessions.
	w.list.set(func(s *listServer) { s.down = false })
	w.pass(2 * time.Minute)
	equal(t, "back", w.told(), []string{"s1 listed as 17 ", "s2 listed as 18 "})
	equal(t, "back with one request", lines(w.list.take()), []string{"PUT /sessions/"})
	equal(t, "list", w.list.list(), map[string]string{"s1": "new", "s2": "Title of s2"})

	// A long outage: tries become rare, and the sessions are announced anew.
	w.list.set(func(s *listServer) { s.down = true })
	w.pass(6 * time.Hour)
	if n := len(w.list.take()); n < 10 || n > 25 {
		t.Errorf("%d tries in 6 hours", n)
	}
	equal(t, "told once", w.told(), []string{"s1 lost", "s2 lost"})
	w.client.Unlist("s2", w.list.url)
	w.settle()
	equal(t, "unlisted meanwhile: no request", lines(w.list.take()), []string(nil))
	w.list.set(func(s *listServer) { s.down = false })
	w.pass(time.Hour)
	equal(t, "back again", w.told(), []string{"s1 listed as 19 "})
	equal(t, "list", w.list.list(), map[string]string{"s1": "new"})

	// An operator need not wait for the next try.
	w.list.set(func(s *listServer) { s.down = true })
	w.pass(time.Hour)
	w.list.set(func(s *listServer) { s.down = false })
	w.told()
	w.client.Announce("s1", w.list.url, true)
	w.settle()
	equal(t, "at once", len(w.told()), 1)
}

// A server that refuses what it had is asked for a while only.
func TestRefusedAfterOutage(t *testing.T) {
	w := newWorld(t)
	w.announce("s1")
	w.told()
	w.list.set(func(s *listServer) { s.status = 410 })
	w.pass(9 * time.Minute)
	equal(t, "lost", w.told(), []string{"s1 lost"})
	w.list.take()
	w.pass(time.Hour)
	told := w.told()
	if n := len(told); n < 2 || told[0] != "s1 failed (false): ERROR 410 GONE" || told[n-1] != "s1 failed (true): ERROR 410 GONE" {
		t.Errorf("told %v", told)
	}
	if n := len(w.list.take()); n > 25 {
		t.Errorf("%d requests", n)
	}
	w.pass(time.Hour)
	equal(t, "given up", lines(w.list.take()), []string(nil))
	equal(t, "forgotten", len(w.client.servers), 0)
}

// After a crash of ours the list still has the session, for a while.
func TestResume(t *testing.T) {
	w := newWorld(t)
	w.list.sessions[5] = &listedSession{ID: "s1", refreshed: w.clock.Now()}
	w.client.Announce("s1", w.list.url, true)
	w.settle()
	equal(t, "refused", w.told(), []string{"s1 failed (true): Session already listed"})
	w.pass(13 * time.Minute)
	told := w.told()
	equal(t, "listed", told[len(told)-1], "s1 listed as 17 ")
	// A server that is away at the start.
	w.list.set(func(s *listServer) { s.down = true })
	w.client.Announce("s2", w.list.url, true)
	w.settle()
	if told := w.told(); len(told) != 1 || !strings.HasPrefix(told[0], "s2 failed (true): Network error: ") {
		t.Errorf("told %v", told)
	}
	w.list.set(func(s *listServer) { s.down = false })
	w.pass(3 * time.Minute)
	equal(t, "later", w.told(), []string{"s2 listed as 18 "})
}

// integrations.md §9 item 14: what the whitelist does not have is not asked.
func TestForbidden(t *testing.T) {
	allowed := false
	w := newWorld(t, func(c *Config) { c.Allowed = func(string) bool { return allowed } })
	w.announce("s1")
	equal(t, "told", w.told(), []string{"s1 forbidden"})
	equal(t, "requests", lines(w.list.take()), []string(nil))
	equal(t, "forgotten", len(w.client.servers), 0)
	allowed = true
	w.announce("s1")
	equal(t, "told", w.told(), []string{"s1 listed as 17 "})
	allowed = false // does not end what there is
	w.pass(9 * time.Minute)
	equal(t, "refreshed", w.told(), []string(nil))
}

// integrations.md §9 item 12 and §2.4: what members are told.
func TestErrors(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		status int
		body   string
		want   string
	}{
		{422, `{"message":"bad manners"}`, "bad manners"},
		{400, `{"message":" ` + strings.Repeat("é", 600) + `"}`, strings.Repeat("é", 499)},
		{409, `{}`, "Http error 409 (no explanation given)"},
		{400, `{"message":7}`, "Http error 400 (no explanation given)"},
		{400, `<html>`, "Http error 400 but response body was unparseable: invalid character '<' looking for beginning of value"},
		{410, ``, "ERROR 410 GONE"},
		{404, `{"message":"hidden"}`, "Network error: the server replied 404 Not Found"},
		{403, ``, "Network error: the server replied 403 Forbidden"},
		{500, ``, "Network error: the server replied 500 Internal Server Error"},
		{200, `x`, "Unparseable response: invalid character 'x' looking for beginning of value"},
		{200, `[]`, "Unparseable response: not an object"},
		{200, ``, "Unparseable response: unexpected end of JSON input"},
	} {
		w.list.set(func(s *listServer) { s.status, s.body = tt.status, tt.body })
		w.announce("s1")
		equal(t, fmt.Sprint("12: ", tt.status), w.told(), []string{"s1 failed (false): " + tt.want})
		equal(t, "no DELETE, no retry", lines(w.list.take()), []string{"POST /sessions/"})
		w.pass(time.Hour)
		equal(t, "no retry", lines(w.list.take()), []string(nil))
	}
	w.client.Announce("s1", "http://127.0.0.1:1/", false)
	w.settle()
	if told := w.told(); len(told) != 1 || !strings.HasPrefix(told[0], "s1 failed (false): Network error: ") {
		t.Errorf("nobody there: %v", told)
	}
	w.list.set(func(s *listServer) { s.status, s.body = 200, "{}" })
	w.announce("s1")
	equal(t, "nothing but success", w.told(), []string{"s1 listed as 0 "})
}

// integrations.md §9 item 11, and wishes that change while requests run.
func TestUnlist(t *testing.T) {
	w := newWorld(t)
	w.announce("s1")
	w.list.take()
	w.client.Unlist("s1", w.list.url)
	w.client.Unlist("s1", w.list.url)
	w.client.Unlist("s1", "http://elsewhere/")
	w.settle()
	got := w.list.take()
	equal(t, "11", lines(got), []string{"DELETE /sessions/17"})
	equal(t, "11: key", got[0].key, "key-17")
	equal(t, "forgotten", len(w.client.servers), 0)

	hold := make(chan struct{})
	w.list.set(func(s *listServer) { s.hold = hold })
	w.client.Announce("s1", w.list.url, false)
	w.client.Unlist("s1", w.list.url)
	close(hold)
	w.settle()
	equal(t, "unlisted before the answer", lines(w.list.take()), []string{"DELETE /sessions/18", "POST /sessions/"})

	hold = make(chan struct{})
	w.list.set(func(s *listServer) { s.hold = hold })
	w.told()
	w.client.Announce("s1", w.list.url, false)
	w.client.Unlist("s1", w.list.url)
	w.client.Announce("s1", w.list.url, false)
	close(hold)
	w.settle()
	equal(t, "wanted again before the answer", lines(w.list.take()), []string{"DELETE /sessions/19", "POST /sessions/", "POST /sessions/"})
	equal(t, "wanted again before the answer", w.told(), []string{"s1 listed as 20 "})

	// The session has ended before the answer.
	w.list.set(func(s *listServer) { s.hold = nil })
	w.sessions.unwanted["s2"] = true
	w.announce("s2")
	equal(t, "ended", lines(w.list.take()), []string{"DELETE /sessions/21", "POST /sessions/"})
	w.announce("nosuch")
	equal(t, "never there", lines(w.list.take()), []string(nil))
	equal(t, "left", w.list.list(), map[string]string{"s1": "Title of s1"})
}

// A stop withdraws everything and does not wait for who does not answer.
func TestClose(t *testing.T) {
	w := newWorld(t)
	w.announce("s1")
	w.announce("s2")
	w.client.Unlist("s1", w.list.url)
	w.client.Unlist("s2", w.list.url)
	if err := w.client.Close(t.Context()); err != nil {
		t.Error(err)
	}
	equal(t, "withdrawn", w.list.list(), map[string]string{})

	v := newWorld(t)
	hold := make(chan struct{})
	defer close(hold)
	v.list.set(func(s *listServer) { s.hold = hold })
	v.client.Announce("s1", v.list.url, false)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := v.client.Close(ctx); err == nil {
		t.Error("nobody was waited for")
	}
}

// Requests at one server are few at a time, whatever is asked for.
func TestBounds(t *testing.T) {
	w := newWorld(t)
	hold := make(chan struct{})
	w.list.set(func(s *listServer) { s.hold = hold })
	for i := range 50 {
		id := fmt.Sprintf("x%d", i)
		w.sessions.mu.Lock()
		w.sessions.sessions[id] = &entry.Session{ID: id}
		w.sessions.mu.Unlock()
		w.client.Announce(id, w.list.url, false)
	}
	for {
		w.list.mu.Lock()
		n := len(w.list.requests)
		w.list.mu.Unlock()
		if n == maxRequests {
			break
		}
		time.Sleep(time.Millisecond)
	}
	time.Sleep(20 * time.Millisecond) // for more than there may be
	equal(t, "at a time", len(w.list.take()), maxRequests)
	close(hold)
	w.settle()
	equal(t, "in the end", len(w.list.list()), 50)
	for i := range maxServers + 1 {
		w.client.Announce("nosuch", fmt.Sprintf("http://127.0.0.1:1/%d", i), false)
	}
	w.settle()
	if n := len(w.client.servers); n > maxServers {
		t.Errorf("%d servers", n)
	}
}
