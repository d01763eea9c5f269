package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestVerify runs a server on the real session, damages its recording and
// brings what is salvaged back to life.
func TestVerify(t *testing.T) {
	data := t.TempDir()
	sessions := filepath.Join(data, sessionsFolder)
	if err := os.CopyFS(sessions, os.DirFS("testdata/real-session")); err != nil {
		t.Fatal(err)
	}
	ask := func(args ...string) (int, string) {
		t.Helper()
		var out bytes.Buffer
		status := run(append([]string{"verify"}, args...), &out, io.Discard)
		return status, out.String()
	}
	if status, out := ask(sessions); status != exitOK || !strings.Contains(out, ": ok\n") || !strings.Contains(out, ", 0 of them with checksums") {
		t.Fatalf("status %d: %s", status, out)
	}
	s := launch(t, "--data", data, "--no-tls")
	s.stop(syscall.SIGTERM)
	if status, out := ask(sessions); status != exitOK || strings.Contains(out, ", 0 of them with checksums") {
		t.Fatalf("after a run: status %d: %s", status, out)
	}
	recordings, _ := filepath.Glob(filepath.Join(sessions, "*.dprec"))
	recording, err := os.ReadFile(recordings[0])
	if err != nil {
		t.Fatal(err)
	}
	recording[len(recording)/2] ^= 1
	if err := os.WriteFile(recordings[0], recording, 0o600); err != nil {
		t.Fatal(err)
	}
	salvaged := filepath.Join(t.TempDir(), "salvaged")
	status, out := ask("--salvage", salvaged, "--quiet", sessions)
	if status != exitDamaged || !strings.Contains(out, "the checksum is wrong") || !strings.Contains(out, "1 sessions, 1 damaged") ||
		!strings.Contains(out, "  salvaged: 1400 messages in "+salvaged) {
		t.Fatalf("status %d: %s", status, out)
	}
	if status, out := ask(salvaged); status != exitOK {
		t.Errorf("what is salvaged: status %d: %s", status, out)
	}
	s = launch(t, "--sessions", salvaged)
	s.stop(syscall.SIGTERM)
	if strings.Contains(s.log.String(), "was not loaded") {
		t.Errorf("what is salvaged does not load:\n%s", s.log.String())
	}
	for _, args := range [][]string{{}, {"a", "b"}, {"--nonsense", "a"}, {filepath.Join(data, "missing")}, {"--salvage", sessions, sessions}} {
		if status, _ := ask(args...); status != exitFailed {
			t.Errorf("%q: status %d", args, status)
		}
	}
}
