package login

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"drawrelay/frame"
	"drawrelay/store/serverlog"
	"drawrelay/store/settings"
)

// wire.md §8, §19 items 10, 11, 28: the connection layer works in every state.
func TestControlMessages(t *testing.T) {
	ways := map[string]func(*bed) *client{
		"secure": func(b *bed) *client { return b.dial() },
		"ident":  func(b *bed) *client { c := b.dial(); c.secure(0); return c },
		"login": func(b *bed) *client {
			c := b.dial()
			c.secure(0)
			c.ident("bob")
			return c
		},
	}
	for state, enter := range ways {
		t.Run(state, func(t *testing.T) {
			b := start(t, withTLS)
			c := enter(b)
			c.ping()
			c.raw([]byte{0, 1, 2, 9, 1})           // a pong with a foreign id
			c.raw([]byte{0, 0, 3, 0})              // keep-alive
			c.raw([]byte{0, 3, 3, 0, 1, 2, 3})     // with a payload
			c.raw([]byte{0, 1, 1, 0, 2})           // disconnect
			c.raw([]byte{0, 0, 200, 0})            // not for the login
			c.raw([]byte{0, 2, 35, 0, 0, 0})       // chat
			c.raw([]byte{0, 0, 33, 0, 0, 0, 4, 0}) // leave, thumbnail
			c.ping()
			b.logged("Warn/RuleBreak Got non-login message (type=200) in login state")
			for _, bad := range []string{"\x00\x00\x02\x00", "\x00\x02\x02\x00\x00\x00", "\x00\x00\x01\x00", "\x00\x00\x05\x00",
				"\x00\x00\x1f\x00", "\x00\x00\x3f\x00", "\x00\x01\x21\x00\x00", "\x00\x01\x23\x00\x00", "\x00\x02\x20\x00\x00\x09"} {
				c := enter(b)
				c.raw([]byte(bad))
				c.cut()
				b.logged(fmt.Sprintf("Warn/RuleBreak Received unknown message type %d of length %d", bad[2], len(bad)))
			}
		})
	}
}

// A frame split at every byte, and the largest message there is.
func TestSplitFrames(t *testing.T) {
	b := start(t, nil)
	c := b.dial()
	for _, x := range command("cinfo", []any{"x", info()}, nil) {
		c.raw([]byte{x})
	}
	c.want(c.reply(), object{"message": "Client info OK!"})
	avatar := strings.Repeat("A", 65400)
	c.cmd("ident", []any{"bob"}, object{"avatar": avatar})
	c.want(c.reply(), object{"state": "identOk"})
	c.reply()
	c.raw(frame.Append(nil, frame.Msg{Body: bytes.Repeat([]byte("["), 65535)}))
	c.violated()
}

// Whatever does not parse counts as an unknown command.
func TestMalformedCommands(t *testing.T) {
	b := start(t, nil)
	for _, text := range []string{"", "{", "[]", `"x"`, "null", `{"cmd":5}`, `{"cmd":"IDENT","args":["bob"]}`, "\xff\xfe"} {
		c := b.dial()
		c.raw(frame.Append(nil, frame.Msg{Body: []byte(text)}))
		c.violated()
	}
	c := b.dial()
	c.cmd("host", nil, nil)
	c.violated()
	b.logged("Invalid login command (while waiting for ident): host")
	c = b.login("bob")
	c.cmd("ident", []any{"bob"}, nil)
	c.violated()
	b.logged("Error/RuleBreak Invalid login command (while waiting for join/host): ident")
}

func TestMessageLimit(t *testing.T) {
	b := prepare(t, nil)
	defer b.stop()
	b.limits.messages = 5
	c := b.dialAs(peer("192.0.2.1"), false)
	for range 5 {
		c.raw([]byte{0, 0, 200, 0})
	}
	for range 20 {
		c.ping() // pings do not count
	}
	c.raw([]byte{0, 0, 200, 0})
	c.cut()
	b.logged("Warn/RuleBreak More than 5 messages before entering a session")
}

// §20 item 50, wire.md §8: silence for clientTimeout in any state ends the
// connection, a byte now and then does not.
func TestIdleTimeout(t *testing.T) {
	for _, state := range []string{"hello", "ident", "login", "half", "banned"} {
		synctest.Test(t, func(t *testing.T) {
			b := prepare(t, func(s *settings.Settings, c *Config) {
				s.ClientTimeout = 40 * time.Second
				c.Rand = oneByte(1)
				c.Bans = &fakeBans{systems: []systemBan{{sidB, Ban{Reaction: ReactHang}}}}
			})
			defer b.stop()
			c := b.pipe()
			switch state {
			case "ident":
				c.cmd("cinfo", []any{"", info()}, nil)
				c.reply()
			case "login":
				c.ident("bob")
			case "banned":
				c.cmd("cinfo", []any{"", info(object{"s": sidB})}, nil)
				c.reply()
				c.cmd("ident", []any{"bob"}, nil)
			}
			begin := time.Now()
			for range 10 {
				time.Sleep(39 * time.Second)
				c.ping()
			}
			if state == "half" {
				time.Sleep(39 * time.Second)
				c.raw([]byte{0, 9, 0})
			}
			last := time.Now()
			c.conn.SetReadDeadline(time.Time{})
			if _, err := c.conn.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("%s: %v, want EOF", state, err)
			}
			if d := time.Since(last); d != 40*time.Second {
				t.Errorf("%s: cut after %v (%v in all)", state, d, time.Since(begin))
			}
			b.logged("Warn/Status Message queue exceeded timeout of 40000ms")
		})
	}
}

// With clientTimeout off only those are cut who never said anything.
func TestNoIdleTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := prepare(t, func(s *settings.Settings, _ *Config) { s.ClientTimeout = 0 })
		defer b.stop()
		c, silent := b.pipe(), b.pipe()
		c.ping()
		time.Sleep(firstByteTimeout + time.Second)
		silent.cut()
		time.Sleep(24 * time.Hour)
		c.ping()
	})
}

// A TLS listener does not wait for ever for the handshake, pings or not.
func TestSecureTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := prepare(t, func(s *settings.Settings, c *Config) {
			s.ClientTimeout = 0
			withTLS(s, c)
		})
		defer b.stop()
		c, late := b.pipe(), b.pipe()
		late.cmd("startTls", nil, nil)
		late.reply()
		time.Sleep(secureTimeout - time.Second)
		c.ping()
		time.Sleep(2 * time.Second)
		c.cut()
		late.cut()
		b.logged("Message queue exceeded timeout of 60000ms")
	})
}

// A client that does not read is cut after a while.
func TestStalledWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := prepare(t, func(s *settings.Settings, _ *Config) { s.ClientTimeout = 0 })
		defer b.stop()
		b.silentPipe() // never reads its hello
		time.Sleep(writeTimeout + time.Second)
		if n := b.InLogin(); n != 0 {
			t.Errorf("%d connections left", n)
		}
		c := b.pipe()
		c.ident("bob")
		b.dir.set("s1", session("s1", "")) // nor this update
		time.Sleep(writeTimeout + time.Second)
		if n, w := b.InLogin(), b.dir.watching(); n != 0 || w != 0 {
			t.Errorf("%d connections and %d watchers left", n, w)
		}
	})
}

// wire.md §8: sessionLessClientLingerTime, looked at every 15 s.
func TestLingering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := prepare(t, nil)
		defer b.stop()
		c := b.pipe()
		c.ident("bob")
		time.Sleep(50 * time.Second)
		c.ping()
		set := *b.cfg.Settings.Get()
		set.SessionLessClientLingerTime = 45 * time.Second
		b.cfg.Settings.Set(&set)
		young := b.pipe()
		c.disconnect(frame.ReasonKick, "the server (lingering without session)")
		b.logged("Info/Kick Kicked by the server (lingering without session)")
		young.ping()
	})
}

// Stop tells everybody, in whatever state, and waits for them.
func TestStop(t *testing.T) {
	release := make(chan struct{})
	b, fake := authBed(t, nil)
	fake.release = release
	defer close(release)
	hello, lobby, asking := b.dial(), b.login2(fake), b.dial()
	asking.cmd("ident", []any{"guest"}, nil)
	asking.ping()
	stopped := make(chan error, 1)
	go func() { stopped <- b.Stop(context.Background()) }()
	for _, c := range []*client{hello, lobby, asking} {
		c.disconnect(frame.ReasonShutdown, "Server shutting down")
		c.conn.Close()
	}
	if err := <-stopped; err != nil {
		t.Errorf("Stop: %v", err)
	}
	b.logged("Info/Leave Server shutting down")
	if n, w := b.InLogin(), b.dir.watching(); n != 0 || w != 0 {
		t.Errorf("%d connections and %d watchers left", n, w)
	}
	if _, err := net.Dial("tcp", b.addr); err == nil {
		t.Error("the listener is open")
	}
	near, far := net.Pipe()
	b.Handle(far)
	if _, err := near.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("a connection after Stop: %v", err)
	}
	if err := b.Stop(context.Background()); err != nil {
		t.Errorf("second Stop: %v", err)
	}
}

// login2 gets a guest past an authentication server that is down for it.
func (b *bed) login2(fake *authServer) *client {
	fake.mu.Lock()
	release := fake.release
	fake.release = nil
	fake.mu.Unlock()
	c := b.login("guest")
	fake.mu.Lock()
	fake.release = release
	fake.mu.Unlock()
	return c
}

// Stop cuts those that do not go when its context ends.
func TestStopCuts(t *testing.T) {
	b := start(t, nil)
	b.dial() // does not close after the Disconnect
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := b.Stop(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Stop = %v", err)
	}
	if n := b.InLogin(); n != 0 {
		t.Errorf("%d connections left", n)
	}
}

// Millions of pings that nobody reads the answers of do not pile up.
func TestUnreadPongs(t *testing.T) {
	b := start(t, nil)
	c := b.dial()
	flood := bytes.Repeat([]byte{0, 1, 2, 0, 0}, 100000)
	_ = c.conn.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
	for range 100 {
		if _, err := c.conn.Write(flood); err != nil {
			break // the server has stopped reading
		}
	}
	b.each(func(k *conn) {
		if k.wmu.TryLock() {
			if cap(k.out) > 4*outLimit {
				t.Errorf("%d bytes of pongs are queued", cap(k.out))
			}
			k.wmu.Unlock()
		}
	})
}

// wire.md §12.2: nothing is answered behind the Disconnect, and the peer gets
// the whole message although it goes on sending.
func TestFarewellIsOrderly(t *testing.T) {
	b := start(t, nil)
	for range 20 {
		c := b.dial()
		c.cmd("nonsense", nil, nil)
		c.raw(bytes.Repeat([]byte{0, 1, 2, 0, 0}, 20000))
		c.violated()
	}
}

// Levels of what is logged when a connection comes and goes.
func TestConnectionLog(t *testing.T) {
	b := start(t, nil)
	c := b.dial()
	c.conn.Close()
	waitFor(t, "the end", func() bool { return b.InLogin() == 0 })
	b.logged("Info/Status New TCP client connected")
	if n := len(b.slog.Recent(serverlog.Debug, nil)); n != 1 {
		t.Errorf("%d entries:\n%s", n, b.logText())
	}
	if text := b.slog.Recent(serverlog.Debug, nil)[0].Abridged(); text != "Status 0;127.0.0.1;: New TCP client connected" {
		t.Errorf("entry = %q", text)
	}
}
