package login

import (
	"net/netip"
	"strings"
	"testing"

	"drawrelay/frame"
	"drawrelay/store/entry"
	"drawrelay/store/settings"
)

// bannedName makes a session ban one name.
func bannedName(name string) func(*entry.Session) {
	return func(s *entry.Session) {
		s.Banned = func(n, _, _ string, _ netip.Addr) int {
			if n == name {
				return 4
			}
			return 0
		}
	}
}

func passworded(s *entry.Session) { s.PasswordHash = "plain;open sesame" }
func isFull(s *entry.Session)     { s.UserCount = s.MaxUsers }
func authOnly(s *entry.Session)   { s.AuthOnly = true }
func allowWeb(s *entry.Session)   { s.AllowWeb = true }
func oldVersion(s *entry.Session) { s.Version = "dp:4.21.2" }

// The order of checks of §13.1 and who is exempt; §20 items 38, 39, 40, 42.
func TestJoinChecks(t *testing.T) {
	type mods = []func(*entry.Session)
	for _, test := range []struct {
		name    string
		session mods
		who     string // bob is a guest, carol an account, mod a moderator
		browser bool
		args    []any
		kwargs  object
		want    string
		invited string
	}{
		{"plain", nil, "bob", false, []any{"s1"}, nil, "state=join", ""},
		{"by alias", nil, "bob", false, []any{"ali"}, nil, "state=join", ""},
		{"no args", nil, "bob", false, []any{}, nil, "code=syntax", ""},
		{"two args", nil, "bob", false, []any{"s1", "x"}, nil, "code=syntax", ""},
		{"empty", nil, "bob", false, []any{""}, nil, "code=notFound", ""},
		{"unknown", nil, "bob", false, []any{"nosuch"}, nil, "code=notFound", ""},
		{"other case", nil, "bob", false, []any{"ALI"}, nil, "code=notFound", ""},
		{"password missing", mods{passworded}, "bob", false, []any{"s1"}, nil, "code*badPassword", ""},
		{"password right", mods{passworded}, "bob", false, []any{"s1"}, object{"password": "open sesame"}, "state=join", ""},
		{"password for moderator", mods{passworded}, "mod", false, []any{"s1"}, nil, "state=join", ""},
		{"full", mods{isFull}, "bob", false, []any{"s1"}, nil, "code=closed", ""},
		{"full and wrong password", mods{isFull, passworded}, "bob", false, []any{"s1"}, object{"password": "no"}, "code=closed", ""},
		{"full for moderator", mods{isFull}, "mod", false, []any{"s1"}, nil, "state=join", ""},
		{"auth only for guest", mods{authOnly, passworded}, "bob", false, []any{"s1"}, nil, "code=authOnly", ""},
		{"auth only for account", mods{authOnly}, "carol", false, []any{"s1"}, nil, "state=join", ""},
		{"banned with wrong password", mods{bannedName("bob"), isFull, passworded}, "bob", false, []any{"s1"}, object{"password": "no"}, "code=banned", ""},
		{"banned moderator", mods{bannedName("mod")}, "mod", false, []any{"s1"}, nil, "state=join", ""},
		{"browser", nil, "bob", true, []any{"s1"}, nil, "code=noWebJoin", ""},
		{"browser moderator", nil, "mod", true, []any{"s1"}, nil, "code=noWebJoin", ""},
		{"browser allowed", mods{allowWeb}, "bob", true, []any{"s1"}, nil, "state=join", ""},
		{"browser before ban", mods{bannedName("bob")}, "bob", true, []any{"s1"}, nil, "code=noWebJoin", ""},
		{"invite", mods{invites, isFull, authOnly, passworded}, "bob", false, []any{"s1"}, object{"password": "good"}, "state=join", "good"},
		{"invite for browser", mods{invites, isFull}, "bob", true, []any{"s1"}, object{"password": "good"}, "state=join", "good"},
		{"invite and ban", mods{invites, bannedName("bob")}, "bob", false, []any{"s1"}, object{"password": "good"}, "code=banned", ""},
		{"invite for moderator", mods{invites}, "mod", false, []any{"s1"}, object{"password": "good"}, "state=join", "good"},
		{"invite used up", mods{invites}, "bob", false, []any{"s1"}, object{"password": "used"}, "code=inviteLimitReached", ""},
		{"no invite but password", mods{invites, passworded}, "bob", false, []any{"s1"}, object{"password": "open sesame"}, "state=join", ""},
		{"invite without system id", mods{invites, passworded, oldVersion}, "bob", false, []any{"s1"}, object{"password": "good", "s": nil}, "code*badPassword", ""},
		{"system id needed", nil, "bob", false, []any{"s1"}, object{"s": nil}, "violation", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := start(t, withAccounts(Account{Name: "mod", PasswordHash: "plain;pw", Flags: []string{"MOD"}},
				Account{Name: "carol", PasswordHash: "plain;pw"}), session("s1", "ali", test.session...))
			c := b.dialAs(peer("192.0.2.1"), test.browser)
			c.ident(test.who, "pw")
			c.cmd("join", test.args, info(test.kwargs))
			if kind, code, ok := strings.Cut(test.want, "*"); ok {
				c.want(c.reply(), object{kind: code})
				c.ping()
				return
			}
			if test.want == "code=banned" {
				c.refused("banned", "You have been banned from this session (ban 4)")
				b.logged("Info/Ban Join prevented by ban 4")
				return
			}
			c.outcome(test.want)
			if test.want != "state=join" {
				return
			}
			r := b.seater.join(t)
			if (test.invited != "") != (r.Invited != nil) || r.Invited != nil && r.Invited.Secret != test.invited {
				t.Errorf("invited = %+v", r.Invited)
			}
			if r.Session != "s1" || r.Index != (frame.HistoryIndex{}) {
				t.Errorf("request = %+v", r)
			}
		})
	}
}

// §13.1 row 7: the secret of the lookup is redeemed at join; §20 item 41.
func TestJoinWithLookedUpInvite(t *testing.T) {
	for _, test := range []struct{ secret, sid, want string }{
		{"good", sidA, "state=join"},
		{"mine", sidA, "state=join"},
		{"mine", sidB, "code=inviteLimitReached"}, // passes the lookup without a system id
		{"good", "", "code=inviteNoClientKey"},
	} {
		b := start(t, nil, session("s1", "", invites, passworded, oldVersion))
		c := b.dial()
		c.cmd("lookup", []any{"s1:" + test.secret}, nil)
		c.want(c.reply(), object{"message": "Join lookup OK!"})
		c.ident("bob")
		c.cmd("join", []any{"s1"}, info(object{"s": test.sid}))
		c.outcome(test.want)
	}
	// An invite that was removed between lookup and join.
	b := start(t, nil, session("s1", "", invites))
	c := b.dial()
	c.cmd("lookup", []any{"s1:good"}, nil)
	c.reply()
	c.ident("bob")
	b.dir.set("s1", session("s1", ""))
	c.want(c.reply(), object{"message": "New session"})
	c.cmd("join", []any{"s1"}, info())
	c.refused("inviteNotFound", "Invite is invalid or has been revoked")
}

// §20 item 38: nine wrong session passwords are forgiven, independently of
// account passwords.
func TestSessionPassword(t *testing.T) {
	b := start(t, withAccounts(Account{Name: "carol", PasswordHash: "plain;pw"}), session("s1", "", passworded))
	c := b.dial()
	for range 9 {
		c.cmd("ident", []any{"carol", "wrong"}, nil)
		c.want(c.reply(), object{"code": "badPassword"})
	}
	c.ident("carol", "pw")
	for range 9 {
		c.cmd("join", []any{"s1"}, info(object{"password": "wrong"}))
		c.want(c.reply(), object{"type": "error", "code": "badPassword", "message": "Incorrect password"})
	}
	c.ping()
	c.cmd("join", []any{"s1"}, info())
	c.refused("badPassword", "Incorrect password")
	b.logged("Warn/RuleBreak Incorrect password for session s1 (attempt 1/10)")
	b.logged("Warn/RuleBreak Incorrect password for session s1 (attempt 10/10)")

	c = b.login("bob")
	for range 9 {
		c.cmd("join", []any{"s1"}, info(object{"password": "wrong"}))
		c.reply()
	}
	c.cmd("join", []any{"s1"}, info(object{"password": "open sesame"}))
	c.result("join")
	if strings.Contains(b.logText(), "wrong") || strings.Contains(b.logText(), "sesame") {
		t.Errorf("a password is in the log:\n%s", b.logText())
	}
}

// TestPasswordChangedMeanwhile: a join is checked against the password that
// the session has when the seat is given, not against that of a moment before.
func TestPasswordChangedMeanwhile(t *testing.T) {
	begin := func(changes int, to string) (*bed, *client) {
		b := start(t, nil, session("s1", "", func(s *entry.Session) { s.PasswordHash = "plain;old" }))
		b.seater.beforeJoin = func(r *entry.JoinRequest) error {
			s, _ := b.dir.Find("s1")
			if changes > 0 {
				changes--
				next := *s
				next.PasswordHash = to
				b.dir.set("s1", &next)
				return entry.ErrPasswordChanged
			}
			if r.PasswordHash != s.PasswordHash {
				t.Errorf("the join was checked against %q, the session has %q", r.PasswordHash, s.PasswordHash)
			}
			return nil
		}
		return b, b.login("bob")
	}
	b, c := begin(1, "plain;new")
	c.cmd("join", []any{"s1"}, info(object{"password": "old"}))
	c.want(c.reply(), object{"type": "error", "code": "badPassword"})
	c.ping()
	b.logged("Warn/RuleBreak Incorrect password for session s1 (attempt 1/10)")
	c.cmd("join", []any{"s1"}, info(object{"password": "new"}))
	c.result("join")

	_, c = begin(2, "*;x")
	c.cmd("join", []any{"s1"}, info(object{"password": "old"}))
	c.want(c.reply(), object{"type": "error", "code": "badPassword"})

	_, c = begin(1, "")
	c.cmd("join", []any{"s1"}, info(object{"password": "old"}))
	c.result("join")

	_, c = begin(passwordChanges-1, "plain;old")
	c.cmd("join", []any{"s1"}, info(object{"password": "old"}))
	c.result("join")

	_, c = begin(1000, "plain;old")
	c.cmd("join", []any{"s1"}, info(object{"password": "old"}))
	c.refused("badPassword", "Incorrect password")
}

// §20 item 43: who may take the name of somebody present.
func TestNameInUse(t *testing.T) {
	for _, test := range []struct {
		name   string
		member entry.Member
		sid    string
		want   string
	}{
		{"bob", entry.Member{Name: "BOB", SystemID: sidB}, sidA, "code=nameInuse"},
		{"bob", entry.Member{Name: "BOB", SystemID: sidA}, sidA, "state=join"},
		{"bob", entry.Member{Name: "bob"}, "", "code=nameInuse"},
		{"carol", entry.Member{Name: "carol", AuthID: "internal:carol"}, sidA, "state=join"},
		{"carol", entry.Member{Name: "carol", AuthID: "internal:dave"}, sidA, "code=nameInuse"},
		{"mod", entry.Member{Name: "Mod"}, sidA, "code=nameInuse"},
		{"bob", entry.Member{Name: "bobby"}, sidA, "state=join"},
	} {
		b := start(t, withAccounts(Account{ID: "carol", Name: "carol", PasswordHash: "plain;pw"},
			Account{Name: "mod", PasswordHash: "plain;pw", Flags: []string{"MOD"}}),
			session("s1", "", oldVersion, func(s *entry.Session) { s.Members = []entry.Member{test.member} }))
		c := b.login(test.name, "pw")
		c.cmd("join", []any{"s1"}, info(object{"s": test.sid}))
		if test.want == "code=nameInuse" {
			c.refused("nameInuse", "This username is already in use")
			continue
		}
		c.outcome(test.want)
	}
}

// §20 item 46.
func TestReport(t *testing.T) {
	reports := make(reportLog, 10)
	banned := &fakeBans{addresses: []addressBan{{netip.MustParsePrefix("192.0.2.66/32"), Ban{Source: "configfile", ID: 1}}}}
	b := start(t, func(s *settings.Settings, c *Config) { s.AbuseReport, c.Reports, c.Bans = true, reports, banned }, session("s1", "ali"))
	c, hello := b.greeted()
	c.want(hello, object{"flags": []string{"MULTI", "REPORT", "AVATAR", "MBANIMPEX", "LOOKUP", "CINFO"}})
	c.ident("bob")
	c.cmd("report", nil, object{"session": "ali", "reason": "rude"})
	c.cmd("report", nil, object{"session": "nosuch", "reason": "rude"})
	c.cmd("report", nil, object{"session": "", "reason": "rude"})
	c.cmd("report", nil, nil)
	c.ping()
	if r := <-reports; r.Session.ID != "s1" || r.Reporter.Name != "bob" || r.Reason != "rude" {
		t.Errorf("report = %+v", r)
	}
	b.logged("Info/Report Abuse report about user 0 received: rude")
	c = b.dialAs(peer("192.0.2.66"), false)
	c.ident("eve")
	c.cmd("report", nil, object{"session": "ali", "reason": "rude"})
	c.ping()
	if len(reports) != 0 {
		t.Errorf("%d more reports", len(reports))
	}

	off := start(t, nil, session("s1", "ali"))
	c = off.login("bob")
	c.cmd("report", nil, object{"session": "ali", "reason": "rude"})
	c.ping()
	off.logged("Info/Report Abuse report about user 0 received: rude")
	off.logged("Warn/Report Cannot send abuse report: server URL not configured!")
}

type reportLog chan Report

func (r reportLog) Submit(x Report) { r <- x }
