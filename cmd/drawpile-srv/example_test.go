package main

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"drawrelay/frame"
)

// publishedExample is the file of configuration.md §9.2, letter by letter.
const publishedExample = "../../store/config/testdata/published.ini"

// TestRunPublishedExample starts with the published file and looks for the
// effect of every line (configuration.md §23 item 15).
func TestRunPublishedExample(t *testing.T) {
	web, admin := freePort(t), fmt.Sprintf("127.0.0.1:%d", freePort(t))
	s := launch(t, "--config", publishedExample, "--websocket-port", fmt.Sprint(web), "--websocket-listen", "127.0.0.1",
		"--web-admin-port", admin[strings.LastIndexByte(admin, ':')+1:], "--web-admin-auth", "a:b")
	w := &world{testServer: s, outside: newOutsideFake(t)}
	settings := strings.ReplaceAll(askAdmin(t, admin, "/api/server/"), " ", "")
	for _, want := range []string{`"sessionSizeLimit":15728640`, `"sessionCountLimit":25`, `"idleTimeLimit":10800`} {
		if !strings.Contains(settings, want) {
			t.Errorf("%s is not among the settings:\n%s", want, settings)
		}
	}
	session := seeHost("")(w)
	for _, want := range []string{`"maxSize":15728640`, `"idleTimeLimit":10800`, `"title":"Welcome to my test server!"`} {
		if !strings.Contains(session, want) {
			t.Errorf("%s is not what a host sees:\n%s", want, session)
		}
	}
	// Only a fake is asked for; the published server must not be bothered.
	if got := w.announce(); !strings.Contains(got, "is not allowed on this server") {
		t.Errorf("announced at a server that is not listed: %s", got)
	}
	// Addresses come from a proxy on loopback.
	for addr, banned := range map[string]bool{"192.168.1.1": true, "::ffff:192.168.1.1": true, "10.0.255.7": true, "192.168.1.2": false, "10.1.0.0": false} {
		c := dialWeb(t, fmt.Sprintf("127.0.0.1:%d", web), http.Header{"X-Real-Ip": {addr}})
		told := hostOn(c, "")
		if got := strings.Contains(told, "Permanently banned from this server"); got != banned {
			t.Errorf("%s banned: %v\n%s", addr, got, told)
		}
		_ = c.conn.Close()
	}
	c, g := s.connect()
	if g.Methods["auth"] == nil {
		t.Errorf("methods %v", g.Methods)
	}
	c.send(`{"cmd":"ident","args":["moderator","qwerty12"]}`)
	if body := string(c.next(frame.TypeServerCommand)); !strings.Contains(body, `"badPassword"`) {
		t.Errorf("wrong password: %s", body)
	}
	c.send(`{"cmd":"ident","args":["moderator","qwerty123"]}`)
	if body := c.reply(`"identOk"`); !strings.Contains(body, `"MOD"`) || !strings.Contains(body, `"HOST"`) {
		t.Errorf("moderator: %s", body)
	}
	if strings.Contains(s.log.String(), "published.ini:") {
		t.Error("a line is complained about")
	}
	if status := s.stop(syscall.SIGTERM); status != exitOK {
		t.Errorf("exit status %d", status)
	}
}
