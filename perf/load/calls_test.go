//go:build linux

package load

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// Answers of known and unknown length are read to their end, over one
// connection, and refusals are counted.
func TestCalls(t *testing.T) {
	long := strings.Repeat("long ", 50000)
	var mu sync.Mutex
	asked, peers := map[string]int{}, map[string]bool{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		mu.Lock()
		asked[q.URL.Path]++
		peers[q.RemoteAddr] = true
		mu.Unlock()
		switch q.URL.Path {
		case "/missing":
			http.NotFound(w, q)
		case "/short":
			_, _ = w.Write([]byte("x"))
		case "/known":
			w.Header().Set("Content-Length", "250000")
			_, _ = w.Write([]byte(long))
		case "/chunks":
			_, _ = w.Write([]byte(long))
			w.(http.Flusher).Flush()
			_, _ = w.Write([]byte(long))
		}
	}))
	defer s.Close()
	addr := s.Listener.Addr().String()
	calls := func(paths ...string) Called {
		t.Helper()
		c, err := NewCalls(addr, 200, paths)
		if err != nil {
			t.Fatal(err)
		}
		for enough := false; !enough; time.Sleep(time.Millisecond) {
			mu.Lock()
			enough = asked[paths[len(paths)-1]] >= 3
			mu.Unlock()
		}
		return c.Stop()
	}
	out := calls("/short", "/known", "/chunks")
	mu.Lock()
	connections := len(peers)
	mu.Unlock()
	if out.Answered < 9 || out.Failed != 0 || connections != 1 || out.Bytes < int64(2*len(long)+3*len(long)) || out.Took.Quantile(1) <= 0 {
		t.Errorf("%+v, %d connections", out, connections)
	}
	if out := calls("/missing"); out.Answered != 0 || out.Failed < 3 {
		t.Errorf("%+v", out)
	}
	if _, err := NewCalls("192.0.2.1:80", 1, []string{"/"}); err == nil {
		t.Error("another machine is called")
	}
}
