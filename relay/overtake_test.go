package relay

import (
	"net"
	"testing"

	"drawrelay/frame"
)

// TestPongOvertakes: the answer to a ping does not wait for the history that
// is still to be sent (session.md §33 item 14).
func TestPongOvertakes(t *testing.T) {
	for _, s := range []setup{{loops: 1}, {loops: 1, tls: true}, {loops: 1, transport: TransportGoroutine}, {loops: 2, files: true}, {loops: 1, web: true}, {loops: 1, web: true, files: true}} {
		s.grace = forever
		t.Run(s.String(), func(t *testing.T) {
			ts := startServer(t, s)
			host, id := ts.host("host", 3)
			lag := ts.joinQuiet("lag", id)
			_ = lag.raw.(*net.TCPConn).SetReadBuffer(64 << 10)
			for range 300 { // more than sockets take
				host.send(stroke, make([]byte, 60000))
			}
			host.send(stroke, []byte("drawn"))
			host.waitBody("drawn")
			lag.send(frame.TypePing, []byte{0})
			lag.send(stroke, []byte("pinged"))
			host.waitBody("pinged") // so the ping has been processed, too
			go lag.readAll()
			lag.waitBody("pinged")

			_, pong := lag.wait(0, "pong", func(m frame.Msg) bool { return m.Type == frame.TypePing && string(m.Body) == "\x01" })
			_, last := lag.wait(0, "last stroke", func(m frame.Msg) bool { return string(m.Body) == "drawn" })
			if pong > last {
				t.Errorf("the pong is message %d, the last stroke before it %d", pong, last)
			}
		})
	}
}
