package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"drawrelay/frame"
	"drawrelay/store/config"
)

// webClient is a WebSocket client over a library that knows nothing of this
// project.
type webClient struct {
	t    *testing.T
	conn net.Conn
	in   io.Reader
}

// dialWebSocket connects and returns the greeting.
func dialWebSocket(t *testing.T, url string, headers http.Header) (*webClient, map[string]any) {
	t.Helper()
	d := ws.Dialer{Timeout: patience, Header: ws.HandshakeHeaderHTTP(headers), TLSConfig: &tls.Config{InsecureSkipVerify: true}}
	var conn net.Conn
	var early *bufio.Reader // what came with the answer, may be nil
	var err error
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) { // until the port is open
		if conn, early, _, err = d.Dial(context.Background(), url); err == nil || time.Now().After(end) || !strings.Contains(err.Error(), "refused") {
			break
		}
	}
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	c := &webClient{t, conn, conn}
	if early != nil {
		c.in = early
	}
	return c, c.reply("login")
}

// next returns the next message.
func (c *webClient) next() frame.Msg {
	c.t.Helper()
	b, err := wsutil.ReadServerBinary(struct {
		io.Reader
		io.Writer
	}{c.in, c.conn})
	if err != nil {
		c.t.Fatal(err)
	}
	m, err := frame.ParseWebSocket(b)
	if err != nil {
		c.t.Fatal(err)
	}
	return m
}

// reply returns the next command of a type.
func (c *webClient) reply(kind string) map[string]any {
	c.t.Helper()
	for {
		m := c.next()
		var v map[string]any
		if m.Type == frame.TypeServerCommand && json.Unmarshal(m.Body, &v) == nil && v["type"] == kind {
			return v
		}
	}
}

func (c *webClient) send(m frame.Msg) {
	c.t.Helper()
	if err := wsutil.WriteClientBinary(c.conn, frame.AppendWebSocket(nil, m)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *webClient) cmd(name string, kwargs map[string]any, args ...any) {
	c.t.Helper()
	b, err := json.Marshal(map[string]any{"cmd": name, "args": args, "kwargs": kwargs})
	if err != nil {
		c.t.Fatal(err)
	}
	c.send(frame.Msg{Body: b})
}

// host hosts a session and draws n strokes.
func (c *webClient) host(name, alias string, n int) {
	c.t.Helper()
	c.cmd("ident", nil, name)
	c.reply("result")
	info := clientInfo(name)
	info["protocol"], info["user_id"], info["alias"] = "dp:4.25.1", 1, alias
	c.cmd("host", info)
	c.reply("result")
	c.cmd("sessionconf", map[string]any{"persistent": true})
	for i := range n {
		c.send(frame.Msg{Type: 148, User: 1, Body: fmt.Appendf(nil, "stroke %d", i)})
	}
	c.cmd("init-complete", nil)
	c.send(frame.Msg{Type: frame.TypePing, Body: []byte{0}})
	for c.next().Type != frame.TypePing {
	}
}

// TestWebSocketPorts: the options open what they promise, for clients that are
// not ours; a member over TCP sees what was drawn over WebSocket.
func TestWebSocketPorts(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options func(port string) []string
		scheme  string
		single  bool
	}{
		{"plain", func(p string) []string {
			return []string{"--no-tls", "--websocket-port", p, "--websocket-listen", "127.0.0.1"}
		}, "ws", false},
		{"TLS", func(p string) []string {
			return []string{"--websocket-port", p, "--websocket-listen", "127.0.0.1", "--websocket-ssl"}
		}, "wss", false},
		{"single port, plain", func(string) []string { return []string{"--no-tls", "--single-port"} }, "ws", true},
		{"single port, TLS", func(string) []string { return []string{"--single-port"} }, "wss", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			port := strconv.Itoa(freePort(t))
			s := launch(t, append([]string{"--data", t.TempDir()}, tt.options(port)...)...)
			at := net.JoinHostPort("127.0.0.1", port)
			if tt.single {
				at = s.addr
			}
			c, hello := dialWebSocket(t, tt.scheme+"://"+at+"/drawpile-web/ws?session=x", http.Header{"X-Real-Ip": {"203.0.113.9"}, "Origin": {"https://web.drawpile.net"}})
			for _, f := range hello["flags"].([]any) {
				if f == "TLS" {
					t.Error("the greeting has TLS")
				}
			}
			c.host("alice", "webs", 20)
			s.await("the log", func() bool {
				return strings.Contains(s.log.String(), "203.0.113.9; New WebSocket client") || strings.Contains(s.log.String(), "IP from X-Real-IP header, Origin 'https://web.drawpile.net')")
			})
			d, _ := dialWebSocket(t, tt.scheme+"://"+at+"/", nil)
			d.cmd("ident", nil, "bob")
			d.reply("result")
			list := d.reply("login")["sessions"].([]any)
			if len(list) != 1 || list[0].(map[string]any)["allowWeb"] != true {
				t.Errorf("session list %v", list)
			}
			d.cmd("join", clientInfo("bob"), "webs")
			for i := 0; i < 20; {
				if m := d.next(); m.Type == 148 {
					if string(m.Body) != fmt.Sprintf("stroke %d", i) {
						t.Fatalf("stroke %d is %q", i, m.Body)
					}
					i++
				}
			}
		})
	}
}

// TestWebSocketRestart: a stored session says to members whether browsers may
// come, also right after a restart.
func TestWebSocketRestart(t *testing.T) {
	dir, port := t.TempDir(), strconv.Itoa(freePort(t))
	for round := range 2 {
		s := launch(t, "--data", dir, "--no-tls", "--websocket-port", port, "--websocket-listen", "127.0.0.1")
		c, _ := dialWebSocket(t, "ws://127.0.0.1:"+port, nil)
		if round == 0 {
			c.host("alice", "webs", 1)
		} else {
			c.cmd("ident", nil, "bob")
			c.reply("result")
			c.cmd("join", clientInfo("bob"), "webs")
			var last map[string]any
			for {
				v := map[string]any{}
				m := c.next()
				_ = json.Unmarshal(m.Body, &v)
				if config, ok := v["config"].(map[string]any); ok && config["title"] != nil {
					last = config
				}
				if v["type"] == "caughtup" {
					break
				}
			}
			if last["allowWeb"] != true {
				t.Errorf("the last configuration in the history says %v", last["allowWeb"])
			}
		}
		c.conn.Close()
		s.stop(syscall.SIGTERM)
	}
}

// TestWebWithoutEffect: settings about browsers are named when nothing lets
// browsers in.
func TestWebWithoutEffect(t *testing.T) {
	const text = "allowGuestWeb = false\nallowGuestWebHosts = false\npreferWebSockets = true\n"
	for _, tt := range []struct {
		o    options
		want int
	}{{options{}, 2}, {options{webPort: 1}, 0}, {options{singlePort: true}, 0}, {options{activated: true}, 0}} {
		problems := withoutEffect(inFile(config.Parse("f", text, nil)), &tt.o)
		if len(problems) != tt.want || stops(problems) != nil {
			t.Errorf("%+v: %v", tt.o, problems)
		}
	}
}
