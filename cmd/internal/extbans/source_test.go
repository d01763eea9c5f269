package extbans

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"drawrelay/store/serverlog"
	"drawrelay/store/settings"
)

// patience bounds every wait; reaching it is a failure.
const patience = 20 * time.Second

// fake is a source of bans over real HTTP.
type fake struct {
	t   *testing.T
	url string

	mu       sync.Mutex
	status   int
	body     string
	etag     string
	requests []*http.Request
	hold     chan struct{} // answers wait for it, nil = not
}

func newFake(t *testing.T) *fake {
	f := &fake{t: t, status: 200, etag: "v1", body: ban(1)}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	f.url = s.URL + "/bans?key=secret"
	return f
}

func ban(id int) string {
	return `{"bans":[{"id":` + string(rune('0'+id)) + `,"expires":"2099-01-01 00:00:00","ips":[{"from":"10.0.0.` + string(rune('0'+id)) + `","to":"10.0.0.` + string(rune('0'+id)) + `"}]}]}`
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.requests = append(f.requests, r)
	status, body, etag, hold := f.status, f.body, f.etag, f.hold
	f.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-r.Context().Done():
		}
	}
	if etag != "" {
		w.Header().Set("ETag", etag)
	}
	if status == 200 && etag != "" && r.Header.Get("If-None-Match") == etag {
		status = 304
	}
	w.WriteHeader(status)
	if status != 304 {
		_, _ = io.WriteString(w, body)
	}
}

func (f *fake) set(status int, etag, body string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status, f.etag, f.body = status, etag, body
}

// asked waits for request number n, from 1, and returns it.
func (f *fake) asked(n int) *http.Request {
	f.t.Helper()
	var r *http.Request
	f.await("a request", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(f.requests) >= n {
			r = f.requests[n-1]
		}
		return r != nil
	})
	return r
}

func (f *fake) await(what string, done func() bool) {
	f.t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			f.t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// bed is a source with its surroundings.
type bed struct {
	*Source
	f    *fake
	slog *serverlog.Log
	time atomic.Int64 // seconds that the clock is ahead
}

func open(t *testing.T, f *fake, store Store) *bed {
	b := &bed{f: f, slog: serverlog.New(io.Discard, serverlog.FormatText, nil)}
	b.Source = New(Options{Version: "2.3", Log: b.slog, Store: store,
		Now: func() time.Time { return time.Now().Add(time.Duration(b.time.Load()) * time.Second) }})
	t.Cleanup(func() {
		b.Stop()
		b.slog.Close(patience)
	})
	return b
}

func with(url string) *settings.Settings {
	s := settings.Default()
	s.ExtBansURL = url
	return s
}

func (b *bed) banned(addr string) bool {
	_, ok := b.Address(netip.MustParseAddr(addr))
	return ok
}

// rests waits until no fetch is under way.
func (b *bed) rests() {
	b.f.t.Helper()
	b.f.await("the end of a fetch", func() bool { return b.Status().UntilNext >= 0 })
}

func (b *bed) refresh() {
	b.f.t.Helper()
	b.rests()
	if err := b.Refresh(); err != nil {
		b.f.t.Fatal(err)
	}
	b.rests()
}

func (b *bed) logged(text string) bool {
	for _, e := range b.slog.Recent(serverlog.Debug, nil) {
		if e.Topic == serverlog.ExtBan && strings.Contains(e.Level.String()+" "+e.Message, text) {
			return true
		}
	}
	return false
}

// integrations.md §9 items 35 to 37, configuration.md §23 item 30.
func TestFetching(t *testing.T) {
	f := newFake(t)
	b := open(t, f, nil)
	if err := b.Refresh(); err != ErrInactive {
		t.Errorf("before the start: %v", err)
	}
	b.Start(with(""))
	if err := b.Refresh(); err != ErrInactive || b.Status() != (Status{Interval: 900000, Started: true, UntilNext: -1}) {
		t.Errorf("without a URL: %v, %+v", err, b.Status())
	}

	b.Update(with(f.url))
	r := f.asked(1)
	if r.Method != http.MethodGet || r.UserAgent() != "DrawpileExtBansClient/2.3" || r.Header["If-None-Match"] != nil {
		t.Errorf("first request: %s %+v", r.Method, r.Header)
	}
	b.rests()
	if st := b.Status(); !b.banned("10.0.0.1") || !st.Started || !st.Active || st.URL != f.url || st.Interval != 900000 || st.UntilNext <= 0 || st.UntilNext > 900000 {
		t.Errorf("after the first fetch: %+v", st)
	}
	if url, key := b.Cached(); url != f.url || key != "v1" {
		t.Errorf("cached %q %q", url, key)
	}

	// The ETag goes back byte for byte, and 304 changes nothing.
	f.set(200, `W/"odd, "tag`, ban(2))
	b.refresh()
	if r := f.asked(2); r.Header.Get("If-None-Match") != "v1" || b.banned("10.0.0.1") || !b.banned("10.0.0.2") {
		t.Errorf("second request: %+v, %+v", r.Header, b.Bans())
	}
	b.refresh()
	if r := f.asked(3); r.Header.Get("If-None-Match") != `W/"odd, "tag` || !b.banned("10.0.0.2") {
		t.Errorf("third request: %+v", r.Header)
	}
	f.set(304, "other", "")
	b.refresh()
	if !b.banned("10.0.0.2") || !b.logged("Warn Response ETag 'other' does not match given If-None-Match") {
		t.Error("304 with another tag")
	}

	// Errors keep the list and the tag.
	for i, tt := range []struct {
		status     int
		body, want string
	}{
		{500, "", "Error Network error: status 500"},
		{403, `{"error":"forbidden"}`, "Error Network error: status 403"},
		{204, "", "Error Unexpected status code 204"},
		{200, "<html>", "Error The answer cannot be used: no JSON"},
		{200, "[]", "Error The answer cannot be used: the top-level element is not an object"},
		{200, `{"bans":[]}` + strings.Repeat(" ", maxList), "Error Network error: the reply is too long"},
	} {
		f.set(tt.status, "new", tt.body)
		b.refresh()
		if r := f.asked(5 + i); r.Header.Get("If-None-Match") != `W/"odd, "tag` || !b.banned("10.0.0.2") || !b.logged(tt.want) {
			t.Errorf("%d %.20q: %+v, %v", tt.status, tt.body, r.Header, b.slog.Recent(serverlog.Debug, nil))
		}
	}

	// Another URL counts at the next time, without the old tag.
	other := newFake(t)
	other.set(200, "", ban(3))
	b.Update(with(other.url))
	if len(other.requests) != 0 || !b.banned("10.0.0.2") {
		t.Error("asked at once")
	}
	b.refresh()
	if r := other.asked(1); r.Header["If-None-Match"] != nil || !b.banned("10.0.0.3") || b.banned("10.0.0.2") {
		t.Errorf("other source: %+v", r.Header)
	}
	b.refresh()
	if r := other.asked(2); r.Header["If-None-Match"] != nil {
		t.Errorf("empty tag sent: %+v", r.Header)
	}

	// Without a URL the list stays.
	b.Update(with(""))
	if st := b.Status(); st.Active || st.UntilNext != -1 || !b.banned("10.0.0.3") || b.Refresh() != ErrInactive {
		t.Errorf("switched off: %+v", st)
	}
	for _, e := range b.slog.Recent(serverlog.Debug, nil) {
		if strings.Contains(e.Message, "secret") {
			t.Errorf("the log tells the key: %s", e.Message)
		}
	}
}

// Clearing the URL ends the fetch under way; only one runs at a time.
func TestSwitchedOffWhileFetching(t *testing.T) {
	f := newFake(t)
	f.hold = make(chan struct{})
	b := open(t, f, nil)
	b.Start(with(f.url))
	first := f.asked(1)
	if err := b.Refresh(); err != ErrBusy {
		t.Errorf("during a fetch: %v", err)
	}
	if st := b.Status(); !st.Active || st.UntilNext != -1 {
		t.Errorf("during a fetch: %+v", st)
	}
	b.Update(with(""))
	<-first.Context().Done()
	b.Update(with(f.url)) // on again: asked at once
	f.asked(2)
	close(f.hold)
	b.rests()
	if !b.banned("10.0.0.1") || b.logged("Error") {
		t.Errorf("log %v", b.slog.Recent(serverlog.Debug, nil))
	}
	b.Stop()
	if b.Status().Active || b.Refresh() != ErrInactive || !b.banned("10.0.0.1") {
		t.Errorf("stopped: %+v", b.Status())
	}
}

// The list, and what was switched off, last longer than the process
// (configuration.md §23 item 30).
func TestKeptList(t *testing.T) {
	f := newFake(t)
	store := new(memory)
	b := open(t, f, store)
	b.Start(with(f.url))
	b.rests()
	if err := b.Enable(1, false); err != nil || b.Enabled(1) || b.banned("10.0.0.1") {
		t.Errorf("switched off: %v", err)
	}
	if err := b.Enable(5, false); err != nil { // nobody knows it yet
		t.Error(err)
	}
	b.Stop()

	f.set(503, "", "")
	b = open(t, f, store)
	if b.banned("10.0.0.1") || len(b.Bans()) != 1 {
		t.Errorf("after a restart: %+v", b.Bans())
	}
	b.Start(with(f.url))
	b.rests()
	if r := f.asked(2); r.Header.Get("If-None-Match") != "v1" {
		t.Errorf("asked with %+v", r.Header)
	}
	if err := b.Enable(1, true); err != nil || !b.banned("10.0.0.1") {
		t.Errorf("switched on: %v", err)
	}

	// Clear forgets it for good.
	if err := b.Clear(); err != nil || b.banned("10.0.0.1") || store.Cached() != (Cached{}) {
		t.Errorf("cleared: %v, %+v", err, store.Cached())
	}
	f.set(200, "v1", ban(4))
	b.refresh()
	if r := f.asked(3); r.Header["If-None-Match"] != nil || !b.banned("10.0.0.4") {
		t.Errorf("after clearing: %+v", r.Header)
	}

	store.cached.Body = "broken"
	b = open(t, f, store)
	if len(b.Bans()) != 0 || !b.logged("Error The bans kept since the last start cannot be read") {
		t.Error("broken list")
	}
}

func TestExpiry(t *testing.T) {
	f := newFake(t)
	f.set(200, "", `{"bans":[{"id":1,"expires":"2098-12-31 23:59:59","system":[{"sids":["s"]}],"users":[{"ids":[7]}],"ips":[{"from":"10.0.0.1","to":"10.0.0.1"}]}]}`)
	b := open(t, f, nil)
	b.Start(with(f.url))
	b.rests()
	_, system := b.System("s")
	_, user := b.User(7)
	if !system || !user || !b.banned("10.0.0.1") {
		t.Error("not banned before it expires")
	}
	b.time.Store(200 * 365 * 24 * 3600)
	_, system = b.System("s")
	_, user = b.User(7)
	if system || user || b.banned("10.0.0.1") || len(b.Bans()) != 1 {
		t.Error("banned after it has expired")
	}
}

// integrations.md §9 item 38, and what an address may look like.
func TestSettings(t *testing.T) {
	f := newFake(t)
	b := open(t, f, nil)
	set := with(strings.TrimPrefix(f.url, "http://")) // completed
	set.ExtBansCheckInterval = 5 * time.Second
	b.Start(set)
	b.rests()
	if st := b.Status(); st.Interval != 60000 || st.URL != f.url || !b.banned("10.0.0.1") {
		t.Errorf("%+v", st)
	}
	b.Update(set)
	if n := len(b.slog.Recent(serverlog.Warn, nil)); n != 1 || !b.logged("Warn Given ExtBans interval 5 seconds clamped to 60 seconds") {
		t.Errorf("%d warnings", n)
	}
	for _, tt := range []struct{ text, logged string }{
		{"http://", "Invalid URL 'http://'"},
		{"ftp://example.org/", "Invalid URL 'ftp://example.org/'"},
		{"http://u:secret@[bad/", "Invalid URL '…@[bad/'"},
	} {
		b.Update(with(tt.text))
		if b.Status().Active || !b.logged("Error "+tt.logged) {
			t.Errorf("%s: %+v", tt.text, b.Status())
		}
	}
	b.Update(with("http://user:secret@127.0.0.1:1/x"))
	if st := b.Status(); st.URL != "http://user@127.0.0.1:1/x" {
		t.Errorf("%+v", st)
	}
}

// TestKeyWithoutList has a store whose list is gone or cannot be read while its
// key is there: the source must be asked for the list itself.
func TestKeyWithoutList(t *testing.T) {
	for _, body := range []string{"", "garbage"} {
		f := newFake(t)
		store := &memory{}
		if err := store.SaveCache(Cached{URL: f.url, Key: "v1", Body: body}); err != nil {
			t.Fatal(err)
		}
		b := open(t, f, store)
		b.Start(with(f.url))
		if got := f.asked(1).Header.Get("If-None-Match"); got != "" {
			t.Errorf("%q: asked with the key %q", body, got)
		}
		f.await("the list", func() bool { return len(b.Bans()) == 1 })
	}
}
