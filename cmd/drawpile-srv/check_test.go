package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"drawrelay/store/config"
	"drawrelay/store/db"
)

// rows reads the table that check prints: value and source by key.
func rows(t *testing.T, text string) map[string][2]string {
	t.Helper()
	found := make(map[string][2]string)
	row := regexp.MustCompile(`^(\S+) +=  ?(.*?)  +(\S.*)$`)
	for line := range strings.Lines(text) {
		if m := row.FindStringSubmatch(strings.TrimRight(line, "\n")); m != nil {
			found[m[1]] = [2]string{strings.TrimSpace(m[2]), m[3]}
		}
	}
	return found
}

func TestCheck(t *testing.T) {
	file := writeFile(t, "settings.ini", "[config]\n title = Hi there\nreporttoken = geheim\nidleTimeLimit = 3h\nextBansUrl = https://example.org/list/KEY/\n"+
		"sessionSizeLimit = 1.5mb\nallowGuests = 0\n[users]\ncarol:plain;verborgen:MOD\n[ipbans]\n10.0.0.1\n10.0.0.2\n")
	status, stdout, stderr := runOnce(t, "check", "--config", file, "-p1234", "--crypt-key", strings.Repeat("A", 43)+"=", "--report-url", "https://u:geheim@example.org/", "--no-gui")
	if status != exitOK || !strings.HasSuffix(stdout, "\nGood (0 warnings).\n") || stderr != "" {
		t.Errorf("%d, %s", status, stderr)
	}
	got := rows(t, stdout)
	for key, want := range map[string][2]string{
		"--port": {"1234", "command line"}, "--listen": {"all", "default"}, "--config": {file, "command line"},
		"--crypt-key": {"(secret)", "command line"}, "--report-url": {"https://u:xxxxx@example.org/", "command line"},
		"--no-gui": {"on", "command line"}, "--sync-interval": {"1s", "default"}, "--log-format": {"text", "default"},
		"serverTitle": {"Hi there", file + ":2"}, "reporttoken": {"(secret)", file + ":3"}, "idleTimeLimit": {"10800s", file + ":4"},
		"extBansUrl": {"https://example.org/… (secret)", file + ":5"}, "sessionSizeLimit": {"1572864b", file + ":6"},
		"allowGuests": {"false", file + ":7"}, "sessionCountLimit": {"25", "default"}, "persistence": {"false", "default"},
	} {
		if got[key] != want {
			t.Errorf("%s: %q, want %q", key, got[key], want)
		}
	}
	for _, key := range config.Keys() {
		if _, ok := got[key]; !ok && !strings.HasPrefix(key, "extBansCache") && !regexp.MustCompile(`(?m)^`+key+` += +default$`).MatchString(stdout) {
			t.Errorf("%s is missing", key)
		}
	}
	for _, secret := range []string{"geheim", "KEY", "verborgen", "AAAA"} {
		if strings.Contains(stdout+stderr, secret) {
			t.Errorf("%q is shown", secret)
		}
	}
	if !strings.Contains(stdout, "1 accounts, 2 IP bans") {
		t.Errorf("no counts in\n%s", stdout)
	}
}

func TestCheckDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.db")
	status, _, stderr := runOnce(t, "check", "--database", path)
	if _, err := os.Stat(path); status != exitOK || !os.IsNotExist(err) || !strings.Contains(stderr, "warning: "+path+" does not exist yet") {
		t.Errorf("%d, %v, %s", status, err, stderr)
	}
	d, err := db.Open(path, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.SetSettings(map[string]string{"sessionCountLimit": "7", "welcomeMessage": "two\nlines"}); err != nil {
		t.Fatal(err)
	}
	// The database is in use meanwhile.
	defer d.Close()
	status, stdout, stderr := runOnce(t, "check", "--database", path)
	got := rows(t, stdout)
	if status != exitOK || got["sessionCountLimit"] != [2]string{"7", path} || got["welcomeMessage"] != [2]string{`"two\nlines"`, path} ||
		got["persistence"] != [2]string{"false", "default"} {
		t.Errorf("%d, %v, %s", status, got, stderr)
	}
}

func TestCheckData(t *testing.T) {
	dir := t.TempDir()
	_, stdout, _ := runOnce(t, "check", "--data", dir)
	got := rows(t, stdout)
	for key, want := range map[string][2]string{
		"persistence": {"true", "--data"}, "emptySessionLingerTime": {"600s", "--data"}, "archive": {"false", "default"},
		"--sessions": {filepath.Join(dir, "sessions"), "--data"}, "--ssl-key": {"made in " + filepath.Join(dir, "tls"), "--data"},
		"--data": {dir, "command line"},
	} {
		if got[key] != want {
			t.Errorf("%s: %q, want %q", key, got[key], want)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("made %v, %v", entries, err)
	}
}

// Everything that is wrong is told at once.
func TestCheckFindsMistakes(t *testing.T) {
	file := writeFile(t, "settings.ini", "sesionCountLimit = 3\nclientTimeout = soon\nextauth = true\nforbiddenNameRegex = (\n[users]\nx\n")
	for _, tt := range []struct {
		args []string
		want []string
	}{
		{[]string{"--config", file}, []string{
			"error: " + file + ":1: sesionCountLimit = 3: unknown setting", "error: " + file + ":2: clientTimeout = soon",
			"error: " + file + ":3: extauth = true: has no effect without --extauth", "error: " + file + ":4: forbiddenNameRegex = (",
			"warning: " + file + `:6: "…": ignored`}},
		{[]string{"--port", "0", "--config", file}, []string{"error: --port 0", "error: " + file + ":1"}},
		{[]string{"--nonsense"}, []string{"unknown option --nonsense"}},
		{[]string{"--config", t.TempDir()}, []string{"error: read configuration"}},
		{[]string{"--database", file}, []string{"error: read the database", "it is no SQLite database"}},
		{[]string{"--database", filepath.Join(t.TempDir(), "a", "b.db")}, []string{"error: --database"}},
		{[]string{"--templates", filepath.Join(t.TempDir(), "gone")}, []string{"error: --templates"}},
		{[]string{"--sessions", file}, []string{"error: --sessions: " + file + " is not a folder"}},
		{[]string{"--ssl-cert", file, "--ssl-key", file}, []string{"error: Couldn't load TLS certificate"}},
		{[]string{"--sessions", t.TempDir(), "--checksums", file}, []string{"error: --checksums: " + file + " is not a folder"}},
		{[]string{"--sessions", t.TempDir(), "--checksums", filepath.Join(file, "x")}, []string{"error: --checksums: stat " + file}},
		{[]string{"--web-admin-socket", file}, []string{"error: --web-admin-socket " + file + ": there is something else"}},
		{[]string{"--web-admin-socket", filepath.Join(t.TempDir(), "gone", "s")}, []string{"error: --web-admin-socket: stat "}},
		{[]string{"--web-admin-socket", filepath.Join(t.TempDir(), strings.Repeat("x", 120))}, []string{"error: --web-admin-socket /", "too long"}},
	} {
		status, stdout, stderr := runOnce(t, append([]string{"check"}, tt.args...)...)
		if status != exitFailed || strings.Contains(stdout, "\nGood") {
			t.Errorf("%q: exit status %d", tt.args, status)
		}
		for _, want := range tt.want {
			if !strings.Contains(stderr, want) {
				t.Errorf("%q: %q is not in\n%s", tt.args, want, stderr)
			}
		}
	}
	// Without recordings the server starts.
	folder := t.TempDir()
	for path, want := range map[string]string{
		folder: "", filepath.Join(folder, "%d", "%i.dprec"): "", filepath.Join(folder, "new", "%a.dprec"): "will be made",
		filepath.Join(file, "%i.dprec"): "--record: " + file + " is not a folder", filepath.Join(file, "%d", "%i"): "--record: " + file + " is not a folder",
	} {
		status, _, stderr := runOnce(t, "check", "--record", path)
		if status != exitOK || (want == "") != (stderr == "") || !strings.Contains(stderr, want) {
			t.Errorf("--record %s: exit status %d, %s", path, status, stderr)
		}
	}
	if status, stdout, _ := runOnce(t, "check", "--help"); status != exitOK || !strings.HasPrefix(stdout, "Usage: drawpile-srv check ") {
		t.Errorf("--help: %d, %s", status, stdout)
	}
}
