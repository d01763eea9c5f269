package main

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What init makes is a server that the first account can log in to.
func TestInit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there")
	status, stdout, stderr := runWith(t, "", "init", "--local-host", "draw.example.org", "--port", "1234", dir)
	made := regexp.MustCompile(`Account    admin, a moderator, with the password ([A-Z2-7]{26})\n`).FindStringSubmatch(stdout)
	if status != exitOK || stderr != "" || made == nil ||
		!strings.Contains(stdout, "\nStart      drawpile-srv --data "+dir+" --port 1234 --local-host draw.example.org\nClients    drawpile://draw.example.org:1234/\n") {
		t.Fatalf("%d, %s, %s", status, stdout, stderr)
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != dataPerm {
		t.Errorf("%v, %v", info, err)
	}
	s := launch(t, "--data", dir)
	c, _ := s.connect()
	c.send(`{"cmd":"startTls"}`)
	c.reply(`"startTls":true`)
	c.conn = tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true}) // whom it belongs to does not matter here
	c.send(`{"cmd":"ident","args":["admin","` + made[1] + `"]}`)
	if got := c.reply(`"state"`); !strings.Contains(got, `"MOD"`) {
		t.Errorf("logged in: %s", got)
	}
	// Nothing that is there is touched.
	status, _, stderr = runWith(t, "", "init", dir)
	if status != exitFailed || !strings.Contains(stderr, "config.db exists already") {
		t.Errorf("again: %d, %s", status, stderr)
	}
	// Hosts may make their sessions persistent, as with --data alone.
	_, stdout, _ = runOnce(t, "check", "--data", dir)
	if got := rows(t, stdout); got["persistence"][0] != "true" || got["emptySessionLingerTime"][0] != "600s" || got["--database"] != [2]string{filepath.Join(dir, "config.db"), "--data"} {
		t.Errorf("%v", got)
	}
}

func TestInitRefusals(t *testing.T) {
	file := writeFile(t, "file", "")
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "write the name of one folder"},
		{[]string{"a", "b"}, "write the name of one folder"},
		{[]string{"--nonsense", "a"}, "unknown option"},
		{[]string{"--admin", `"`, "a"}, "is no user name"},
		{[]string{"--port", "0", "a"}, "--port 0"},
		{[]string{"--user", "no-such-account", filepath.Join(t.TempDir(), "x")}, "no such account"},
		{[]string{filepath.Join(file, "x")}, "not a directory"},
	} {
		status, stdout, stderr := runWith(t, "pw\n", append([]string{"init"}, tt.args...)...)
		if status != exitFailed || stdout != "" || !strings.Contains(stderr, tt.want) {
			t.Errorf("%q: %d, %s, %s", tt.args, status, stdout, stderr)
		}
	}
	if status, stdout, _ := runWith(t, "", "init", "--help"); status != exitOK || !strings.HasPrefix(stdout, "Usage: drawpile-srv init ") {
		t.Errorf("--help: %d, %s", status, stdout)
	}
}
