package login

import (
	"bytes"
	"crypto/tls"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"drawrelay/frame"
	"drawrelay/store/entry"
	"drawrelay/store/settings"
)

// §20 item 1, 18, 37: the plain path from hello to host.
func TestGuestHosts(t *testing.T) {
	b := start(t, nil)
	c, hello := b.greeted()
	c.want(hello, object{
		"message": "Drawpile server 2.3.1-beta.1",
		"flags":   []string{"MULTI", "AVATAR", "MBANIMPEX", "LOOKUP", "CINFO"},
		"methods": object{"guest": object{"actions": []string{"join", "host"}}},
	})
	c.cmd("cinfo", []any{"localhost", info()}, nil)
	c.want(c.reply(), object{"message": "Client info OK!", "cinfo": object{"browser": false}})
	c.cmd("lookup", []any{}, nil)
	c.want(c.reply(), object{"lookup": "host", "message": "Host lookup OK!"})
	r := c.ident("bob")
	c.want(r, object{"message": "Guest login OK!", "ident": "bob", "guest": true,
		"flags": []string{"HOST", "WEB", "WEBHOST", "WEBSESSION"}})
	c.cmd("host", nil, info(object{"protocol": "dp:4.25.1", "user_id": 7, "alias": "my-session", "password": "secret",
		"capabilities": "KEEPALIVE,THUMBNAIL"}))
	c.want(c.reply(), object{"state": "host"})

	h := b.seater.host(t)
	if h.UserID != 7 || h.Alias != "my-session" || h.Version != frame.OwnVersion || !h.AllowWeb || h.Unlisted ||
		!strings.HasPrefix(h.PasswordHash, "sodium;") || h.Conn.Pipe != nil || h.Conn.IdleTimeout == 0 {
		t.Errorf("host request = %+v", h)
	}
	p := h.Person
	if p.Name != "bob" || p.AuthID != "" || p.SystemID != sidA || !p.KeepAlive || !p.Thumbnail || p.Incompatible ||
		p.TLS || p.Browser || p.Addr.String() != "127.0.0.1" {
		t.Errorf("person = %+v", p)
	}
	if want := `{"address":"127.0.0.1","app_version":"2.3.0","os":"linux","protocol_version":"dp:4.25.1","s":"` + sidA + `"}`; p.Info != want {
		t.Errorf("info = %s, want %s", p.Info, want)
	}
	if strings.Contains(b.logText(), "secret") {
		t.Error("the password is in the log")
	}
}

// A whole login in one write: what follows host belongs to relay, even when
// hashing the session password takes its time meanwhile.
func TestPipelinedLoginKeepsRest(t *testing.T) {
	for _, pass := range []string{"", "secret"} {
		b := start(t, nil)
		c := b.dial()
		stream := command("cinfo", []any{"x", info()}, nil)
		stream = append(stream, command("ident", []any{"alice"}, nil)...)
		stream = append(stream, command("host", nil, info(object{"protocol": "dp:4.25.1", "user_id": 1, "password": pass}))...)
		rest := command("sessionconf", nil, object{"title": "One write"})
		for i := range 100 {
			rest = frame.Append(rest, frame.Msg{Type: 136, User: 1, Body: bytes.Repeat([]byte{byte(i)}, i)})
		}
		rest = append(rest, 0, 9, 200) // the beginning of a message
		c.raw(append(stream, rest...))
		c.want(c.reply(), object{"message": "Client info OK!"})
		c.want(c.reply(), object{"state": "identOk"})
		c.want(c.reply(), object{"message": "Welcome"})
		c.want(c.reply(), object{"state": "host"})
		conn := b.seater.host(t).Conn
		got := slices.Clone(conn.Pending)
		for len(got) < len(rest) { // not everything need have been read
			buf := make([]byte, len(rest)-len(got))
			n, err := conn.Net.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, buf[:n]...)
		}
		if !bytes.Equal(got, rest) {
			t.Errorf("pending input differs: %d bytes, want %d", len(got), len(rest))
		}
	}
}

// §20 items 1 and 3: STARTTLS with TLS 1.2 and 1.3, then a join inside.
func TestStartTLS(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			b := start(t, withTLS, session("01aaaaaaaaaaaaaaaaaaaaaaaa", "pub"))
			c, hello := b.greeted()
			c.want(hello, object{"flags": []string{"MULTI", "TLS", "SECURE", "AVATAR", "MBANIMPEX", "LOOKUP", "CINFO"}})
			c.secure(version)
			c.ping()
			c.cmd("cinfo", []any{"localhost", info()}, nil)
			c.want(c.reply(), object{"message": "Client info OK!"})
			c.ident("bob")
			// Pipelined data is handed over decrypted.
			rest := command("ready", nil, nil)
			c.raw(append(command("join", []any{"pub"}, info(object{"oldv": true, "hidx": "1:2:01aaaaaaaaaaaaaaaaaaaaaaaa"})), rest...))
			c.want(c.reply(), object{"state": "join"})
			j := b.seater.join(t)
			if !j.Person.TLS || !j.Person.Incompatible || j.Conn.Pipe == nil || j.Index.Pos != 2 || j.Session != "01aaaaaaaaaaaaaaaaaaaaaaaa" {
				t.Errorf("join request = %+v", j)
			}
			got := slices.Clone(j.Conn.Pending)
			plain, _, err := j.Conn.Pipe.Feed(nil, nil, 1<<16)
			if err != nil {
				t.Fatal(err)
			}
			if got = append(got, plain...); !bytes.Equal(got, rest) {
				t.Errorf("pending = %q, want %q", got, rest)
			}
		})
	}
}

func unhex(t *testing.T, s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// §20 item 3 and 4: the frames of §6 and wire.md §7.2, byte by byte.
func TestFramesExact(t *testing.T) {
	startTLS := unhex(t, "00 12 00 00 7b 22 63 6d 64 22 3a 22 73 74 61 72 74 54 6c 73 22 7d")
	startReply := unhex(t, `00 3c 00 00 7b 22 6d 65 73 73 61 67 65 22 3a 22 53 74 61 72 74 20 54 4c 53 20 6e 6f 77 21 22 2c
		22 73 74 61 72 74 54 6c 73 22 3a 74 72 75 65 2c 22 74 79 70 65 22 3a 22 72 65 73 75 6c 74 22 7d`)
	required := unhex(t, `00 3e 00 00 7b 22 63 6f 64 65 22 3a 22 74 6c 73 52 65 71 75 69 72 65 64 22 2c 22 6d 65 73 73 61 67 65 22 3a 22 54
		4c 53 20 72 65 71 75 69 72 65 64 22 2c 22 74 79 70 65 22 3a 22 65 72 72 6f 72 22 7d
		00 0c 01 00 00 4c 6f 67 69 6e 20 65 72 72 6f 72`)
	ident := unhex(t, `00 3a 00 00 7b 22 61 72 67 73 22 3a 5b 22 62 6f 62 22 5d 2c 22 63 6d 64 22 3a 22 69 64 65 6e 74 22 2c 22 6b 77 61
		72 67 73 22 3a 7b 22 69 6e 74 65 6e 74 22 3a 22 67 75 65 73 74 22 7d 7d`)

	b := start(t, withTLS)
	take := func(c *client, want []byte) {
		t.Helper()
		var got []byte
		for len(got) < len(want) {
			m := c.message()
			got = frame.Append(got, m)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("got  %x\nwant %x", got, want)
		}
	}
	c := b.dial()
	c.raw(startTLS)
	take(c, startReply)

	c = b.dial()
	c.raw(ident)
	take(c, required)
	c.cut()
	b.logged("Error/RuleBreak Client did not upgrade to TLS mode!")
	b.logged("Info/Leave Login error (tlsRequired)")

	plain := start(t, nil)
	c = plain.dial()
	c.raw(ident)
	c.want(c.reply(), object{"state": "identOk"})
}

// §4: the example hello, byte by byte.
func TestHelloExact(t *testing.T) {
	b := start(t, func(s *settings.Settings, c *Config) {
		withTLS(s, c)
		s.Persistence = true
	})
	want := `{"flags":["MULTI","PERSIST","TLS","SECURE","AVATAR","MBANIMPEX","LOOKUP","CINFO"],` +
		`"message":"Drawpile server 2.3.1-beta.1","methods":{"guest":{"actions":["join","host"]}},"type":"login","version":4}`
	if len(want) != 0xc6 {
		t.Fatalf("the example has %d bytes", len(want))
	}
	c := b.dial()
	_ = c
	srv := prepare(t, nil)
	srv.Server = New(b.Server.cfg)
	k := newConn(srv.Server, nil, peer("192.0.2.1"))
	k.tr = &stream{}
	k.greet()
	if got := string(k.out[frame.HeaderLen:]); got != want {
		t.Errorf("hello = %s\nwant    %s", got, want)
	}
}

// §20 item 5: plaintext behind startTls cuts the connection, also when it
// comes in a segment of its own before the server looks.
func TestPlaintextAfterStartTLS(t *testing.T) {
	b := start(t, withTLS)
	for _, extra := range [][]byte{{0}, command("ident", []any{"mallory"}, nil), {0x16, 3, 1}} {
		c := b.dial()
		c.raw(append(command("startTls", nil, nil), extra...))
		c.cut()
	}
	b.logged("RuleBreak Plaintext after startTls")
	if text := b.logText(); strings.Contains(text, "mallory") {
		t.Errorf("the injected command was executed:\n%s", text)
	}
}

// §20 item 6: startTls means nothing on a plain listener.
func TestStartTLSOnPlain(t *testing.T) {
	b := start(t, nil)
	c := b.dial()
	c.cmd("startTls", nil, nil)
	c.violated()
	b.logged("Error/RuleBreak Invalid login command (while waiting for ident): startTls")
	b.logged("Info/Leave invalid message (startTls)")
}

func TestFailedHandshake(t *testing.T) {
	b := start(t, withTLS)
	c := b.dial()
	c.cmd("startTls", nil, nil)
	c.reply()
	c.raw([]byte("this is no handshake record"))
	for {
		if _, err := c.conn.Read(make([]byte, 100)); err != nil {
			break
		}
	}
	b.logged("Warn/Status Socket error: ")
}

// Refusals of the seater end the login; other failures do not leak.
func TestSeaterRefuses(t *testing.T) {
	for _, test := range []struct {
		err  error
		want *entry.Refusal
	}{
		{entry.ErrClosed, entry.ErrClosed},
		{entry.ErrNameInUse, entry.ErrNameInUse},
		{errPeerGone, errInternal},
	} {
		b := start(t, nil, session("s1", ""))
		b.seater.err = test.err
		c := b.login("bob")
		c.cmd("join", []any{"s1"}, info())
		c.refused(test.want.Code, test.want.Message)
	}
}
