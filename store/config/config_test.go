package config

import (
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"drawrelay/store/password"
	"drawrelay/store/settings"
)

// TestPublishedExample reads the file of configuration.md §9.2.
func TestPublishedExample(t *testing.T) {
	text, err := os.ReadFile("testdata/published.ini")
	if err != nil {
		t.Fatal(err)
	}
	f := Parse("example", string(text), nil)
	if err := f.Check(); err != nil || len(f.Problems) != 0 {
		t.Fatalf("problems: %v", f.Problems)
	}
	s := f.Settings
	if s.SessionSizeLimit != 15728640 || s.SessionCountLimit != 25 || s.IdleTimeLimit != 10800*time.Second ||
		s.ServerTitle != "Welcome to my test server!" || !f.Settings.AnnounceWhitelist {
		t.Errorf("settings: %+v", s)
	}
	if !f.Announceable("https://drawpile.net/api/sessions/") || f.Announceable("https://drawpile.net/api/sessions") {
		t.Error("whitelist does not hold exactly the listed URL")
	}
	for addr, want := range map[string]int{"192.168.1.1": 1, "10.0.0.2": 2, "10.1.0.0": 0, "::ffff:10.0.0.2": 2} {
		if got := f.MatchIP(netip.MustParseAddr(addr)); got != want {
			t.Errorf("ban of %s is %d, want %d", addr, got, want)
		}
	}
	a, ok := f.Account("moderator")
	if !ok || !password.Check(a.Password, "qwerty123") || !reflect.DeepEqual(a.Flags, []string{"MOD", "HOST"}) {
		t.Errorf("account: %+v", a)
	}
}

// TestAsserted holds the assertions of configuration.md §9.4.
func TestAsserted(t *testing.T) {
	f := Parse("f", `clientTimeout = 10m
sessionSizeLimit = 99mb
announceWhitelist = true
[ipbans]
192.168.1.1
10.0.0.1/16
[announceWhitelist]
https://drawpile.net/api/listing/
[users]
moderator:plain;passwd:MOD
troll:*plain;passwd:
`, nil)
	if len(f.Problems) != 0 {
		t.Fatal(f.Problems)
	}
	if f.Settings.ClientTimeout != 600*time.Second || f.Settings.SessionSizeLimit != 103809024 {
		t.Errorf("settings: %+v", f.Settings)
	}
	for addr, banned := range map[string]bool{"192.168.1.2": false, "11.0.0.2": false, "192.168.1.1": true, "10.0.0.2": true} {
		if got := f.MatchIP(netip.MustParseAddr(addr)) != 0; got != banned {
			t.Errorf("%s banned: %v", addr, got)
		}
	}
	if !f.Announceable("https://drawpile.net/api/listing/") || f.Announceable("https://example.com/") {
		t.Error("wrong whitelist")
	}
	if _, ok := f.Account("nobody"); ok {
		t.Error("unknown user found")
	}
	if _, ok := f.Account("Moderator"); ok {
		t.Error("names must match case")
	}
	m, _ := f.Account("moderator")
	if password.Check(m.Password, "wrong") || !password.Check(m.Password, "passwd") ||
		!reflect.DeepEqual(m.Flags, []string{"MOD"}) || m.ID() != "internal:moderator" {
		t.Errorf("moderator: %+v", m)
	}
	if troll, ok := f.Account("troll"); !ok || !password.Disabled(troll.Password) || len(troll.Flags) != 0 {
		t.Errorf("troll: %+v", troll)
	}
}

func TestSyntax(t *testing.T) {
	text := "\ufeff# comment\r\n[CONFIG]\r\n   serverTitle   =   Spaced  title\r\nwelcomeMessage=a=b=c\r\n" +
		"no equals sign\n= nothing\nsessionCountLimit = 4\n\n[nonsense]\nruleText = still config\n" +
		"[Config]\nallowGuestHosts = FALSE\npersistence = 1\ncustomAvatars=\n[ipbans]\n# comment\n127.0.0.9\nnot-an-address\n" +
		"127.5.0.0/16\n::ffff:127.0.0.12\n1.2.3.4/x\n[SystemBans]\naabb\nccdd:hang\neeff:odd\n[userbans]\n42:timer\nx\n" +
		"[users]\ncarol:plain;pw:HOST,,MOD\nbroken\na:b:c:d\nbad:md5;x:\nempty:plain;:\ncarol:plain;new:\n"
	f := Parse("f", text, nil)
	if err := f.Check(); err != nil {
		t.Fatalf("stops: %v", err)
	}
	s := f.Settings
	if s.ServerTitle != "Spaced  title" || s.WelcomeMessage != "a=b=c" || s.RuleText != "still config" ||
		s.SessionCountLimit != 4 || s.AllowGuestHosts || !s.Persistence || s.CustomAvatars {
		t.Errorf("settings: %+v", s)
	}
	if len(f.IPBans) != 4 || f.MatchIP(netip.MustParseAddr("127.0.0.12")) != 3 || f.MatchIP(netip.MustParseAddr("1.2.3.4")) != 4 {
		t.Errorf("IP bans: %+v", f.IPBans)
	}
	wantSystem := []SystemBan{{"aabb", Normal, 23}, {"ccdd", Hang, 24}, {"eeff", Normal, 25}}
	if !reflect.DeepEqual(f.SystemBans, wantSystem) {
		t.Errorf("system bans: %+v", f.SystemBans)
	}
	if n, r := f.MatchSystem("ccdd"); n != 2 || r != Hang {
		t.Errorf("system ban: %d %v", n, r)
	}
	if n, r := f.MatchUser(42); n != 1 || r != Timer || len(f.UserBans) != 1 {
		t.Errorf("user ban: %d %v", n, r)
	}
	carol, _ := f.Account("carol")
	if len(f.Accounts) != 1 || !password.Check(carol.Password, "new") || len(carol.Flags) != 0 {
		t.Errorf("accounts: %+v", f.Accounts)
	}
	var lines []int
	for _, p := range f.Problems {
		lines = append(lines, p.Line)
	}
	if want := []int{5, 6, 9, 18, 21, 25, 28, 30, 31, 32, 33, 34}; !reflect.DeepEqual(lines, want) {
		t.Errorf("problems in lines %v, want %v:\n%v", lines, want, f.Problems)
	}
	for _, p := range f.Problems {
		if strings.Contains(p.Error(), "pw") || strings.Contains(p.Error(), "md5") {
			t.Errorf("a password is repeated: %s", p.Error())
		}
	}
}

// TestStops lists lines that stop the start, with what they are told.
func TestStops(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{"sesionCountLimit = 3", "f:2: sesionCountLimit = 3: unknown setting; did you mean sessionCountLimit?"},
		{"colour = red", "f:2: colour = red: unknown setting; remove the line"},
		{"clientTimeout = soon", `f:2: clientTimeout = soon: duration "soon": not a valid value; ` + advice[Duration]},
		{"sessionSizeLimit = 4gb", `f:2: sessionSizeLimit = 4gb: size "4gb": value out of range; ` + advice[Size]},
		{"sessionCountLimit = 1.5", `f:2: sessionCountLimit = 1.5: integer "1.5": not a valid value; ` + advice[Int]},
		{"allowGuests = yes", "f:2: allowGuests = yes: not a truth value, so it would mean false; write true or false"},
		{"minimumProtocolVersion = 2.2", "f:2: minimumProtocolVersion = 2.2: not a protocol version; write a version like dp:4.24.0"},
		{"unlistedHostPolicy = none", "f:2: unlistedHostPolicy = none: contains neither ALL nor WEB, so it has no effect; write ALL, WEB or nothing"},
		{"forbiddenNameRegex = (", "f:2: forbiddenNameRegex = (: error parsing regexp: missing closing ) in `(`; write a regular expression as in Perl"},
		{"extauthkey = AAAA", "f:2: extauthkey = AAAA: 3 bytes instead of 32; write the base64 form of the 32-byte public key"},
		{"extauthkey = 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo=", "f:2: extauthkey = 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo=: " +
			"31 bytes instead of 32; write the base64 form of the 32-byte public key"},
	} {
		err := Parse("f", "# first line\n"+tt.line+"\n", nil).Check()
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %v\nwant %s", tt.line, err, tt.want)
		}
	}
}

// TestTolerated lists lines that are fine, or only warned about.
func TestTolerated(t *testing.T) {
	for _, tt := range []struct {
		lines    string
		problems int
	}{
		{"clienttimeout = 5\n", 0},
		{"extBansUrl =\nextBansCheckInterval = 15m\nextBansCacheKey = x\n", 0},
		{"minimumProtocolVersion = dp:4.24.0\n", 0},
		{"unlistedHostPolicy = WEB,ALL\n", 0},
		{"extauthkey =\n", 0},
		{"extauthkey = 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n", 0},
		{"extauthkey = 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo\n", 0},
		{"extauthkey = \"11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"\n", 0},
		{"privateUserList = true\n", 1},
		{"sessionUserLimit = 500\n", 1},
		{"clientTimeout = 5\nclientTimeout = 6\n", 1},
		{"serverTitle = a\ntitle = b\n", 1},
	} {
		f := Parse("f", tt.lines, nil)
		if err := f.Check(); err != nil || len(f.Problems) != tt.problems {
			t.Errorf("%q: stops %v, problems %v", tt.lines, err, f.Problems)
		}
	}
}

func TestWhichSpellingWins(t *testing.T) {
	for _, tt := range []struct{ lines, want string }{
		{"serverTitle = a\n", "a"},
		{"servertitle = a\n", "a"},
		{"TITLE = a\n", "a"},
		{"serverTitle = a\nservertitle = b\n", "a"},
		{"servertitle = b\nserverTitle = a\n", "a"},
		{"serverTitle = a\nserverTitle = b\n", "b"},
		{"servertitle = a\ntitle = b\n", "b"},
		{"serverTitle = a\n[ipbans]\n[config]\nserverTitle = b\n", "b"},
	} {
		f := Parse("f", tt.lines, nil)
		if got := f.Settings.ServerTitle; got != tt.want {
			t.Errorf("%q: %q, want %q", tt.lines, got, tt.want)
		}
		if v, ok := f.Value("serverTitle"); !ok || v.Text != tt.want {
			t.Errorf("%q: value %+v, %v", tt.lines, v, ok)
		}
	}
}

// keysOfReference is how many keys configuration.md §8 lists.
const keysOfReference = 55

// TestEveryKey sets each setting to something that is not its default and
// expects exactly one field to differ.
func TestEveryKey(t *testing.T) {
	text := map[string]string{
		"sessionUserLimit": "7", "minimumProtocolVersion": "dp:4.24.0", "unlistedHostPolicy": "ALL",
		"extauthkey":    strings.Repeat("A", 43) + "=",
		"redirectHosts": "drawpile://example.org", "redirectSessions": "demo=drawpile://example.org",
		"webSocketOrigins": "https://example.org",
	}
	defaults := Parse("f", "", nil)
	if !reflect.DeepEqual(defaults.Settings, settings.Default()) {
		t.Fatal("an empty file does not mean the defaults")
	}
	for _, name := range Keys() {
		values := []string{text[name], "true", "false", "77", "text"}
		changed := 0
		for _, value := range values {
			f := Parse("f", name+" = "+value+"\n", nil)
			if n := differences(f, defaults); value != "" && n > 0 && changed == 0 {
				changed = n
			}
		}
		kept := strings.HasPrefix(name, "extBansCache")
		if changed != 1 && !kept || kept && changed != 0 {
			t.Errorf("%s changes %d fields", name, changed)
		}
	}
	const ownKeys = 13 // rateLimit…, redirect…, webSocketOrigins
	if len(Keys()) != keysOfReference+ownKeys {
		t.Errorf("%d keys, want %d", len(Keys()), keysOfReference+ownKeys)
	}
}

func differences(a, b *File) int {
	n := 0
	x, y := reflect.ValueOf(*a.Settings), reflect.ValueOf(*b.Settings)
	for i := range x.NumField() {
		if x.Field(i).Interface() != y.Field(i).Interface() {
			n++
		}
	}
	return n
}

// TestMatchIP holds configuration.md §13.1 and §23 item 26.
func TestMatchIP(t *testing.T) {
	for _, tt := range []struct {
		ban, addr string
		want      bool
	}{
		{"10.0.0.1/16", "10.0.0.2", true}, {"10.0.0.1/16", "::ffff:10.0.0.2", true}, {"10.0.0.1/16", "10.1.0.2", false},
		{"::ffff:192.168.0.0/112", "192.168.3.4", true}, {"::ffff:192.168.0.0/112", "192.169.3.4", false},
		{"::ffff:10.0.0.0/104", "10.9.9.9", true}, {"192.168.1.1/0", "192.168.1.1", true}, {"192.168.1.1/0", "192.168.1.2", false},
		{"192.168.1.1", "192.168.1.2", false}, {"10.0.0.0/33", "10.0.0.0", false}, {"10.0.0.0/-1", "10.0.0.0", false},
		{"2001:db8::/32", "2001:db8:1::1", true}, {"2001:db8::/32", "2001:db9::1", false}, {"2001:db8::/129", "2001:db8::", false},
		{"2001:db8::/35", "2001:db8:1fff::", true}, {"2001:db8::/35", "2001:db8:2000::", false},
		{"fe80::1", "fe80::1%eth0", true}, {"::/0", "::", true}, {"::/0", "::1", false}, {"10.0.0.0/8", "2001:db8::", false},
		{"::ffff:10.0.0.0/104", "11.200.3.4", false}, {"10.0.0.1/32", "2001:db8::1", false},
		{"10.1/16", "10.0.0.9", true}, {"10.1/16", "10.1.0.0", false}, {"127.0.8.01", "127.0.8.1", true}, {"10.9.2055", "10.9.8.7", true},
		{"0x0a.011.8.7", "10.9.8.7", true}, {"167970823", "10.3.8.7", true}, {"10.0.0.0 / 24", "10.0.0.9", true}, {"10.256.1", "10.0.1.1", false},
		{"0.0.0.4294967296", "0.0.0.0", false}, {"1_0.0.0.1", "10.0.0.1", false}, {"0b1010.0.0.1", "10.0.0.1", false}, {"10.0.0.1.", "10.0.0.1", false},
		{"10.0..1", "10.0.0.1", false}, {"+10.0.0.1", "10.0.0.1", false}, {"10.0.0.0.1", "10.0.0.1", false}, {"", "0.0.0.0", false},
		{"255.255.255.255/32", "255.255.255.255", true}, {"128.0.0.0/1", "200.1.2.3", true}, {"128.0.0.0/1", "100.1.2.3", false},
	} {
		f := Parse("f", "[ipbans]\n"+tt.ban+"\n", nil)
		if got := f.MatchIP(netip.MustParseAddr(tt.addr)) == 1; got != tt.want {
			t.Errorf("%s bans %s: %v, want %v", tt.ban, tt.addr, got, tt.want)
		}
	}
}

func TestReloadKeepsPreviousValueOfBadLine(t *testing.T) {
	first := Parse("f", "clientTimeout = 5\nsessionCountLimit = 3\n", nil)
	second := Parse("f", "clientTimeout = oops\nsessionCountLimit = 4\n", first)
	if second.Settings.ClientTimeout != 5*time.Second || second.Settings.SessionCountLimit != 4 || len(second.Problems) != 1 {
		t.Errorf("got %+v, %v", second.Settings, second.Problems)
	}
	third := Parse("f", "clientTimeout = worse\n", second)
	if third.Settings.ClientTimeout != 5*time.Second || third.Settings.SessionCountLimit != 25 {
		t.Errorf("got %+v", third.Settings)
	}
}

// TestIPIndexOrder expects the first ban in the order of the list, whatever the
// lengths of their prefixes.
func TestIPIndexOrder(t *testing.T) {
	var x IPIndex
	for _, text := range []string{"192.0.2.0/24", "10.0.0.0/33", "10.1.2.3/32", "10.0.0.0/8", "10.1.2.3/0", "10.1.0.0/16"} {
		p := strings.Split(text, "/")
		bits, err := strconv.Atoi(p[1])
		if err != nil {
			t.Fatal(err)
		}
		x.Add(netip.MustParseAddr(p[0]), bits)
	}
	addr := netip.MustParseAddr("10.1.2.3")
	for _, ended := range []struct {
		bans []int
		want int
	}{{nil, 2}, {[]int{2}, 3}, {[]int{2, 3}, 4}, {[]int{2, 3, 4}, 5}, {[]int{2, 3, 4, 5}, -1}} {
		if got := x.First(addr, func(i int) bool { return !slices.Contains(ended.bans, i) }); got != ended.want {
			t.Errorf("without %v: %d, want %d", ended.bans, got, ended.want)
		}
	}
	if got := new(IPIndex).First(addr, nil); got != -1 {
		t.Errorf("nothing in the index: %d", got)
	}
}

// TestProblemsTellNoSecrets expects that what may be a password does not get
// into a message, wherever it was put by mistake: a misspelled section
// had accounts repeated in the log.
func TestProblemsTellNoSecrets(t *testing.T) {
	for _, text := range []string{
		"[user]\nmod:plain;SECRET:MOD\n", "mod:SECRET\n", "mod:SECRET:MOD\n", "plain;SECRET\n", "mod plain;SECRET MOD\n",
		"mod:pbkdf2;1;SECRET=;SECRET==:MOD\n", "admin = mod:plain;SECRET:MOD\n", "a;SECRET=b:c:d:e;SECRET\n",
		"[ipbans]\n[accounts]\nmod:plain;SECRET:MOD\nada:SECRET:\n", "[systembans]\n[accounts]\nmod:plain;SECRET:MOD\nada:SECRET:\n",
		"[userbans]\n[accounts]\nmod:plain;SECRET:MOD\nada:SECRET:\n", "[announceWhitelist]\n[accounts]\nmod:plain;SECRET:MOD\nhttps://mod:SECRET@\n",
		"[users]\nmod:SECRET:MOD\nmod:plain;SECRET\n:SECRET\nmod:plain;SECRET:MOD\nmod:plain;SECRET:HOST\n",
		"reporttoken = SECRET\nreporttoken = SECRET\n", "reporttokn = SECRET\n", "report_token = SECRET\n", "password = SECRET\n",
		"extBansUrl = https://example.org/SECRET\nextBansUrl = https://example.org/SECRET\n", "extBanUrl = https://mod:SECRET@example.org\n",
		"[users]\n\xff:plain;SECRET:MOD\n",
	} {
		f := Parse("f", text, nil)
		if len(f.Problems) == 0 {
			t.Errorf("%q: no problem", text)
		}
		for i := range f.Problems {
			if got := f.Problems[i].Error(); strings.Contains(got, "SECRET") {
				t.Errorf("%q: %s", text, got)
			}
		}
	}
	_, problems := FromValues(map[string]string{"reportToken": "SECRET", "secretThing": "SECRET"})
	for i := range problems {
		if got := problems[i].Error(); strings.Contains(got, "SECRET") {
			t.Errorf("in a database: %s", got)
		}
	}
	if len(problems) != 2 {
		t.Errorf("in a database: %v", problems)
	}
	for text, want := range map[string]string{ // what is no secret is told
		"[ipbans]\n2001:db8::1::2/64\n": `f:2: "2001:db8::1::2/64": not an IP`, "[systembans]\nabc:hagn\n": `f:2: "abc:hagn": unknown reaction`,
		"colour = red\n": "f:1: colour = red: unknown setting", "a\tb = c\n": `f:1: "a\tb = c": unknown setting`,
	} {
		if f := Parse("f", text, nil); len(f.Problems) != 1 || !strings.HasPrefix(f.Problems[0].Error(), want) {
			t.Errorf("%q: %v, want %s", text, f.Problems, want)
		}
	}
}

// TestManyProblems expects the wrong file not to fill the log, and a line that
// stops the start not to be lost among those that do not.
func TestManyProblems(t *testing.T) {
	f := Parse("f", strings.Repeat("x\n", 5*maxProblems)+"clientTimeout = oops\n", nil)
	if n := len(f.Problems); n != maxProblems+2 || f.Check() == nil {
		t.Errorf("%d problems, %v", n, f.Check())
	}
	if last := f.Problems[len(f.Problems)-1].Error(); !strings.Contains(last, fmt.Sprint(4*maxProblems, " more lines have no effect")) {
		t.Errorf("last: %s", last)
	}
}
