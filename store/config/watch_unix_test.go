//go:build unix

package config

import (
	"os"
	"syscall"
	"testing"
	"time"
)

// TestWatchPipe expects a pipe in the place of the file not to hold anybody up,
// and a device that was given at the start to be as good as a file.
func TestWatchPipe(t *testing.T) {
	x := newFixture(t, "title = one\n")
	if err := os.Remove(x.path); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(x.path, 0o600); err != nil {
		t.Skip(err) // some file systems have none
	}
	told := make(chan error, 1)
	go func() {
		_, _, err := x.Poll()
		told <- err
	}()
	select {
	case err := <-told:
		if err == nil {
			t.Error("nothing was told")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("waits for a writer")
	}
	w, err := Watch(os.DevNull, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if _, changed, err := w.Poll(); changed || err != nil {
		t.Errorf("%s: changed %v, %v", os.DevNull, changed, err)
	}
}
