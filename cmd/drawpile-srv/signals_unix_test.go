//go:build unix

package main

import (
	"net"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// harmlessSignals must not end the server.
var harmlessSignals = []os.Signal{syscall.SIGHUP, syscall.SIGUSR1}

// TestRunClosedStandardError starts a server that nobody listens to: the first
// line of its log must not end it.
func TestRunClosedStandardError(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	c := command("--listen", "127.0.0.1", "--port", strconv.Itoa(port))
	c.Stderr = w
	_ = r.Close()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	defer func() { _ = c.Process.Kill() }() // it may have ended already
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if conn, err := net.Dial("tcp", address); err == nil {
			_ = conn.Close()
			return
		}
		select {
		case err := <-ended:
			t.Fatalf("ended: %v", err)
		default:
		}
		if time.Now().After(end) {
			t.Fatal("does not listen")
		}
	}
}
