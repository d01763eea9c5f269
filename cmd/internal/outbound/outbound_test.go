package outbound

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func client() *Client {
	return New(Options{UserAgent: "Test/1", Redirects: 2, Timeout: 5 * time.Second, MaxReply: 1000})
}

func serve(t *testing.T, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestRequest(t *testing.T) {
	var got *http.Request
	var body []byte
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.Header().Set("X-Answer", "yes")
		w.WriteHeader(418)
		_, _ = io.WriteString(w, "tea")
	})
	reply, err := client().Do(t.Context(), "PUT", url+"/a?b=c", http.Header{"X-Key": {"k"}}, map[string]int{"n": 1})
	if err != nil || reply.Status != 418 || string(reply.Body) != "tea" || reply.Header.Get("X-Answer") != "yes" {
		t.Fatalf("reply %+v, %v", reply, err)
	}
	if got.Method != "PUT" || got.RequestURI != "/a?b=c" || string(body) != `{"n":1}` || got.Header.Get("User-Agent") != "Test/1" ||
		got.Header.Get("Content-Type") != "application/json" || got.Header.Get("X-Key") != "k" {
		t.Errorf("request %+v, body %s", got, body)
	}
	if _, err := client().Do(t.Context(), "DELETE", url, nil, nil); err != nil || got.Header.Get("Content-Type") != "" || len(body) != 0 {
		t.Errorf("without a body: %v, %+v", err, got.Header)
	}
}

// integrations.md §9 item 13, and what a method becomes.
func TestRedirects(t *testing.T) {
	var requests atomic.Int32
	var target, method string
	hops := 0
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if n := int(requests.Add(1)); n <= hops {
			w.Header().Set("Location", target)
			w.WriteHeader(307)
			return
		}
		method = r.Method
	})
	target = url
	for _, tt := range []struct {
		hops int
		err  error
	}{{0, nil}, {2, nil}, {3, ErrRedirects}} {
		hops = tt.hops
		requests.Store(0)
		method = ""
		_, err := client().Do(t.Context(), "POST", url, nil, struct{}{})
		if !errors.Is(err, tt.err) || tt.err == nil && method != "POST" || int(requests.Load()) != min(tt.hops, 2)+1 {
			t.Errorf("%d redirects: %v, method %q after %d requests", tt.hops, err, method, requests.Load())
		}
	}

	s := httptest.NewTLSServer(http.RedirectHandler(url, http.StatusTemporaryRedirect))
	defer s.Close()
	c := client()
	if _, err := c.Do(t.Context(), "POST", s.URL, nil, struct{}{}); err == nil || errors.Is(err, ErrDowngrade) {
		t.Errorf("a certificate that nobody has signed: %v", err)
	}
	c.http.Transport.(*http.Transport).TLSClientConfig = s.Client().Transport.(*http.Transport).TLSClientConfig
	if _, err := c.Do(t.Context(), "POST", s.URL, nil, struct{}{}); !errors.Is(err, ErrDowngrade) {
		t.Errorf("https to http: %v", err)
	}
}

func TestBounds(t *testing.T) {
	gone := make(chan struct{})
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/long":
			_, _ = io.WriteString(w, strings.Repeat("x", 1001))
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = z.Write(make([]byte, 10<<20))
			_ = z.Close()
		case "/hang":
			select {
			case <-r.Context().Done():
			case <-gone:
			}
		}
	})
	defer close(gone)
	for _, path := range []string{"/long", "/bomb"} {
		if _, err := client().Do(t.Context(), "GET", url+path, nil, nil); !errors.Is(err, ErrTooLong) {
			t.Errorf("%s: %v", path, err)
		}
	}
	c := client()
	c.options.Timeout = 50 * time.Millisecond
	_, err := c.Do(t.Context(), "GET", url+"/hang", nil, nil)
	if !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), url) {
		t.Errorf("a server that hangs: %v", err)
	}
	for _, bad := range []string{"http://127.0.0.1:1/secret", "http://[::1", "nothing://x/secret"} {
		if _, err := client().Do(t.Context(), "GET", bad, nil, nil); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
