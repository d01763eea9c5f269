package login

import (
	"encoding/json"
	"fmt"
	"testing"

	"drawrelay/frame"
	"drawrelay/store/entry"
	"drawrelay/store/settings"
)

// session.md §4 step 3: a host is told about its own session like everybody
// who chooses.
func TestHostIsListed(t *testing.T) {
	unlisted := session("s9", "", func(s *entry.Session) { s.Unlisted = true })
	for _, test := range []struct {
		name, who       string
		mandatory, sees bool
		session         *entry.Session
	}{
		{"guest", "bob", false, true, session("s9", "ali")},
		{"unlisted", "bob", false, false, unlisted},
		{"unlisted for a moderator", "mod", false, true, unlisted},
		{"mandatory lookup", "bob", true, false, session("s9", "")},
	} {
		b := start(t, func(s *settings.Settings, c *Config) {
			s.MandatoryLookup = test.mandatory
			c.Users = newUsers(Account{Name: "mod", PasswordHash: "plain;pw", Flags: []string{"MOD"}})
		})
		c, _ := b.greeted()
		if test.mandatory {
			c.cmd("lookup", nil, nil)
			c.reply()
		}
		c.ident(test.who, "pw")
		c.cmd("host", nil, info(object{"protocol": "dp:4.25.1", "user_id": 1}))
		c.result("host")
		r := b.seater.host(t)
		var got []byte
		if r.Listing != nil {
			got = r.Listing(test.session)
		}
		if !test.sees {
			if len(got) != 0 {
				t.Errorf("%s: is told %q", test.name, got)
			}
			continue
		}
		m, rest, err := frame.Parse(got)
		var v struct {
			Type, Message string
			Sessions      []struct{ ID string }
		}
		if err != nil || len(rest) != 0 || m.User != 0 || json.Unmarshal(m.Body, &v) != nil ||
			v.Type != "login" || v.Message != "New session" || len(v.Sessions) != 1 || v.Sessions[0].ID != "s9" {
			t.Errorf("%s: is told %q", test.name, got)
		}
	}
}

// §20 items 33, 34 and the order of checks of §12.2.
func TestHostChecks(t *testing.T) {
	b := start(t, func(s *settings.Settings, _ *Config) { s.SessionCountLimit = 3 }, session("s1", "taken"), session("s2", ""))
	for _, test := range []struct {
		change object
		want   string
	}{
		{object{}, "state=host"},
		{object{"user_id": 0}, "code=syntax"},
		{object{"user_id": 255}, "code=syntax"},
		{object{"user_id": -1}, "code=syntax"},
		{object{"user_id": 1.5}, "code=syntax"},
		{object{"user_id": "1"}, "code=syntax"},
		{object{"user_id": nil}, "code=syntax"},
		{object{"user_id": 254}, "state=host"},
		{object{"protocol": "dp:4.24.0"}, "state=host"},
		{object{"protocol": "foo:4.1.1"}, "state=host"},
		{object{"protocol": "dp:3.1.1"}, "code=badProtocol"},
		{object{"protocol": "dp:5.25.1"}, "code=badProtocol"},
		{object{"protocol": "4.25.1"}, "code=syntax"},
		{object{"protocol": nil}, "code=syntax"},
		{object{"protocol": "DP:4.25.1"}, "code=syntax"},
		{object{"alias": "a_b"}, "code=badAlias"},
		{object{"alias": "x23456789-123456789-123456789-12"}, "state=host"},
		{object{"alias": "x23456789-123456789-123456789-123"}, "code=badAlias"},
		{object{"alias": "ä"}, "code=badAlias"},
		{object{"alias": "a\n"}, "code=badAlias"},
		{object{"alias": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}, "code=badAlias"},
		{object{"alias": "01arz3ndektsv4rrffq69g5fav"}, "code=badAlias"},
		{object{"alias": "00000000000000000000000000"}, "state=host"},
		{object{"alias": "00112233-4455-6677-8899-AABBccddeeff"}, "code=badAlias"},
		{object{"alias": "taken"}, "code=idInUse"},
		{object{"alias": "s2"}, "code=idInUse"},
		{object{"alias": "Taken"}, "state=host"},
		// order
		{object{"protocol": "x", "user_id": 0, "alias": "_", "s": ""}, "code=syntax"},
		{object{"user_id": 0, "s": "x"}, "violation"},
		{object{"alias": "taken", "protocol": "dp:3.1.1"}, "code=idInUse"},
	} {
		t.Run(fmt.Sprint(test.change), func(t *testing.T) {
			c := b.login("alice")
			c.t = t
			c.cmd("host", nil, info(object{"protocol": "dp:4.25.1", "user_id": 1}, test.change))
			c.outcome(test.want)
		})
	}
	b.dir.set("s3", session("s3", ""))
	c := b.login("alice")
	c.cmd("host", nil, info(object{"protocol": "dp:4.25.1", "user_id": 1, "alias": "taken"}))
	c.refused("closed", "This server is full.")
	c = b.login("alice")
	c.cmd("host", nil, info(object{"protocol": "dp:4.25.1", "user_id": 1, "alias": "_"}))
	c.fatal("badAlias")
}

// §20 item 35.
func TestMinimumVersion(t *testing.T) {
	for _, test := range []struct{ minimum, version, name, want string }{
		{"dp:4.25.1", "dp:4.24.0", "bob", "code=protoverold"},
		{"dp:4.25.1", "dp:4.25.1", "bob", "state=host"},
		{"dp:4.25.1", "foo:4.25.1", "bob", "code=protoverns"},
		{"dp:4.25.1", "dp:4.24.0", "mod", "state=host"},
		{"nonsense", "dp:4.1.0", "bob", "state=host"},
	} {
		b := start(t, func(s *settings.Settings, c *Config) {
			s.MinimumProtocolVersion = test.minimum
			withAccounts(Account{Name: "mod", PasswordHash: "plain;pw", Flags: []string{"MOD"}})(s, c)
		})
		c := b.dial()
		c.cmd("lookup", nil, nil)
		c.reply()
		c.ident(test.name, "pw")
		c.cmd("host", nil, info(object{"protocol": test.version, "user_id": 1}))
		switch test.want {
		case "code=protoverold":
			c.refused("protoverold", "Your protocol version is too old, the minimum on this server is dp:4.25.1. That probably means your version of Drawpile is too old. To update, go to drawpile.net and download a newer version.")
		case "code=protoverns":
			c.refused("protoverns", "Mismatched protocol namespace, minimum protocol version is dp:4.25.1")
		default:
			c.outcome(test.want)
		}
	}
}

// §12.3 row 3: browser allowance and unlisting of a new session.
func TestHostedSession(t *testing.T) {
	for _, test := range []struct {
		browser, session, dependent bool
		web                         any
		pass                        string
		want                        bool
	}{
		{true, false, false, false, "", true},
		{false, true, false, nil, "", true},
		{false, true, false, false, "", false},
		{false, true, true, true, "", true},
		{false, true, true, "no bool", "", false},
		{false, true, true, nil, "x", true},
		{false, false, true, true, "", false},
		{false, false, true, false, "x", true},
		{false, false, false, true, "x", false},
	} {
		set := settings.Default()
		set.AllowGuestWebSession, set.PasswordDependentWebSession = test.session, test.dependent
		c := &conn{browser: test.browser}
		_, c.person.Flags = effectiveFlags(nil, false, set)
		if got := c.hostAllowsWeb(set, test.web, test.pass != ""); got != test.want {
			t.Errorf("%+v: browser allowance %v", test, got)
		}
	}
	for _, test := range []struct {
		policy  string
		browser bool
		want    bool
	}{{"", true, false}, {"ALL", false, true}, {"WEB", false, false}, {"WEB", true, true}, {"x,ALL", false, true}} {
		b := start(t, func(s *settings.Settings, _ *Config) { s.UnlistedHostPolicy = test.policy })
		c := b.dialAs(peer("192.0.2.1"), test.browser)
		c.ident("bob")
		c.cmd("host", nil, info(object{"protocol": "dp:4.25.1", "user_id": 1}))
		c.outcome("state=host")
		if r := b.seater.host(t); r.Unlisted != test.want || r.PasswordHash != "" || r.Version != frame.OwnVersion {
			t.Errorf("%+v: request %+v", test, r)
		}
	}
}
