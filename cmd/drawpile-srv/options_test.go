package main

import (
	"bytes"
	"encoding/base64"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"drawrelay/store/serverlog"
	"drawrelay/store/settings"
)

func TestSyntax(t *testing.T) {
	for _, tt := range []struct {
		args  string // separated by blanks
		want  given
		extra []string
		err   string
	}{
		{"", given{}, nil, ""},
		{"--port 1", given{"port": "1"}, nil, ""},
		{"--port=1", given{"port": "1"}, nil, ""},
		{"--port=", given{"port": ""}, nil, ""},
		{"-p 1", given{"port": "1"}, nil, ""},
		{"-p1", given{"port": "1"}, nil, ""},
		{"-p=1", given{"port": "1"}, nil, ""},
		{"-hv", given{"help": "", "version": ""}, nil, ""},
		{"-hvp1", given{"help": "", "version": "", "port": "1"}, nil, ""},
		{"-hp 1", given{"help": "", "port": "1"}, nil, ""},
		{"--port 1 --port 2", given{"port": "2"}, nil, ""},
		{"--port --listen", given{"port": "--listen"}, nil, ""},
		{"a --port 1 b -- --port -x", given{"port": "1"}, []string{"a", "b", "--port", "-x"}, ""},
		{"- x", given{}, []string{"-", "x"}, ""},
		{"--crypt-key=a==", given{"crypt-key": "a=="}, nil, ""},
		{"--nonsense", nil, nil, "unknown option --nonsense"},
		{"--nonsense=1", nil, nil, "unknown option --nonsense"},
		{"--Port 1", nil, nil, "unknown option --Port"},
		{"--por 1", nil, nil, "unknown option --por"},
		{"-x", nil, nil, "unknown option -x"},
		{"-hx", nil, nil, "unknown option -x"},
		{"-r file", nil, nil, "unknown option -r"},
		{"--port", nil, nil, "--port needs a value"},
		{"-p", nil, nil, "-p needs a value"},
		{"--help=yes", nil, nil, "takes no value"},
	} {
		got, extra, err := splitArguments(strings.Fields(tt.args), table)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%q: error %v, want %q", tt.args, err, tt.err)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, tt.want) || !reflect.DeepEqual(extra, tt.extra) {
			t.Errorf("%q: %v, %q, %v; want %v, %q", tt.args, got, extra, err, tt.want, tt.extra)
		}
	}
}

// TestEveryOption gives each option of the table in each form.
func TestEveryOption(t *testing.T) {
	for _, o := range table {
		forms := [][]string{{"--" + o.name}}
		if o.short != 0 {
			forms = append(forms, []string{"-" + string(o.short)})
		}
		want := given{o.name: ""}
		if o.arg != "" {
			want = given{o.name: "value"}
			forms = [][]string{{"--" + o.name, "value"}, {"--" + o.name + "=value"}}
			if o.short != 0 {
				forms = append(forms, []string{"-" + string(o.short), "value"}, []string{"-" + string(o.short) + "value"})
			}
		}
		for _, form := range forms {
			got, extra, err := splitArguments(form, table)
			if err != nil || len(extra) > 0 || !reflect.DeepEqual(got, want) {
				t.Errorf("%q: %v, %q, %v", form, got, extra, err)
			}
		}
	}
}

// TestReferenceOptions makes sure that no option of configuration.md §2.2 is
// unknown, and that each has its short form.
func TestReferenceOptions(t *testing.T) {
	want := map[string]byte{
		"help": 'h', "help-all": 0, "version": 'v', "port": 'p', "listen": 'l', "websocket-port": 0, "websocket-listen": 0,
		"local-host": 0, "announce-port": 0, "ssl-cert": 0, "ssl-key": 0, "ssl-key-algorithm": 0, "record": 0,
		"web-admin-port": 0, "web-admin-auth": 0, "web-admin-access": 0, "web-admin-allowed-origin": 0, "database": 'd',
		"config": 'c', "sessions": 's', "templates": 't', "extauth": 0, "crypt-key": 0, "generate-crypt-key": 0,
		"report-url": 0, "gui": 0, "no-gui": 0, "remote": 0,
	}
	got := make(map[string]byte)
	for _, o := range table {
		if !o.own {
			got[o.name] = o.short
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

const (
	goodKey  = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	shortKey = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg=="
)

// TestRefusals lists command lines that do not start, with a part of the text.
func TestRefusals(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"--port 0", "--port 0: write a port from 1 to 65535"},
		{"--port 65536", "--port 65536"},
		{"--port abc", "--port abc"},
		{"--port=", "write a port"},
		{"--port -1", "--port -1"},
		{"--listen localhost", "--listen localhost: write an IP address"},
		{"--listen=", "--listen : write an IP address"},
		{"--crypt-key " + shortKey, "31 bytes instead of 32"},
		{"--crypt-key !", "what --generate-crypt-key prints"},
		{"--ssl-cert a --ssl-key b --ssl-key-algorithm ed25519", "write guess, rsa, ec, dsa or dh"},
		{"--ssl-cert a --ssl-key b --no-tls", "contradicts"},
		{"--sessions=", "--sessions: write a path"},
		{"--config=", "--config: write a path"},
		{"--data=", "--data: write a path"},
		{"--log-format xml", "write text or json"},
		{"--transport pigeon", "write auto, poll or goroutine"},
		{"--loops 0", "write a number from 1 to 256"},
		{"--loops 257", "write a number"},
		{"--checksums c", "no effect without --sessions"},
		{"--sessions s --checksums ./s", "name another folder"},
		{"--sessions s --checksums=", "write a path"},
		{"--sync-interval -1s", "write a duration"},
		{"--sync-interval 2h", "write a duration"},
		{"--sync-interval soon", "write a duration"},
		{"--pprof x", "write a port"},
		{"--pprof 0", "write a port"},
		{"--pprof example.com:6060", "write PORT or ADDRESS:PORT"},
		// Values are checked before the missing feature is named.
		{"--websocket-port 65536", "write a port from 0 to 65535"},
		{"--websocket-port abc", "write a port from 0 to 65535"},
		{"--websocket-listen here", "write an IP address"},
		{"--websocket-ssl", "--websocket-ssl has no effect without --websocket-port"},
		{"--websocket-port 0 --websocket-ssl --data x", "--websocket-ssl has no effect without --websocket-port"},
		{"--websocket-port 1 --websocket-ssl", "--websocket-ssl needs a certificate"},
		{"--websocket-port 1 --websocket-ssl --data x --no-tls", "--websocket-ssl needs a certificate"},
		{"--announce-port 65536", "write a port up to 65535"},
		{"--web-admin-port 65536", "write a port from 1 to 65535, or 0 for none"},
		{"--web-admin-port abc", "write a port from 1 to 65535, or 0 for none"},
		{"--web-admin-auth nocolon", "--web-admin-auth: there is no colon; write USER:PASSWORD"},
		{"--web-admin-auth :secret", "the user name is empty"},
		{"--web-admin-auth user:", "the password is empty"},
		{"--web-admin-access 10.0.0.0/99", "--web-admin-access: Invalid subnet 10.0.0.0/99"},
		{"--web-admin-access nonsense", "Invalid subnet nonsense"},
		{"--web-admin-allowed-origin example.org", "write it as browsers do, like https://example.org"},
		{"--web-admin-allowed-origin https://example.org/page", "write it as browsers do"},
		{"--database=", "--database: write a path"},
		{"--config x --database y", "--config x and --database y: settings come from only one of them; remove the other"},
		{"--extauth ftp://example.com/", "write an http or https URL"},
		{"--extauth=", "--extauth : write an http or https URL"},
		{"--extauth http://sub.drawpile.net/", "write https://drawpile.net/api/ext-auth/"},
		{"--extauth https://drawpile.net/api/ext-auth", "write https://drawpile.net/api/ext-auth/"},
		{"--gui --no-gui", "--gui contradicts --no-gui"},
		{"--remote http://x/", "--remote works only with --gui"},
		{"--gui --remote host:27780", "--remote: write the address of an admin API, as in http://host:27780/api"},
		{"--gui --remote http://x/api --sessions y", "--sessions has no effect with --remote"},
		{"--web-admin-socket=", "--web-admin-socket: write a path"},
	} {
		if _, err := parseOptions(strings.Fields(tt.args)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.args, err, tt.want)
		}
	}
}

func TestAccepted(t *testing.T) {
	for _, tt := range []struct {
		args  string
		check func(o *options) bool
	}{
		{"", func(o *options) bool {
			return o.port == 27750 && !o.listen.IsValid() && o.sessions == "" && o.certFile == "" && o.selfSigned == "" &&
				o.syncInterval == time.Second && o.transport == "auto" && len(o.warnings) == 0
		}},
		{"-p 1 -l 127.0.0.1", func(o *options) bool { return o.port == 1 && o.listen == netip.MustParseAddr("127.0.0.1") }},
		{"--port 65535 --listen ::", func(o *options) bool { return o.port == 65535 && o.listen == netip.IPv6Unspecified() }},
		{"--no-gui", func(o *options) bool { return len(o.warnings) == 0 }},
		{"--websocket-port 0 --web-admin-port 0", func(o *options) bool { return len(o.warnings) == 0 }},
		{"--websocket-port 27751 --websocket-listen ::1", func(o *options) bool {
			return o.webPort == 27751 && o.webListen == netip.IPv6Loopback() && !o.webTLS && !o.singlePort && len(o.warnings) == 0
		}},
		{"--websocket-listen ::1", func(o *options) bool { return len(o.warnings) == 1 }},
		{"--websocket-port 443 --websocket-ssl --data x", func(o *options) bool { return o.webTLS && len(o.warnings) == 0 }},
		{"--single-port --trusted-proxy 10.0.0.1", func(o *options) bool { return o.singlePort && len(o.warnings) == 0 }},
		{"positional", func(o *options) bool { return len(o.warnings) == 1 }},
		{"--local-host Pile.Example", func(o *options) bool { return o.localHost == "Pile.Example" }},
		{"--extauth https://Auth.example:8443/x?y#z", func(o *options) bool {
			return o.authURL == "https://Auth.example:8443/x?y#z" && len(o.warnings) == 0
		}},
		{"--ssl-cert a --ssl-key b", func(o *options) bool {
			return o.certFile == "a" && o.keyFile == "b" && o.keyAlgorithm == "guess" && len(o.warnings) == 0
		}},
		{"--ssl-cert a --ssl-key b --ssl-key-algorithm EC", func(o *options) bool { return o.keyAlgorithm == "ec" }},
		{"--ssl-cert a", func(o *options) bool { return o.certFile == "" && len(o.warnings) == 1 }},
		{"--ssl-key a", func(o *options) bool { return o.certFile == "" && len(o.warnings) == 1 }},
		{"--ssl-key-algorithm nonsense", func(o *options) bool { return len(o.warnings) == 1 }},
		{"--data d", func(o *options) bool {
			return o.sessions == "d/sessions" && o.selfSigned == "d/tls" && o.checksums == "d/checksums"
		}},
		{"--sessions s", func(o *options) bool { return o.sessions == "s" && o.checksums == "" }},
		{"--sessions s --checksums c", func(o *options) bool { return o.checksums == "c" }},
		{"--data d --no-tls", func(o *options) bool { return o.sessions == "d/sessions" && o.selfSigned == "" }},
		{"--data d --sessions e", func(o *options) bool { return o.sessions == "e" && o.selfSigned == "d/tls" }},
		{"--data d --ssl-cert a --ssl-key b", func(o *options) bool { return o.selfSigned == "" && o.certFile == "a" }},
		{"--crypt-key " + goodKey, func(o *options) bool { return len(o.cryptKey) == 32 && o.cryptKey[31] == 31 }},
		{"--log-format json", func(o *options) bool { return o.logFormat == serverlog.FormatJSON }},
		{"--transport goroutine --loops 3", func(o *options) bool { return o.transport == "goroutine" && o.loops == 3 }},
		{"--sync-interval 200ms", func(o *options) bool { return o.syncInterval == 200*time.Millisecond }},
		{"--sync-interval 2", func(o *options) bool { return o.syncInterval == 2*time.Second }},
		{"--sync-interval 0", func(o *options) bool { return o.syncInterval == 0 }},
		{"--pprof 6060", func(o *options) bool { return o.pprof.String() == "127.0.0.1:6060" && len(o.warnings) == 0 }},
		{"--pprof :6060", func(o *options) bool { return o.pprof.String() == "127.0.0.1:6060" }},
		{"--pprof localhost:6060", func(o *options) bool { return o.pprof.String() == "127.0.0.1:6060" }},
		{"--pprof [::1]:6060", func(o *options) bool { return o.pprof.String() == "[::1]:6060" && len(o.warnings) == 0 }},
		{"--pprof 0.0.0.0:6060", func(o *options) bool { return o.pprof.String() == "0.0.0.0:6060" && len(o.warnings) == 1 }},
		{"--version --nonsense-later-is-checked-first", nil},
		{"--version --port 0", func(o *options) bool { return o.version }},
		{"--generate-crypt-key --port 0", func(o *options) bool { return o.generateKey }},
	} {
		o, err := parseOptions(strings.Fields(tt.args))
		if tt.check == nil {
			if err == nil {
				t.Errorf("%s: accepted", tt.args)
			}
			continue
		}
		if err != nil || !tt.check(o) {
			t.Errorf("%s: %+v, %v", tt.args, o, err)
		}
	}
}

func TestExtAuth(t *testing.T) {
	for text, ok := range map[string]bool{
		"https://drawpile.net/api/ext-auth/":      true,
		"https://drawpile.net/api/ext-auth/?a=b":  true,
		"https://drawpile.net:443/api/ext-auth/":  true,
		"https://example.com/x":                   true,
		"http://127.0.0.1:8080/":                  true,
		"https://notdrawpile.net/":                true,
		"https://www.drawpile.net/api/ext-auth/":  false,
		"http://drawpile.net/api/ext-auth/":       false,
		"https://drawpile.net/api/ext-auth":       false,
		"https://drawpile.net:8443/api/ext-auth/": false,
		"https://WWW.Drawpile.Net/api/ext-auth/":  false,
		"ftp://example.com/":                      false,
		"example.com":                             false,
		"https:///x":                              false,
		"https://exa mple.com/":                   false,
		"https://example.com:65536/":              false,
		"https://example.com:x/":                  false,
		"https://example.com/a b":                 false,
		"https://example.com/<a>":                 false,
		"https://example.com/\u00e4":              true,
		"https://[::1]:8080/":                     true,
		"":                                        false,
	} {
		if err := checkExtAuth(text); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestGenerateCryptKey(t *testing.T) {
	var out bytes.Buffer
	if err := generateCryptKey(&out, bytes.NewReader(bytes.Repeat([]byte{7}, 40))); err != nil {
		t.Fatal(err)
	}
	text, ok := strings.CutSuffix(out.String(), "\n")
	key, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(text) != 44 || !bytes.Equal(key, bytes.Repeat([]byte{7}, 32)) {
		t.Errorf("printed %q", out.String())
	}
	if _, err := parseOptions([]string{"--crypt-key", text}); err != nil {
		t.Error(err)
	}
	if err := generateCryptKey(&out, strings.NewReader("short")); err == nil {
		t.Error("a key was made without randomness")
	}
}

func TestVersionAndHelp(t *testing.T) {
	var out bytes.Buffer
	printVersion(&out)
	if want := "drawpile-srv " + version + "\nProtocol version: 25.1\n"; !strings.HasPrefix(out.String(), want) {
		t.Errorf("version: %q", out.String())
	}
	out.Reset()
	printHelp(&out)
	for _, o := range table {
		if !strings.Contains(out.String(), "--"+o.name) {
			t.Errorf("--%s is not explained", o.name)
		}
	}
}

// With --data alone empty sessions wait for their people; a configuration file
// has the last word.
func TestLingering(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want bool
	}{
		{[]string{"--data", "d"}, true},
		{[]string{"--data", "d", "--config", "c"}, false},
		{[]string{"--data", "d", "--sessions", "s"}, false},
		{nil, false},
	} {
		o, err := parseOptions(tt.args)
		if err != nil {
			t.Fatalf("%q: %v", tt.args, err)
		}
		if o.lingering != tt.want {
			t.Errorf("%q: lingering %v, want %v", tt.args, o.lingering, tt.want)
		}
	}
	s := lingering(settings.Default())
	if s.EmptySessionLingerTime != lingerTime || !s.Persistence || settings.Default().Persistence {
		t.Errorf("settings of --data: linger %v, persistence %v", s.EmptySessionLingerTime, s.Persistence)
	}
}
