package relay

import (
	"strings"
	"testing"

	"drawrelay/frame"
)

// TestFarewells: members see in the session's log why somebody was cut off,
// before they see that they left (session.md §12, §25).
func TestFarewells(t *testing.T) {
	for _, s := range []setup{{loops: 1}, {loops: 1, tls: true}, {loops: 2, transport: TransportGoroutine}, {loops: 1, web: true}, {loops: 1, web: true, tls: true}} {
		t.Run(s.String(), func(t *testing.T) {
			ts := startServer(t, s)
			host, id := ts.host("host", 1)
			ann := ts.join("ann", id)
			ann.send(frame.TypeLeave, []byte("x"))
			ann.waitEnd()
			_, at := host.wait(0, "log entry", func(m frame.Msg) bool {
				return m.Type == frame.TypeServerCommand && strings.Contains(string(m.Body), "Received unknown message type 33 of length 5")
			})
			host.wait(at, "departure", func(m frame.Msg) bool {
				return m.Type == frame.TypeServerCommand && strings.Contains(string(m.Body), "Left session")
			})
		})
	}
}
