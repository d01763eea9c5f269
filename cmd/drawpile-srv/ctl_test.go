//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// said reports whether the artist was told something that contains text.
func (a *artist) said(text string) func() bool {
	return func() bool { return bytes.Contains(a.raw, []byte(text)) }
}

// TestControl goes through all commands of ctl on the socket of a server with
// people in it.
func TestControl(t *testing.T) {
	folder := t.TempDir()
	socket := filepath.Join(folder, "admin.sock")
	configuration := filepath.Join(folder, "server.ini")
	writeTo(t, configuration, "[config]\nserverTitle = One\n")
	s := launch(t, "--web-admin-socket", socket, "--config", configuration)
	t.Setenv("DRAWPILESRV_ADMIN_SOCKET", socket)

	s.await("the socket", func() bool {
		_, err := os.Stat(socket)
		return err == nil
	})
	info, err := os.Stat(socket)
	if err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Fatalf("the socket is %v, %v", info, err)
	}
	ctl := func(args ...string) string {
		t.Helper()
		status, out, errs := runOnce(t, append([]string{"ctl"}, args...)...)
		if status != exitOK {
			t.Fatalf("ctl %q: status %d, %s", args, status, errs)
		}
		return out
	}
	if out := ctl("sessions"); out != "There are no sessions.\n" {
		t.Errorf("without sessions: %q", out)
	}
	host := s.hostAs("alice", "demo")
	guest := s.joinAs("bob", "demo", "").catchUp()

	var status struct{ Sessions, Users int }
	if err := json.Unmarshal([]byte(ctl("status", "--json")), &status); err != nil || status.Sessions != 1 || status.Users != 2 {
		t.Errorf("status: %+v, %v", status, err)
	}
	if out := ctl("sessions"); !strings.Contains(out, "demo") || !strings.Contains(out, "2/254") {
		t.Errorf("sessions: %s", out)
	}
	if out := ctl("sessions", "demo"); !strings.Contains(out, "alice") || !strings.Contains(out, "bob") || !strings.Contains(out, "operator") {
		t.Errorf("the session: %s", out)
	}
	ctl("message", "demo", "to", "you")
	host.await("the message", host.said("to you"))
	ctl("message", "--all", "--alert", "to all")
	guest.await("the alert", guest.said("to all"))
	ctl("kick", "demo", "bob", "too loud")
	guest.await("the kick", guest.said("too loud"))
	writeTo(t, configuration, "[config]\nserverTitle = Two\n")
	ctl("reload")
	s.awaitLog("Reloaded " + configuration)
	ctl("terminate", "demo", "bed time")
	host.await("the end", host.said("bed time"))
	if out := ctl("sessions"); out != "There are no sessions.\n" {
		t.Errorf("after the end: %q", out)
	}
	if status, _, errs := runOnce(t, "ctl", "terminate", "demo"); status != exitFailed || !strings.Contains(errs, `there is no session "demo"`) {
		t.Errorf("once more: %d, %s", status, errs)
	}
	if code := s.stop(syscall.SIGTERM); code != exitOK {
		t.Errorf("status %d", code)
	}
	if _, err := os.Stat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket stays: %v", err)
	}
	if status, _, errs := runOnce(t, "ctl", "status"); status != exitFailed || !strings.Contains(errs, "there is no socket "+socket) {
		t.Errorf("without a server: %d, %s", status, errs)
	}
}

// TestSocketInTheWay: a socket that nobody serves is replaced, anything else is
// left alone.
func TestSocketInTheWay(t *testing.T) {
	folder := t.TempDir()
	left := filepath.Join(folder, "left.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: left, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
	launch(t, "--web-admin-socket", left)
	file := filepath.Join(folder, "file")
	writeTo(t, file, "keep")
	for path, want := range map[string]string{
		left: "another server answers there",
		file: "there is something else with that name",
		filepath.Join(folder, "none", "admin.sock"):     "its folder must exist",
		filepath.Join(folder, strings.Repeat("x", 120)): "the path is too long; the limit is ",
	} {
		status, _, errs := runOnce(t, "--port", strconv.Itoa(freePort(t)), "--listen", "127.0.0.1", "--web-admin-socket", path)
		if status != exitFailed || !strings.Contains(errs, want) {
			t.Errorf("%s: %d, %s", path, status, errs)
		}
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "keep" {
		t.Errorf("the file is %q, %v", b, err)
	}
}
