package extauth

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"drawrelay/login"
)

// asked is what reached a fake server.
type asked struct {
	method, path, body string
	header             http.Header
}

// serve starts a fake server and returns its address with a slash at the end,
// and what it was asked.
func serve(t *testing.T, answer http.HandlerFunc) (url string, questions func() []asked) {
	t.Helper()
	var mu sync.Mutex
	var list []asked
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		list = append(list, asked{r.Method, r.URL.RequestURI(), string(body), r.Header.Clone()})
		mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL + "/", func() []asked {
		mu.Lock()
		defer mu.Unlock()
		return list
	}
}

func client(t *testing.T, url string) *Client {
	t.Helper()
	c := New(url)
	t.Cleanup(c.http.CloseIdleConnections)
	return c
}

// write answers with a status line and a body.
func write(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body) // a client that has gone away is its own business
	}
}

// integrations.md §9 item 21: what is asked.
func TestQuestion(t *testing.T) {
	for _, tt := range []struct{ name, group, want string }{
		{"alice", "", `{"username":"alice"}`},
		{"alice", "artclub", `{"username":"alice","group":"artclub"}`},
		{`Ä \ 猫`, "", `{"username":"Ä \\ 猫"}`},
	} {
		url, questions := serve(t, write(200, `{"status":"guest"}`))
		status, err := client(t, url+"api?x=1").Query(t.Context(), tt.name, tt.group)
		if status != "guest" || err != nil {
			t.Errorf("%q: %q, %v", tt.name, status, err)
		}
		q := questions()
		if len(q) != 1 || q[0].method != "POST" || q[0].path != "/api?x=1" || q[0].body != tt.want {
			t.Errorf("%q: asked %+v, want %s", tt.name, q, tt.want)
			continue
		}
		for key, want := range map[string]string{
			"Content-Type": "application/json", "User-Agent": "Mozilla/5.0", "Accept-Encoding": "gzip",
			"Authorization": "", "Idempotency-Key": "",
		} {
			if got := q[0].header.Get(key); got != want {
				t.Errorf("%s: %q, want %q", key, got, want)
			}
		}
	}
}

// integrations.md §3.3: what is made of an answer.
func TestAnswers(t *testing.T) {
	long := `{"status":"guest","x":"` + strings.Repeat("x", maxReply) + `"}`
	for _, tt := range []struct {
		status int
		body   string
		want   string
		err    string // a part of it, "" = none
		reply  bool   // the error wraps login.ErrAuthReply
	}{
		{200, `{"status":"auth"}`, "auth", "", false},
		{200, ` {"extra":[1,{}],"status":"banned"} `, "banned", "", false},
		{201, `{"status":"outgroup"}`, "outgroup", "", false},
		{399, `{"status":"guest"}`, "guest", "", false},
		{301, `{"status":"guest"}`, "guest", "", false}, // to nowhere
		{200, "\ufeff" + `{"status":"guest"}`, "guest", "", false},
		{200, `{"status":"Other <b>"}`, "Other <b>", "", false},
		{200, `{}`, "", "", false},
		{200, `{"Status":"guest"}`, "", "", false},
		{200, `{"status":null}`, "", "", false},
		{200, `{"status":5}`, "", "", false},
		{200, `{"status":["guest"]}`, "", "", false},
		{200, "", "", "cannot be read", true},
		{204, "", "", "cannot be read", true},
		{200, "<html>", "", "cannot be read", true},
		{200, "null", "", "cannot be read: neither an object nor a list", true},
		{200, "[]", "", "", false},
		{200, `"guest"`, "", "cannot be read", true},
		{200, `{"status":"guest"`, "", "cannot be read", true},
		{200, `{"status":"guest"} x`, "", "cannot be read", true},
		{200, long, "", "more than 16384 bytes", true},
		{400, `{"status":"guest"}`, "", "status 400 Bad Request", false},
		{404, "", "", "status 404 Not Found", false},
		{500, `{"status":"auth"}`, "", "status 500", false},
		{503, "<html>", "", "status 503", false},
	} {
		url, _ := serve(t, write(tt.status, tt.body))
		status, err := client(t, url).Query(t.Context(), "alice", "")
		text := ""
		if err != nil {
			text = err.Error()
		}
		if status != tt.want || (err != nil) != (tt.err != "") || !strings.Contains(text, tt.err) || errors.Is(err, login.ErrAuthReply) != tt.reply {
			t.Errorf("%d %.40q: %q, %v; want %q, %q", tt.status, tt.body, status, err, tt.want, tt.err)
		}
	}
}

func TestCompressedAnswer(t *testing.T) {
	send := func(body string) string {
		url, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, body) // a client that has gone away is its own business
			_ = z.Close()                  // likewise
		})
		return url
	}
	if status, err := client(t, send(`{"status":"auth"}`)).Query(t.Context(), "alice", ""); status != "auth" || err != nil {
		t.Errorf("%q, %v", status, err)
	}
	// A small packet that unpacks to a large answer.
	if _, err := client(t, send(strings.Repeat(" ", 4<<20)+"{}")).Query(t.Context(), "alice", ""); !errors.Is(err, login.ErrAuthReply) {
		t.Errorf("large answer: %v", err)
	}
}

func TestRedirects(t *testing.T) {
	final, questions := serve(t, write(200, `{"status":"auth"}`))
	redirect := func(status int, to string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", to)
			w.WriteHeader(status)
		}
	}
	for _, tt := range []struct {
		status       int
		method, body string
	}{
		{307, "POST", `{"username":"alice"}`}, {308, "POST", `{"username":"alice"}`}, {301, "GET", ""}, {302, "GET", ""}, {303, "GET", ""},
	} {
		url, _ := serve(t, redirect(tt.status, final+"there"))
		status, err := client(t, url).Query(t.Context(), "alice", "")
		list := questions()
		if last := list[len(list)-1]; status != "auth" || err != nil || last.method != tt.method || last.path != "/there" || last.body != tt.body {
			t.Errorf("%d: %q, %v, %+v", tt.status, status, err, last)
		}
	}

	loop, rounds := serve(t, redirect(307, "/again"))
	if _, err := client(t, loop).Query(t.Context(), "alice", ""); !errors.Is(err, errRedirects) || len(rounds()) != maxRedirects+1 {
		t.Errorf("loop: %v after %d requests", err, len(rounds()))
	}

	before := len(questions())
	s := httptest.NewTLSServer(redirect(307, final))
	t.Cleanup(s.Close)
	c := client(t, s.URL)
	c.http.Transport.(*http.Transport).TLSClientConfig = s.Client().Transport.(*http.Transport).TLSClientConfig
	if _, err := c.Query(t.Context(), "alice", ""); !errors.Is(err, errDowngrade) || len(questions()) != before {
		t.Errorf("https to http: %v", err)
	}
}

func TestUnknownCertificate(t *testing.T) {
	s := httptest.NewUnstartedServer(write(200, `{"status":"auth"}`))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	if status, err := client(t, s.URL).Query(t.Context(), "alice", ""); err == nil || errors.Is(err, login.ErrAuthReply) {
		t.Errorf("%q, %v", status, err)
	}
}

func TestNobodyThere(t *testing.T) {
	url, _ := serve(t, nil)
	s := httptest.NewServer(nil)
	gone := s.URL
	s.Close()
	for _, address := range []string{gone, "http://\x00/", "gopher" + strings.TrimPrefix(url, "http")} {
		if status, err := client(t, address).Query(t.Context(), "alice", ""); err == nil || errors.Is(err, login.ErrAuthReply) {
			t.Errorf("%q: %q, %v", address, status, err)
		}
	}
}

// A server that does not answer, or never finishes, is given up.
func TestSlow(t *testing.T) {
	release := make(chan struct{})
	silent, _ := serve(t, func(http.ResponseWriter, *http.Request) { <-release })
	endless, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"status":`)
		_ = http.NewResponseController(w).Flush()
		<-release
	})
	t.Cleanup(func() { close(release) })
	for _, url := range []string{silent, endless} {
		c := client(t, url)
		c.timeout = 50 * time.Millisecond
		if _, err := c.Query(t.Context(), "alice", ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		c.timeout = queryTimeout
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := c.Query(ctx, "alice", ""); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	}
}

// A connection that was kept, and that the server closes when it is used
// again, does not count as an unreachable server.
func TestStaleConnection(t *testing.T) {
	var mu sync.Mutex
	used := make(map[string]int) // questions by client address
	url, questions := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		used[r.RemoteAddr]++
		stale := used[r.RemoteAddr] > 1
		mu.Unlock()
		if stale {
			panic(http.ErrAbortHandler)
		}
		write(200, `{"status":"auth"}`)(w, r)
	})
	c := client(t, url)
	for range 3 {
		if status, err := c.Query(t.Context(), "alice", ""); status != "auth" || err != nil {
			t.Errorf("%q, %v", status, err)
		}
	}
	if len(questions()) <= 3 {
		t.Errorf("%d questions: no connection was used again", len(questions()))
	}
}
