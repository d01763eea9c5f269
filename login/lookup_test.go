package login

import (
	"context"
	"testing"

	"drawrelay/store/entry"
	"drawrelay/store/settings"
)

// invites makes a session accept invites: "good" always, "used" by nobody any
// more, "mine" for clients with sidA only.
func invites(s *entry.Session) {
	s.Invites = true
	check := func(secret, sid string) entry.RedeemResult {
		switch {
		case secret == "good", secret == "mine" && sid == sidA, secret == "mine" && sid == "":
			return entry.RedeemOK
		case secret == "used", secret == "mine":
			return entry.RedeemUsedUp
		}
		return entry.RedeemUnknown
	}
	s.CheckInvite = check
	s.Redeem = func(secret string, p *entry.Person) (*entry.Invite, entry.RedeemResult) {
		if p.SystemID == "" {
			return nil, entry.RedeemNoClientKey
		}
		if r := check(secret, p.SystemID); r != entry.RedeemOK {
			return nil, r
		}
		return &entry.Invite{Secret: secret, Creator: "alice"}, entry.RedeemOK
	}
}

// §20 items 12, 13.
func TestLookup(t *testing.T) {
	for _, test := range []struct {
		name      string
		args      []any
		mandatory bool
		want      string
		session   bool
	}{
		{"host", []any{}, false, "message=Host lookup OK!", false},
		{"browse", []any{""}, false, "message=Empty join lookup OK!", false},
		{"browse with secret", []any{":x"}, false, "message=Empty join lookup OK!", false},
		{"no string", []any{5}, false, "message=Empty join lookup OK!", false},
		{"by alias", []any{"look"}, false, "message=Join lookup OK!", true},
		{"by id", []any{"s1"}, false, "message=Join lookup OK!", true},
		{"case matters", []any{"LOOK"}, false, "code=lookupFailed", false},
		{"missing", []any{"missing"}, false, "code=lookupFailed", false},
		{"missing with secret", []any{"missing:good"}, false, "code=lookupFailed", false},
		{"two args", []any{"a", "b"}, false, "code=syntax", false},
		{"invite", []any{"look:good"}, false, "message=Join lookup OK!", true},
		{"last colon", []any{"a:b:good"}, false, "message=Join lookup OK!", true},
		{"unknown invite", []any{"look:bad"}, false, "code=inviteNotFound", false},
		{"used invite", []any{"look:used"}, false, "code=inviteLimitReached", false},
		{"own invite", []any{"look:mine"}, false, "message=Join lookup OK!", true},
		{"invite elsewhere", []any{"plain:good"}, false, "code=inviteNotFound", false},
		{"mandatory host", []any{}, true, "message=Host lookup OK!", false},
		{"mandatory browse", []any{""}, true, "code=lookupRequired", false},
		{"mandatory join", []any{"look"}, true, "message=Join lookup OK!", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			secured := func(s *entry.Session) {
				invites(s)
				s.PasswordHash, s.AuthOnly = "plain;x", true
			}
			b := start(t, func(s *settings.Settings, _ *Config) {
				s.MandatoryLookup, s.WebSockets = test.mandatory, true
			}, session("s1", "look", secured), session("s2", "plain"), session("s3", "a:b", secured))
			c := b.dial()
			c.cmd("cinfo", []any{"", info()}, nil)
			c.reply()
			c.cmd("lookup", test.args, object{"nsfm": true, "alias": "x"})
			kind, value, _ := cutKind(test.want)
			if kind == "code" {
				c.fatal(value)
				return
			}
			r := c.reply()
			c.want(r, object{"type": "result", "message": value})
			desc, ok := r["session"].(object)
			if ok != test.session {
				t.Fatalf("reply = %v", r)
			}
			if test.session {
				invited := test.name != "by alias" && test.name != "by id" && test.name != "mandatory join"
				c.want(desc, object{"hasPassword": !invited, "authOnly": !invited, "allowWeb": invited})
			}
			c.cmd("lookup", test.args, nil)
			c.fatal("lookupAlreadyDone")
		})
	}
}

// §20 item 8.
func TestLookupNeeded(t *testing.T) {
	for _, test := range []struct {
		minimum   string
		mandatory bool
		needed    bool
	}{
		{"", false, false}, {"dp:4.24.0", false, true}, {"dp:4.25.1", false, true}, {"dp:4.21.2", false, false},
		{"dp:5.0.0", false, true}, {"foo:4.25.1", false, false}, {"nonsense", false, false}, {"", true, true},
	} {
		b := start(t, func(s *settings.Settings, _ *Config) {
			s.MinimumProtocolVersion, s.MandatoryLookup = test.minimum, test.mandatory
		})
		c := b.dial()
		c.cmd("cinfo", []any{"", info()}, nil)
		c.reply()
		c.cmd("ident", []any{"bob"}, nil)
		if test.needed {
			c.refused("clientLookupUnsupported", tooOld)
		} else {
			c.want(c.reply(), object{"state": "identOk"})
		}
	}
}

// §20 items 14, 15: what a lookup binds the client to.
func TestLookupBinds(t *testing.T) {
	host := info(object{"protocol": "dp:4.25.1", "user_id": 1})
	for _, test := range []struct {
		name      string
		lookup    []any
		mandatory bool
		cmd       string
		args      []any
		want      string
	}{
		{"host after session", []any{"a"}, false, "host", nil, "code=lookupHostMismatch"},
		{"other session", []any{"a"}, false, "join", []any{"b"}, "code=lookupMismatch"},
		{"same by alias", []any{"s1"}, false, "join", []any{"a"}, "state=join"},
		{"same by id", []any{"a"}, false, "join", []any{"s1"}, "state=join"},
		{"host after host", []any{}, false, "host", nil, "state=host"},
		{"join after host", []any{}, false, "join", []any{"a"}, "state=join"},
		{"join after browse", []any{""}, false, "join", []any{"a"}, "state=join"},
		{"mandatory join after host", []any{}, true, "join", []any{"a"}, "code=lookupJoinMismatch"},
		{"mandatory join", []any{"a"}, true, "join", []any{"a"}, "state=join"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := start(t, func(s *settings.Settings, _ *Config) { s.MandatoryLookup = test.mandatory },
				session("s1", "a"), session("s2", "b"))
			c := b.dial()
			c.cmd("lookup", test.lookup, nil)
			c.reply()
			c.cmd("ident", []any{"bob"}, nil)
			c.want(c.reply(), object{"state": "identOk"})
			welcome := c.reply()
			n := 2
			if test.mandatory || len(test.lookup) > 0 && test.lookup[0] != "" {
				n = 0
			}
			if got := welcome["sessions"].([]any); len(got) != n {
				t.Errorf("%d sessions listed, want %d", len(got), n)
			}
			if test.mandatory == (b.dir.watching() > 0) {
				t.Errorf("%d watchers with mandatoryLookup %v", b.dir.watching(), test.mandatory)
			}
			c.cmd(test.cmd, test.args, host)
			c.outcome(test.want)
		})
	}
}

// templates is a fake Templates with one template.
type templates struct {
	dir     *directory
	fail    error
	started int
}

func (f *templates) List() []Template {
	return []Template{{Alias: "lobby", Version: "dp:4.25.1", MaxUsers: 25, Founder: "server", Title: "Lobby", HasPassword: true},
		{Alias: "secret", Unlisted: true}, {Alias: "live"}}
}

func (f *templates) Lookup(id string) (Template, string, bool) {
	if id == "lobby" || id == "future" {
		return f.List()[0], "future", true
	}
	return Template{}, "", false
}

func (f *templates) Instantiate(context.Context, string) (*entry.Session, error) {
	if f.fail != nil {
		return nil, f.fail
	}
	f.started++
	s := session("future", "lobby")
	f.dir.set(s.ID, s)
	return s, nil
}

// §9, §11.1, §13.1 row 4: templates are listed, looked up and started.
func TestTemplates(t *testing.T) {
	fake := new(templates)
	b := start(t, func(_ *settings.Settings, c *Config) { c.Templates = fake }, session("s1", "live"))
	fake.dir = b.dir

	c := b.dial()
	c.cmd("ident", []any{"bob"}, nil)
	c.reply()
	list := c.reply()["sessions"].([]any)
	if len(list) != 2 {
		t.Fatalf("list = %v", list)
	}
	c.want(list[0].(object), object{"id": "s1", "alias": "live"})
	if desc := list[1].(object); desc["id"] != nil || desc["alias"] != "lobby" || desc["hasPassword"] != true || desc["maxUserCount"] != 25.0 {
		t.Errorf("template = %v", desc)
	}

	c = b.dial()
	c.cmd("lookup", []any{"lobby:secret"}, nil)
	c.fatal("inviteNotFound")

	fake.fail = errPeerGone
	c = b.login("carol")
	c.cmd("join", []any{"lobby"}, info())
	c.fatal("notFound")
	fake.fail = nil

	c = b.dial()
	c.cmd("lookup", []any{"lobby"}, nil)
	c.want(c.reply()["session"].(object), object{"id": "future", "alias": "lobby"})
	c.ident("bob")
	c.cmd("join", []any{"future"}, info())
	c.result("join")
	if fake.started != 1 {
		t.Errorf("started %d times", fake.started)
	}
}
