package login

import (
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// Limits of connections in login, per address and in all.
func TestConnectionLimits(t *testing.T) {
	b := prepare(t, nil)
	defer b.stop()
	b.limits = limits{perAddress: 2, perPrivate: 3, total: 8, messages: 100}
	var open []*client
	try := func(addr string, want bool) {
		t.Helper()
		c := b.connectAs(peer(addr), false)
		if !want {
			c.cut()
			return
		}
		c.reply()
		open = append(open, c)
	}
	try("192.0.2.1", true)
	try("192.0.2.1", true)
	try("192.0.2.1", false)
	try("192.0.2.2", true)
	try("2001:db8::1", true)
	try("2001:db8::2", true)
	try("2001:db8::3", false) // the same /64
	b.logged("Warn/Status Refused 1 new connections: 2 connections from 192.0.2.1/32 are logging in")
	try("10.0.0.1", true)
	try("127.0.0.1", true)
	try("127.0.0.1", true)
	try("127.0.0.1", false) // eight in all
	for _, c := range open {
		c.conn.Close()
	}
	waitFor(t, "the connections to go", func() bool { return b.InLogin() == 0 })
	for range 5 {
		try("127.0.0.1", true)
	}
	for range 2 {
		try("192.0.2.1", true)
	}
	if n := strings.Count(b.logText(), "Refused"); n != 1 {
		t.Errorf("%d entries about refusals:\n%s", n, b.logText())
	}
}

// failingListener fails a few times, as for lack of descriptors.
type failingListener struct {
	net.Listener
	mu    sync.Mutex
	fails int
}

func (l *failingListener) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fails > 0 {
		l.fails--
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

func TestAcceptSurvives(t *testing.T) {
	b := prepare(t, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- b.Serve(&failingListener{Listener: l, fails: 5}) }()
	b.addr = l.Addr().String()
	b.dial()
	b.logged("Error/Status Accepting a connection failed (1 times): accept: too many open files")
	if n := strings.Count(b.logText(), "Accepting"); n != 1 {
		t.Errorf("%d entries about failures", n)
	}
	b.stop()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}
