package db

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"drawrelay/store/serverlog"
)

// TestForeignChanges edits the file with another program while it is open
// (configuration.md §23 item 21): the next look sees it.
func TestForeignChanges(t *testing.T) {
	x := newFixture(t)
	other := openTool(t, x.path)
	other.exec("INSERT INTO settings VALUES ('serverTitle', 'theirs')", "INSERT INTO users VALUES ('carol', 'plain;pw', 0, 'MOD')",
		"INSERT INTO ipbans VALUES ('10.0.0.1', 16, '"+far+"', '', '')", "INSERT INTO systembans (sid, expires, added) VALUES ('ab', '"+far+"', '')",
		"INSERT INTO userbans (userid, expires, added) VALUES (7, '"+far+"', '')")
	s := x.Refresh()
	if s.Settings.ServerTitle != "theirs" || len(s.Accounts) != 1 {
		t.Errorf("settings %+v, accounts %+v", s.Settings, s.Accounts)
	}
	if len(x.published) != 2 || x.published[1].ServerTitle != "theirs" {
		t.Errorf("%d snapshots published", len(x.published))
	}
	_, ip := s.MatchIP(netip.MustParseAddr("10.0.9.9"))
	_, system := s.MatchSystem("ab")
	_, user := s.MatchUser(7)
	if !ip || !system || !user {
		t.Errorf("bans: %v %v %v", ip, system, user)
	}
	if x.Refresh() != s {
		t.Error("read again although nothing has changed")
	}
	x.Put(serverlog.Entry{Time: x.now, Message: "ours"})
	if _, err := x.Log(context.Background(), serverlog.Query{}); err != nil || x.Refresh() != s {
		t.Errorf("read again because of the server's own log, %v", err)
	}
	other.exec("DELETE FROM users", "UPDATE settings SET value = 'changed'")
	if s := x.Refresh(); s.Settings.ServerTitle != "changed" || len(s.Accounts) != 0 {
		t.Errorf("settings %+v, accounts %+v", s.Settings, s.Accounts)
	}
}

// TestBusy holds a transaction in another program: looks do not wait for it,
// changes do, and the log catches up.
func TestBusy(t *testing.T) {
	x := newFixture(t)
	other := openTool(t, x.path)
	other.exec("BEGIN IMMEDIATE", "INSERT INTO settings VALUES ('serverTitle', 'theirs')")
	if s := x.Refresh(); s.Settings.ServerTitle != "" {
		t.Errorf("title %q before the commit", s.Settings.ServerTitle)
	}
	x.Put(serverlog.Entry{Time: x.now, Message: "while busy"})
	var wg sync.WaitGroup
	var failure error
	wg.Go(func() { failure = x.SetSettings(map[string]string{"ruleText": "ours"}) })
	x.Refresh() // is not held up by it
	other.exec("COMMIT")
	wg.Wait()
	x.ok(failure)
	s := x.Refresh()
	if s.Settings.ServerTitle != "theirs" || s.Settings.RuleText != "ours" {
		t.Errorf("settings %+v", s.Settings)
	}
	if records, err := x.Log(context.Background(), serverlog.Query{}); err != nil || len(records) != 1 {
		t.Errorf("log %+v, %v", records, err)
	}
}

// TestTypes reads what hands and scripts have put into columns without a type
// (configuration.md §10.3).
func TestTypes(t *testing.T) {
	x := newFixture(t)
	other := openTool(t, x.path)
	other.exec(
		"INSERT INTO settings VALUES ('sessionCountLimit', 5), ('persistence', 1), ('serverTitle', x'6869'), ('ruleText', NULL), (NULL, 'x'), "+
			"('clientTimeout', 'soon'), ('sessionSizeLimit', 1.5), ('allowGuests', 'yes'), ('colour', 'red'), ('privateUserList', '1'), "+
			"('minimumProtocolVersion', '2.2'), ('sessionUserLimit', '999'), ('customAvatars', NULL)",
		"INSERT INTO users VALUES ('text', 'plain;pw', 0, 'MOD'), ('blob', x'706c61696e3b7077', '1', NULL), ('null', NULL, NULL, ',')",
		"INSERT INTO ipbans VALUES ('10.0.0.1', '8', '"+far+"', NULL, NULL), ('none', 0, '"+far+"', '', ''), ('10.0.0.1', 33, '"+far+"', '', ''), "+
			"('192.0.2.1', NULL, 'never', '', ''), ('192.0.2.2', 0, NULL, '', '')",
		"INSERT INTO serverlog VALUES ('2026-05-16 18:00:00', '2', 'Odd', NULL, NULL, NULL), (NULL, 9, NULL, '', '', 'x')")
	s := x.Refresh()
	set := s.Settings
	if set.SessionCountLimit != 5 || !set.Persistence || set.ServerTitle != "hi" || set.RuleText != "" || set.ClientTimeout != time.Minute ||
		set.SessionSizeLimit != 1 || set.AllowGuests || set.CustomAvatars || set.UserLimit() != 254 {
		t.Errorf("settings %+v", set)
	}
	text, _ := s.Account("text")
	blob, _ := s.Account("blob")
	null, _ := s.Account("null")
	if text.PasswordHash != "plain;pw" || text.Locked || blob.PasswordHash != "plain;pw" || !blob.Locked || len(blob.FlagList()) != 0 ||
		null.PasswordHash != "" || null.Locked || len(null.FlagList()) != 0 {
		t.Errorf("accounts %+v", s.Accounts)
	}
	for addr, id := range map[string]int64{"10.9.9.9": 1, "192.0.2.1": 4, "192.0.2.2": 0} {
		if b, _ := s.MatchIP(netip.MustParseAddr(addr)); b.ID != id {
			t.Errorf("%s is banned by %+v", addr, b)
		}
	}
	for _, want := range []string{"clientTimeout = soon", "allowGuests = yes", "colour = red", "minimumProtocolVersion = 2.2", "sessionUserLimit = 999",
		"row 2 of ipbans", "row 3 of ipbans"} {
		if n := strings.Count(strings.Join(x.warnings, "\n"), want); n != 1 {
			t.Errorf("%q is warned about %d times in %q", want, n, x.warnings)
		}
	}
	if len(x.warnings) != 7 {
		t.Errorf("warnings %q", x.warnings)
	}
	other.exec("UPDATE users SET flags = ''")
	if x.Refresh(); len(x.warnings) != 7 {
		t.Errorf("warned again: %q", x.warnings)
	}
	records, err := x.Log(context.Background(), serverlog.Query{Level: serverlog.Debug})
	x.ok(err)
	want := []serverlog.Record{{Time: time.Date(2026, 5, 16, 18, 0, 0, 0, time.UTC), Level: serverlog.Info, Topic: "Odd"},
		{Level: serverlog.Debug, Message: "x"}}
	if len(records) != 2 || records[0] != want[0] || records[1] != want[1] {
		t.Errorf("log %+v", records)
	}
}

// TestPurge holds the sequence that configuration.md §16.3 asserts.
func TestPurge(t *testing.T) {
	x := newFixture(t)
	for _, days := range []int{1, 2, 2, 3} {
		x.Put(serverlog.Entry{Time: x.now.AddDate(0, 0, -days), Message: fmt.Sprint(days)})
	}
	x.flushLog(context.Background())
	for _, step := range []struct {
		days int
		want int64
	}{{0, 0}, {-1, 0}, {3, 0}, {2, 1}, {1, 2}} {
		if got, err := x.purge(step.days); err != nil || got != step.want {
			t.Errorf("purge of %d days: %d, %v; want %d", step.days, got, err, step.want)
		}
	}
}

// TestPurgeAtOpening deletes more than one batch, and says so in the log.
func TestPurgeAtOpening(t *testing.T) {
	x := newFixture(t)
	x.Put(serverlog.Entry{Time: x.now, Message: "new"})
	x.ok(x.Close())
	other := openTool(t, x.path)
	other.exec("INSERT INTO settings VALUES ('logpurgedays', '7')",
		fmt.Sprintf("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i <= %d) "+
			"INSERT INTO serverlog SELECT '2020-01-01T00:00:00Z', 2, 'Status', '', '', 'old' FROM n", 2*purgeBatch))
	x.open()
	records, err := x.Log(context.Background(), serverlog.Query{Level: serverlog.Debug})
	x.ok(err)
	var left []string
	for _, r := range records {
		left = append(left, r.Message)
	}
	if want := []string{fmt.Sprintf("Purged %d old log entries", 2*purgeBatch+1), "new"}; !slices.Equal(left, want) {
		t.Errorf("%d entries left: %q", len(left), left[:min(len(left), 3)])
	}
}

// TestDroppedEntries fills the queue while another program keeps the file: the
// rest is counted, and the log says where something is missing.
func TestDroppedEntries(t *testing.T) {
	x := newFixture(t)
	other := openTool(t, x.path)
	other.exec("BEGIN IMMEDIATE")
	for range logQueue + 2*logBatch {
		x.Put(serverlog.Entry{Time: x.now, Message: "flood"})
	}
	dropped := x.DroppedEntries()
	if dropped == 0 {
		t.Error("nothing was dropped")
	}
	other.exec("COMMIT")
	x.ok(x.Close())
	other.expect(fmt.Sprintf("SELECT count(*) + %d FROM serverlog WHERE message = 'flood'", dropped), fmt.Sprint(logQueue+2*logBatch))
	other.expect("SELECT message FROM serverlog WHERE message <> 'flood'",
		fmt.Sprintf("%d entries of the log are missing here, because the database was not written fast enough", dropped))
	if x.DroppedEntries() != dropped {
		t.Errorf("%d entries more were dropped at the end", x.DroppedEntries()-dropped)
	}
}

// TestSessionLogs finds what concerns the sessions asked for.
func TestSessionLogs(t *testing.T) {
	x := newFixture(t)
	for i, session := range []string{"a", "b", "", "c", "a"} {
		x.Put(serverlog.Entry{Time: x.now, Level: serverlog.Info, Session: session, Message: fmt.Sprint(i)})
	}
	x.Put(serverlog.Entry{Time: x.now, Level: serverlog.Debug, Session: "a", Message: "detail"})
	x.reopen()
	var got []string
	x.ok(x.SessionLogs(context.Background(), []string{"a", "c", "d"}, func(r serverlog.Record) { got = append(got, r.Message) }))
	if strings.Join(got, " ") != "0 3 4" {
		t.Errorf("got %q", got)
	}
}

// TestRelativePath opens a file by a path that is not absolute.
func TestRelativePath(t *testing.T) {
	t.Chdir(t.TempDir())
	for range 2 {
		d, err := Open("a b.db", Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.SetSettings(map[string]string{"serverTitle": "x"}); err != nil {
			t.Error(err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	if matches, err := filepath.Glob("*"); err != nil || len(matches) != 1 || matches[0] != "a b.db" {
		t.Errorf("files %q, %v", matches, err)
	}
}

// TestScripts does to the file what bantool.py and logtool.py rely on
// (configuration.md §10.4, §23 item 22): rows by position, times by SQLite.
func TestScripts(t *testing.T) {
	x := newFixture(t)
	x.now = time.Now()
	other := openTool(t, x.path)
	other.exec("INSERT INTO ipbans VALUES ('192.0.2.7', 0, datetime('now', '+1 day'), 'by a script', current_timestamp)",
		"INSERT INTO ipbans VALUES ('192.0.2.8', 0, datetime('now', '-1 second'), 'over', current_timestamp)")
	for addr, banned := range map[string]bool{"192.0.2.7": true, "192.0.2.8": false} {
		if _, got := x.Refresh().MatchIP(netip.MustParseAddr(addr)); got != banned {
			t.Errorf("%s banned: %v", addr, got)
		}
	}
	other.expect("SELECT count(*) FROM ipbans WHERE expires > current_timestamp", "1")
	x.Put(serverlog.Entry{Time: x.now.Add(-time.Minute), Topic: serverlog.Ban, Message: "banned", Session: "01",
		User: serverlog.User{ID: 4, Addr: netip.MustParseAddr("192.0.2.9"), Name: "a;b"}})
	x.flushLog(context.Background())
	other.expect("SELECT user, session FROM serverlog WHERE topic = 'Ban' AND datetime(timestamp) > datetime('now', '-1 hour') AND datetime(timestamp) < current_timestamp",
		"4;192.0.2.9;a;b|01")
	other.exec("DELETE FROM ipbans WHERE ip = '192.0.2.7'")
	if _, banned := x.Refresh().MatchIP(netip.MustParseAddr("192.0.2.7")); banned {
		t.Error("still banned")
	}
}
