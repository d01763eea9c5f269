package db

import (
	"context"
	"database/sql"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"drawrelay/store/password"
	"drawrelay/store/serverlog"
	"drawrelay/store/settings"
)

// referenceSchema are the reference's statements, letter by letter.
var referenceSchema = []string{
	"CREATE TABLE settings (key primary key, value)",
	"CREATE TABLE listingservers (url)",
	"CREATE TABLE ipbans (ip, subnet, expires, comment, added)",
	"CREATE TABLE systembans (id integer primary key not null,sid text not null,reaction text not null default 'normal'," +
		"expires text not null,comment text,reason text,added text not null)",
	"CREATE TABLE userbans (id integer primary key not null,userid integer not null,reaction text not null default 'normal'," +
		"expires text not null,comment text,reason text,added text not null)",
	"CREATE TABLE users (username unique, password, locked, flags)",
	"CREATE TABLE disabledextbans (id integer primary key not null)",
	"CREATE TABLE serverlog (timestamp, level, topic, user, session, message)",
}

// tool is another program that has the file open.
type tool struct {
	t *testing.T
	*sql.DB
}

func openTool(t *testing.T, path string) tool {
	t.Helper()
	d, err := sql.Open(driver, source(path))
	if err != nil {
		t.Fatal(err)
	}
	d.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = d.Close() })
	return tool{t, d}
}

func (x tool) exec(statements ...string) {
	x.t.Helper()
	for _, statement := range statements {
		if _, err := x.Exec(statement); err != nil {
			x.t.Fatalf("%s: %v", statement, err)
		}
	}
}

// lines returns the results of a query, columns separated by "|".
func (x tool) lines(query string) (lines []string) {
	x.t.Helper()
	rows, err := x.Query(query)
	if err != nil {
		x.t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		x.t.Fatal(err)
	}
	for rows.Next() {
		texts := make([]sql.NullString, len(columns))
		targets := make([]any, len(columns))
		for i := range texts {
			targets[i] = &texts[i]
		}
		if err := rows.Scan(targets...); err != nil {
			x.t.Fatal(err)
		}
		line := make([]string, len(texts))
		for i := range texts {
			line[i] = texts[i].String
		}
		lines = append(lines, strings.Join(line, "|"))
	}
	if err := rows.Err(); err != nil {
		x.t.Fatal(err)
	}
	return lines
}

func (x tool) expect(query string, want ...string) {
	x.t.Helper()
	if got := x.lines(query); !slices.Equal(got, want) {
		x.t.Errorf("%s:\ngot  %q\nwant %q", query, got, want)
	}
}

const schemaQuery = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid"

// TestReferenceDatabase takes over a database of the reference, changes
// everything in it, and finds its schema and encodings unchanged
// (configuration.md §23 items 19 and 20). With DRAWRELAY_KEEP_DB the result
// stays there, for the reference to be started on.
func TestReferenceDatabase(t *testing.T) {
	original, err := os.ReadFile(filepath.Join("testdata", "reference.db"))
	if err != nil {
		t.Fatal(err)
	}
	x := &fixture{t: t, path: filepath.Join(t.TempDir(), "reference.db"), now: time.Now()}
	if keep := os.Getenv("DRAWRELAY_KEEP_DB"); keep != "" {
		x.path = keep
	}
	x.ok(os.WriteFile(x.path, original, 0o600))
	x.open()
	t.Cleanup(func() { _ = x.Close() })
	if len(x.warnings) != 0 {
		t.Errorf("warnings: %q", x.warnings)
	}

	s := x.Current()
	want := settings.Default()
	want.SessionSizeLimit, want.ClientTimeout, want.SessionCountLimit, want.SessionUserLimit = 20<<20, 90*time.Second, 7, 9
	want.Persistence, want.AllowGuestHosts, want.AnnounceWhitelist, want.ServerTitle = true, false, true, "T\u00eftle"
	if *s.Settings != *want {
		t.Errorf("settings %+v, want %+v", s.Settings, want)
	}
	carol, ok := s.Account("c\u00e4rol")
	if !ok || carol.ID != 1 || carol.Locked || !slices.Equal(carol.FlagList(), []string{"HOST", "MOD"}) ||
		!password.Check(carol.PasswordHash, "p\u00e4ss") || password.Check(carol.PasswordHash, "pass") {
		t.Errorf("account %+v", carol)
	}
	troll, ok := s.Account("troll")
	if !ok || !troll.Locked {
		t.Errorf("account %+v", troll)
	}
	for addr, id := range map[string]int64{"127.0.0.9": 1, "2001:db8:0:5::7": 2, "127.0.0.8": 0} {
		if b, _ := s.MatchIP(netip.MustParseAddr(addr)); b.ID != id {
			t.Errorf("%s is banned by %+v", addr, b)
		}
	}
	if b, ok := s.MatchSystem(strings.Repeat("ab", 16)); !ok || b.Reaction != "hang" || b.Reason != "r" || b.Comment != "c" {
		t.Errorf("system ban %+v", b)
	}
	if b, ok := s.MatchUser(42); !ok || b.Reaction != "timer" {
		t.Errorf("user ban %+v", b)
	}
	if !s.Announceable("https://x/") || s.Announceable("https://y/") || s.ExtBanEnabled(5) {
		t.Error("whitelist or external bans are wrong")
	}
	if !slices.Equal(s.LockedSections, []string{"bans", "server"}) || !password.Check(s.LockHash, "l\u00f6ck") {
		t.Errorf("locks %q %q", s.LockedSections, s.LockHash)
	}
	records, err := x.Log(context.Background(), serverlog.Query{Level: serverlog.Debug, Contains: "[BOT]"})
	x.ok(err)
	if len(records) != 1 || records[0].User != "9;127.0.0.44;n\u00e4me" || records[0].Level != serverlog.Warn || records[0].Topic != "Kick" ||
		!records[0].Time.Equal(time.Date(2026, 11, 21, 13, 6, 33, 0, time.UTC)) {
		t.Errorf("log %+v", records)
	}

	flags, hash := "WEB", "plain;new"
	x.ok(x.SetSettings(map[string]string{"persistence": "0", "idleTimeLimit": "3h", "extBansCacheKey": "key", "sessionCountLimit": "8"}))
	_, err = x.ChangeAccount(carol.ID, AccountChange{Flags: &flags, PasswordHash: &hash})
	x.ok(err)
	_, err = x.AddAccount(Account{Name: "dora", PasswordHash: "plain;d", Locked: true, Flags: "MOD"})
	x.ok(err)
	x.ok(x.DeleteIPBan(1))
	_, err = x.AddIPBan(netip.MustParseAddr("192.0.2.0"), 24, far, "k\u00f6mment")
	x.ok(err)
	_, err = x.AddSystemBan(SystemBan{SystemID: "cd", Expires: far, Reason: "why"})
	x.ok(err)
	_, err = x.AddUserBan(UserBan{UserID: 1 << 40, Expires: far, Reaction: "garbage", Comment: "note"})
	x.ok(err)
	x.ok(x.ChangeWhitelist(WhitelistChange{Expressions: &[]string{"^https://z"}}))
	x.ok(x.EnableExtBan(6, false))
	x.ok(x.Lock([]string{"log", "sessions"}, "plain;lock"))
	x.Put(serverlog.Entry{Time: x.now, Level: serverlog.Error, Topic: serverlog.Ban, Session: "01", Message: "m",
		User: serverlog.User{ID: 3, Addr: netip.MustParseAddr("::1"), Name: "n"}})
	x.ok(x.Close())

	o := openTool(t, x.path)
	o.expect("PRAGMA integrity_check", "ok")
	o.expect("PRAGMA user_version", "0")
	o.expect("PRAGMA journal_mode", "wal")
	o.expect(schemaQuery, referenceSchema...)
	o.expect("SELECT key, value, typeof(value) FROM settings WHERE key IN ('persistence', 'idleTimeLimit', 'extBansCacheKey', 'sessionCountLimit', "+
		"'clientTimeout', '_lock_admin_section_log', '_lock_admin_hash') ORDER BY key",
		"_lock_admin_hash|plain;lock|blob", "_lock_admin_section_log|1|integer", "clientTimeout|1.5m|text", "extBansCacheKey|key|text",
		"idleTimeLimit|3h|text", "persistence|false|text", "sessionCountLimit|8|text")
	o.expect("SELECT count(*) FROM settings WHERE key LIKE '%bans' OR key LIKE '%server'", "0")
	o.expect("SELECT rowid, username, typeof(username), cast(password AS TEXT), typeof(password), locked, typeof(locked), flags, typeof(flags) FROM users WHERE rowid <> 2",
		"1|c\u00e4rol|text|plain;new|blob|0|integer|WEB|text", "3|dora|text|plain;d|blob|1|integer|MOD|text")
	added := x.now.UTC().Format(TimeLayout)
	o.expect("SELECT rowid, ip, subnet, expires, comment, added FROM ipbans", "2|2001:db8::1|48|"+far+"||2026-11-21 13:06:33",
		"3|192.0.2.0|24|"+far+"|k\u00f6mment|"+added)
	o.expect("SELECT typeof(ip), typeof(subnet), typeof(expires), typeof(comment), typeof(added), count(*) FROM ipbans GROUP BY 1, 2, 3, 4, 5",
		"text|integer|text|text|text|2")
	o.expect("SELECT * FROM systembans WHERE id = 2", "2|cd|normal|"+far+"||why|"+added)
	o.expect("SELECT * FROM userbans WHERE id = 2", "2|1099511627776|garbage|"+far+"|note||"+added)
	o.expect("SELECT url, typeof(url) FROM listingservers", "^https://z|text")
	o.expect("SELECT id FROM disabledextbans", "5", "6")
	o.expect("SELECT * FROM serverlog WHERE message = 'm'", x.now.UTC().Format(time.RFC3339)+"|0|Ban|3;::1;n|01|m")
	o.expect("SELECT typeof(timestamp), typeof(level), typeof(topic), typeof(user), typeof(session), typeof(message) FROM serverlog GROUP BY 1, 2, 3, 4, 5, 6",
		"text|integer|text|text|text|text")
}

// TestSchema makes a database and compares its tables and columns with the
// reference's.
func TestSchema(t *testing.T) {
	x := newFixture(t)
	empty := filepath.Join(t.TempDir(), "theirs.db")
	x.ok(os.WriteFile(empty, nil, 0o600))
	theirs := openTool(t, empty)
	theirs.exec(referenceSchema...)
	const columns = "SELECT m.name, p.* FROM sqlite_master m, pragma_table_info(m.name) p WHERE m.type = 'table' ORDER BY m.rowid, p.cid"
	ours := openTool(t, x.path).lines(strings.ReplaceAll(columns, "p.*", "p.cid, p.name, lower(p.type), p.\"notnull\", p.dflt_value, p.pk"))
	theirs.expect(strings.ReplaceAll(columns, "p.*", "p.cid, p.name, lower(p.type), p.\"notnull\", p.dflt_value, p.pk"), ours...)
}
