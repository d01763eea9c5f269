package login

import (
	"strings"
	"testing"

	"drawrelay/frame"
	"drawrelay/store/entry"
	"drawrelay/store/serverlog"
	"drawrelay/store/settings"
)

// §20 items 9, 10; wire.md §7.1: malformed values degrade.
func TestClientInfo(t *testing.T) {
	b := start(t, nil)
	const ok = "message=Client info OK!"
	for _, test := range []struct {
		name string
		args []any
		want string
	}{
		{"good", []any{"example.org", info()}, ok},
		{"2.2 version", []any{"", info(object{"app_version": "2.2.2"})}, ok},
		{"beta", []any{"", info(object{"app_version": "2.3.1-beta.1"})}, ok},
		{"two digits", []any{"", info(object{"app_version": "2.10.0"})}, ok},
		{"no version", []any{"", info(object{"app_version": "abc"})}, "code=badversion"},
		{"version missing", []any{"", info(object{"app_version": nil})}, "code=badversion"},
		{"version no string", []any{"", info(object{"app_version": 2})}, "code=badversion"},
		{"no system id", []any{"", info(object{"s": nil})}, "violation"},
		{"short system id", []any{"", info(object{"s": sidA[:31]})}, "violation"},
		{"no hex", []any{"", info(object{"s": sidA[:31] + "g"})}, "violation"},
		{"two ids", []any{"", info(object{"s": sidA + "/" + sidB})}, ok},
		{"cut to two ids", []any{"", info(object{"s": sidA + "/" + sidB + "/" + sidA})}, ok},
		{"lone slash", []any{"", info(object{"s": sidA + "/"})}, "violation"},
		{"no args", nil, "code=syntax"},
		{"one arg", []any{"x"}, "code=syntax"},
		{"three args", []any{"x", info(), 1}, "code=syntax"},
		{"swapped", []any{info(), "x"}, "code=syntax"},
		{"null info", []any{"x", nil}, "code=syntax"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := b.dial()
			c.t = t
			c.cmd("cinfo", test.args, nil)
			c.outcome(test.want)
			if test.want == ok {
				c.cmd("cinfo", test.args, nil)
				c.outcome("code=cinfoAlreadyDone")
			}
		})
	}
	b.logged("Error/RuleBreak Missing required client info")
	b.logged("Error/RuleBreak Invalid client info " + sidA[:31])
	b.logged("Info/Leave invalid message (missing required client info)")
	b.logged("Info/Leave invalid message (invalid client info)")
	b.logged("Info/Leave Login error (badversion)")
	b.logged(`Info/ClientInfo {"address":"127.0.0.1","app_version":"abc",`)
}

// §20 item 7.
func TestMatchingHost(t *testing.T) {
	for _, test := range []struct {
		name    string
		require bool
		host    string
		want    string
	}{
		{"equal", true, "pile.example", "message=Client info OK!"},
		{"other case", true, "PILE.example", "message=Client info OK!"},
		{"another form", true, "XN--PL-mka.example", "message=Client info OK!"},
		{"another form in capitals", true, "PÍL.example", "message=Client info OK!"},
		{"different", true, "other.example", "code=mismatchedHostName"},
		{"not required", false, "other.example", "message=Client info OK!"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := start(t, func(s *settings.Settings, c *Config) {
				s.RequireMatchingHost = test.require
				c.LocalHost, c.LocalHostForms = "pile.example", []string{"xn--pl-mka.example", "píl.example"}
			})
			c := b.dial()
			c.cmd("cinfo", []any{test.host, info()}, nil)
			c.outcome(test.want)
			if test.host == "other.example" {
				level := map[bool]string{true: "Error", false: "Warn"}[test.require]
				b.logged(level + "/RuleBreak Client host name 'other.example' is not our host name 'pile.example'")
			}
			if !test.require {
				return
			}
			for _, cmd := range []string{"ident", "lookup", "nonsense", ""} {
				c = b.dial()
				c.cmd(cmd, []any{"bob"}, nil)
				c.refused("clientInfoUnsupported", tooOld)
			}
		})
	}
}

// §20 item 11, 47: host and join repeat the client info.
func TestRepeatedInfo(t *testing.T) {
	for _, test := range []struct {
		name   string
		change object
		want   string
	}{
		{"same", object{"capabilities": "KEEPALIVE"}, "state=join"},
		{"different os", object{"os": "windows"}, "violation"},
		{"missing os", object{"os": nil}, "violation"},
		{"extra machine", object{"m": "x"}, "violation"},
		{"blanks", object{"os": "  linux "}, "state=join"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := start(t, nil, session("s1", ""))
			c := b.dial()
			c.cmd("cinfo", []any{"", info(object{"capabilities": "KEEPALIVE,THUMBNAIL"})}, nil)
			c.reply()
			c.ident("bob")
			c.cmd("join", []any{"s1"}, info(test.change))
			c.outcome(test.want)
			if test.want == "violation" {
				b.logged("Error/RuleBreak Mismatched client info '")
				b.logged("(mismatched client info)")
				return
			}
			p := b.seater.join(t).Person
			if p.KeepAlive != (test.change["capabilities"] != nil) || p.Thumbnail {
				t.Errorf("capabilities of cinfo count: %+v", p)
			}
		})
	}
}

// §20 item 36, and the same for join: who must have a system id.
func TestSystemIDRequired(t *testing.T) {
	for _, test := range []struct{ version, sid, want string }{
		{"dp:4.24.0", "", "violation"},
		{"dp:4.25.1", "", "violation"},
		{"dp:4.21.2", "", "state"},
		{"foo:4.25.1", "", "state"},
		{"dp:4.24.0", sidA, "state"},
		{"dp:4.21.2", "x", "violation"},
		{"dp:4.25.1", sidA + "/" + sidB, "state"},
	} {
		b := start(t, nil, session("s1", "", func(s *entry.Session) { s.Version = test.version }))
		c := b.login("bob")
		c.cmd("host", nil, info(object{"s": test.sid, "protocol": test.version, "user_id": 1}))
		d := b.login("carol")
		d.cmd("join", []any{"s1"}, info(object{"s": test.sid}))
		if test.want == "violation" {
			c.violated()
			d.violated()
			continue
		}
		c.want(c.reply(), object{"state": "host"})
		d.want(d.reply(), object{"state": "join"})
		want := test.sid[:min(len(test.sid), 32)]
		if got := b.seater.join(t).Person.SystemID; got != want {
			t.Errorf("stored system id = %q, want %q", got, want)
		}
	}
}

// §16: entries of client info appear once per content, with auth_id only for
// accounts, and never for moderators' eyes in another topic.
func TestClientInfoLog(t *testing.T) {
	b := start(t, withAccounts(Account{ID: "7", Name: "carol", PasswordHash: "plain;pw"}), session("s1", "", func(s *entry.Session) {
		s.PasswordHash = "plain;x"
	}))
	c := b.dial()
	c.cmd("cinfo", []any{"", info()}, nil)
	c.reply()
	c.ident("carol", "pw")
	for range 3 {
		c.cmd("join", []any{"s1"}, info())
		c.want(c.reply(), object{"code": "badPassword"})
	}
	c.ping()
	if n := b.entries(serverlog.ClientInfo); n != 2 {
		t.Errorf("%d ClientInfo entries, want 2:\n%s", n, b.logText())
	}
	b.logged(`Info/ClientInfo {"address":"127.0.0.1","app_version":"2.3.0","auth_id":"internal:7","os":"linux",`)
}

func TestExtractInfo(t *testing.T) {
	long := strings.Repeat("x", 64)
	got := extractInfo(object{"os": long + "\U0001F58C", "m": strings.Repeat("é", 70), "s": "  ", "qt_version": 5.0,
		"app_version": "\t1 ", "other": "x", "protocol_version": frame.OwnVersion.String()})
	want := map[string]string{"os": long, "m": strings.Repeat("é", 65), "app_version": "1", "protocol_version": "dp:4.25.1"}
	if len(got) != len(want) {
		t.Errorf("info = %v, want %v", got, want)
	}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s = %q, want %q", k, got[k], v)
		}
	}
}
