package admin

import (
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// somePage has one page and says so.
type somePage struct{ http.Handler }

func (somePage) Has(path string) bool { return path == "/" }

// Where the page has nothing there is no route, with and without credentials
// (checklist 8, admin-api.md §1.3).
func TestPageRoutes(t *testing.T) {
	w := newWorld(t, setup{config: func(c *Config) {
		c.Auth = Credentials{"a", "b"}
		c.Page = somePage{http.NotFoundHandler()}
	}})
	w.equal("page", w.request("GET", "/", "").status, 401)
	w.equal("nothing", w.request("GET", "/foo", "").status, 404)
	w.equal("API", w.request("GET", "/api/foo", "").status, 401)
}

// Who has no credentials uses nothing up that others need: neither calls, by
// asking for the server's health, nor the connections of the Unix socket.
func TestStrangersUseNothingUp(t *testing.T) {
	w := newWorld(t, setup{prepare: func(s *Server) {
		s.openRate = &bucket{now: func() time.Time { return time.Time{} }} // empty, and stays so
	}})
	w.equal("health", w.request("GET", "/healthz", "").status, 429)
	w.equal("call", w.request("GET", "/api/status", "").status, 200)
	path := filepath.Join(t.TempDir(), "admin")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	go w.admin.ServeLocal(l)
	taken := maxConns - len(w.admin.remote.places)
	for range taken {
		w.admin.remote.places <- struct{}{}
	}
	defer func() {
		for range taken {
			<-w.admin.remote.places
		}
	}()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	_, _ = c.Write([]byte("GET /api/status HTTP/1.0\r\n\r\n"))
	var reply [64]byte
	n, _ := c.Read(reply[:])
	if text := string(reply[:n]); !strings.Contains(text, " 200 ") {
		t.Errorf("Unix socket: %q", text)
	}
}
