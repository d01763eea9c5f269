package hasher

import (
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"drawrelay/store/password"
)

// worker makes the test binary be a process that hashes; its value says how.
const worker = "DRAWRELAY_TEST_HASHER"

// cheap is a hash of "secret" that takes little to check.
const cheap = "sodium;$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$pclxcsa4X0bZ5lu7Vy5h3p7EU7VbuW7pGRWETxHuU0c"

func TestMain(m *testing.M) {
	switch os.Getenv(worker) {
	case "":
		os.Exit(m.Run())
	case "dies": // like one that the system ends, with its first work
		_, _ = os.Stdin.Read(make([]byte, 1))
		os.Exit(137)
	case "dies once", "hangs once":
		if os.Remove(os.Getenv(worker+"_FILE")) != nil {
			break
		}
		_, _ = os.Stdin.Read(make([]byte, 1))
		if os.Getenv(worker) == "dies once" {
			os.Exit(137)
		}
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	case "hangs":
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	if err := Work(os.Stdin, os.Stdout); err != nil {
		println(err.Error())
		os.Exit(1)
	}
}

// open returns a Hasher whose processes behave as mode says.
func open(t *testing.T, mode string, processes int) *Hasher {
	t.Setenv(worker, mode)
	h := New(Options{Command: []string{os.Args[0]}, Processes: processes, Warn: func(err error) { t.Errorf("warned: %v", err) }})
	t.Cleanup(h.Close)
	return h
}

// running returns how many processes there are.
func (h *Hasher) running() (n int) {
	var all []*process
	for range cap(h.slots) {
		p := <-h.slots
		if p != nil {
			n++
		}
		all = append(all, p)
	}
	for _, p := range all {
		h.slots <- p
	}
	return n
}

// What processes answer is what this process would.
func TestHasher(t *testing.T) {
	h := open(t, "works", 2)
	if n := h.running(); n != 0 {
		t.Errorf("%d processes before there is work", n)
	}
	for _, stored := range []string{"", "plain;secret", "*plain;secret", "nonsense", cheap, "sodium;broken",
		"s+sha1;00;" + strings.Repeat("0", 40), "pbkdf2;1;00;00"} {
		for _, pass := range []string{"secret", "", "wrong", "\xff\x00\n\"", strings.Repeat("long", 5000)} {
			got, err := h.Check(stored, pass)
			if want := password.Check(stored, pass); got != want || err != nil {
				t.Errorf("%q, %.9q: %v, %v, want %v", stored, pass, got, err, want)
			}
		}
	}
	hash, err := h.Hash("\xff\x00secret")
	if err != nil || !password.Check(hash, "\xff\x00secret") || password.Check(hash, "\xef\xbf\xbd\x00secret") {
		t.Errorf("%q, %v", hash, err)
	}
	if hash, err := h.Hash(""); hash != "" || err != nil {
		t.Errorf("no password: %q, %v", hash, err)
	}
	if n := h.running(); n < 1 || n > 2 {
		t.Errorf("%d processes", n)
	}
}

// Many at once share the processes.
func TestManyHashes(t *testing.T) {
	h := open(t, "works", 2)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if right, err := h.Check(cheap, "secret"); !right || err != nil {
				t.Errorf("%v, %v", right, err)
			}
		})
	}
	wg.Wait()
	if n := h.running(); n != 2 {
		t.Errorf("%d processes, want 2", n)
	}
}

// A process that is ended by the system is replaced, but not for ever.
func TestProcessDies(t *testing.T) {
	h := open(t, "dies", 1)
	if right, err := h.Check(cheap, "secret"); right || err == nil {
		t.Errorf("%v, %v", right, err)
	}
	if _, err := h.Hash("secret"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("hash: %v", err)
	}
}

// Work of a process that dies or gets no processor time is done by another one.
func TestSecondProcess(t *testing.T) {
	for _, mode := range []string{"dies once", "hangs once"} {
		mark := t.TempDir() + "/mark"
		if err := os.WriteFile(mark, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv(worker+"_FILE", mark)
		h := open(t, mode, 1)
		h.leisure = 100 * time.Millisecond
		if mode == "dies once" {
			h.leisure = leisure
		}
		for range 2 {
			if right, err := h.Check(cheap, "secret"); !right || err != nil {
				t.Errorf("%s: %v, %v", mode, right, err)
			}
		}
		if _, err := os.Stat(mark); err == nil {
			t.Errorf("%s: it did not", mode)
		}
		p := <-h.slots
		if p == nil || p.patience != jobTime {
			t.Errorf("%s: the process that came after is %+v", mode, p)
		}
		h.slots <- p
	}
}

// Where no process can be started, hashes are computed here, and that is said
// once.
func TestNoProcess(t *testing.T) {
	warned := 0
	for _, command := range [][]string{{"/nonexistent/program"}, nil} {
		h := New(Options{Command: command, Warn: func(err error) { warned++ }})
		for range 2 {
			if right, err := h.Check(cheap, "secret"); !right || err != nil {
				t.Errorf("%q: %v, %v", command, right, err)
			}
		}
		h.Close()
	}
	if warned != 1 {
		t.Errorf("warned %d times", warned)
	}
}

// Closing ends work that hangs, and there is none afterwards.
func TestClose(t *testing.T) {
	h := open(t, "hangs", 1)
	failed := make(chan error)
	for range 3 {
		go func() {
			_, err := h.Check(cheap, "secret")
			failed <- err
		}()
	}
	for len(h.slots) > 0 {
		time.Sleep(time.Millisecond)
	}
	h.Close()
	for range 3 {
		if err := <-failed; err == nil {
			t.Error("a hash that hangs was answered")
		}
	}
	if _, err := h.Check(cheap, "secret"); !errors.Is(err, errClosed) {
		t.Errorf("after closing: %v", err)
	}
	if _, err := h.Hash("secret"); !errors.Is(err, errClosed) {
		t.Errorf("after closing: %v", err)
	}
}

// Processes that have nothing to do end.
func TestIdleProcess(t *testing.T) {
	h := open(t, "works", 2)
	if _, err := h.Check(cheap, "secret"); err != nil {
		t.Fatal(err)
	}
	h.retire()
	if n := h.running(); n != 1 {
		t.Fatalf("%d processes after work, want 1", n)
	}
	var p *process
	for p == nil { // the slot of the other one may come first
		if p = <-h.slots; p == nil {
			h.slots <- nil
		}
	}
	p.used = time.Now().Add(-idleAfter)
	h.slots <- p
	h.retire()
	if n := h.running(); n != 0 || p.cmd.ProcessState == nil || !p.cmd.ProcessState.Success() {
		t.Errorf("%d processes, ended with %v", n, p.cmd.ProcessState)
	}
	if right, err := h.Check(cheap, "secret"); !right || err != nil {
		t.Errorf("afterwards: %v, %v", right, err)
	}
}

// Nonsense ends a process with an error instead of an answer.
func TestWorkNonsense(t *testing.T) {
	for _, in := range []string{"nonsense", "{", `{"password":1}`} {
		var out strings.Builder
		if err := Work(strings.NewReader(in), &out); err == nil || out.Len() > 0 {
			t.Errorf("%q: %v, %q", in, err, out.String())
		}
	}
}
