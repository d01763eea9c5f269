//go:build linux

package load

import (
	"encoding/json"
	"net"
	"testing"
	"time"

	"drawrelay/frame"
)

// Every attempt is one wrong password from an address of its own.
func TestFlood(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := NewFlood(l.Addr().String(), 500, 3)
	if err != nil {
		t.Fatal(err)
	}
	names, addresses := map[string]bool{}, map[string]bool{}
	const attempts = 20
	for range attempts {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		b := make([]byte, 1000)
		n, err := c.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		m, rest, err := frame.Parse(b[:n])
		var doc struct {
			Cmd  string
			Args []string
		}
		if err != nil || len(rest) > 0 || json.Unmarshal(m.Body, &doc) != nil || doc.Cmd != "ident" || len(doc.Args) != 2 {
			t.Fatalf("%q, %v", b[:n], err)
		}
		names[doc.Args[0]] = true
		addresses[c.RemoteAddr().(*net.TCPAddr).IP.String()] = true
		c.Close()
	}
	if out := f.Stop(); out.Attempts < attempts || out.Failed != 0 || out.Elapsed <= 0 {
		t.Errorf("%+v", out)
	}
	if len(names) != 3 || !names[FloodAccount(0)] || len(addresses) != attempts {
		t.Errorf("%v, %v", names, addresses)
	}
	if _, err := NewFlood("192.0.2.1:1", 1, 1); err == nil {
		t.Error("another machine is attacked")
	}
}
