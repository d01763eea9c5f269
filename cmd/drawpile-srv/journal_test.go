package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Whoever changes a session without an end does not fill the disk with its
// journal: such changes are refused, drawing and joining go on.
func TestRunFullJournal(t *testing.T) {
	dir, configuration := t.TempDir(), writeFile(t, "settings.ini", "persistence = true\n")
	s := launch(t, "--sessions", dir, "--config", configuration)
	a := s.hostAs("alice", "kit")
	a.cmd("sessionconf", map[string]any{"title": "before", "opword": "op"})
	a.hears(`"hasOpword":true`)
	if status := s.stop(syscall.SIGTERM); status != exitOK {
		t.Fatalf("exit status %d", status)
	}
	journals, err := filepath.Glob(filepath.Join(dir, "*.session"))
	if err != nil || len(journals) != 1 {
		t.Fatalf("%q, %v", journals, err)
	}
	f, err := os.OpenFile(journals[0], os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	for range 64 {
		if _, err := f.WriteString(strings.Repeat("# "+strings.Repeat("x", 1021)+"\n", 1024)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}

	s = launch(t, "--sessions", dir, "--config", configuration)
	b := s.joinAs("bob", "kit", "").catchUp()
	b.cmd("gain-op", nil, "op")
	b.cmd("sessionconf", map[string]any{"title": "after"})
	b.hears("sessionconf: This session has been changed too often to keep more")
	s.joinAs("carol", "kit", "").catchUp()
	if status := s.stop(syscall.SIGTERM); status != exitOK {
		t.Errorf("exit status %d", status)
	}
	text, err := os.ReadFile(journals[0])
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "\nTITLE before\n") || strings.Contains(string(text), "TITLE after") || !strings.Contains(string(text), "carol") && !strings.Contains(string(text), "USER 3") {
		t.Errorf("the journal ends with\n%s", text[len(text)-300:])
	}
}
