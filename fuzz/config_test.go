package fuzz

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"drawrelay/store/config"
	"drawrelay/store/password"
)

// FuzzConfig reads text as the configuration file (configuration.md §9).
// Reading never fails; what comes out keeps its bounds; reading it again on
// top of itself gives the same.
//
// Seeds: the published example of configuration.md §9.2; one line of every
// kind, right and wrong.
func FuzzConfig(f *testing.F) {
	for _, s := range []string{
		"[config]\nsessionSizeLimit = 15MB\nsessionCountLimit = 25\nidleTimeLimit = 3h\ntitle = Welcome to my test server!\n" +
			"announceWhiteList = true\n\n[announceWhitelist]\nhttps://drawpile.net/api/sessions/\n\n[ipbans]\n192.168.1.1\n10.0.0.1/16\n\n" +
			"[users]\nmoderator:plain;qwerty123:MOD,HOST\n",
		"\ufeffclientTimeout = 10m\nsessionUserLimit=1000\nsessionuserlimit = 7\nautoResetThreshold = 1.5kb\nlogpurgedays = -3\n",
		"[ipbans]\n::ffff:10.0.0.1/100\nfe80::1%eth0\n10.0.0.1/x\n10.0.0.1/33\n::/0\nx\n",
		"[systembans]\n0123456789abcdef0123456789abcdef:hang\nx:y:z\n[userbans]\n7:timer\n8\nx:garbage\n-1:neterror\n",
		"[users]\na:plain;b:c\na:*:\nb:plain;c;d:\nc::MOD\n:s+sha1;a;b:MOD,,HOST\n[nonsense]\nd:plain;x:X\n",
		"[config]\nextauthkey = AAAA\nforbiddenNameRegex = (\nminimumProtocolVersion = dp:4.25\nunlistedHostPolicy = ALL WEB x\nextBansCheckInterval = 1\n",
		"clientTimeout = 99999999999999999999h\nsessionSizeLimit = 9999999999999GB\nidleTimeLimit = -1d\nnosuchkey = 1\n= x\nx\n",
		"\xff\xfe=1\n#\n[CONFIG]\nTITLE=\x00\n",
	} {
		f.Add(s)
	}
	addrs := []netip.Addr{{}, netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("::ffff:10.0.0.1"), netip.MustParseAddr("fe80::1%eth0")}
	f.Fuzz(func(t *testing.T, text string) {
		c := config.Parse("test.conf", text, nil)
		s := c.Settings
		if n := s.UserLimit(); n < 2 || n > 254 {
			t.Fatalf("UserLimit = %d", n)
		}
		if s.ClientTimeout < 0 || s.IdleTimeLimit < 0 || s.EmptySessionLingerTime < 0 || s.SessionLessClientLingerTime < 0 ||
			s.SessionSizeLimit < 0 || s.AutoResetThreshold < 0 || s.MinimumAutoResetThreshold < 0 {
			t.Fatalf("negative: %+v", s)
		}
		lines := strings.Count(text, "\n") + 1
		last := 0
		for _, p := range c.Problems {
			if p.Line < last || p.Line < 1 || p.Line > lines || p.Path != "test.conf" || p.What == "" || p.Cure == "" || p.Error() == "" {
				t.Fatalf("problem %+v in %d lines, behind one of line %d", p, lines, last)
			}
			last = p.Line
		}
		stops := slices.ContainsFunc(c.Problems, func(p config.Problem) bool { return p.Stops })
		if err := c.Check(); (err != nil) != stops {
			t.Fatalf("Check: %v, but there are %v", err, c.Problems)
		}
		for i := range c.Accounts {
			a := &c.Accounts[i]
			if found, ok := c.Account(a.Name); !ok || found != a {
				t.Fatalf("account %q is not found under its name", a.Name)
			}
			if !password.Valid(a.Password) || slices.Contains(a.Flags, "") || a.ID() != "internal:"+a.Name {
				t.Fatalf("account %+v", a)
			}
		}
		for _, addr := range addrs {
			if n := c.MatchIP(addr); n < 0 || n > len(c.IPBans) || n > 0 && !addr.IsValid() {
				t.Fatalf("%v is banned by %d of %d", addr, n, len(c.IPBans))
			}
		}
		for i, b := range c.SystemBans {
			if n, _ := c.MatchSystem(b.SystemID); n < 1 || n > i+1 {
				t.Fatalf("system ban %d is matched by %d", i+1, n)
			}
		}
		for i, b := range c.UserBans {
			if n, _ := c.MatchUser(b.UserID); n < 1 || n > i+1 {
				t.Fatalf("user ban %d is matched by %d", i+1, n)
			}
		}
		for _, u := range c.Whitelist {
			if !c.Announceable(u.String()) && u.Opaque == "" {
				t.Fatalf("listed URL %q may not be announced at", u)
			}
		}
		for _, key := range config.Keys() {
			if v, ok := c.Value(key); ok && (v.Key != key || v.Line < 1 || v.Line > lines) {
				t.Fatalf("value of %s: %+v", key, v)
			}
		}
		again := config.Parse("test.conf", text, c)
		if !reflect.DeepEqual(again.Settings, s) || !reflect.DeepEqual(again.Problems, c.Problems) {
			t.Fatalf("read on top of itself: %+v, %v; was %+v, %v", again.Settings, again.Problems, s, c.Problems)
		}
	})
}
