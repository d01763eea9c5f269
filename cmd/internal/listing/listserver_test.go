package listing

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// listServer stands for a listing server of the kind that runs at drawpile.net
// (integrations.md §2.7): same paths, checks, texts and expiry.
type listServer struct {
	url   string // ends in a slash
	clock *clock

	mu       sync.Mutex
	next     int64
	sessions map[int64]*listedSession
	requests []request

	// How it answers, for tests.
	down    bool // connections are cut off
	status  int  // not 0: refuse everything with it and body
	body    string
	welcome string
	expires any           // in replies; nil: absent
	hold    chan struct{} // not nil: announcements wait for it
}

type listedSession struct {
	ID, Title, Key string
	NSFM           bool
	Users          int
	refreshed      time.Time
	removed        string // not empty: taken off the list, with the reason
}

type request struct {
	method, path, key, agent string
	body                     map[string]any
}

func (r request) String() string { return r.method + " " + r.path }

const listTimeout = 10 * time.Minute

func newListServer(t *testing.T, c *clock) *listServer {
	s := &listServer{clock: c, next: 16, sessions: make(map[int64]*listedSession), expires: 10}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	s.url = h.URL + "/"
	return s
}

func (s *listServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := request{method: r.Method, path: r.RequestURI, key: r.Header.Get("X-Update-Key"), agent: r.UserAgent()}
	b, _ := io.ReadAll(r.Body)
	if len(b) > 0 && json.Unmarshal(b, &q.body) != nil || len(b) > 0 && r.Header.Get("Content-Type") != "application/json" {
		q.path += " with a bad body"
	}
	s.mu.Lock()
	s.requests = append(s.requests, q)
	hold := s.hold
	s.mu.Unlock()
	if hold != nil && r.Method == "POST" {
		<-hold
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.down:
		panic(http.ErrAbortHandler)
	case s.status != 0:
		w.WriteHeader(s.status)
		_, _ = io.WriteString(w, s.body)
		return
	}
	status, reply := s.answerLocked(q)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(reply)
}

func (s *listServer) answerLocked(q request) (int, map[string]any) {
	refuse := func(status int, text string) (int, map[string]any) {
		return status, map[string]any{"status": "error", "message": text}
	}
	path, _, _ := strings.Cut(q.path, "?")
	rest, ok := strings.CutPrefix(path, "/sessions/")
	switch number, err := strconv.ParseInt(rest, 10, 64); {
	case !ok || rest != "" && err != nil:
		return refuse(404, "no such page")
	case q.method == "POST" && rest == "":
		id, _ := q.body["id"].(string)
		if len(id) < 1 || len(id) > 36 {
			return refuse(400, "id: invalid ID")
		}
		for _, x := range s.sessions {
			if x.ID == id && x.removed == "" && s.clock.Now().Sub(x.refreshed) < listTimeout {
				return refuse(400, "Session already listed")
			}
		}
		s.next++
		title, _ := q.body["title"].(string)
		s.sessions[s.next] = &listedSession{ID: id, Title: title, Key: fmt.Sprintf("key-%d", s.next), refreshed: s.clock.Now()}
		reply := map[string]any{"id": s.next, "key": s.sessions[s.next].Key}
		if s.expires != nil {
			reply["expires"] = s.expires
		}
		if s.welcome != "" {
			reply["message"] = s.welcome
		}
		return 200, reply
	case q.method == "PUT" && rest == "":
		if len(q.body) == 0 {
			return refuse(400, "At least one session should be included")
		}
		responses, errs := map[string]any{}, map[string]any{}
		for n, v := range q.body {
			number, _ := strconv.ParseInt(n, 10, 64)
			update, _ := v.(map[string]any)
			responses[n] = "error"
			switch x := s.sessions[number]; {
			case x == nil:
				errs[n] = "no such session"
			case update["updatekey"] != x.Key:
				errs[n] = "invalid session key"
			case x.removed != "":
				errs[n] = x.removed
			case s.clock.Now().Sub(x.refreshed) >= listTimeout:
				errs[n] = "timed out"
			default:
				responses[n] = "ok"
				x.Title, _ = update["title"].(string)
				x.NSFM, _ = update["nsfm"].(bool)
				x.refreshed = s.clock.Now()
			}
		}
		return 200, map[string]any{"status": "ok", "responses": responses, "errors": errs}
	case q.method == "DELETE" && rest != "":
		if x := s.sessions[number]; x == nil || x.Key != q.key || x.removed != "" {
			return refuse(404, "No such session")
		}
		s.sessions[number].removed = "already unlisted"
		return 200, map[string]any{"status": "ok"}
	}
	return refuse(405, "no such method")
}

// set changes how the server answers.
func (s *listServer) set(f func(s *listServer)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

// list returns the titles on the list, by session id.
func (s *listServer) list() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]string)
	for _, x := range s.sessions {
		if x.removed == "" && s.clock.Now().Sub(x.refreshed) < listTimeout {
			out[x.ID] = x.Title
		}
	}
	return out
}

// take returns the requests since the last call.
func (s *listServer) take() []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.requests
	s.requests = nil
	return r
}

// clock is a clock that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
