package login

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"drawrelay/store/entry"
	"drawrelay/store/settings"
)

func unlisted(s *entry.Session) { s.Unlisted = true }

// §11.2: the description, key by key.
func TestDescription(t *testing.T) {
	now := time.Date(2026, 5, 16, 13, 0, 0, 0, time.UTC)
	var size, drawn, long atomic.Int64
	size.Store(12345)
	drawn.Store(now.Unix() - 299)
	long.Store(now.Unix() - 300)
	s := session("01jx", "ali", func(s *entry.Session) {
		s.AutoTitle, s.PasswordHash, s.AuthOnly, s.NSFM, s.Persistent, s.Invites = true, "plain;x", true, true, true, true
		s.IdleOverride, s.AllowWeb, s.Size, s.UserCount, s.MaxUsers = true, true, &size, 3, 5
		s.Members = []entry.Member{{LastDrawing: &drawn}, {LastDrawing: &long}, {}}
	})
	set := *settings.Default()
	want := "activeDrawingUserCount:1 alias:ali authOnly:true autotitle:true closed:false founder:alice hasPassword:true " +
		"id:01jx idleOverride:true invites:true maxUserCount:5 nsfm:true persistent:true protocol:dp:4.25.1 size:12345 " +
		"startTime:2026-05-16T12:00:00Z title:Title of 01jx unlisted:false userCount:3"
	if got := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprint(describe(s, &set, now)), "map["), "]"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	set.AllowIdleOverride, set.WebSockets, set.PreferWebSockets = false, true, true
	o := describe(s, &set, now)
	if _, has := o["idleOverride"]; has || o["allowWeb"] != true || o["preferWebSockets"] != true {
		t.Errorf("with WebSockets: %v", o)
	}
	for _, change := range []func(*entry.Session){
		func(s *entry.Session) { s.Closed = true },
		func(s *entry.Session) { s.UserCount = s.MaxUsers },
	} {
		if s := session("x", "", change); describe(s, &set, now)["closed"] != true {
			t.Errorf("not closed: %+v", s)
		}
	}
}

// §20 item 31: who sees unlisted sessions, and what toggling the flag does.
func TestUnlistedAndUpdates(t *testing.T) {
	b := start(t, withAccounts(Account{Name: "mod", PasswordHash: "plain;pw", Flags: []string{"MOD"}}),
		session("s1", ""), session("s2", "", unlisted))
	list := func(name string, pass ...any) (*client, string) {
		c := b.dial()
		c.cmd("ident", append([]any{name}, pass...), nil)
		c.want(c.reply(), object{"state": "identOk"})
		welcome := c.reply()
		if _, has := welcome["title"]; has {
			t.Errorf("title without serverTitle: %v", welcome)
		}
		return c, ids(welcome)
	}
	guest, seen := list("bob")
	if seen != "s1" {
		t.Errorf("guest sees %q", seen)
	}
	mod, seen := list("mod", "pw")
	if seen != "s1 s2" {
		t.Errorf("moderator sees %q", seen)
	}
	update := func(c *client, message, want string) {
		t.Helper()
		r := c.reply()
		c.want(r, object{"type": "login", "message": message})
		if got := ids(r); got != want {
			t.Errorf("%s about %q, want %q", message, got, want)
		}
	}
	b.dir.set("s3", session("s3", ""))
	update(guest, "New session", "s3")
	update(mod, "New session", "s3")
	b.dir.set("s1", session("s1", "", unlisted))
	update(guest, "Session ended", "s1")
	update(mod, "New session", "s1")
	b.dir.set("s1", session("s1", "", unlisted))
	update(mod, "New session", "s1")
	b.dir.set("s2", nil) // never shown to the guest
	update(mod, "Session ended", "s2")
	b.dir.set("s1", session("s1", ""))
	update(guest, "New session", "s1")
	update(mod, "New session", "s1")
	b.dir.set("s3", nil)
	update(guest, "Session ended", "s3")
	update(mod, "Session ended", "s3")
	guest.ping()
	mod.ping()

	// Nothing is watched any more once a seat is taken or the client is gone.
	guest.cmd("join", []any{"s1"}, info())
	guest.result("join")
	mod.conn.Close()
	waitFor(t, "watchers to end", func() bool { return b.dir.watching() == 0 })
}

func ids(r object) string {
	var out []string
	if list, ok := r["sessions"].([]any); ok {
		for _, s := range list {
			out = append(out, s.(object)["id"].(string))
		}
	}
	if list, ok := r["remove"].([]any); ok {
		for _, id := range list {
			out = append(out, id.(string))
		}
	}
	return strings.Join(out, " ")
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// §20 item 32, §11.1: a list that does not fit is split, a single description
// that does not fit is skipped, and nothing is lost on the way.
func TestLongSessionList(t *testing.T) {
	for _, title := range []string{"", "My server", strings.Repeat("x", 70000)} {
		var all []*entry.Session
		for i := range 300 {
			all = append(all, session(fmt.Sprintf("s%03d", i), "", func(s *entry.Session) {
				s.Title = strings.Repeat("t", 500)
				if i == 7 {
					s.Title = strings.Repeat("t", 66000)
				}
			}))
		}
		b := start(t, func(s *settings.Settings, _ *Config) { s.ServerTitle = title }, all...)
		c := b.dial()
		c.cmd("ident", []any{"bob"}, nil)
		c.want(c.reply(), object{"state": "identOk"})
		if title == "My server" {
			r := c.reply()
			c.want(r, object{"type": "login", "message": "Welcome", "title": title})
			if _, has := r["sessions"]; has {
				t.Error("the title comes with sessions")
			}
		}
		for i := range 300 {
			if i == 7 {
				continue
			}
			r := c.reply()
			c.want(r, object{"type": "login", "message": "Welcome"})
			if got := ids(r); got != fmt.Sprintf("s%03d", i) {
				t.Fatalf("session %d is %q", i, got)
			}
		}
		c.ping()
	}
}

// A title that fits is part of the welcome; one that never fits does not keep
// the list back.
func TestServerTitle(t *testing.T) {
	for _, title := range []string{"Pile of ü", strings.Repeat("x", 70000)} {
		b := start(t, func(s *settings.Settings, _ *Config) { s.ServerTitle = title })
		c := b.dial()
		c.cmd("ident", []any{"bob"}, nil)
		c.reply()
		r := c.reply()
		c.want(r, object{"message": "Welcome", "sessions": []any{}})
		if len(title) < 100 {
			c.want(r, object{"title": title})
		}
		c.ping()
	}
}

// A client that does not read costs one note per session, and the sessions'
// loops never wait for it.
func TestStalledWatcherIsBounded(t *testing.T) {
	b := prepare(t, nil)
	c := newConn(b.Server, nil, peer("192.0.2.1"))
	w := &watcher{c: c, wake: make(chan struct{}, 1), dirty: map[string]*entry.Session{}, listed: map[string]struct{}{"old": {}}}
	for i := range 10000 {
		id := fmt.Sprint("s", i)
		w.changed(id, session(id, ""))
		w.changed(id, session(id, "", unlisted))
		w.changed(id, nil)
		w.changed("old", session("old", ""))
		w.changed("live", session("live", ""))
	}
	if len(w.dirty) != 2 {
		t.Errorf("%d notes, want 2", len(w.dirty))
	}
}

// Sessions that change while the list is made are neither lost nor shown
// after their end.
func TestChangesDuringList(t *testing.T) {
	b := prepare(t, nil)
	c := newConn(b.Server, nil, peer("192.0.2.1"))
	w := &watcher{c: c, starting: true, wake: make(chan struct{}, 1), dirty: map[string]*entry.Session{}, listed: map[string]struct{}{}}
	b.dir.set("a", session("a", ""))
	w.list()
	w.changed("a", nil)
	w.changed("b", nil)
	w.changed("c", session("c", ""))
	w.started()
	if _, a := w.dirty["a"]; !a {
		t.Error("the end of a listed session is lost")
	}
	if _, a := w.dirty["b"]; a {
		t.Error("the end of an unknown session is kept")
	}
	if w.dirty["c"] == nil {
		t.Error("a new session is lost")
	}
}

// TestListWhileSessionsChange: making the list and notes of changes from the
// sessions' loops do not disturb each other (found by the race detector and as
// a crash under many logins).
func TestListWhileSessionsChange(t *testing.T) {
	var sessions []*entry.Session
	for i := range 20 {
		sessions = append(sessions, &entry.Session{ID: fmt.Sprintf("%026d", i)})
	}
	cfg := Config{Settings: settings.NewSource(settings.Default()), Directory: newDirectory(sessions...), Now: time.Now}
	w := &watcher{
		c: &conn{server: &Server{cfg: cfg}}, wake: make(chan struct{}, 1), starting: true,
		dirty: make(map[string]*entry.Session), listed: make(map[string]struct{}),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 100 {
			for _, s := range sessions {
				w.changed(s.ID, s)
			}
		}
	}()
	for range 100 {
		w.list()
	}
	<-done
	if len(w.listed) != len(sessions) {
		t.Errorf("%d sessions listed, want %d", len(w.listed), len(sessions))
	}
}
