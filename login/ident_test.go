package login

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"drawrelay/store/entry"
	"drawrelay/store/settings"
)

func withAccounts(accounts ...Account) func(*settings.Settings, *Config) {
	return func(_ *settings.Settings, c *Config) { c.Users = newUsers(accounts...) }
}

// §20 items 16, 17 and the shape of ident.
func TestUserNames(t *testing.T) {
	b := start(t, func(s *settings.Settings, _ *Config) {
		s.ForbiddenNameRegex, s.FilterNameRegex = "  bad|e.il ", "badger"
	})
	for _, test := range []struct {
		args   []any
		intent any
		want   string
	}{
		{[]any{strings.Repeat("x", 22)}, nil, "ident=" + strings.Repeat("x", 22)},
		{[]any{strings.Repeat("x", 23)}, nil, "code=badUsername"},
		{[]any{strings.Repeat("\U0001F58C", 11)}, nil, "ident=" + strings.Repeat("\U0001F58C", 11)},
		{[]any{strings.Repeat("\U0001F58C", 11) + "x"}, nil, "code=badUsername"},
		{[]any{`a"b`}, nil, "code=badUsername"},
		{[]any{""}, nil, "code=badUsername"},
		{[]any{nil}, nil, "code=badUsername"},
		{[]any{"  bob "}, nil, "ident=  bob "},
		{[]any{"Günther 猫"}, nil, "ident=Günther 猫"},
		{[]any{"bad"}, nil, "code=forbiddenUsername"},
		{[]any{"XBADX"}, nil, "code=forbiddenUsername"},
		{[]any{"e\nil"}, nil, "code=forbiddenUsername"},
		{[]any{"badger"}, nil, "ident=badger"},
		{[]any{"badger bad"}, nil, "code=forbiddenUsername"},
		{[]any{}, nil, "code=syntax"},
		{[]any{"a", "b", "c"}, nil, "code=syntax"},
		{[]any{"bob"}, "guest", "ident=bob"},
		{[]any{"bob"}, "", "ident=bob"},
		{[]any{"bob"}, 5, "ident=bob"},
		{[]any{"bob"}, "Guest", "code=identError"},
		{[]any{"bob", "some password"}, nil, "ident=bob"},
	} {
		t.Run(fmt.Sprint(test.args, test.intent), func(t *testing.T) {
			c := b.dial()
			c.t = t
			kwargs := object{}
			if test.intent != nil {
				kwargs["intent"] = test.intent
			}
			c.cmd("ident", test.args, kwargs)
			c.outcome(test.want)
		})
	}
	b.logged(`Warn/RuleBreak Attempt to use invalid username 'a"b'`)
	b.logged("Warn/RuleBreak Attempt to use forbidden username 'XBADX'")
}

// A bad expression is off, and said so once.
func TestBadNameExpression(t *testing.T) {
	b := start(t, func(s *settings.Settings, _ *Config) { s.ForbiddenNameRegex = "(" })
	for range 2 {
		b.login("(bad")
	}
	if n := strings.Count(b.logText(), "forbiddenNameRegex is off"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, b.logText())
	}
}

// §20 item 19: nine wrong passwords are forgiven, asking is free.
func TestAccountPassword(t *testing.T) {
	b := start(t, withAccounts(Account{ID: "12", Name: "carol", PasswordHash: "plain;right", Flags: []string{"X-OTHER", "", "TRUSTED"}}))
	c := b.dial()
	c.cmd("ident", []any{"carol"}, nil)
	c.want(c.reply(), object{"state": "needPassword", "message": "Password needed", "type": "result"})
	for range 9 {
		c.cmd("ident", []any{"carol", "wrong"}, nil)
		got := c.reply()
		c.want(got, object{"type": "error", "code": "badPassword", "message": "Incorrect password"})
	}
	c.cmd("ident", []any{"carol", ""}, nil)
	c.want(c.reply(), object{"state": "needPassword"})
	c.cmd("ident", []any{"carol", "wrong"}, nil)
	c.refused("badPassword", "Incorrect password")
	b.logged("Warn/RuleBreak Incorrect password for account carol (attempt 1/10)")
	b.logged("Warn/RuleBreak Incorrect password for account carol (attempt 10/10)")
	b.logged("Info/Leave Login error (badPassword)")

	c = b.dial()
	for range 9 {
		c.cmd("ident", []any{"carol", "wrong"}, nil)
		c.reply()
	}
	r := c.ident("carol", "right")
	c.want(r, object{"message": "Authenticated login OK!", "guest": false, "ident": "carol",
		"flags": []string{"HOST", "TRUSTED", "WEB", "WEBHOST", "WEBSESSION", "X-OTHER"}})
	if text := b.logText(); strings.Contains(text, "wrong") || strings.Contains(text, "right") {
		t.Errorf("a password is in the log:\n%s", text)
	}
	c.cmd("host", nil, info(object{"protocol": "dp:4.25.1", "user_id": 1}))
	c.outcome("state=host")
	p := b.seater.host(t).Person
	if p.AuthID != "internal:12" || !p.Flags.Has(entry.FlagTrusted|entry.FlagHost) || p.Moderator() {
		t.Errorf("person = %+v", p)
	}
}

// The order of checks in §10.1 and its table of accounts; §20 items 20 to 23.
func TestIdentOrder(t *testing.T) {
	accounts := []Account{
		{Name: "carol", PasswordHash: "plain;pw"},
		{Name: "star", PasswordHash: "*plain;pw"},
		{Name: "locked", PasswordHash: "plain;pw", Locked: true},
		{Name: "open", PasswordHash: ""},
		{Name: "broken", PasswordHash: "md5;x"},
	}
	type step struct {
		args   []any
		kwargs object
		want   string
	}
	for _, test := range []struct {
		name   string
		guests bool
		steps  []step
	}{
		{"guest intent on account", true, []step{{[]any{"carol"}, object{"intent": "guest"}, "method=auth"},
			{[]any{"carol", "pw"}, object{"intent": "auth"}, "state=identOk"}}},
		{"extauth intent on account", true, []step{{[]any{"carol"}, object{"intent": "extauth"}, "method=auth"}}},
		{"auth intent on unknown", true, []step{{[]any{"nobody"}, object{"intent": "auth"}, "method=guest"},
			{[]any{"nobody"}, object{"intent": "guest"}, "state=identOk"}}},
		{"names match exactly", true, []step{{[]any{"Carol"}, nil, "state=identOk"}}},
		{"token for account", true, []step{{[]any{"carol", "pw"}, object{"extauth": "1.a.b", "intent": "guest"}, "code=extAuthError"}}},
		{"token without extauth", true, []step{{[]any{"nobody"}, object{"extauth": "1.a.b"}, "state=identOk"}}},
		{"star", true, []step{{[]any{"star", "pw"}, nil, "code=bannedName"}}},
		{"locked", true, []step{{[]any{"locked"}, nil, "code=bannedName"}}},
		{"empty hash", true, []step{{[]any{"open"}, nil, "state=identOk"}}},
		{"empty hash, password", true, []step{{[]any{"open", "x"}, nil, "code*badPassword"}}},
		{"broken hash", true, []step{{[]any{"broken", "x"}, nil, "code*badPassword"}, {[]any{"broken"}, nil, "state=needPassword"}}},
		{"no guests", false, []step{{[]any{"nobody"}, nil, "state=needPassword"}, {[]any{"nobody", "x"}, nil, "code*badPassword"},
			{[]any{"nobody"}, object{"intent": "guest"}, "state=needPassword"}, {[]any{"carol", "pw"}, nil, "state=identOk"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := start(t, func(s *settings.Settings, c *Config) {
				s.AllowGuests = test.guests
				withAccounts(accounts...)(s, c)
			})
			c := b.dial()
			for _, s := range test.steps {
				c.cmd("ident", s.args, s.kwargs)
				if kind, code, ok := strings.Cut(s.want, "*"); ok {
					c.want(c.reply(), object{kind: code})
					continue
				}
				if kind, method, _ := cutKind(s.want); kind == "method" {
					r := c.reply()
					c.want(r, object{"type": "result", "state": "intentMismatch", "message": "Intent mismatch",
						"intent": s.kwargs["intent"], "method": method})
					if _, has := r["extauthfallback"]; has {
						t.Error("extauthfallback without external authentication")
					}
					continue
				}
				c.outcome(s.want)
			}
		})
	}
}

// §20 item 23: the counter is shared between known and unknown names.
func TestNoGuestsCounter(t *testing.T) {
	b := start(t, func(s *settings.Settings, c *Config) {
		s.AllowGuests = false
		withAccounts(Account{Name: "carol", PasswordHash: "plain;pw"})(s, c)
	})
	c, hello := b.greeted()
	c.want(hello, object{"flags": []string{"MULTI", "NOGUEST", "AVATAR", "MBANIMPEX", "LOOKUP", "CINFO"},
		"methods": object{"auth": object{"actions": []string{"join", "host"}}}})
	for i := range 10 {
		c.cmd("ident", []any{[]any{"carol", "nobody"}[i%2], "x"}, nil)
		if i < 9 {
			c.want(c.reply(), object{"code": "badPassword"})
		}
	}
	c.fatal("badPassword")
}

// §10.5, §20 item 29.
func TestFlags(t *testing.T) {
	type is = settings.Settings
	for _, test := range []struct {
		name   string
		flags  []string
		change func(*is)
		want   string // flags, or an error code
	}{
		{"moderator", []string{"MOD"}, nil, "HOST MOD PERSIST WEB WEBHOST WEBSESSION"},
		{"nothing implied", []string{"PERSIST"}, func(s *is) {
			s.AllowGuestHosts, s.AllowGuestWeb, s.AllowGuestWebHosts, s.AllowGuestWebSession = false, false, false, false
		}, "PERSIST"},
		{"twice", []string{"HOST", "HOST"}, nil, "HOST WEB WEBHOST WEBSESSION"},
		{"lower case", []string{"mod"}, nil, "HOST WEB WEBHOST WEBSESSION mod"},
		{"ghost off", []string{"GHOST", "MOD"}, nil, "code=ghostsNotAllowed"},
		{"ghost without mod", []string{"GHOST"}, func(s *is) { s.EnableGhosts = true }, "code=ghostWithoutMod"},
		{"ghost", []string{"GHOST", "MOD"}, func(s *is) { s.EnableGhosts = true }, "GHOST HOST MOD PERSIST WEB WEBHOST WEBSESSION"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := start(t, func(s *is, c *Config) {
				if test.change != nil {
					test.change(s)
				}
				withAccounts(Account{Name: "carol", PasswordHash: "plain;pw", Flags: test.flags})(s, c)
			})
			c := b.dial()
			c.cmd("ident", []any{"carol", "pw"}, nil)
			if _, code, ok := cutKind(test.want); ok {
				c.fatal(code)
				return
			}
			c.want(c.reply(), object{"flags": strings.Fields(test.want)})
			c.reply()
			if slices.Contains(test.flags, "GHOST") {
				c.cmd("host", nil, info(object{"protocol": "dp:4.25.1", "user_id": 1}))
				c.refused("ghostHost", "Hosting not available in ghost mode")
			}
		})
	}
}

// §20 item 30 and the browser conditions of §4, §12.1.
func TestBrowser(t *testing.T) {
	type is = settings.Settings
	account := Account{Name: "carol", PasswordHash: "plain;pw"}
	web := Account{Name: "webby", PasswordHash: "plain;pw", Flags: []string{"WEB"}}
	for _, test := range []struct {
		name    string
		change  func(*is)
		args    []any
		want    string // of ident
		noguest bool
		host    string // of host without and
		hostPw  string // with a password, if ident succeeds
	}{
		{"default guest", nil, []any{"bob"}, "state=identOk", false, "state=host", "state=host"},
		{"guest without WEB", func(s *is) { s.AllowGuestWeb = false }, []any{"bob"}, "code=webNotAllowed", true, "", ""},
		{"account without WEB", func(s *is) { s.AllowGuestWeb = false }, []any{"carol", "pw"}, "code=webNotAllowed", true, "", ""},
		{"account with WEB", func(s *is) { s.AllowGuestWeb = false }, []any{"webby", "pw"}, "state=identOk", true, "state=host", "state=host"},
		{"no WEBHOST", func(s *is) { s.AllowGuestWebHosts = false }, []any{"bob"}, "state=identOk", false, "code=unauthorizedHost", "code=unauthorizedHost"},
		{"no HOST", func(s *is) { s.AllowGuestHosts = false }, []any{"bob"}, "state=identOk", false, "code=unauthorizedHost", "code=unauthorizedHost"},
		{"password only", func(s *is) { s.AllowGuestWebSession, s.PasswordDependentWebSession = false, true }, []any{"bob"},
			"state=identOk", false, "code=passwordedHost", "state=host"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, pass := range []string{"", "secret"} {
				b := start(t, func(s *is, c *Config) {
					if test.change != nil {
						test.change(s)
					}
					withAccounts(account, web)(s, c)
				})
				c := b.connectAs(peer("192.0.2.9"), true)
				hello := c.reply()
				if got := strings.Contains(fmt.Sprint(hello["flags"]), "NOGUEST"); got != test.noguest {
					t.Errorf("flags = %v", hello["flags"])
				}
				c.cmd("cinfo", []any{"", info()}, nil)
				c.want(c.reply(), object{"cinfo": object{"browser": true}})
				c.cmd("ident", test.args, nil)
				c.outcome(test.want)
				if test.host == "" {
					continue
				}
				c.reply()
				c.cmd("host", nil, info(object{"protocol": "dp:4.25.1", "user_id": 1, "password": pass, "web": false}))
				want := test.host
				if pass != "" {
					want = test.hostPw
				}
				c.outcome(want)
				if want == "state=host" {
					if r := b.seater.host(t); !r.AllowWeb || !r.Person.Browser {
						t.Errorf("request = %+v", r)
					}
				}
			}
		})
	}
}

// §10.7: an avatar survives repeated idents; customAvatars off ignores it.
func TestAvatar(t *testing.T) {
	for _, on := range []bool{true, false} {
		b := start(t, func(s *settings.Settings, c *Config) {
			s.CustomAvatars = on
			withAccounts(Account{Name: "carol", PasswordHash: "plain;pw"})(s, c)
		}, session("s1", ""))
		c := b.dial()
		c.cmd("ident", []any{"carol"}, object{"avatar": "iVBO\nRw0K Ggo"})
		c.want(c.reply(), object{"state": "needPassword"})
		c.ident("carol", "pw")
		c.cmd("join", []any{"s1"}, info())
		c.outcome("state=join")
		want := ""
		if on {
			want = "\x89PNG\r\n\x1a\n"
		}
		if got := string(b.seater.join(t).Person.Avatar); got != want {
			t.Errorf("avatar = %q, want %q", got, want)
		}
	}
}

func TestLenientBase64(t *testing.T) {
	for in, want := range map[string]string{"": "", "QQ==": "A", "QQ": "A", "Q Q\n=": "A", "QUI": "AB", "QUJD": "ABC",
		"QUJDR": "ABC", "Q": "", "Q%UJD=RA": "ABCD", "QR": "A"} {
		if got := string(lenientBase64(in)); got != want {
			t.Errorf("%q = %q, want %q", in, got, want)
		}
	}
}
