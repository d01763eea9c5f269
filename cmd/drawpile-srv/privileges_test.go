//go:build linux

package main

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// nobody returns an account without rights, and skips the test if the tests
// may not change to it.
func nobody(t *testing.T) (name string, uid, gid int) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can change to another account")
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Skip("there is no account nobody")
	}
	uid, _ = strconv.Atoi(u.Uid)
	gid, _ = strconv.Atoi(u.Gid)
	return u.Username, uid, gid
}

// Decision 3 of the specification: ports are opened as root, everything else
// is done as the account.
func TestRunAsUser(t *testing.T) {
	name, uid, gid := nobody(t)
	dir := t.TempDir()
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	parent := filepath.Dir(dir)
	if err := os.Chmod(parent, 0o755); err != nil {
		t.Fatal(err)
	}
	s := launch(t, "--user", name, "--data", dir, "--no-tls")
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		fmt.Sprintf("Uid:\t%[1]d\t%[1]d\t%[1]d\t%[1]d\n", uid), fmt.Sprintf("Gid:\t%[1]d\t%[1]d\t%[1]d\t%[1]d\n", gid),
		fmt.Sprintf("Groups:\t%d", gid), "CapEff:\t0000000000000000\n", "CapPrm:\t0000000000000000\n",
	} {
		if !strings.Contains(string(status), want) {
			t.Errorf("%q is not in\n%s", want, status)
		}
	}
	// Not one thread stays root.
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", s.cmd.Process.Pid))
	if err != nil || len(tasks) < 2 {
		t.Fatalf("%q, %v", tasks, err)
	}
	for _, path := range tasks {
		if text, err := os.ReadFile(path); err == nil && !strings.Contains(string(text), fmt.Sprintf("Uid:\t%d\t", uid)) {
			t.Errorf("%s:\n%s", path, text)
		}
	}
	c, _ := s.connect()
	c.host("mine")
	files, err := filepath.Glob(filepath.Join(dir, "sessions", "*.dprec"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%q, %v", files, err)
	}
	if info, err := os.Stat(files[0]); err != nil || int(info.Sys().(*syscall.Stat_t).Uid) != uid {
		t.Errorf("%v, %v", info, err)
	}
	if strings.Contains(s.log.String(), "should not be run as root") {
		t.Error("warned about root")
	}
}

func TestRunAsUserRefusals(t *testing.T) {
	name, _, _ := nobody(t)
	secret := t.TempDir()
	if err := os.Chmod(secret, 0o700); err != nil {
		t.Fatal(err)
	}
	settings := filepath.Join(secret, "settings.ini")
	if err := os.WriteFile(settings, []byte("serverTitle = x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(freePort(t))
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--user", "no-such-account"}, "--user no-such-account: there is no such account"},
		{[]string{"--user", "root"}, "--user root: this account may do everything"},
		{[]string{"--user", ""}, "--user: write the name of an account"},
		// What would fail at the first reload fails at the start.
		{[]string{"--user", name, "--config", settings}, "permission denied"},
		{[]string{"--user", name, "--sessions", filepath.Join(secret, "sessions")}, "permission denied"},
	} {
		status, _, stderr := runOnce(t, append(tt.args, "--port", port, "--listen", "127.0.0.1")...)
		if status != exitFailed || !strings.Contains(stderr, tt.want) {
			t.Errorf("%q: exit status %d, %s", tt.args, status, stderr)
		}
	}
}

// What the account of --user cannot use is found by check, too.
func TestCheckAsUser(t *testing.T) {
	name, uid, gid := nobody(t)
	parent := t.TempDir()
	if err := os.Chmod(filepath.Dir(parent), 0o755); err != nil {
		t.Fatal(err)
	}
	secret, own := filepath.Join(parent, "secret"), filepath.Join(parent, "own")
	for path, perm := range map[string]os.FileMode{secret: 0o700, own: 0o700, filepath.Join(parent, "visible"): 0o755} {
		if err := os.Mkdir(path, perm); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(own, uid, gid); err != nil {
		t.Fatal(err)
	}
	visible := filepath.Join(parent, "visible", "config.db")
	if err := os.WriteFile(visible, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"--sessions", filepath.Join(own, "a", "b")}, exitOK, "it will be made"},
		{[]string{"--data", own}, exitOK, ""},
		{[]string{"--sessions", secret}, exitFailed, "error: --sessions: use " + secret + ": permission denied; let the server's user"},
		{[]string{"--sessions", filepath.Join(parent, "visible", "sub")}, exitFailed, "error: --sessions: use "},
		{[]string{"--data", filepath.Join(parent, "visible")}, exitFailed, "error: --data: use "},
		{[]string{"--database", visible}, exitFailed, "error: --database: use " + visible},
		{[]string{"--database", filepath.Join(own, "new.db")}, exitOK, "it will be made"},
		{[]string{"--user", "no-such-account"}, exitFailed, "there is no such account"},
	} {
		status, stdout, stderr := runOnce(t, append([]string{"check", "--user", name}, tt.args...)...)
		if status != tt.status || !strings.Contains(stderr, tt.want) {
			t.Errorf("%q: exit status %d, %s%s", tt.args, status, stdout, stderr)
		}
	}
}

// Decision 3 of the specification: root is warned, and served.
func TestRunAsRootWarns(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root")
	}
	s := launch(t)
	s.awaitLog("drawpile-srv: warning: this program should not be run as root")
	s.connect()
}

// What init makes for an account, that account can use.
func TestInitAsUser(t *testing.T) {
	name, _, _ := nobody(t)
	parent := t.TempDir()
	if err := os.Chmod(filepath.Dir(parent), 0o755); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(parent, "site")
	status, stdout, stderr := runWith(t, "chosen\n", "init", "--user", name, "--admin", "Ann Other", dir)
	if status != exitOK || !strings.Contains(stdout, "Account    Ann Other, a moderator\n") || !strings.Contains(stdout, "--user "+name+"\n") ||
		!regexp.MustCompile(`\nClients    drawpile://[0-9a-f.:\[\]]+/\n`).MatchString(stdout) || strings.Contains(stdout, "chosen") {
		t.Fatalf("%d, %s, %s", status, stdout, stderr)
	}
	s := launch(t, "--data", dir, "--user", name, "--no-tls")
	c, _ := s.connect()
	c.send(`{"cmd":"ident","args":["Ann Other","chosen"]}`)
	c.reply(`"identOk"`)
}
