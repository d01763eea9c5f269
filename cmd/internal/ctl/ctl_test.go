package ctl

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// server is a double of the API on a socket; it remembers what changed.
type server struct {
	socket string
	asked  []string
}

func serve(t *testing.T) *server {
	t.Helper()
	s := &server{socket: filepath.Join(t.TempDir(), "admin.sock")}
	l, err := net.Listen("unix", s.socket)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	answer := func(pattern, text string) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if r.Method != http.MethodGet {
				s.asked = append(s.asked, strings.TrimSpace(r.Method+" "+r.URL.String()+" "+string(body)))
			}
			_, _ = io.WriteString(w, text)
		})
	}
	const one = `{"id":"01hzz","alias":"doodles","title":"Doodle\u001b[2J night","founder":"alice","userCount":2,"maxUserCount":20,
		"size":41234567,"startTime":"2026-05-16T12:00:00Z","hasPassword":true,"persistent":true,"users":[
		{"id":1,"name":"alice","ip":"203.0.113.5","online":true,"op":true},{"id":2,"name":"bob","ip":"2001:db8::7","online":true},
		{"id":3,"name":"7","ip":"192.0.2.1","online":true},{"id":7,"name":"x","ip":"192.0.2.2","online":true},
		{"id":9,"name":"gone","ip":"192.0.2.1","online":false}]}`
	answer("GET /api/status", `{"started":"2026-05-16T12:00:00Z","sessions":2,"maxSessions":25,"users":7,"ext_host":"draw.example.com","ext_port":27750}`)
	answer("GET /api/sessions", `[`+one+`,{"alias":"tpl","title":"a template"}]`)
	answer("GET /api/sessions/doodles", one)
	answer("PUT /api/sessions", `{}`)
	answer("PUT /api/sessions/01hzz", one)
	answer("DELETE /api/sessions/01hzz", `{"status":"ok"}`)
	answer("DELETE /api/sessions/01hzz/2", `{"status":"ok","force":false}`)
	answer("POST /ctl/reload", `{"status":"ok"}`)
	mux.HandleFunc("DELETE /api/sessions/01hzz/1", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"status":"error","message":"This section is locked"}`)
	})
	web := &http.Server{Handler: mux}
	go func() { _ = web.Serve(l) }()
	t.Cleanup(func() { _ = web.Close() })
	return s
}

func TestTables(t *testing.T) {
	s := serve(t)
	for _, tt := range []struct {
		args string
		want []string
		not  string
	}{
		{"status", []string{"2 of at most 25", "Users", "7", "draw.example.com port 27750"}, "{"},
		{"sessions", []string{"SESSION", "01hzz", "doodles", "2/20", "39.3 MB", "password,persistent", "Doodle·[2J night"}, "a template"},
		{"sessions doodles", []string{"alice", "203.0.113.5", "operator", "2001:db8::7"}, "gone"},
	} {
		var out bytes.Buffer
		if err := Run(strings.Fields(tt.args), s.socket, &out); err != nil {
			t.Errorf("%s: %v", tt.args, err)
		}
		for _, want := range tt.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: no %q in\n%s", tt.args, want, &out)
			}
		}
		if strings.Contains(out.String(), tt.not) || strings.Contains(out.String(), "\x1b") {
			t.Errorf("%s printed\n%s", tt.args, &out)
		}
	}
}

func TestJSON(t *testing.T) {
	s := serve(t)
	for _, args := range []string{"status --json", "--json sessions", "sessions doodles --json", "--json reload", "message doodles hi --json"} {
		var out bytes.Buffer
		if err := Run(strings.Fields(args), s.socket, &out); err != nil {
			t.Errorf("%s: %v", args, err)
		}
		if !json.Valid(out.Bytes()) {
			t.Errorf("%s printed\n%s", args, &out)
		}
	}
}

func TestChanges(t *testing.T) {
	for _, tt := range []struct{ args, asked, printed string }{
		{"kick doodles bob", "DELETE /api/sessions/01hzz/2", "bob was disconnected"},
		{"kick doodles #2 be calm", "DELETE /api/sessions/01hzz/2?message=be+calm", "bob was disconnected"},
		{"message doodles hello there", `PUT /api/sessions/01hzz {"message":"hello there"}`, "Sent to"},
		{"message doodles --alert -- --all", `PUT /api/sessions/01hzz {"alert":"--all"}`, "Sent to"},
		{"message --all hello", `PUT /api/sessions {"message":"hello"}`, "all sessions"},
		{"terminate doodles", "DELETE /api/sessions/01hzz", "was terminated"},
		{"terminate doodles --quiet too late", "DELETE /api/sessions/01hzz?quiet=true&reason=too+late", "was terminated"},
		{"reload", "POST /ctl/reload {}", "looked at its files"},
	} {
		s := serve(t)
		var out bytes.Buffer
		err := Run(strings.Fields(tt.args), s.socket, &out)
		if err != nil || len(s.asked) != 1 || s.asked[0] != tt.asked || !strings.Contains(out.String(), tt.printed) {
			t.Errorf("%s: %v, asked %q, printed %q", tt.args, err, s.asked, &out)
		}
	}
}

func TestErrors(t *testing.T) {
	s := serve(t)
	for _, tt := range []struct{ args, want string }{
		{"", "no command"},
		{"dance", `unknown command "dance"`},
		{"status now", "write: drawpile-srv ctl status"},
		{"kick doodles", "write: drawpile-srv ctl kick SESSION USER"},
		{"kick nowhere bob", `there is no session "nowhere"`},
		{"kick doodles gone", `nobody in`},
		{"kick doodles 7", `"7" means several members; write the number with # in front`},
		{"kick doodles alice", "alice was not disconnected: This section is locked"},
		{"message doodles", "write a text"},
		{"terminate", "write: drawpile-srv ctl terminate"},
		{"status --alert", "for message only"},
		{"kick doodles bob --quiet", "for terminate only"},
		{"status --socket", "--socket needs a value"},
		{"status --speed", "unknown option --speed"},
		{"status --socket=/nonexistent/socket", "start the server with --web-admin-socket /nonexistent/socket"},
	} {
		var out bytes.Buffer
		err := Run(strings.Fields(tt.args), s.socket, &out)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %q", tt.args, err, tt.want)
		}
	}
	if len(s.asked) != 0 {
		t.Errorf("mistakes have changed something: %q", s.asked)
	}
}

func TestNobodyAnswers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
	err = Run([]string{"status"}, path, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "is it running?") {
		t.Errorf("got %v", err)
	}
}
