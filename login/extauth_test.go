package login

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"drawrelay/store/settings"
)

// Vectors of integrations.md §3.7.
const (
	vectorKey   = "PUi/Xp04e2C7bk0BNFyAp0IPAiHG8nEkMKEcXo44qnY="
	vectorToken = "1.eyJ1c2VybmFtZSI6ICJib2IiLCAiZmxhZ3MiOiBbIm1vZCIsICJob3N0Il0sICJub25jZSI6ICIwMTAyMDMwNDA1MDYwNzA4In0=.700X+2Jy0Cor6M08Qd+ZGXcWdfjo1ZHzhldlhGbtJOwv7ZSHy7ykmtr2BiOOt+j4XFGRTT9ebA7F5/+h4osrCg"
	rfcKey      = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
	rfcSecret   = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
	vectorA     = "1.eyJ1c2VybmFtZSI6ImFsaWNlIiwiZmxhZ3MiOlsiSE9TVCJdLCJpYXQiOjE3MDAwMDAwMDAsInVpZCI6NDIsIm5vbmNlIjoiMWYifQ==.JcYjuq1oQ5ocA1MQ+vr8skjYhLq1njDmeVSI8yohaXldoA/k8+1uDrE9t7Gbl3CClkVNZ6qwbR2jzAYPqhvFCg=="
	vectorB     = "2.eyJ1c2VybmFtZSI6ImFsaWNlIiwiZmxhZ3MiOlsiTU9EIl0sImlhdCI6MTcwMDAwMDAwMCwidWlkIjo0Miwibm9uY2UiOiJkZWFkYmVlZiIsImdyb3VwIjoiYXJ0Y2x1YiJ9.iVBORw0KGgo=.iqX3i5FmeIVgrpycOc9sC7m7MU+TcMLZ5dgPK/g6hIe4OuHR16TWr6jkLzpfJ+VNP0zaSlIa1Uz8jHcVkuSpBA=="
	vectorC     = "1.eyJ1c2VybmFtZSI6ImFsaWNlIiwiZmxhZ3MiOltdLCJpYXQiOjE3MDAwMDAwMDAsInVpZCI6IiIsIm5vbmNlIjoiMWYiLCJncm91cCI6IiJ9.DLWJ0o9u9xCdkgc6ZQlNGfylv1sBpd1VC6wPj31XMvbzSVmMfwaBdMMV0nJHBjOF0HEhiRMiifSXCZi+LVTUAQ=="
	authURL     = "https://auth.example/api"
	bannedUID   = 42
)

// §20 item 26 and the vectors of integrations.md §3.7.
func TestTokenVectors(t *testing.T) {
	for _, test := range []struct {
		name, token, key string
		nonce            uint64
		group            string
		signed, valid    bool
	}{
		{"empty token", "", vectorKey, 0, "", false, false},
		{"empty key", vectorToken, "", 0, "", false, false},
		{"wrong nonce", vectorToken, vectorKey, 0, "", true, false},
		{"upstream", vectorToken, vectorKey, 0x0102030405060708, "", true, true},
		{"A", vectorA, rfcKey, 0x1f, "", true, true},
		{"A unpadded", strings.TrimRight(vectorA, "="), rfcKey, 0x1f, "", true, true},
		{"A with group", vectorA, rfcKey, 0x1f, "artclub", true, false},
		{"B", vectorB, rfcKey, 0xdeadbeef, "artclub", true, true},
		{"B unpadded", strings.TrimRight(vectorB, "="), rfcKey, 0xdeadbeef, "artclub", true, true},
		{"B without group", vectorB, rfcKey, 0xdeadbeef, "", true, false},
		{"C", vectorC, rfcKey, 0x1f, "", true, false},
	} {
		tok, err := openToken(test.token, lenientBase64(test.key))
		if (err == nil) != test.signed {
			t.Errorf("%s: %v, want signed %v", test.name, err, test.signed)
			continue
		}
		if err != nil {
			continue
		}
		cl, ok := tok.claims(test.nonce, test.group)
		if ok != test.valid {
			t.Errorf("%s: valid %v, want %v", test.name, ok, test.valid)
		}
		if test.name == "B" && (cl.name != "alice" || cl.uid != "42" || !cl.numeric || string(tok.avatar) != "\x89PNG\r\n\x1a\n" || cl.flags[0] != "MOD") {
			t.Errorf("B: %+v, avatar %q", cl, tok.avatar)
		}
	}
}

// integrations.md §9 item 25: no byte of what is signed, nor of the signature,
// may change.
func TestFlippedTokens(t *testing.T) {
	for _, good := range []string{vectorA, vectorB} {
		end := strings.LastIndexByte(good, '.')
		for i := range end {
			for bit := range 8 {
				bad := []byte(good)
				bad[i] ^= 1 << bit
				if _, err := openToken(string(bad), lenientBase64(rfcKey)); err == nil {
					t.Errorf("accepted %q", bad)
				}
			}
		}
		for i := range ed25519.SignatureSize {
			signature := lenientBase64(good[end+1:])
			signature[i] ^= 1
			bad := good[:end+1] + base64.StdEncoding.EncodeToString(signature)
			if _, err := openToken(bad, lenientBase64(rfcKey)); err == nil {
				t.Errorf("accepted %q", bad)
			}
		}
	}
}

// authServer answers by name.
type authServer struct {
	mu      sync.Mutex
	queries []string
	release chan struct{} // if set, answers wait for it
}

func (a *authServer) Query(ctx context.Context, name, group string) (string, error) {
	a.mu.Lock()
	a.queries = append(a.queries, name+"/"+group)
	release := a.release
	a.mu.Unlock()
	if release != nil {
		select {
		case <-release:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	switch name {
	case "down":
		return "", errors.New("connection refused")
	case "html":
		return "", fmt.Errorf("%w: unexpected token", ErrAuthReply)
	}
	return name, nil
}

func signedToken(version int, claims object, avatar []byte) string {
	seed, err := hex.DecodeString(rfcSecret)
	if err != nil {
		panic(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	text := fmt.Sprint(version) + "." + base64.StdEncoding.EncodeToString(payload)
	if version == 2 {
		text += "." + base64.StdEncoding.EncodeToString(avatar)
	}
	return text + "." + base64.RawStdEncoding.EncodeToString(ed25519.Sign(ed25519.NewKeyFromSeed(seed), []byte(text)))
}

func authBed(t *testing.T, change func(*settings.Settings, *Config)) (*bed, *authServer) {
	t.Helper()
	fake := new(authServer)
	b := start(t, func(s *settings.Settings, c *Config) {
		s.ExtAuth, s.ExtAuthKey = true, rfcKey
		c.AuthServer, c.AuthURL, c.Rand = fake, authURL, oneByte(0x0a)
		if change != nil {
			change(s, c)
		}
	}, session("s1", ""))
	return b, fake
}

// nonceText is what oneByte(0x0a) leads to: no leading zero.
const nonceText = "a0a0a0a0a0a0a0a"

// §20 item 24 and the intents of §10.3.
func TestAuthServerAnswers(t *testing.T) {
	challenge := object{"type": "result", "message": "External authentication needed", "state": "needExtAuth", "extauthurl": authURL,
		"nonce": nonceText, "group": "", "avatar": true}
	mismatch := func(intent, method string) object {
		return object{"type": "result", "state": "intentMismatch", "intent": intent, "method": method}
	}
	ok := object{"state": "identOk", "guest": true}
	for _, test := range []struct {
		name, intent     string
		fallback, guests bool
		want             object
	}{
		{"auth", "", true, true, challenge},
		{"auth", "extauth", true, true, challenge},
		{"auth", "guest", true, true, mismatch("guest", "extauth")},
		{"auth", "auth", true, true, mismatch("auth", "extauth")},
		{"guest", "", true, true, ok},
		{"guest", "extauth", true, true, mismatch("extauth", "guest")},
		{"outgroup", "", true, true, object{"code": "extauthOutgroup", "message": "This username cannot log in to this server"}},
		{"banned", "", true, true, object{"code": "extauthLocked"}},
		{"whatever", "", true, true, object{"code": "extauth", "message": "Unexpected ext-auth response: whatever"}},
		{"down", "", true, true, ok},
		{"html", "", true, true, ok},
		{"down", "extauth", true, true, object{"state": "intentMismatch", "method": "guest", "extauthfallback": true}},
		{"down", "", false, true, object{"code": "noExtAuth", "message": "Authentication server is unavailable!"}},
		{"html", "", false, true, object{"code": "noExtAuth"}},
		{"anybody", "", true, false, challenge},
		{"anybody", "extauth", true, false, challenge},
		{"anybody", "guest", true, false, mismatch("guest", "extauth")},
	} {
		t.Run(fmt.Sprint(test.name, test.intent, test.fallback, test.guests), func(t *testing.T) {
			b, fake := authBed(t, func(s *settings.Settings, _ *Config) {
				s.ExtAuthFallback, s.AllowGuests = test.fallback, test.guests
			})
			c, hello := b.greeted()
			c.want(hello["methods"].(object), object{"extauth": object{"actions": []string{"join", "host"}, "url": authURL}})
			c.cmd("ident", []any{test.name}, object{"intent": test.intent})
			got := c.reply()
			c.want(got, test.want)
			if _, has := got["extauthfallback"]; has != (test.want["extauthfallback"] != nil) {
				t.Errorf("reply = %v", got)
			}
			if got["type"] == "error" {
				c.disconnect(0, "Login error")
			}
			if asked := len(fake.queries) > 0; asked != test.guests {
				t.Errorf("queries = %v", fake.queries)
			}
			switch test.name {
			case "down":
				b.logged("Warn/Status Auth server error: connection refused")
			case "html":
				b.logged("Warn/Status Auth server JSON parse error: ")
			}
			if test.guests {
				b.logged("Info/Status Querying auth server for " + test.name + "...")
			}
		})
	}
}

// While the authentication server thinks, pings are answered and commands
// wait; a client that leaves ends the question.
func TestAuthServerSlow(t *testing.T) {
	release := make(chan struct{})
	b, fake := authBed(t, nil)
	fake.release = release
	c := b.dial()
	c.cmd("ident", []any{"guest"}, nil)
	c.ping()
	c.ping()
	c.cmd("join", []any{"s1"}, info())
	c.raw([]byte{0, 1, 2, 0, 0})
	close(release)
	c.want(c.reply(), object{"state": "identOk"})
	c.want(c.reply(), object{"message": "Welcome"})
	c.result("join")

	fake.mu.Lock()
	fake.release = make(chan struct{})
	fake.mu.Unlock()
	c = b.dial()
	c.cmd("ident", []any{"guest"}, nil)
	c.ping()
	c.conn.Close()
	waitFor(t, "the end of the login", func() bool { return b.InLogin() == 0 })
}

// §20 items 25 to 28 and integrations.md §3.5, §3.6.
func TestTokens(t *testing.T) {
	type is = settings.Settings
	good := func(more object) object {
		o := object{"username": "Ext The Great", "nonce": nonceText, "uid": 43, "flags": []string{"X"}, "iat": 1}
		for k, v := range more {
			if o[k] = v; v == nil {
				delete(o, k)
			}
		}
		return o
	}
	for _, test := range []struct {
		name   string
		claims object
		change func(*is)
		want   string // error message, "" = accepted
		flags  string
		authID string
	}{
		{"good", good(nil), nil, "", "HOST WEB WEBHOST WEBSESSION X", "auth.example:43"},
		{"upper case nonce", good(object{"nonce": "00" + strings.ToUpper(nonceText)}), nil, "", "HOST WEB WEBHOST WEBSESSION X", "auth.example:43"},
		{"text uid", good(object{"uid": "u-9"}), nil, "", "HOST WEB WEBHOST WEBSESSION X", "auth.example:u-9"},
		{"fraction", good(object{"uid": 7.9}), nil, "", "HOST WEB WEBHOST WEBSESSION X", "auth.example:7"},
		{"uid beyond all numbers", good(object{"uid": 1e30}), nil, "", "HOST WEB WEBHOST WEBSESSION X", "auth.example:-9223372036854775808"},
		{"no uid", good(object{"uid": nil}), nil, "", "HOST WEB WEBHOST WEBSESSION X", "auth.example:Ext The Great"},
		{"empty uid", good(object{"uid": ""}), nil, "", "HOST WEB WEBHOST WEBSESSION X", "auth.example:Ext The Great"},
		{"no flags", good(object{"flags": nil}), nil, "", "HOST WEB WEBHOST WEBSESSION", "auth.example:43"},
		{"odd flags", good(object{"flags": []any{1, "", "A", nil}}), nil, "", "A HOST WEB WEBHOST WEBSESSION", "auth.example:43"},
		{"flags null", object{"username": "x", "nonce": nonceText, "flags": json.RawMessage("null")}, nil, "Ext auth token is invalid!", "", ""},
		{"flags text", good(object{"flags": "MOD"}), nil, "Ext auth token is invalid!", "", ""},
		{"foreign nonce", good(object{"nonce": "1f"}), nil, "Ext auth token is invalid!", "", ""},
		{"nonce number", good(object{"nonce": 10}), nil, "Ext auth token is invalid!", "", ""},
		{"no name", good(object{"username": nil}), nil, "Ext auth token is invalid!", "", ""},
		{"empty name", good(object{"username": ""}), nil, "Ext auth token is invalid!", "", ""},
		{"group null", good(object{"group": json.RawMessage("null")}), nil, "", "HOST WEB WEBHOST WEBSESSION X", "auth.example:43"},
		{"group empty", good(object{"group": ""}), nil, "Ext auth token is invalid!", "", ""},
		{"group missing", good(nil), func(s *is) { s.ExtAuthGroup = "grp" }, "Ext auth token is invalid!", "", ""},
		{"group wrong", good(object{"group": "x"}), func(s *is) { s.ExtAuthGroup = "grp" }, "Ext auth token is invalid!", "", ""},
		{"group", good(object{"group": "grp"}), func(s *is) { s.ExtAuthGroup = "grp" }, "", "HOST WEB WEBHOST WEBSESSION X", "auth.example:43"},
		{"bad name", good(object{"username": `a"b`}), nil, "Invalid username", "", ""},
		{"moderator", good(object{"flags": []string{"MOD"}}), nil, "", "HOST MOD PERSIST WEB WEBHOST WEBSESSION", "auth.example:43"},
		{"no extauthmod", good(object{"flags": []string{"MOD"}}), func(s *is) { s.ExtAuthMod = false }, "", "HOST WEB WEBHOST WEBSESSION", "auth.example:43"},
		{"no extauthhost", good(object{"flags": []string{"HOST"}}), func(s *is) { s.ExtAuthHost, s.AllowGuestHosts = false, false }, "", "WEB WEBHOST WEBSESSION", "auth.example:43"},
		{"persist and exempt not honoured", good(object{"flags": []string{"PERSIST", "BANEXEMPT", "TRUSTED"}}), nil, "", "HOST TRUSTED WEB WEBHOST WEBSESSION", "auth.example:43"},
		{"persist honoured", good(object{"flags": []string{"PERSIST"}}), func(s *is) { s.ExtAuthPersist = true }, "", "HOST PERSIST WEB WEBHOST WEBSESSION", "auth.example:43"},
		{"ghost", good(object{"flags": []string{"MOD", "GHOST"}}), func(s *is) { s.EnableGhosts = true }, "Ghost mode not allowed", "", ""},
		{"ghost honoured", good(object{"flags": []string{"MOD", "GHOST"}}), func(s *is) { s.EnableGhosts, s.ExtAuthGhosts = true, true }, "",
			"GHOST HOST MOD PERSIST WEB WEBHOST WEBSESSION", "auth.example:43"},
		{"ghost without honoured mod", good(object{"flags": []string{"MOD", "GHOST"}}), func(s *is) {
			s.EnableGhosts, s.ExtAuthGhosts, s.ExtAuthMod = true, true, false
		}, "Ghost mode is only available for moderators", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, _ := authBed(t, func(s *is, _ *Config) {
				if test.change != nil {
					test.change(s)
				}
			})
			c := b.dial()
			c.cmd("ident", []any{"auth"}, nil)
			c.want(c.reply(), object{"state": "needExtAuth", "nonce": nonceText})
			c.cmd("ident", []any{"auth"}, object{"extauth": signedToken(1, test.claims, nil)})
			got := c.reply()
			if test.want != "" {
				c.want(got, object{"type": "error", "message": test.want})
				return
			}
			c.want(got, object{"state": "identOk", "guest": false, "ident": "Ext The Great", "flags": strings.Fields(test.flags)})
			c.reply()
			if strings.Contains(test.flags, "GHOST") {
				return
			}
			c.cmd("join", []any{"s1"}, info())
			c.outcome("state=join")
			if p := b.seater.join(t).Person; p.AuthID != test.authID {
				t.Errorf("auth id %q, want %q", p.AuthID, test.authID)
			}
		})
	}
}

// §20 item 25: damaged and unasked tokens.
func TestBadTokens(t *testing.T) {
	good := signedToken(1, object{"username": "x", "nonce": nonceText}, nil)
	v2 := signedToken(2, object{"username": "x", "nonce": nonceText}, []byte("a"))
	b, _ := authBed(t, nil)
	c := b.dial()
	c.cmd("ident", []any{"auth"}, object{"extauth": good})
	c.refused("extAuthError", "Ext auth not requested!")
	parts := strings.Split(good, ".")
	for _, bad := range []string{"", "1", "1..", "..", "1.%%%.%%%", parts[0] + "." + parts[1] + ".", parts[0] + "." + parts[1] + "." + parts[2][:80],
		"2" + good[1:], "3" + good[1:], "1" + v2[1:], good + ".", "1." + strings.Split(vectorA, ".")[1] + "." + parts[2],
		vectorToken} {
		c := b.dial()
		c.cmd("ident", []any{"auth"}, nil)
		c.reply()
		c.cmd("ident", []any{"auth"}, object{"extauth": bad})
		c.refused("extAuthError", "Ext auth token signature mismatch!")
	}
}

// §10.3, §10.4: who wants whose avatar.
func TestAuthAvatar(t *testing.T) {
	for _, test := range []struct {
		on     bool
		own    string
		token  string
		wanted bool
		want   string
	}{
		{true, "", "pic", true, "pic"}, {true, "b3du", "pic", false, "pic"}, {true, "b3du", "", false, "own"},
		{false, "", "pic", false, ""}, {false, "b3du", "pic", false, "own"},
	} {
		b, _ := authBed(t, func(s *settings.Settings, _ *Config) { s.ExtAuthAvatars = test.on })
		c := b.dial()
		kwargs := object{}
		if test.own != "" {
			kwargs["avatar"] = test.own
		}
		c.cmd("ident", []any{"auth"}, kwargs)
		c.want(c.reply(), object{"avatar": test.wanted})
		c.cmd("ident", []any{"auth"}, object{"extauth": signedToken(2, object{"username": "x", "nonce": nonceText}, []byte(test.token))})
		c.want(c.reply(), object{"state": "identOk"})
		c.reply()
		c.cmd("join", []any{"s1"}, info())
		c.outcome("state=join")
		if got := string(b.seater.join(t).Person.Avatar); got != test.want {
			t.Errorf("%+v: avatar %q", test, got)
		}
	}
}

// integrations.md §3.6: the host in the auth id is that of the URL, which the
// reference writes in lower case.
func TestAuthID(t *testing.T) {
	for url, want := range map[string]string{
		"https://Auth.Example:8443/api?x": "auth.example:7", "http://[2001:DB8::1]:80/": "2001:db8::1:7",
	} {
		b, _ := authBed(t, func(_ *settings.Settings, c *Config) { c.AuthURL = url })
		c := b.dial()
		c.cmd("ident", []any{"auth"}, nil)
		c.want(c.reply(), object{"extauthurl": url})
		c.cmd("ident", []any{"auth"}, object{"extauth": signedToken(1, object{"username": "x", "nonce": nonceText, "uid": 7}, nil)})
		c.reply()
		c.reply()
		c.cmd("join", []any{"s1"}, info())
		c.outcome("state=join")
		if p := b.seater.join(t).Person; p.AuthID != want {
			t.Errorf("auth id %q, want %q", p.AuthID, want)
		}
	}
}

// A question that is cut short by the end of the server is no reason to let
// somebody in as a guest.
func TestAuthServerAtStop(t *testing.T) {
	b, fake := authBed(t, nil)
	fake.release = make(chan struct{})
	c := b.dial()
	c.cmd("ident", []any{"guest"}, nil)
	c.ping()
	b.cancel() // as Stop begins
	c.disconnect(2, "Server shutting down")
	if log := b.logText(); strings.Contains(log, "Auth server error") {
		t.Errorf("logged:\n%s", log)
	}
}

// §10.4, §14.1: user bans go by number, and exemptions by setting.
func TestAuthBans(t *testing.T) {
	for _, test := range []struct {
		uid   any
		addr  string
		flags []string
		set   func(*settings.Settings)
		want  string
	}{
		{bannedUID, "198.51.100.1", []string{}, nil, "User '42' is banned (database 5)"},
		{"42", "198.51.100.1", []string{}, nil, ""},
		{43, "198.51.100.1", []string{}, nil, ""},
		{43, "192.0.2.1", []string{"BANEXEMPT"}, nil, "IP '192.0.2.1' is banned (configfile 3)"},
		{43, "192.0.2.1", []string{"BANEXEMPT"}, func(s *settings.Settings) { s.ExtAuthBanExempt = true }, ""},
		{43, "192.0.2.1", []string{"MOD"}, nil, ""},
		{43, "192.0.2.1", []string{"MOD"}, func(s *settings.Settings) { s.ExtAuthMod = false }, "IP '192.0.2.1' is banned (configfile 3)"},
		{bannedUID, "192.0.2.1", []string{"MOD"}, nil, "User '42' is banned (database 5)"},
	} {
		b, _ := authBed(t, func(s *settings.Settings, c *Config) {
			c.Bans = &fakeBans{users: []userBan{{bannedUID, Ban{Source: "database", ID: 5}}},
				addresses: []addressBan{{limitUnit(peer("192.0.2.1")), Ban{Source: "configfile", ID: 3}}}}
			if test.set != nil {
				test.set(s)
			}
		})
		c := b.dialAs(peer(test.addr), false)
		c.cmd("ident", []any{"auth"}, nil)
		c.reply()
		c.cmd("ident", []any{"auth"}, object{"extauth": signedToken(1, object{"username": "x", "nonce": nonceText, "uid": test.uid, "flags": test.flags}, nil)})
		c.want(c.reply(), object{"state": "identOk"})
		c.reply()
		c.cmd("join", []any{"s1"}, info())
		if test.want == "" {
			c.outcome("state=join")
			continue
		}
		c.disconnect(0, "Permanently banned from this server")
		b.logged("Warn/Kick " + test.want)
	}
}
