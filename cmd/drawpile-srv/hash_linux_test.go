package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"drawrelay/store/password"
)

// Passwords are checked in a process that gives way to all others, is replaced
// when it is killed, and goes with the server.
func TestRunHashesElsewhere(t *testing.T) {
	hash, err := password.Hash("pw")
	if err != nil {
		t.Fatal(err)
	}
	s := launch(t, "--config", writeFile(t, "settings.ini", "[users]\ncarol:"+hash+":\n"))
	login := func() {
		t.Helper()
		c, _ := s.connect()
		c.send(`{"cmd":"ident","args":["carol","wrong"]}`)
		c.reply(`"badPassword"`)
		c.send(`{"cmd":"ident","args":["carol","pw"]}`)
		c.reply(`"identOk"`)
	}
	if left := s.children(); len(left) > 0 {
		t.Errorf("processes %v before anybody has logged in", left)
	}
	login()
	first := s.children()
	if len(first) != 1 {
		t.Fatalf("processes %v", first)
	}
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", first[0]))
	if err != nil || len(threads) == 0 {
		t.Fatalf("threads %q, %v", threads, err)
	}
	for _, thread := range threads {
		id, _ := strconv.Atoi(filepath.Base(thread))
		// On a busy machine it may be the process in a hurry.
		if a, err := unix.SchedGetAttr(id, 0); err == nil && a.Policy != unix.SCHED_IDLE && a.Nice < 5 {
			t.Errorf("thread %d: scheduling policy %d, niceness %d", id, a.Policy, a.Nice)
		}
	}
	if err := syscall.Kill(first[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	login()
	second := s.children()
	if len(second) != 1 || second[0] == first[0] {
		t.Fatalf("processes %v after %v", second, first)
	}
	s.signal(syscall.SIGKILL)
	<-s.done
	for alive := true; alive; {
		alive = syscall.Kill(second[0], 0) == nil && !zombie(second[0])
	}
}

// The threads that relay come first, all others have a lower priority, also
// those that are started later.
func TestRunFavoursLoops(t *testing.T) {
	base, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args  []string
		loops int
	}{
		{[]string{"--loops", "1"}, 1},
		{[]string{"--loops", "3"}, 3},
		{[]string{"--transport", "goroutine"}, -1}, // all are served alike
	} {
		s := launch(t, tt.args...)
		for range 20 {
			s.connect()
		}
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", s.cmd.Process.Pid))
		if err != nil || len(threads) < 4 {
			t.Fatalf("threads %q, %v", threads, err)
		}
		first, nicer := 0, 0
		for _, thread := range threads {
			id, _ := strconv.Atoi(filepath.Base(thread))
			// The system call gives 20 minus the niceness.
			nice, err := unix.Getpriority(unix.PRIO_PROCESS, id)
			switch {
			case err != nil: // it has ended
			case nice == base:
				first++
			case nice == base-5:
				nicer++
			}
		}
		if tt.loops >= 0 && (first != tt.loops || nicer < 3) || tt.loops < 0 && (first < 3 || nicer > 0) {
			t.Errorf("%q: of %d threads %d come first and %d are nicer by 5", tt.args, len(threads), first, nicer)
		}
	}
}

// children returns the processes that the server has started.
func (s *testServer) children() (ids []int) {
	s.t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", s.cmd.Process.Pid))
	if err != nil || len(files) == 0 {
		s.t.Skipf("this kernel does not tell the children of processes: %v", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // the thread has ended
		}
		for field := range strings.FieldsSeq(string(b)) {
			id, _ := strconv.Atoi(field)
			if !zombie(id) {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// zombie reports whether a process has ended without anybody having noticed.
func zombie(id int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", id))
	return err != nil || strings.Contains(string(b), ") Z ")
}
