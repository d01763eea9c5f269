package db

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"drawrelay/store/serverlog"
	"drawrelay/store/settings"
)

// fixture is a database with a clock and what it has told.
type fixture struct {
	*DB
	t         *testing.T
	path      string
	now       time.Time
	warnings  []string
	published []*settings.Settings
}

// far and past are ends of bans.
const (
	far  = "2099-12-31 23:59:59"
	past = "2001-01-01 00:00:00"
)

func newFixture(t *testing.T) *fixture {
	x := &fixture{t: t, path: filepath.Join(t.TempDir(), "a 100%? #1.db"), now: time.Date(2026, 5, 16, 18, 0, 0, 0, time.UTC)}
	x.open()
	t.Cleanup(func() { _ = x.Close() })
	return x
}

func (x *fixture) open() {
	x.t.Helper()
	var err error
	x.DB, err = Open(x.path, Options{
		Now:     func() time.Time { return x.now },
		Warn:    func(text string) { x.warnings = append(x.warnings, text) },
		Publish: func(s *settings.Settings) { x.published = append(x.published, s) },
	})
	if err != nil {
		x.t.Fatal(err)
	}
}

func (x *fixture) reopen() {
	x.t.Helper()
	if err := x.Close(); err != nil {
		x.t.Fatal(err)
	}
	x.open()
}

func (x *fixture) ok(err error) {
	x.t.Helper()
	if err != nil {
		x.t.Fatal(err)
	}
}

func TestOpenMakesAPrivateFile(t *testing.T) {
	x := newFixture(t)
	info, err := os.Stat(x.path)
	x.ok(err)
	if info.Mode().Perm() != filePerm {
		t.Errorf("mode %v", info.Mode())
	}
	if *x.Current().Settings != *settings.Default() || len(x.warnings) > 0 {
		t.Errorf("a new database: %+v, warnings %q", x.Current().Settings, x.warnings)
	}
}

func TestOpenFails(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("no database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	columns := filepath.Join(dir, "columns")
	damaged := filepath.Join(dir, "damaged")
	for _, path := range []string{columns, damaged} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	openTool(t, columns).exec("CREATE TABLE users (a, b)")
	openTool(t, damaged).exec("CREATE TABLE users (username UNIQUE, password, locked, flags)",
		"INSERT INTO users (password) VALUES (hex(zeroblob(20000)))")
	if err := os.Truncate(damaged, 5000); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none", "x.db"): "make its folder",
		text:                               "check the path",
		dir:                                "open the database",
		columns:                            "its tables must be those of a Drawpile server",
		damaged:                            "restore a backup",
	} {
		if _, err := Open(path, Options{}); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestDisplaced moves the file away and another one in its place.
func TestDisplaced(t *testing.T) {
	x := newFixture(t)
	if x.Displaced() {
		t.Error("at the beginning")
	}
	x.ok(os.Rename(x.path, x.path+".old"))
	if !x.Displaced() {
		t.Error("gone, and not noticed")
	}
	x.ok(os.WriteFile(x.path, nil, filePerm))
	if !x.Displaced() {
		t.Error("another one, and not noticed")
	}
	x.ok(os.Rename(x.path+".old", x.path))
	if x.Displaced() {
		t.Error("back, and not noticed")
	}
}

// TestOpenReadOnlyFolder has a file that can be written in a folder that
// cannot: no change would succeed.
func TestOpenReadOnlyFolder(t *testing.T) {
	x := newFixture(t)
	x.ok(x.Close())
	dir := filepath.Dir(x.path)
	x.ok(os.Chmod(dir, 0o500))
	defer func() { x.ok(os.Chmod(dir, 0o700)) }()
	if f, err := os.Create(filepath.Join(dir, "x")); err == nil {
		_ = f.Close()
		t.Skip("this account may write everything")
	}
	if _, err := Open(x.path, Options{}); err == nil || !strings.Contains(err.Error(), "the file and its folder") {
		t.Errorf("got %v", err)
	}
}

// TestOpenReadOnly has a file that nobody may write. The root account may, so
// that the test does not say anything there.
func TestOpenReadOnly(t *testing.T) {
	x := newFixture(t)
	x.ok(x.Close())
	x.ok(os.Chmod(x.path, 0o400))
	if f, err := os.OpenFile(x.path, os.O_RDWR, 0); err == nil {
		_ = f.Close()
		t.Skip("this account may write everything")
	}
	if _, err := Open(x.path, Options{}); err == nil || !strings.Contains(err.Error(), "cannot be written: give the server's user the right") {
		t.Errorf("got %v", err)
	}
}

func TestSettings(t *testing.T) {
	x := newFixture(t)
	x.ok(x.SetSettings(map[string]string{"clientTimeout": "1.5m", "sessionSizeLimit": "20 MB", "persistence": "True", "sessionCountLimit": "+7",
		"serverTitle": "T", "idleTimeLimit": "soon", "nonsense": "x", "_lock_admin_hash": "x"}))
	check := func() {
		t.Helper()
		s := x.Refresh()
		if s.Settings.ClientTimeout != 90*time.Second || s.Settings.SessionSizeLimit != 20971520 || !s.Settings.Persistence ||
			s.Settings.SessionCountLimit != 7 || s.Settings.ServerTitle != "T" || s.Settings.IdleTimeLimit != 0 {
			t.Errorf("settings: %+v", s.Settings)
		}
		for key, want := range map[string]string{"clientTimeout": "1.5m", "sessionSizeLimit": "20 MB", "persistence": "true", "sessionCountLimit": "7"} {
			if got, _ := s.Value(key); got != want {
				t.Errorf("%s is stored as %q, want %q", key, got, want)
			}
		}
		for _, key := range []string{"idleTimeLimit", "nonsense", "_lock_admin_hash"} {
			if got, ok := s.Value(key); ok {
				t.Errorf("%s is stored as %q", key, got)
			}
		}
	}
	check()
	if len(x.published) != 2 || x.published[1] != x.Current().Settings {
		t.Errorf("%d snapshots published", len(x.published))
	}
	x.ok(x.SetSettings(map[string]string{"serverTitle": "T"})) // no change
	if len(x.published) != 2 {
		t.Errorf("%d snapshots published", len(x.published))
	}
	x.reopen()
	check()
}

func TestAccounts(t *testing.T) {
	x := newFixture(t)
	a, err := x.AddAccount(Account{Name: "carol", PasswordHash: "plain;a", Flags: "MOD,,HOST"})
	x.ok(err)
	if got, ok := x.Current().Account("carol"); !ok || got != a || a.ID != 1 {
		t.Errorf("got %+v, want %+v", got, a)
	}
	if f := a.FlagList(); len(f) != 2 || f[0] != "MOD" || f[1] != "HOST" {
		t.Errorf("flags %q", f)
	}
	for name, want := range map[string]error{"carol": ErrTaken, "": ErrName, `q"q`: ErrName, strings.Repeat("x", 23): ErrName,
		strings.Repeat("\U0001f3a8", 12): ErrName} {
		if _, err := x.AddAccount(Account{Name: name, PasswordHash: "plain;x"}); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", name, err, want)
		}
	}
	b, err := x.AddAccount(Account{Name: "Carol", PasswordHash: "plain;b", Locked: true})
	x.ok(err)
	if _, err := x.ChangeAccount(b.ID, AccountChange{Name: &a.Name}); !errors.Is(err, ErrTaken) {
		t.Errorf("renamed to a name that is taken: %v", err)
	}
	name, hash, flags, locked := "dave", "plain;c", "WEB", false
	b, err = x.ChangeAccount(b.ID, AccountChange{Name: &name, PasswordHash: &hash, Flags: &flags, Locked: &locked})
	x.ok(err)
	if want := (Account{b.ID, "dave", "plain;c", false, "WEB"}); b != want {
		t.Errorf("got %+v, want %+v", b, want)
	}
	if _, ok := x.Current().Account("Carol"); ok {
		t.Error("the old name is still there")
	}
	if _, err := x.ChangeAccount(99, AccountChange{Flags: &flags}); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown account: %v", err)
	}
	if _, err := x.ChangeAccount(99, AccountChange{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown account, no change: %v", err)
	}
	x.ok(x.UpgradeHash(b.ID, "plain;b", "plain;no"))
	x.ok(x.UpgradeHash(b.ID, "plain;c", "plain;new"))
	if got, _ := x.Current().AccountByID(b.ID); got.PasswordHash != "plain;new" {
		t.Errorf("upgraded to %q", got.PasswordHash)
	}
	x.ok(x.DeleteAccount(b.ID))
	if err := x.DeleteAccount(b.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("deleted twice: %v", err)
	}
	c, err := x.AddAccount(Account{Name: "eve", PasswordHash: "plain;e"})
	x.ok(err)
	if c.ID == b.ID {
		t.Error("the number of a deleted account is used again")
	}
}

func TestBans(t *testing.T) {
	x := newFixture(t)
	addr := netip.MustParseAddr
	one, err := x.AddIPBan(addr("127.0.0.9"), 0, far, "c\u00f6mment")
	x.ok(err)
	if want := (IPBan{1, "127.0.0.9", 0, far, "c\u00f6mment", "2026-05-16 18:00:00"}); one != want {
		t.Errorf("got %+v, want %+v", one, want)
	}
	old, err := x.AddIPBan(addr("127.0.0.8"), 0, past, "")
	x.ok(err)
	two, err := x.AddIPBan(addr("127.5.0.0"), 16, "2026-05-16 18:00:01", "")
	x.ok(err)
	again, err := x.AddIPBan(addr("127.0.0.8"), 0, far, "new")
	x.ok(err)
	if again != old {
		t.Errorf("a ban that exists became %+v", again)
	}
	match := func(want IPBan, at string) {
		t.Helper()
		if got, ok := x.Current().MatchIP(addr(at)); got != want || ok != (want.ID != 0) {
			t.Errorf("%s: %+v, want %+v", at, got, want)
		}
	}
	match(one, "127.0.0.9")
	match(one, "::ffff:127.0.0.9")
	match(two, "127.5.99.1")
	match(IPBan{}, "127.0.0.8")
	x.now = x.now.Add(time.Second)
	match(IPBan{}, "127.5.99.1")
	x.ok(x.DeleteIPBan(one.ID))
	match(IPBan{}, "127.0.0.9")
	if err := x.DeleteIPBan(one.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("deleted twice: %v", err)
	}

	s, err := x.AddSystemBan(SystemBan{SystemID: "aabb", Expires: far, Reaction: "hang", Reason: "r", Comment: "c"})
	x.ok(err)
	if got, ok := x.Current().MatchSystem("aabb"); !ok || got != s || s.ID != 1 || s.Added != "2026-05-16 18:00:01" {
		t.Errorf("got %+v, want %+v", got, s)
	}
	if _, ok := x.Current().MatchSystem("AABB"); ok {
		t.Error("system ids are compared without case")
	}
	x.ok(x.DeleteSystemBan(s.ID))
	if err := x.DeleteSystemBan(s.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("deleted twice: %v", err)
	}
	u, err := x.AddUserBan(UserBan{UserID: 42, Expires: far})
	x.ok(err)
	if got, ok := x.Current().MatchUser(42); !ok || got != u || u.Reaction != "normal" {
		t.Errorf("got %+v, want %+v", got, u)
	}
	x.ok(x.DeleteUserBan(u.ID))
	if err := x.DeleteUserBan(u.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("deleted twice: %v", err)
	}

	x.ok(x.EnableExtBan(5, false))
	x.ok(x.EnableExtBan(5, false))
	x.reopen()
	if x.Current().ExtBanEnabled(5) || !x.Current().ExtBanEnabled(6) {
		t.Error("switching an external ban off does not last")
	}
	x.ok(x.EnableExtBan(5, true))
	if !x.Current().ExtBanEnabled(5) {
		t.Error("an external ban cannot be switched on again")
	}
}

func TestWhitelist(t *testing.T) {
	x := newFixture(t)
	x.ok(x.ChangeWhitelist(WhitelistChange{Expressions: &[]string{`^https://example\.com/(?!private)`, "(", "LIST"}}))
	if !x.Current().Announceable("https://anything.test/") {
		t.Error("a whitelist that is off forbids")
	}
	x.ok(x.SetSettings(map[string]string{"announceWhitelist": "true"}))
	for url, want := range map[string]bool{"https://example.com/a": true, "https://example.com/private": false, "http://x/LISTing": true,
		"http://x/list": false, "https://other.test/": false} {
		if got := x.Current().Announceable(url); got != want {
			t.Errorf("%s: %v", url, got)
		}
	}
	if len(x.warnings) != 1 || !strings.Contains(x.warnings[0], "whitelist expression (") {
		t.Errorf("warnings %q", x.warnings)
	}
	x.ok(x.ChangeWhitelist(WhitelistChange{Expressions: &[]string{}}))
	if x.Current().Announceable("https://example.com/a") {
		t.Error("an empty whitelist allows")
	}
	if CheckPattern("(") == nil || CheckPattern("^x") != nil {
		t.Error("expressions are not checked")
	}
}

func TestLocks(t *testing.T) {
	x := newFixture(t)
	x.ok(x.Lock([]string{"server", "bans"}, "plain;x"))
	x.reopen()
	if s := x.Current(); strings.Join(s.LockedSections, " ") != "bans server" || s.LockHash != "plain;x" {
		t.Errorf("locked: %q %q", s.LockedSections, s.LockHash)
	}
	x.ok(x.Lock([]string{"log"}, ""))
	if s := x.Current(); strings.Join(s.LockedSections, " ") != "log" || s.LockHash != "" {
		t.Errorf("locked: %q %q", s.LockedSections, s.LockHash)
	}
	x.ok(x.Lock(nil, "plain;x"))
	if s := x.Current(); len(s.LockedSections) != 0 || s.LockHash != "" {
		t.Errorf("locked: %q %q", s.LockedSections, s.LockHash)
	}
	if len(x.warnings) != 0 {
		t.Errorf("warnings %q", x.warnings)
	}
}

func TestLog(t *testing.T) {
	x := newFixture(t)
	put := func(level serverlog.Level, topic serverlog.Topic, user serverlog.User, session, message string) {
		x.Put(serverlog.Entry{Time: x.now, Level: level, Topic: topic, User: user, Session: session, Message: message})
		x.now = x.now.Add(time.Second)
	}
	bob := serverlog.User{ID: 2, Addr: netip.MustParseAddr("127.0.0.1"), Name: "Bob"}
	put(serverlog.Info, serverlog.Join, bob, "01abc", "Joined session")
	put(serverlog.Debug, serverlog.Status, serverlog.User{}, "", "Some marker")
	put(serverlog.Error, serverlog.Status, serverlog.User{}, "", "other MARKER")
	start := time.Date(2026, 5, 16, 18, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		query serverlog.Query
		want  string
	}{
		{serverlog.Query{Level: serverlog.Debug}, "other MARKER|Some marker|Joined session"},
		{serverlog.Query{Level: serverlog.Info}, "other MARKER|Joined session"},
		{serverlog.Query{}, "other MARKER"},
		{serverlog.Query{Level: serverlog.Debug, Session: "01ABC"}, "Joined session"},
		{serverlog.Query{Level: serverlog.Debug, Session: "01ab"}, ""},
		{serverlog.Query{Level: serverlog.Debug, User: "bOB"}, "Joined session"},
		{serverlog.Query{Level: serverlog.Debug, Contains: "Marker"}, "other MARKER|Some marker"},
		{serverlog.Query{Level: serverlog.Debug, After: start}, "other MARKER|Some marker"},
		{serverlog.Query{Level: serverlog.Debug, After: start.Add(time.Second)}, "other MARKER"},
		{serverlog.Query{Level: serverlog.Debug, Limit: 1, Offset: 1}, "Some marker"},
		{serverlog.Query{Level: serverlog.Debug, Offset: 9}, ""},
	} {
		records, err := x.Log(context.Background(), tt.query)
		x.ok(err)
		var got []string
		for _, r := range records {
			got = append(got, r.Message)
		}
		if strings.Join(got, "|") != tt.want {
			t.Errorf("%+v: %q, want %q", tt.query, got, tt.want)
		}
	}
	x.reopen()
	records, err := x.Log(context.Background(), serverlog.Query{Level: serverlog.Debug, Session: "01abc"})
	x.ok(err)
	want := serverlog.Record{Time: start, Level: serverlog.Info, Topic: "Join", User: "2;127.0.0.1;Bob", Session: "01abc", Message: "Joined session"}
	if len(records) != 1 || records[0] != want {
		t.Errorf("got %+v, want %+v", records, want)
	}
}
