//go:build linux

package scenario

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"

	"drawrelay/frame"
	"drawrelay/perf/baseline"
	"drawrelay/perf/load"
)

// bridge lets WebSocket clients reach a native server.
func bridge(t *testing.T, to string) Spec {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go carry(c, to)
		}
	}()
	return Spec{Name: "bridge", Addr: l.Addr().String()}
}

// carry serves one client.
func carry(c net.Conn, to string) {
	defer c.Close()
	in := bufio.NewReader(c)
	for line := ""; line != "\r\n"; { // the request
		var err error
		if line, err = in.ReadString('\n'); err != nil {
			return
		}
	}
	if _, err := io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\n\r\n"); err != nil {
		return
	}
	s, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer s.Close()
	go func() {
		defer c.Close()
		var e frame.WebSocketEncoder
		buf := make([]byte, 64<<10)
		for {
			n, err := s.Read(buf)
			if _, werr := c.Write(e.Append(nil, buf[:n])); err != nil || werr != nil {
				return
			}
		}
	}()
	var d frame.WebSocketDecoder
	var kept []byte
	buf := make([]byte, 64<<10)
	for {
		n, err := in.Read(buf)
		if err != nil {
			return
		}
		kept = append(kept, buf[:n]...)
		for {
			messages, _, rest, err := d.Decode(kept)
			if _, werr := s.Write(messages); err != nil || werr != nil {
				return
			}
			kept = append([]byte(nil), rest...)
			if len(messages) == 0 {
				break
			}
		}
	}
}

// TestScenariosOverWebSocket: the generator speaks WebSocket, and finds the
// same as over TCP.
func TestScenariosOverWebSocket(t *testing.T) {
	for _, name := range []string{"ws-fanout-3", "ws-catchup-3", "ws-latency", "ws-churn"} {
		t.Run(name, func(t *testing.T) {
			res := runTiny(t, name, bridge(t, serve(t, "twin", baseline.TwinOptions{}).Addr), func(o *Options) {
				o.Members, o.Sessions = 4, 2
			})
			if res.Error != "" {
				t.Fatal(res.Error)
			}
		})
	}
	res := runTiny(t, "ws-fanout-3", Spec{Name: "twin"}, func(o *Options) { o.Verify = load.Bytes })
	if !strings.Contains(res.Error, "cannot look into WebSocket frames") {
		t.Errorf("--verify bytes: %q", res.Error)
	}
}
