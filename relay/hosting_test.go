package relay

import (
	"context"
	"testing"

	"drawrelay/frame"
	"drawrelay/store/entry"
)

// TestHostedInOneStep: nobody can see a new session before it has its password
// and is as unlisted as it is to be, and its host is told about it before the
// result (session.md §4).
func TestHostedInOneStep(t *testing.T) {
	for _, s := range []setup{{loops: 1}, {loops: 2, tls: true}, {loops: 2, transport: TransportGoroutine}} {
		t.Run(s.String(), func(t *testing.T) {
			ts := startServer(t, s)
			seen := make(chan entry.Session, 1)
			cancel := ts.Watch(func(id string, d *entry.Session) {
				select {
				case seen <- *d:
				default: // a later one
				}
			})
			defer cancel()
			c, ec := ts.connect("host")
			go c.readAll()
			v, _ := frame.ParseVersion("dp:4.25.1")
			err := ts.Host(context.Background(), &entry.HostRequest{
				Person: c.person(), Conn: ec, UserID: 7, Version: v, PasswordHash: "plain;secret", Unlisted: true,
				Listing: func(d *entry.Session) []byte {
					b, _ := frame.AppendReply(nil, 0, frame.Object{"type": "login", "password": d.PasswordHash, "users": d.UserCount})
					return b
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			first := <-seen
			if first.PasswordHash != "plain;secret" || !first.Unlisted {
				t.Errorf("first seen with password %q, unlisted %v", first.PasswordHash, first.Unlisted)
			}
			c.waitReply("result")
			c.mu.Lock()
			got := object(c.msgs[0])
			c.mu.Unlock()
			if got["type"] != "login" || got["password"] != "plain;secret" || got["users"] != 0.0 {
				t.Errorf("the host is first told %v", got)
			}
			var hasPassword any
			c.command("init-complete", nil)
			late := ts.join("late", first.ID)
			late.wait(0, "configuration", func(m frame.Msg) bool {
				v := object(m)
				config, _ := v["config"].(map[string]any)
				hasPassword = config["hasPassword"]
				return v["type"] == "sessionconf" && hasPassword != nil
			})
			if hasPassword != false {
				t.Errorf("the first configuration says hasPassword %v", hasPassword)
			}
		})
	}
}
