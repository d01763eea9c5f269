package main

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"drawrelay/frame"
	"drawrelay/store/password"
)

// edit runs statements on a database, as the sqlite3 tool and scripts do while
// the server runs.
func edit(t *testing.T, path string, statements ...string) {
	t.Helper()
	tool := openTool(t, path)
	defer tool.Close()
	for _, statement := range statements {
		if _, err := tool.Exec(statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// ask returns the results of a query, columns separated by "|".
func ask(t *testing.T, path, query string) (lines []string) {
	t.Helper()
	tool := openTool(t, path)
	defer tool.Close()
	rows, err := tool.Query(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		targets := make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			t.Fatal(err)
		}
		texts := make([]string, len(values))
		for i := range values {
			texts[i] = values[i].String
		}
		lines = append(lines, strings.Join(texts, "|"))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}

// openTool uses whichever driver the program has been built with.
func openTool(t *testing.T, path string) *sql.DB {
	t.Helper()
	tool, err := sql.Open(sql.Drivers()[0], "file:"+path)
	if err == nil {
		_, err = tool.Exec("PRAGMA busy_timeout = 5000")
	}
	if err != nil {
		t.Fatal(err)
	}
	tool.SetMaxOpenConns(1)
	return tool
}

const far = "2099-12-31 23:59:59"

// TestRunDatabase changes settings, accounts and bans with a foreign program
// while the server runs (configuration.md §23 items 20, 21 and 23).
func TestRunDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.db")
	s := launch(t, "-d", path)
	if _, g := s.connect(); g.Rules != "" || g.Methods["auth"] != nil {
		t.Errorf("greeting %+v", g)
	}
	edit(t, path, `INSERT INTO settings VALUES ('ruleText', 'from a script'), ('sessionCountLimit', 1)`,
		`INSERT INTO users VALUES ('carol', 'plain;pw', 0, 'MOD'), ('troll', 'plain;pw', 1, '')`)
	c, g := s.connect()
	if g.Rules != "from a script" || g.Methods["auth"] == nil || slices.Contains(g.Flags, "MULTI") {
		t.Errorf("greeting %+v", g)
	}
	c.send(`{"cmd":"ident","args":["carol","wrong"]}`)
	c.reply(`"badPassword"`)
	c.send(`{"cmd":"ident","args":["carol","pw"]}`)
	if body := c.reply(`"identOk"`); !strings.Contains(body, `"MOD"`) {
		t.Errorf("moderator: %s", body)
	}
	// The old form of the password is renewed.
	stored := func() string {
		return ask(t, path, `SELECT typeof(password) || ' ' || cast(password AS TEXT) FROM users WHERE username = 'carol'`)[0]
	}
	s.await("a new hash", func() bool { return strings.HasPrefix(stored(), "blob sodium;$argon2id$") })
	if !password.Check(strings.TrimPrefix(stored(), "blob "), "pw") {
		t.Errorf("renewed to %s", stored())
	}
	c, _ = s.connect()
	c.send(`{"cmd":"ident","args":["carol","pw"]}`)
	c.reply(`"identOk"`)
	c, _ = s.connect()
	c.send(`{"cmd":"ident","args":["troll","pw"]}`)
	c.reply(`"bannedName"`)

	edit(t, path, fmt.Sprintf(`INSERT INTO ipbans VALUES ('127.0.0.1', 0, '%s', '', '2026-01-01 00:00:00')`, far))
	c, _ = s.connect()
	c.send(`{"cmd":"ident","args":["alice"]}`)
	c.reply(`"identOk"`)
	c.send(fmt.Sprintf(`{"cmd":"host","kwargs":{"protocol":"dp:4.24.0","user_id":1,"s":%q}}`, strings.Repeat("a", 32)))
	if body := string(c.next(frame.TypeDisconnect)); body != "\x00Banned from this server until 2099-12-31" {
		t.Errorf("banned: %q", body)
	}
	edit(t, path, `UPDATE ipbans SET expires = '2001-01-01 00:00:00'`)
	c, _ = s.connect()
	c.host("allowed")
	if status := s.stop(syscall.SIGTERM); status != exitOK {
		t.Errorf("exit status %d", status)
	}
	for _, want := range []string{"Started listening", "IP '127.0.0.1' is banned (database 1)", "Joined session", "Server stopped."} {
		if n := ask(t, path, `SELECT count(*) FROM serverlog WHERE message LIKE '%`+strings.ReplaceAll(want, "'", "''")+`%'`)[0]; n == "0" {
			t.Errorf("%q is not in the stored log", want)
		}
	}
}

// TestRunDatabaseRemembersLogs joins a session that is older than the process:
// its log is shown from the database.
func TestRunDatabaseRemembersLogs(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "config.db")
	args := []string{"--database", path, "--sessions", filepath.Join(dir, "sessions")}
	edit(t, path, `CREATE TABLE settings (key PRIMARY KEY, value)`, `INSERT INTO settings VALUES ('persistence', 'true')`)
	s := launch(t, args...)
	c, _ := s.connect()
	c.host("kept")
	c.send(`{"cmd":"sessionconf","kwargs":{"persistent":true}}`)
	c.reply(`"persistent":true`)
	s.stop(syscall.SIGTERM)
	session := ask(t, path, `SELECT session FROM serverlog WHERE topic = 'Join'`)
	if len(session) != 1 {
		t.Fatalf("sessions in the log: %q", session)
	}
	s = launch(t, args...)
	c, _ = s.connect()
	c.send(`{"cmd":"ident","args":["bob"]}`)
	c.reply(`"alias":"kept"`)
	c.send(fmt.Sprintf(`{"cmd":"join","args":[%q],"kwargs":{"s":%q}}`, session[0], strings.Repeat("b", 32)))
	c.reply(`1;alice`)
	s.stop(syscall.SIGTERM)
}

// TestRunDisplacedDatabase replaces the file under the server: SQLite goes on
// with the old one, so that somebody must be told.
func TestRunDisplacedDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.db")
	s := launch(t, "--database", path)
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	s.awaitLog(path + " was moved, removed or replaced")
	if err := os.Rename(path+".old", path); err != nil {
		t.Fatal(err)
	}
	s.awaitLog(path + " is back")
	if status := s.stop(syscall.SIGTERM); status != exitOK {
		t.Errorf("exit status %d", status)
	}
}
