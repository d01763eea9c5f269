package storetest

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"drawrelay/store"
)

func create(t *testing.T, f *FS, name string) store.File {
	t.Helper()
	h, err := f.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func write(t *testing.T, h store.File, at int64, s string) {
	t.Helper()
	if n, err := h.WriteAt([]byte(s), at); n != len(s) || err != nil {
		t.Fatalf("write %q: %d, %v", s, n, err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestLosses(t *testing.T) {
	f := New(1)
	must(t, f.MkdirAll("a/b", 0))
	synced := create(t, f, "a/b/synced")
	write(t, synced, 0, "hello")
	must(t, synced.Sync())
	must(t, f.SyncDir("a/b"))
	write(t, synced, 5, " world")
	write(t, synced, 0, "J")
	fresh := create(t, f, "a/b/fresh")
	write(t, fresh, 0, "x")
	must(t, fresh.Sync()) // content only, not the name
	must(t, f.Rename("a/b/synced", "a/b/renamed"))

	killed := f.Reopen(ProcessKill)
	for name, want := range map[string]string{"a/b/renamed": "Jello world", "a/b/fresh": "x"} {
		if got, err := killed.Get(name); string(got) != want || err != nil {
			t.Errorf("process kill: %s has %q, %v", name, got, err)
		}
	}
	cut := f.Reopen(PowerCut)
	if files := cut.Files("a/b"); len(files) != 1 || string(files["synced"]) != "hello" {
		t.Errorf("power cut leaves %q", files)
	}
	seen := make(map[string]bool)
	for range 500 {
		files := f.Reopen(PartialPowerCut).Files("a/b")
		content := files["synced"]
		if content == nil {
			content = files["renamed"]
		}
		seen[string(content)] = true
		if !bytes.HasSuffix(content[:5], []byte("ello")) {
			t.Fatalf("partial power cut lost synced bytes: %q", content)
		}
		if files["renamed"] != nil && (files["synced"] != nil || files["fresh"] == nil) {
			t.Fatalf("partial power cut: names out of order: %q", files)
		}
	}
	for _, want := range []string{"hello", "hello wo", "hello\x00\x00\x00\x00\x00\x00", "hello world", "Jello world"} {
		if !seen[want] {
			t.Errorf("partial power cuts never leave %q", want)
		}
	}
	if _, err := synced.WriteAt(nil, 0); !errors.Is(err, ErrCrashed) {
		t.Errorf("after the crash: %v", err)
	}
	if _, err := f.OpenFile("a/b/fresh", os.O_RDWR, 0); !errors.Is(err, ErrCrashed) {
		t.Errorf("after the crash: %v", err)
	}
}

// TestCrashAt lets each operation of a row crash once.
func TestCrashAt(t *testing.T) {
	steps := func(f *FS) (done int) {
		var h store.File
		for i, step := range []func() error{
			func() error { return f.MkdirAll("d", 0) },
			func() (err error) { h, err = f.OpenFile("d/x", os.O_RDWR|os.O_CREATE, 0); return err },
			func() error { _, err := h.WriteAt([]byte("0123456789"), 0); return err },
			func() error { return h.Truncate(4) },
			func() error { return h.Sync() },
			func() error { return f.Rename("d/x", "d/y") },
			func() error { return f.SyncDir("d") },
			func() error { return f.Remove("d/y") },
		} {
			if err := step(); err != nil {
				if !errors.Is(err, ErrCrashed) {
					t.Errorf("step %d: %v", i, err)
				}
				return i
			}
		}
		return 8
	}
	for n := int64(1); n <= 9; n++ {
		f := New(uint64(n))
		f.CrashAt(n)
		if got := steps(f); got != int(n-1) {
			t.Errorf("crash at operation %d: %d steps succeed", n, got)
		}
		if f.Crashed() != (n <= 8) {
			t.Errorf("crash at operation %d: crashed is %v", n, f.Crashed())
		}
	}
}

func TestFull(t *testing.T) {
	f := New(1)
	h := create(t, f, "x")
	f.SetFree(4)
	if n, err := h.WriteAt([]byte("hello"), 0); n != 4 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%d, %v", n, err)
	}
	write(t, h, 0, "HELL") // no growth
	if n, err := h.WriteAt([]byte("o"), 4); n != 0 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%d, %v", n, err)
	}
	f.SetFree(-1)
	write(t, h, 4, "o")
}

func TestFail(t *testing.T) {
	f := New(1)
	h := create(t, f, "x")
	must(t, f.SyncDir("."))
	write(t, h, 0, "lost")
	broken := errors.New("broken")
	f.Fail(Sync|SyncDir, broken)
	if err := h.Sync(); !errors.Is(err, broken) {
		t.Error(err)
	}
	if err := f.SyncDir("."); !errors.Is(err, broken) {
		t.Error(err)
	}
	f.Fail(AnyOp, nil)
	write(t, h, 4, "kept")
	must(t, h.Sync())
	if got, _ := f.Reopen(PowerCut).Get("x"); string(got) != "\x00\x00\x00\x00kept" {
		t.Errorf("after a failed sync %q is on the disk", got)
	}
}

func TestErrors(t *testing.T) {
	f := New(1)
	f.Put("d/x", []byte("1"))
	if _, err := f.OpenFile("d/y", os.O_RDWR, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := f.OpenFile("e/y", os.O_RDWR|os.O_CREATE, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := f.OpenFile("d/x", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0); !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
	f.Deny("d/x")
	if _, err := f.OpenFile("d/x", os.O_RDWR, 0); !errors.Is(err, fs.ErrPermission) {
		t.Error(err)
	}
	if _, err := f.OpenFile("d/x", os.O_RDONLY, 0); err != nil {
		t.Error(err)
	}
	if err := f.Rename("d/y", "d/z"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := f.Remove("d/y"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := f.ReadDir("none"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	entries, err := f.ReadDir(".")
	if err != nil || len(entries) != 1 || !entries[0].IsDir() || entries[0].Name() != "d" {
		t.Errorf("%v, %v", entries, err)
	}
	if st, err := f.Stat("d/x"); err != nil || st.Size() != 1 || st.IsDir() {
		t.Errorf("%v, %v", st, err)
	}
}

// TestHold blocks a write, not a sync, until it is released.
func TestHold(t *testing.T) {
	f := New(1)
	h := create(t, f, "x")
	release := f.Hold(Write)
	var wg sync.WaitGroup
	wg.Go(func() { write(t, h, 0, "held") })
	must(t, h.Sync())
	if got, _ := f.Get("x"); len(got) != 0 {
		t.Errorf("%q was written while writes are held", got)
	}
	release()
	wg.Wait()
	if got, _ := f.Get("x"); string(got) != "held" {
		t.Errorf("%q was written", got)
	}
	f.SetDelay(time.Microsecond)
	write(t, h, 0, "slow")
}
