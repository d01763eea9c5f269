//go:build unix

package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"drawrelay/frame"
)

// get asks the admin port for a path and returns status and body; credentials
// may be empty.
func get(t *testing.T, port int, path, credentials string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", port, path), nil)
	if err != nil {
		t.Fatal(err)
	}
	if user, password, some := strings.Cut(credentials, ":"); some {
		r.SetBasicAuth(user, password)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	reply, err := client.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply.StatusCode, string(text)
}

// launchAdmin starts a server with an admin port and waits for it.
func launchAdmin(t *testing.T, environment []string, args ...string) (s *testServer, port int) {
	t.Helper()
	port = freePort(t)
	drawing := freePort(t)
	c := command(append([]string{"--port", fmt.Sprint(drawing), "--listen", "127.0.0.1", "--web-admin-port", fmt.Sprint(port)}, args...)...)
	c.Env = append(c.Env, environment...)
	s = launchCommand(t, c, drawing)
	s.await("admin port", func() bool {
		return strings.Contains(s.log.String(), fmt.Sprintf("Started listening for the admin API on port %d", port))
	})
	return s, port
}

// admin-api.md checklist 1: nothing listens without the option, nor with 0.
func TestRunWithoutAdmin(t *testing.T) {
	port := freePort(t)
	s := launch(t, "--web-admin-port", "0")
	if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
		_ = c.Close()
		t.Error("something listens")
	}
	s.stop(syscall.SIGTERM)
	if strings.Contains(s.log.String(), "admin") {
		t.Errorf("log: %s", s.log)
	}
}

// admin-api.md checklist 3: who cannot be meant is nobody's access.
func TestRunAdminRefusals(t *testing.T) {
	port := fmt.Sprint(freePort(t))
	for _, tt := range []struct{ args, want string }{
		{"--web-admin-access garbage", "Invalid subnet garbage"},
		{"--web-admin-access 1.2.3.4.5/8", "Invalid subnet 1.2.3.4.5/8"},
		{"--web-admin-auth secretonly", "write USER:PASSWORD"},
	} {
		status, _, stderr := runOnce(t, append([]string{"--port", port, "--web-admin-port", port}, strings.Fields(tt.args)...)...)
		if status != exitFailed || !strings.Contains(stderr, tt.want) || strings.Contains(stderr, "secretonly") {
			t.Errorf("%s: status %d, %s", tt.args, status, stderr)
		}
	}
}

// admin-api.md checklist 4, and the precedence of configuration.md §3.
func TestRunAdminCredentials(t *testing.T) {
	for _, tt := range []struct {
		environment []string
		args        []string
		right       string
	}{
		{[]string{"DRAWPILESRV_WEB_ADMIN_AUTH=env:a:b"}, nil, "env:a:b"},
		{[]string{"DRAWPILE_SRV_WEB_ADMIN_AUTH=old:x"}, nil, "old:x"},
		{[]string{"DRAWPILE_SRV_WEB_ADMIN_AUTH=old:x", "DRAWPILESRV_WEB_ADMIN_AUTH=env:y"}, nil, "env:y"},
		{[]string{"DRAWPILESRV_WEB_ADMIN_AUTH=env:y"}, []string{"--web-admin-auth", "opt:z"}, "opt:z"},
	} {
		s, port := launchAdmin(t, tt.environment, tt.args...)
		for _, credentials := range []string{"", "env:a:b", "env:a", "old:x", "env:y", "opt:z"} {
			want := http.StatusUnauthorized
			if credentials == tt.right {
				want = http.StatusOK
			}
			if status, body := get(t, port, "/api/status", credentials); status != want {
				t.Errorf("%q %q with %q: %d %s, want %d", tt.environment, tt.args, credentials, status, body, want)
			}
		}
		s.stop(syscall.SIGTERM)
		if strings.Contains(s.log.String(), "a:b") || strings.Contains(s.log.String(), "opt:z") {
			t.Error("the credentials are in the log")
		}
	}
}

// admin-api.md checklist 18: a file's settings cannot be changed.
func TestRunAdminFileSettings(t *testing.T) {
	_, port := launchAdmin(t, nil, "--config", writeFile(t, "settings", "serverTitle = file\nsessionCountLimit = 7\n"))
	r, err := http.NewRequest(http.MethodPut, fmt.Sprintf("http://127.0.0.1:%d/api/server", port), strings.NewReader(`{"serverTitle":"x","sessionCountLimit":9}`))
	if err != nil {
		t.Fatal(err)
	}
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	text, _ := io.ReadAll(reply.Body)
	for _, want := range []string{`"serverTitle":"file"`, `"sessionCountLimit":7`} {
		if reply.StatusCode != http.StatusOK || !strings.Contains(string(text), want) {
			t.Errorf("%d %s", reply.StatusCode, text)
		}
	}
}

// admin-api.md checklist 54: SIGUSR1 opens the admin port anew and disturbs
// nobody who draws.
func TestRunAdminReopens(t *testing.T) {
	s, port := launchAdmin(t, nil)
	c, _ := s.connect()
	c.host("steady")
	for n := 2; n <= 3; n++ {
		s.signal(syscall.SIGUSR1)
		s.await("opened anew", func() bool { return strings.Count(s.log.String(), "Started listening for the admin API") == n })
		if status, body := get(t, port, "/api/status", ""); status != http.StatusOK || !strings.Contains(body, `"users":1`) {
			t.Errorf("%d %s", status, body)
		}
	}
	c.write(frame.AppendPing(nil, false))
	c.next(frame.TypePing)
	if status := s.stop(syscall.SIGTERM); status != exitOK {
		t.Errorf("exit status %d", status)
	}
}
