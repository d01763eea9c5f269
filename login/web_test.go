package login

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"drawrelay/frame"
	"drawrelay/store/entry"
	"drawrelay/store/settings"
)

// TestWebHandshake: any path and query, sub-protocols and extensions are
// ignored, however the request is cut (integrations.md §7 item 40, §6.1).
func TestWebHandshake(t *testing.T) {
	b, _ := startWeb(t, (*Server).ServeWeb, nil)
	for _, c := range []struct {
		name, request string
		step          int
	}{
		{"root", request("/"), 0},
		{"clients' path", request("/drawpile-web/ws?session=abc%3Asecret&web"), 0},
		{"any path", request("/a/b/c?d=e#f"), 0},
		{"byte by byte", request("/"), 1},
		{"in pieces", request("/"), 7},
		{"sub-protocol and extensions", request("/", "Sec-WebSocket-Protocol: chat, superchat", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"), 0},
		{"long header", request("/", "Cookie: "+strings.Repeat("x", 6000)), 0},
	} {
		conn, err := net.Dial("tcp", b.addr)
		if err != nil {
			t.Fatal(err)
		}
		status, headers := handshake(t, conn, bufio.NewReader(conn), c.request, c.step)
		if !strings.HasPrefix(status, "HTTP/1.1 101 ") || headers.Get("Sec-Websocket-Accept") != sampleAccept ||
			headers.Get("Server") != "drawpile-srv_2.3.1-beta.1" ||
			headers.Get("Sec-Websocket-Protocol") != "" || headers.Get("Sec-Websocket-Extensions") != "" {
			t.Errorf("%s: %s, %v", c.name, status, headers)
		}
		conn.Close()
	}
}

// TestWebHandshakeRefused: what is no handshake is answered by an HTTP error,
// or not at all, and gets no greeting.
func TestWebHandshakeRefused(t *testing.T) {
	b, _ := startWeb(t, (*Server).ServeWeb, nil)
	for _, c := range []struct{ name, request, status string }{
		{"version 8", request("/", "Sec-WebSocket-Version: 8"), "HTTP/1.1 426 "},
		{"no version", request("/", "Sec-WebSocket-Version:"), "HTTP/1.1 400 "},
		{"no key", request("/", "Sec-WebSocket-Key:"), "HTTP/1.1 400 "},
		{"bad key", request("/", "Sec-WebSocket-Key: short"), "HTTP/1.1 400 "},
		{"no upgrade", request("/", "Upgrade:"), "HTTP/1.1 400 "},
		{"no connection", request("/", "Connection:"), "HTTP/1.1 400 "},
		{"no host", request("/", "Host:"), "HTTP/1.1 400 "},
		{"plain request", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 "},
		{"POST", strings.Replace(request("/"), "GET", "POST", 1), "HTTP/1.1 405 "},
		{"HTTP/1.0", strings.Replace(request("/"), "HTTP/1.1", "HTTP/1.0", 1), "HTTP/1.1 505 "},
		{"nonsense", "nonsense\r\n\r\n", "HTTP/1.1 400 "},
		{"zeros", "\x00\x01\x02\r\n\r\n", "HTTP/1.1 400 "},
		{"too long", request("/", "Cookie: "+strings.Repeat("x", maxRequest)), "HTTP/1.1 431 "},
	} {
		conn, err := net.Dial("tcp", b.addr)
		if err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(conn)
		if status, _ := handshake(t, conn, in, c.request, 0); !strings.HasPrefix(status, c.status) {
			t.Errorf("%s: %s, want %s", c.name, status, c.status)
		}
		var rest bytes.Buffer
		_, _ = rest.ReadFrom(in) // the connection ends
		if strings.Contains(rest.String(), `"login"`) {
			t.Errorf("%s: greeted", c.name)
		}
		conn.Close()
	}
}

// TestWebAddress: X-Real-IP of a trusted peer is the client's address, if it is
// one address (login.md §20 item 49, integrations.md §7 item 41, decision 5).
func TestWebAddress(t *testing.T) {
	for _, c := range []struct {
		name    string
		headers []string
		trusted bool
		want    string
	}{
		{"none", nil, true, "127.0.0.1"},
		{"IPv4", []string{"X-Real-IP: 203.0.113.5"}, true, "203.0.113.5"},
		{"any case", []string{"x-real-ip: 203.0.113.5"}, true, "203.0.113.5"},
		{"IPv6", []string{"X-Real-IP: 2001:db8::7"}, true, "2001:db8::7"},
		{"mapped", []string{"X-Real-IP: ::ffff:203.0.113.5"}, true, "203.0.113.5"},
		{"list", []string{"X-Real-IP: 203.0.113.5, 10.0.0.1"}, true, "127.0.0.1"},
		{"garbage", []string{"X-Real-IP: me"}, true, "127.0.0.1"},
		{"with a port", []string{"X-Real-IP: 203.0.113.5:80"}, true, "127.0.0.1"},
		{"X-Forwarded-For", []string{"X-Forwarded-For: 203.0.113.5"}, true, "127.0.0.1"},
		{"from somebody", []string{"X-Real-IP: 203.0.113.5"}, false, "127.0.0.1"},
	} {
		b, _ := startWeb(t, (*Server).ServeWeb, func(_ *settings.Settings, cfg *Config) {
			cfg.TrustedProxy = func(netip.Addr) bool { return c.trusted }
		})
		b.web(false, append(c.headers, "Origin: https://web.example")...)
		source := "WebSocket peer address"
		if c.want != "127.0.0.1" {
			source = "X-Real-IP header"
		}
		b.logged("Info/Status New WebSocket client connected from 127.0.0.1:")
		b.logged("(IP from " + source + ", Origin 'https://web.example')")
		if list := b.Clients(); len(list) != 1 || list[0].Person.Addr.String() != c.want {
			t.Errorf("%s: address %v, want %s", c.name, list[0].Person.Addr, c.want)
		}
		b.stop()
	}
}

// TestWebAddressTwice: two headers are a list.
func TestWebAddressTwice(t *testing.T) {
	b, _ := startWeb(t, (*Server).ServeWeb, nil)
	conn, err := net.Dial("tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	text := strings.TrimSuffix(request("/"), "\r\n") + "X-Real-IP: 203.0.113.5\r\nX-Real-IP: 203.0.113.6\r\n\r\n"
	if status, _ := handshake(t, conn, bufio.NewReader(conn), text, 0); !strings.HasPrefix(status, "HTTP/1.1 101 ") {
		t.Fatal(status)
	}
	b.logged("IP from WebSocket peer address")
}

// TestWebAddressLimit: behind a proxy the clients' addresses are what is
// limited, and what is given back.
func TestWebAddressLimit(t *testing.T) {
	b, _ := startWeb(t, (*Server).ServeWeb, nil)
	b.mu.Lock()
	b.limits.perAddress = 2
	b.mu.Unlock()
	first, _, _ := b.web(false, "X-Real-IP: 203.0.113.5")
	b.web(false, "X-Real-IP: 203.0.113.5")
	b.web(false, "X-Real-IP: 203.0.113.6")
	try := func() string {
		conn, err := net.Dial("tcp", b.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		status, _ := handshake(t, conn, bufio.NewReader(conn), request("/", "X-Real-IP: 203.0.113.5"), 0)
		return status
	}
	if status := try(); !strings.HasPrefix(status, "HTTP/1.1 403 ") {
		t.Fatalf("a third connection from one address: %s", status)
	}
	first.conn.Close()
	for deadline := time.Now().Add(patience); !strings.HasPrefix(try(), "HTTP/1.1 101 "); {
		if time.Now().After(deadline) {
			t.Fatal("the address stays full")
		}
	}
	b.stop()
	if n := len(b.addresses); n != 0 {
		t.Errorf("%d addresses are still counted", n)
	}
}

// TestWebOrigin: the setting webSocketOrigins refuses foreign web pages; by
// default there is no such check (integrations.md §6.1). Apps have no origin.
func TestWebOrigin(t *testing.T) {
	for _, c := range []struct {
		setting string
		headers []string
		want    bool
	}{
		{"", []string{"Origin: https://anything.example"}, true},
		{"", nil, true},
		{"https://web.drawpile.net https://web.foxdice.cn", []string{"Origin: https://web.foxdice.cn"}, true},
		{"https://web.drawpile.net https://web.foxdice.cn", []string{"Origin: https://evil.example"}, false},
		{"https://web.drawpile.net", []string{"Origin: null"}, false},
		{"https://web.drawpile.net", nil, true},
	} {
		b, _ := startWeb(t, (*Server).ServeWeb, func(set *settings.Settings, _ *Config) { set.WebSocketOrigins = c.setting })
		conn, err := net.Dial("tcp", b.addr)
		if err != nil {
			t.Fatal(err)
		}
		status, _ := handshake(t, conn, bufio.NewReader(conn), request("/", c.headers...), 0)
		want := "HTTP/1.1 101 "
		if !c.want {
			want = "HTTP/1.1 403 "
			b.logged("its origin '" + strings.TrimPrefix(c.headers[0], "Origin: ") + "' is not in webSocketOrigins")
		}
		if !strings.HasPrefix(status, want) {
			t.Errorf("origins %q, headers %q: %s", c.setting, c.headers, status)
		}
		conn.Close()
		b.stop()
	}
}

// TestWebHello: on WebSocket the hello never has TLS flags, even where TCP
// requires TLS (login.md §20 item 2), and startTls is no command there; the
// client can log in all the same (integrations.md §7 item 43).
func TestWebHello(t *testing.T) {
	b, _ := startWeb(t, (*Server).ServeWeb, withTLS)
	c, _, hello := b.web(false)
	for _, flag := range hello["flags"].([]any) {
		if flag == "TLS" || flag == "SECURE" {
			t.Errorf("hello has %v", flag)
		}
	}
	c.ident("alice")
	c, _, _ = b.web(false)
	c.cmd("startTls", nil, nil)
	m := c.message()
	if d, _ := frame.ParseDisconnect(m.Body); m.Type != frame.TypeDisconnect || string(d.Text) != "invalid message" {
		t.Errorf("startTls on WebSocket: %v %q", m.Type, m.Body)
	}
	c.ended(1000)
}

// TestWebBrowser: Origin makes a browser (login.md §15, §20 item 30 and 49).
func TestWebBrowser(t *testing.T) {
	b, _ := startWeb(t, (*Server).ServeWeb, func(set *settings.Settings, _ *Config) { set.AllowGuestWeb = false })
	for _, c := range []struct {
		headers []string
		browser bool
	}{{nil, false}, {[]string{"Origin:"}, false}, {[]string{"Origin: https://web.example"}, true}} {
		k, _, hello := b.web(false, c.headers...)
		if got := slices.Contains(hello["flags"].([]any), any("NOGUEST")); got != c.browser {
			t.Errorf("%q: NOGUEST is %v", c.headers, got)
		}
		if _, got := hello["methods"].(object)["guest"]; got == c.browser {
			t.Errorf("%q: guest method is %v", c.headers, got)
		}
		k.cmd("cinfo", []any{"example.org", info()}, nil)
		k.want(k.reply(), object{"cinfo": object{"browser": c.browser}})
		if !c.browser {
			k.ident("alice")
			continue
		}
		k.cmd("ident", []any{"alice"}, nil) // although it was told NOGUEST
		k.want(k.reply(), object{"code": "webNotAllowed"})
		if m := k.message(); m.Type != frame.TypeDisconnect {
			t.Errorf("after webNotAllowed: %v", m.Type)
		}
		k.ended(1000)
	}
}

// TestWebFrames: in login frames may come in fragments, with pings and text
// between them, cut anywhere and many at once (wire.md §3, §19 item 3 and 4).
func TestWebFrames(t *testing.T) {
	b, _ := startWeb(t, (*Server).ServeWeb, nil)
	ident := string(command("ident", []any{"alice"}, object{"intent": "guest"})[2:])
	stream := slices.Concat(
		maskedFrame(frame.OpText, true, "text is ignored"),
		maskedFrame(frame.OpPing, true, "one"),
		maskedFrame(frame.OpBinary, false, ident[:1]),
		maskedFrame(frame.OpPing, true, ""),
		maskedFrame(frame.OpContinuation, false, ident[1:9]),
		maskedFrame(frame.OpPong, true, "unsolicited"),
		maskedFrame(frame.OpContinuation, true, ident[9:]),
		maskedFrame(frame.OpBinary, true, "\x02\x00\x00"),
		maskedFrame(frame.OpPing, true, strings.Repeat("x", 125)))
	for _, step := range []int{1, 3, 10, len(stream)} {
		c, w, _ := b.web(false)
		for rest := stream; len(rest) > 0; {
			n := min(step, len(rest))
			if _, err := w.Conn.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		c.want(c.reply(), object{"state": "identOk", "ident": "alice"})
		c.want(c.reply(), object{"type": "login"})
		if m := c.message(); m.Type != frame.TypePing || !bytes.Equal(m.Body, []byte{1}) {
			t.Fatalf("got %v %x, want a pong", m.Type, m.Body)
		}
		c.ping() // so all pongs have come
		if want := []string{"one", "", strings.Repeat("x", 125)}; !slices.Equal(w.pongs, want) {
			t.Errorf("in pieces of %d: pongs %q", step, w.pongs)
		}
	}
}

// TestWebBadFrames: broken rules are answered with Close 1002, messages that
// cannot be one with nothing at all (wire.md §3, §18.1, §18.2), a Close frame
// with its own code.
func TestWebBadFrames(t *testing.T) {
	b, _ := startWeb(t, (*Server).ServeWeb, nil)
	for _, c := range []struct {
		name   string
		frames []byte
		code   uint16 // 0 = cut
	}{
		{"unmasked", []byte{0x82, 2, 2, 0}, 1002},
		{"reserved opcode", maskedFrame(5, true, ""), 1002},
		{"continuation of nothing", maskedFrame(frame.OpContinuation, true, "ab"), 1002},
		{"long ping", maskedFrame(frame.OpPing, true, strings.Repeat("x", 126)), 1002},
		{"close", maskedFrame(frame.OpClose, true, "\x03\xe9bye"), 1001},
		{"close after a message", slices.Concat(maskedFrame(frame.OpBinary, true, "\x02\x00\x01"), maskedFrame(frame.OpClose, true, "\x03\xe8")), 1000},
		{"empty", maskedFrame(frame.OpBinary, true, ""), 0},
		{"one byte", maskedFrame(frame.OpBinary, true, "\x02"), 0},
		{"too long", maskedFrame(frame.OpBinary, true, strings.Repeat("x", frame.MaxWebSocket+1))[:20], 0},
		{"bad data", maskedFrame(frame.OpBinary, true, "\x05\x00"), 0},
	} {
		k, w, _ := b.web(false)
		if _, err := w.Conn.Write(c.frames); err != nil {
			t.Fatal(err)
		}
		if c.code != 0 {
			k.ended(c.code)
		} else if k.cut(); w.closed != nil {
			t.Errorf("%s: Close frame %x", c.name, w.closed)
		}
	}
}

// TestWebSeat: the connection goes to relay with its framing, and with the
// frames that have been read beyond the last command.
func TestWebSeat(t *testing.T) {
	for _, secure := range []bool{false, true} {
		serve := (*Server).ServeWeb
		if secure {
			serve = (*Server).ServeWebTLS
		}
		b, _ := startWeb(t, serve, withTLS)
		c, w, _ := b.web(secure, "Origin: https://web.example", "X-Real-IP: 203.0.113.5")
		c.ident("alice")
		host := command("host", nil, info(object{"protocol": "dp:4.25.1", "user_id": 7, "password": "secret"}))
		beyond := slices.Concat(
			maskedFrame(frame.OpBinary, true, "\xc8\x07first"), // read while the password is hashed, put back
			maskedFrame(frame.OpBinary, true, "\xc8\x07second"),
			maskedFrame(frame.OpBinary, false, "\xc8\x07thi"), maskedFrame(frame.OpContinuation, true, "rd"),
			maskedFrame(frame.OpBinary, false, "\xc8\x07fou"))
		if _, err := w.Conn.Write(append(webFrames(host), beyond...)); err != nil {
			t.Fatal(err)
		}
		b.awaitSeat(1)
		q := b.seater.host(t)
		if q.Conn.Framing != entry.FramingWebSocket || (q.Conn.Pipe != nil) != secure || q.Person.TLS != secure ||
			!q.Person.Browser || q.Person.Addr.String() != "203.0.113.5" || !q.AllowWeb {
			t.Errorf("handed over as %+v, %+v", q.Conn, q.Person)
		}
		// The rest is still in the socket.
		if _, err := w.Conn.Write(maskedFrame(frame.OpContinuation, true, "rth")); err != nil {
			t.Fatal(err)
		}
		socket := w.Conn
		if secure {
			socket = w.Conn.(*tls.Conn).NetConn()
		}
		if err := socket.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		rest := q.Conn.Pending
		more, err := io.ReadAll(q.Conn.Net)
		if err != nil {
			t.Fatal(err)
		}
		if secure {
			for again := true; again; more = nil {
				var plain []byte
				plain, again, _ = q.Conn.Pipe.Feed(more, nil, 64<<10) // the error is the end
				rest = append(rest, plain...)
			}
		}
		rest = append(rest, more...)
		var d frame.WebSocketDecoder
		var got string
		for {
			messages, _, next, err := d.Decode(rest)
			if err != nil {
				t.Fatal(err)
			}
			if len(messages) == 0 {
				break
			}
			for len(messages) > 0 {
				m, more, _ := frame.Parse(messages)
				got += string(m.Body) + " "
				messages = more
			}
			rest = next
		}
		if want := "first second third fourth "; got != want {
			t.Errorf("relay gets %q, want %q", got, want)
		}
		b.stop()
	}
}

// awaitSeat waits until n sessions have been hosted.
func (b *bed) awaitSeat(n int) {
	b.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		b.seater.mu.Lock()
		hosted := len(b.seater.hosts)
		b.seater.mu.Unlock()
		if hosted == n {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("%d sessions hosted, want %d", hosted, n)
		}
	}
}

// TestWebTLS: with its own TLS the WebSocket port needs no proxy; what is not
// TLS there is cut.
func TestWebTLS(t *testing.T) {
	b, _ := startWeb(t, (*Server).ServeWebTLS, withTLS)
	c, _, _ := b.web(true)
	c.ident("alice")
	conn, err := net.Dial("tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if status, _ := handshake(t, conn, bufio.NewReader(conn), request("/"), 0); strings.Contains(status, "101") {
		t.Errorf("without TLS: %s", status)
	}
}

// TestSinglePort: one port takes native clients, WebSocket, and WebSocket over
// TLS.
func TestSinglePort(t *testing.T) {
	for _, withCertificate := range []bool{true, false} {
		configure := withTLS
		if !withCertificate {
			configure = nil
		}
		b, _ := startWeb(t, (*Server).ServeAny, configure)
		native, hello := b.greeted() // it sends nothing until it is greeted
		if got := slices.Contains(hello["flags"].([]any), any("TLS")); got != withCertificate {
			t.Errorf("the native hello has TLS: %v", got)
		}
		if withCertificate {
			native.secure(0)
		}
		native.ident("native")
		c, _, _ := b.web(false)
		c.ident("web")
		if withCertificate {
			c, _, _ = b.web(true)
			c.ident("webtls")
		}
		// A native client that does not wait for the greeting.
		conn, err := net.Dial("tcp", b.addr)
		if err != nil {
			t.Fatal(err)
		}
		early := &client{t: t, conn: conn}
		early.raw([]byte{0, 1, 2, 0, 0})
		early.want(early.reply(), object{"type": "login"})
		if m := early.message(); m.Type != frame.TypePing {
			t.Errorf("an early ping is answered with %v", m.Type)
		}
		conn.Close()
		b.stop()
	}
}

// TestWebStop: who is logging in by WebSocket is told that the server stops.
func TestWebStop(t *testing.T) {
	b, _ := startWeb(t, (*Server).ServeWeb, nil)
	c, _, _ := b.web(false)
	half, err := net.Dial("tcp", b.addr) // still in the handshake
	if err != nil {
		t.Fatal(err)
	}
	defer half.Close()
	if _, err := half.Write([]byte("GET / HTTP/1.1\r\n")); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = b.Stop(t.Context()); close(done) }()
	m := c.message()
	if d, _ := frame.ParseDisconnect(m.Body); m.Type != frame.TypeDisconnect || d.Reason != frame.ReasonShutdown {
		t.Errorf("got %v %q", m.Type, m.Body)
	}
	c.conn.Close()
	<-done
}

// TestWebIdleLogin: WebSocket pings are no sign of life (wire.md §3).
func TestWebIdleLogin(t *testing.T) {
	b, _ := startWeb(t, (*Server).ServeWeb, func(set *settings.Settings, _ *Config) { set.ClientTimeout = 300 * time.Millisecond })
	c, w, _ := b.web(false)
	go func() {
		for {
			time.Sleep(20 * time.Millisecond)
			if _, err := w.Conn.Write(maskedFrame(frame.OpPing, true, "")); err != nil {
				return
			}
		}
	}()
	c.cut()
}
