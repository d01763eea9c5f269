package login

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"drawrelay/frame"
	"drawrelay/store/settings"
)

// configuration.md §13.3: what the banned are told.
func TestBanText(t *testing.T) {
	now := time.Date(2026, 5, 16, 12, 0, 0, 0, time.UTC)
	for expires, want := range map[time.Time]string{
		{}: "Permanently banned from this server: be nice",
		time.Date(2026, 6, 1, 23, 30, 0, 0, time.FixedZone("", -3600)): "Banned from this server until 2026-06-02: be nice",
		time.Date(2124, 1, 1, 0, 0, 0, 0, time.UTC):                    "Banned from this server until 2124-01-01: be nice",
		time.Date(2125, 1, 1, 0, 0, 0, 0, time.UTC):                    "Permanently banned from this server: be nice",
	} {
		if got := banText(Ban{Expires: expires, Reason: " be nice\n"}, now); got != want {
			t.Errorf("%v: %q, want %q", expires, got, want)
		}
	}
}

func banBed(t *testing.T, chance byte, r Reaction) *bed {
	t.Helper()
	return start(t, func(s *settings.Settings, c *Config) {
		c.Rand = oneByte(chance)
		c.Bans = &fakeBans{
			addresses: []addressBan{{netip.MustParsePrefix("192.0.2.0/24"), Ban{Source: "configfile", ID: 3}}},
			systems:   []systemBan{{sidB, Ban{Source: "database", ID: 9, Reaction: r, Reason: "be nice"}}},
		}
		withAccounts(Account{Name: "exempt", PasswordHash: "plain;pw", Flags: []string{"BANEXEMPT"}},
			Account{Name: "mod", PasswordHash: "plain;pw", Flags: []string{"MOD"}},
			Account{Name: "carol", PasswordHash: "plain;pw"})(s, c)
	}, session("s1", "", oldVersion))
}

// §20 item 44: whom address bans hit, and at which point.
func TestAddressBanned(t *testing.T) {
	for _, test := range []struct {
		name, addr, sid string
		host            bool
		want            string
	}{
		{"bob", "192.0.2.7", sidA, false, "Permanently banned from this server"},
		{"bob", "192.0.2.7", sidA, true, "Permanently banned from this server"},
		{"carol", "192.0.2.7", "", false, "Permanently banned from this server"},
		{"exempt", "192.0.2.7", sidA, false, ""},
		{"mod", "192.0.2.7", sidA, false, ""},
		{"bob", "198.51.100.7", sidA, false, ""},
		{"exempt", "192.0.2.7", sidB, false, "Permanently banned from this server: be nice"},
		{"bob", "198.51.100.7", sidA + "/" + sidB, false, "Permanently banned from this server: be nice"},
		{"bob", "192.0.2.7", sidB, false, "Permanently banned from this server"}, // the first one wins
	} {
		b := banBed(t, 1, ReactNormal)
		c := b.dialAs(peer(test.addr), false)
		c.ident(test.name, "pw")
		if test.host {
			c.cmd("host", nil, info(object{"s": test.sid, "protocol": "dp:4.25.1", "user_id": 1}))
		} else {
			c.cmd("join", []any{"s1"}, info(object{"s": test.sid}))
		}
		if test.want == "" {
			c.outcome("state=join")
			if test.addr == "192.0.2.7" {
				b.logged("Info/Status IP '192.0.2.7' is banned (configfile 3), but user is exempt")
			}
			continue
		}
		c.disconnect(frame.ReasonError, test.want)
		if strings.HasSuffix(test.want, "nice") {
			b.logged("Warn/Kick SID '" + sidB + "' is banned (database 9)")
		} else {
			b.logged("Warn/Kick IP '192.0.2.7' is banned (configfile 3)")
		}
		b.logged("Info/Leave " + test.want + " (banned)")
	}
}

// §20 item 45: reactions at ident (chance is odd) and at join (chance even).
func TestBanReactions(t *testing.T) {
	for _, test := range []struct {
		reaction string
		early    bool
		log      string
	}{
		{"normal", false, "is banned (database 9)"},
		{"neterror", false, "is NETERROR banned (database 9)"},
		{"neterror", true, "is NETERROR banned (database 9)"},
		{"garbage", false, "is GARBAGE banned (database 9)"},
		{"garbage", true, "is GARBAGE banned (database 9)"},
		{"hang", false, "is HANG banned (database 9)"},
		{"hang", true, "is HANG banned (database 9)"},
		{"nonsense", true, ""},
	} {
		chance := byte(0)
		if test.early {
			chance = 1
		}
		b := banBed(t, chance, ParseReaction(test.reaction))
		c := b.dial()
		c.cmd("cinfo", []any{"", info(object{"s": sidB})}, nil)
		c.reply()
		early := test.early && test.reaction != "nonsense"
		c.cmd("ident", []any{"bob"}, nil)
		if !early {
			c.want(c.reply(), object{"state": "identOk"})
			c.reply()
			c.cmd("join", []any{"s1"}, info(object{"s": sidB}))
		}
		switch test.reaction {
		case "neterror":
			c.disconnect(frame.ReasonError, "Network error: no route to host")
			b.logged("Info/Leave Network error: no route to host (NETERROR shadow ban)")
		case "garbage", "hang":
			if test.reaction == "garbage" {
				got := c.reply()
				c.want(got, object{"type": "result", "message": "check authentication", "state": "checkauth"})
			}
			for range 3 {
				c.cmd("join", []any{"s1"}, info())
				c.cmd("nonsense", nil, nil)
				c.ping()
			}
		default:
			c.disconnect(frame.ReasonError, "Permanently banned from this server: be nice")
		}
		b.logged(test.log)
		if n := len(b.seater.joins); n != 0 {
			t.Errorf("%s: %d joins", test.reaction, n)
		}
		if text := b.logText(); strings.Count(text, "banned (") > 2 {
			t.Errorf("%s: triggered more than once:\n%s", test.reaction, text)
		}
	}
}

// §14.2: a timer ban lets the login go on and cuts it 1 to 5 s later, also
// when the connection has found its way into a session.
func TestTimerBan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := prepare(t, func(_ *settings.Settings, c *Config) {
			c.Rand = oneByte(1)
			c.Bans = &fakeBans{systems: []systemBan{{sidA, Ban{Source: "database", ID: 9, Reaction: ReactTimer}}}}
		}, session("s1", ""))
		defer b.stop()
		begin := time.Now()
		cut := func(d time.Duration) {
			t.Helper()
			if d < severMin || d >= severMin+severSpread*time.Millisecond {
				t.Errorf("cut after %v", d)
			}
		}
		c := b.pipe()
		c.cmd("cinfo", []any{"", info()}, nil)
		c.reply()
		c.ident("bob")
		c.cut()
		cut(time.Since(begin))
		b.logged("Warn/Kick SID '" + sidA + "' is TIMER banned (database 9), severing connection in ")

		begin = time.Now()
		c = b.pipe()
		c.cmd("cinfo", []any{"", info()}, nil)
		c.reply()
		c.ident("bob")
		c.cmd("join", []any{"s1"}, info())
		c.result("join")
		cut(b.seater.join(t).Conn.Sever.Sub(begin))
		time.Sleep(time.Minute)
		c.conn.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := c.conn.Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "timeout") {
			t.Errorf("login touched a connection it had handed over: %v", err)
		}
	})
}

// pipe connects over memory, for tests with a virtual clock.
func (b *bed) pipe() *client {
	b.t.Helper()
	c := b.silentPipe()
	c.want(c.reply(), object{"type": "login", "version": 4})
	return c
}

func (b *bed) silentPipe() *client {
	near, far := net.Pipe()
	b.t.Cleanup(func() { near.Close() })
	b.Handle(far)
	return &client{t: b.t, conn: near}
}
