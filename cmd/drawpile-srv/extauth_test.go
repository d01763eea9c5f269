package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"drawrelay/frame"
	"drawrelay/store/config"
)

// authFake is an external authentication server over real HTTP. Names say what
// it answers.
type authFake struct {
	t       *testing.T
	url     string
	key     ed25519.PrivateKey
	asked   atomic.Int32
	release chan struct{} // the answer to "slow" waits for it
}

func newAuthFake(t *testing.T) *authFake {
	t.Helper()
	f := &authFake{t: t, key: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize)), release: make(chan struct{})}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	f.url = s.URL + "/api"
	return f
}

func (f *authFake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.asked.Add(1)
	var q struct{ Username string }
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil || r.Method != http.MethodPost || r.URL.Path != "/api" {
		f.t.Errorf("%s %s: %v", r.Method, r.URL, err)
	}
	answer := fmt.Sprintf(`{"status":%q}`, q.Username)
	switch q.Username {
	case "html":
		answer = "<html>"
	case "error":
		w.WriteHeader(http.StatusInternalServerError)
	case "cut":
		panic(http.ErrAbortHandler)
	case "slow":
		<-f.release
		answer = `{"status":"auth"}`
	}
	_, _ = io.WriteString(w, answer) // the server may have given up
}

// publicKey is what extauthkey is set to.
func (f *authFake) publicKey() string {
	return base64.StdEncoding.EncodeToString(f.key.Public().(ed25519.PublicKey))
}

// token signs a payload as the authentication server does.
func (f *authFake) token(payload string) string {
	signed := "1." + base64.StdEncoding.EncodeToString([]byte(payload))
	return signed + "." + base64.RawStdEncoding.EncodeToString(ed25519.Sign(f.key, []byte(signed)))
}

// TestRunExternalAuth logs in with every answer of the authentication server,
// and with good and bad tokens. Settings change while the server runs.
func TestRunExternalAuth(t *testing.T) {
	fake := newAuthFake(t)
	settings := writeFile(t, "settings.ini", "")
	set := func(lines ...string) {
		t.Helper()
		text := strings.Join(append([]string{"extauth = true", "extauthkey = " + fake.publicKey()}, lines...), "\n")
		if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := launch(t, "--config", settings, "--extauth", fake.url)
	s.awaitLog("Warn/Status --extauth has no effect until the setting extauth is true")
	c, g := s.connect()
	if c.send(`{"cmd":"ident","args":["auth"]}`); g.Methods["extauth"] != nil || fake.asked.Load() != 0 {
		t.Errorf("asked before it was switched on; methods %v", g.Methods)
	}
	c.reply(`"guest":true`)

	for _, tt := range []struct{ name, fallback, want string }{
		{"auth", "true", `"state":"needExtAuth"`},
		{"guest", "true", `"guest":true`},
		{"outgroup", "true", `"code":"extauthOutgroup"`},
		{"banned", "true", `"code":"extauthLocked"`},
		{"nonsense", "true", `"message":"Unexpected ext-auth response: nonsense"`},
		{"html", "true", `"guest":true`},
		{"html", "false", `"code":"noExtAuth"`},
		{"error", "true", `"guest":true`},
		{"error", "false", `"code":"noExtAuth"`},
		{"cut", "true", `"guest":true`},
		{"cut", "false", `"code":"noExtAuth"`},
	} {
		set("extauthfallback = " + tt.fallback)
		c, g := s.connect()
		if method, _ := g.Methods["extauth"].(map[string]any); method["url"] != fake.url {
			t.Errorf("methods %v", g.Methods)
		}
		c.send(fmt.Sprintf(`{"cmd":"ident","args":[%q]}`, tt.name))
		if got := string(c.next(frame.TypeServerCommand)); !strings.Contains(got, tt.want) {
			t.Errorf("%s, fallback %s: %s", tt.name, tt.fallback, got)
		}
	}

	for _, tt := range []struct{ name, settings, payload, want string }{
		{"good", "", `{"username":"Ext","uid":7,"flags":["MOD"],"nonce":%q}`, `"flags":["HOST","MOD","PERSIST","WEB","WEBHOST","WEBSESSION"]`},
		{"no moderators", "extauthmod = false", `{"username":"Ext","flags":["MOD"],"nonce":%q}`, `"flags":["HOST","WEB","WEBHOST","WEBSESSION"]`},
		{"group", "extauthgroup = grp", `{"username":"Ext","group":"grp","nonce":%q}`, `"identOk"`},
		{"wrong group", "extauthgroup = grp", `{"username":"Ext","group":"other","nonce":%q}`, "Ext auth token is invalid!"},
		{"wrong nonce", "", `{"username":"Ext","nonce":"0%.0s"}`, "Ext auth token is invalid!"},
		{"wrong key", "extauthkey = " + strings.Repeat("A", 43), `{"username":"Ext","nonce":%q}`, "Ext auth token signature mismatch!"},
		{"guests off", "allowGuests = false", `{"username":"Ext","nonce":%q}`, `"identOk"`},
	} {
		set(tt.settings)
		before := fake.asked.Load()
		c, _ := s.connect()
		c.send(`{"cmd":"ident","args":["auth"]}`)
		needed := c.challenge(fake.url)
		c.send(fmt.Sprintf(`{"cmd":"ident","args":["auth"],"kwargs":{"extauth":%q}}`, fake.token(fmt.Sprintf(tt.payload, needed.Nonce))))
		if got := string(c.next(frame.TypeServerCommand)); !strings.Contains(got, tt.want) {
			t.Errorf("%s: %s", tt.name, got)
		}
		if group := strings.HasPrefix(tt.settings, "extauthgroup"); group != (needed.Group == "grp") {
			t.Errorf("%s: group %q", tt.name, needed.Group)
		}
		if asked := fake.asked.Load() > before; asked != (tt.settings != "allowGuests = false") {
			t.Errorf("%s: asked %v", tt.name, asked)
		}
	}

	// While the authentication server thinks, pings are answered.
	set()
	c, _ = s.connect()
	c.send(`{"cmd":"ident","args":["slow"]}`)
	for range 3 {
		c.write(frame.AppendPing(nil, false))
		c.next(frame.TypePing)
	}
	close(fake.release)
	c.challenge(fake.url)

	// The log is complete when the process has ended.
	if status := s.stop(syscall.SIGTERM); status != exitOK {
		t.Errorf("exit status %d", status)
	}
	for _, want := range []string{
		"Querying auth server for slow...", "Auth server error: POST ", "Auth server JSON parse error: ",
	} {
		if !strings.Contains(s.log.String(), want) {
			t.Errorf("%q is not in the log", want)
		}
	}
}

// challenge is the reply needExtAuth.
type challenge struct{ State, ExtAuthURL, Nonce, Group string }

// challenge waits for a reply that asks for a token.
func (c *client) challenge(url string) challenge {
	c.t.Helper()
	var reply challenge
	if err := json.Unmarshal(c.next(frame.TypeServerCommand), &reply); err != nil {
		c.t.Fatal(err)
	}
	nonce, err := strconv.ParseUint(reply.Nonce, 16, 64)
	if err != nil || nonce == 0 || reply.Nonce != strconv.FormatUint(nonce, 16) || reply.State != "needExtAuth" || reply.ExtAuthURL != url {
		c.t.Fatalf("reply %+v, %v", reply, err)
	}
	return reply
}

// Nobody listens at the address of the authentication server.
func TestRunExternalAuthUnreachable(t *testing.T) {
	url := "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(freePort(t))) + "/"
	settings := writeFile(t, "settings.ini", "extauth = true\n[users]\ncarol:plain;pw:\n")
	s := launch(t, "--config", settings, "--extauth", url)
	s.awaitLog("because extauthkey is missing")
	c, _ := s.connect()
	c.send(`{"cmd":"ident","args":["alice"],"kwargs":{"intent":"extauth"}}`)
	if got := c.reply(`"intentMismatch"`); !strings.Contains(got, `"extauthfallback":true`) || !strings.Contains(got, `"method":"guest"`) {
		t.Errorf("told %s", got)
	}
	c.send(`{"cmd":"ident","args":["alice"],"kwargs":{"intent":"guest"}}`)
	c.reply(`"guest":true`)

	if err := os.WriteFile(settings, []byte("extauth = true\nextauthfallback = false\n[users]\ncarol:plain;pw:\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, _ = s.connect()
	c.send(`{"cmd":"ident","args":["alice"]}`)
	c.reply(`"noExtAuth"`)
	c, _ = s.connect()
	c.send(`{"cmd":"ident","args":["carol","pw"]}`)
	c.reply(`"guest":false`)
}

func TestRunExternalAuthRefusals(t *testing.T) {
	path := writeFile(t, "settings.ini", "extauthgroup = x\nextauth = true\n")
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--extauth", "http://sub.drawpile.net/"}, "--extauth http://sub.drawpile.net/: write https://drawpile.net/api/ext-auth/"},
		{[]string{"--extauth", "https://drawpile.net/api/ext-auth"}, "write https://drawpile.net/api/ext-auth/"},
		{[]string{"--extauth", "example.com"}, "--extauth example.com: write an http or https URL"},
		{[]string{"--config", path}, path + ":2: extauth = true: has no effect without --extauth; start with --extauth URL or write false"},
	} {
		status, _, stderr := runOnce(t, tt.args...)
		if status != exitFailed || !strings.Contains(stderr, tt.want) {
			t.Errorf("%q: exit status %d, %s", tt.args, status, stderr)
		}
	}
}

func TestWithoutEffect(t *testing.T) {
	key := "extauthkey = " + strings.Repeat("A", 43)
	for _, tt := range []struct {
		text, url string
		want      []string
		stops     bool
	}{
		{"", "", nil, false},
		{"extauth = false\n", "", nil, false},
		{"extauth = true\n", "", []string{"f:1: extauth = true: has no effect without --extauth; start with --extauth URL or write false"}, true},
		{"extAuth = 1\n", "", []string{"f:1: extauth = 1: has no effect without --extauth; start with --extauth URL or write false"}, true},
		{"extauth = false\nextauthgroup = x\nextAuthAvatars = 0\n", "", []string{
			"f:2: extauthgroup = x: has no effect without --extauth; start with --extauth URL or remove the line",
			"f:3: extAuthAvatars = 0: has no effect without --extauth; start with --extauth URL or remove the line"}, false},
		{"extauth = true\n" + key, "https://example.com/", nil, false},
		{"extauth = false\nextauthgroup = x\n", "https://example.com/", nil, false},
		{"\nextauth = true\nextauthkey =\n", "https://example.com/", []string{"f:2: extauth = true: nobody can log in with an external account, " +
			"because extauthkey is missing; set extauthkey to the public key of the authentication server"}, false},
	} {
		problems := withoutEffect(inFile(config.Parse("f", tt.text, nil)), &options{authURL: tt.url})
		var got []string
		for i := range problems {
			got = append(got, problems[i].Error())
		}
		if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", tt.want) || (stops(problems) != nil) != tt.stops {
			t.Errorf("%q, %q: %q, stops %v", tt.text, tt.url, got, stops(problems))
		}
	}
}
