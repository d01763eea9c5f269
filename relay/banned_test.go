package relay

import (
	"context"
	"net/netip"
	"testing"

	"drawrelay/store/entry"
)

// session.md §33 item 36: who was banned cannot come back under its name,
// account, system id or address, written in either way, not after a restart
// either; others can.
func TestBannedStaysOut(t *testing.T) {
	ts := startServer(t, setup{loops: 1, files: true, grace: forever})
	host, id := ts.host("host", 3)
	troll := &entry.Person{Name: "Troll", AuthID: "internal:7", SystemID: "00000000000000000000000000000bad", Addr: netip.MustParseAddr("203.0.113.5")}
	join := func(p entry.Person) (c *client, err error) {
		c, ec := ts.connect("troll")
		err = ts.Join(context.Background(), &entry.JoinRequest{Person: &p, Conn: ec, Session: id})
		if err != nil {
			_ = ec.Net.Close()
			_ = c.raw.Close()
			return nil, err
		}
		go c.readAll()
		return c, nil
	}
	c, err := join(*troll)
	if err != nil {
		t.Fatal(err)
	}
	c.waitReply("result")
	host.call("kick-user", []any{"troll"}, map[string]any{"ban": true})
	c.waitEnd()
	await(t, "departure", func() bool { return ts.Members() == 1 })

	tests := []struct {
		name   string
		person entry.Person
		banned bool
	}{
		{"name, other case", entry.Person{Name: "tROLL", SystemID: "1", Addr: netip.MustParseAddr("192.0.2.7")}, true},
		{"account", entry.Person{Name: "a", AuthID: "internal:7", SystemID: "1", Addr: netip.MustParseAddr("192.0.2.7")}, true},
		{"system id", entry.Person{Name: "a", SystemID: troll.SystemID, Addr: netip.MustParseAddr("192.0.2.7")}, true},
		{"address", entry.Person{Name: "a", SystemID: "1", Addr: troll.Addr}, true},
		{"mapped address", entry.Person{Name: "a", SystemID: "1", Addr: netip.MustParseAddr("::ffff:203.0.113.5")}, true},
		{"all of it", *troll, true},
		{"none of it", entry.Person{Name: "a", AuthID: "internal:8", SystemID: "1", Addr: netip.MustParseAddr("203.0.113.6")}, false},
		{"moderator", entry.Person{Name: "troll", AuthID: "internal:7", Flags: entry.FlagMod, Addr: troll.Addr}, false},
	}
	check := func(when string) {
		t.Helper()
		there := ts.Members()
		for _, tt := range tests {
			c, err := join(tt.person)
			refusal, _ := err.(*entry.Refusal)
			if got := refusal != nil && refusal.Code == "banned"; got != tt.banned || err != nil && !got {
				t.Errorf("%s, %s: %v", when, tt.name, err)
			}
			if c != nil {
				c.waitReply("result")
				_ = c.raw.Close()
				await(t, "departure", func() bool { return ts.Members() == there })
			}
		}
	}
	check("at once")
	ts.stop()
	ts.open()
	check("after a restart")
}
