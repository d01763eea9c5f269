//go:build unix

package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// onDesktop lets a command believe that it runs on a desktop. What it opens in
// a browser is written to a file, whose name is returned.
func onDesktop(t *testing.T, c *exec.Cmd) (opened, home string) {
	t.Helper()
	programs := t.TempDir()
	home = t.TempDir()
	opened = filepath.Join(home, "opened")
	writeTo(t, filepath.Join(programs, "xdg-open"), "#!/bin/sh\necho \"$1\" > \"$HOME/new\" && /bin/mv \"$HOME/new\" \"$HOME/opened\"\n")
	if err := os.Chmod(filepath.Join(programs, "xdg-open"), 0o755); err != nil {
		t.Fatal(err)
	}
	c.Env = append(c.Env, "DISPLAY=:99", "HOME="+home, "XDG_DATA_HOME=", "PATH="+programs, "NOTIFY_SOCKET=", "LISTEN_FDS=")
	return opened, home
}

// follow waits for the address that was opened; b is a browser for it.
func follow(t *testing.T, opened string) (b *http.Client, link string) {
	t.Helper()
	var text []byte
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		var err error
		if text, err = os.ReadFile(opened); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("no browser was opened")
		}
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, Timeout: patience}, strings.TrimSpace(string(text))
}

// visit goes to the address that was opened as a browser.
func visit(t *testing.T, opened string) (b *http.Client, base string) {
	t.Helper()
	b, link := follow(t, opened)
	if status, body := fetch(t, b, link); status != http.StatusOK || !strings.Contains(body, "<main") {
		t.Fatalf("the opened page: %d %s", status, body)
	}
	base, _, _ = strings.Cut(link, "open?")
	return b, base
}

func fetch(t *testing.T, b *http.Client, address string) (int, string) {
	t.Helper()
	answer, err := b.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// TestGraphical: --gui on a desktop runs a server on the database of the
// platform and opens the page, which can stop it.
func TestGraphical(t *testing.T) {
	port := freePort(t)
	c := command("--port", strconv.Itoa(port), "--listen", "127.0.0.1", "--gui")
	opened, home := onDesktop(t, c)
	s := launchCommand(t, c, port)
	b, base := visit(t, opened)
	if status, body := fetch(t, b, base+"api/status/"); status != http.StatusOK || !strings.Contains(body, `"maxSessions":25`) {
		t.Errorf("status: %d %s", status, body)
	}
	if status, _ := fetch(t, http.DefaultClient, base+"api/status/"); status != http.StatusForbidden {
		t.Errorf("without the link: %d", status)
	}
	change, err := http.NewRequest(http.MethodPut, base+"api/server/", strings.NewReader(`{"serverTitle":"Mine"}`))
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := b.Do(change); err != nil || answer.StatusCode != http.StatusOK {
		t.Errorf("a change: %v, %v", answer, err)
	}
	if secret := regexp.MustCompile(`token=\S+`).FindString(s.log.String()); secret != "" {
		t.Errorf("the log has %s", secret)
	}
	answer, err := b.Post(base+"desktop/stop", "", nil)
	if err != nil || answer.StatusCode != http.StatusNoContent {
		t.Errorf("stopping: %v, %v", answer, err)
	}
	select {
	case <-s.done:
	case <-time.After(patience):
		t.Fatal("the page cannot stop the server")
	}
	if code := s.cmd.ProcessState.ExitCode(); code != exitOK {
		t.Errorf("status %d", code)
	}

	// The settings are where a desktop keeps them, and count without a display
	// as well.
	database := filepath.Join(home, ".local/share/drawpile/drawpile-srv/guiserver.db")
	if _, err := os.Stat(database); err != nil {
		t.Fatal(err)
	}
	port = freePort(t)
	c = command("--port", strconv.Itoa(port), "--listen", "127.0.0.1", "--gui")
	onDesktop(t, c)
	c.Env = append(c.Env, "DISPLAY=", "WAYLAND_DISPLAY=", "HOME="+home)
	s = launchCommand(t, c, port)
	s.connect()
	s.awaitLog("there is no display here")
	s.awaitLog("--gui --remote")
	if code := s.stop(syscall.SIGTERM); code != exitOK {
		t.Errorf("status %d", code)
	}
}

// TestGraphicalFailure: whoever starts the server by an icon is told in the
// browser why it does not run.
func TestGraphicalFailure(t *testing.T) {
	c := command()
	opened, home := onDesktop(t, c)
	writeTo(t, filepath.Join(home, "data"), "a file where the folder of the settings should be")
	c.Env = append(c.Env, "XDG_DATA_HOME="+filepath.Join(home, "data"))
	var errs bytes.Buffer
	c.Stderr = &errs
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Process.Kill() }() // it may have ended
	b, link := follow(t, opened)
	if status, body := fetch(t, b, link); status != http.StatusOK || !strings.Contains(body, "cannot start") || !strings.Contains(body, "--database FILE") {
		t.Errorf("the page says %d %s", status, body)
	}
	if err := c.Wait(); err == nil || c.ProcessState.ExitCode() != exitFailed || !strings.Contains(errs.String(), "--database FILE") {
		t.Errorf("it ended with %v: %s", err, &errs)
	}
}

// TestRemote: --gui --remote shows the page on the API of another server.
func TestRemote(t *testing.T) {
	admin := freePort(t)
	launch(t, "--web-admin-port", strconv.Itoa(admin), "--web-admin-auth", "user:pass:word")
	address := "http://127.0.0.1:" + strconv.Itoa(admin) + "/api"

	c := command("--gui", "--remote", address)
	opened, _ := onDesktop(t, c)
	c.Env = append(c.Env, "DRAWPILESRV_WEB_ADMIN_AUTH=user:pass:word")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- c.Wait() }()
	defer func() { _ = c.Process.Kill() }()
	b, base := visit(t, opened)
	if status, body := fetch(t, b, base+"api/status/"); status != http.StatusOK || !strings.Contains(body, `"maxSessions":25`) {
		t.Errorf("status: %d %s", status, body)
	}
	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(patience):
		t.Error("it does not end")
	}

	// Without credentials the browser is asked for them.
	c = command("--gui", "--remote", address)
	opened, _ = onDesktop(t, c)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Process.Kill(); _ = c.Wait() }()
	b, link := follow(t, opened)
	answer, err := b.Get(link)
	if err != nil || answer.StatusCode != http.StatusUnauthorized || answer.Header.Get("WWW-Authenticate") == "" {
		t.Errorf("without credentials: %v, %v", answer, err)
	}

	c = command("--gui", "--remote", address)
	c.Env = append(c.Env, "DISPLAY=", "WAYLAND_DISPLAY=")
	if out, err := c.CombinedOutput(); err == nil || !strings.Contains(string(out), "there is no display here") {
		t.Errorf("without a display: %v, %s", err, out)
	}
}
