package report

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"drawrelay/relay"
	"drawrelay/store/settings"
)

// got is a request that has reached the receiver.
type got struct {
	header http.Header
	body   string
}

func receiver(t *testing.T, answer http.HandlerFunc) (url string, requests chan got) {
	requests = make(chan got, 100)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		requests <- got{r.Header.Clone(), r.Method + " " + r.URL.Path + " " + string(b)}
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL, requests
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func settingsWith(token string) *settings.Source {
	s := settings.Default()
	s.ReportToken = token
	return settings.NewSource(s)
}

func report(c *Client, r relay.Report) error {
	done := make(chan error, 1)
	c.Report(r, func(err error) { done <- err })
	return <-done
}

var sample = relay.Report{
	Session: "01hxyz0000000000000000abcd", Title: "Doodle night", About: 2, Reason: "spam", Size: 183204,
	By: relay.ReportUser{ID: 3, Name: "bob", Addr: netip.MustParseAddr("::ffff:203.0.113.9")},
	Users: []relay.ReportUser{
		{ID: 3, Name: "bob", Addr: netip.MustParseAddr("203.0.113.9")},
		{ID: 2, Name: "mallory", Auth: true, Op: true, Addr: netip.MustParseAddr("198.51.100.4")},
	},
}

// integrations.md §9 item 33.
func TestReport(t *testing.T) {
	url, requests := receiver(t, status(204))
	if err := report(New(url+"/in", settingsWith("s3cret")), sample); err != nil {
		t.Fatal(err)
	}
	r := <-requests
	want := `POST /in {"session":"01hxyz0000000000000000abcd","sessionTitle":"Doodle night","user":"bob","auth":false,` +
		`"ip":"203.0.113.9","perp":2,"message":"spam","offset":183204,` +
		`"users":[{"name":"bob","auth":false,"op":false,"ip":"203.0.113.9","id":3},` +
		`{"name":"mallory","auth":true,"op":true,"ip":"198.51.100.4","id":2}]}`
	if r.body != want {
		t.Errorf("got\n%s\nwant\n%s", r.body, want)
	}
	if r.header.Get("Content-Type") != "application/json" || r.header.Get("Authorization") != "Token s3cret" || r.header.Get("User-Agent") != "Mozilla/5.0" {
		t.Errorf("header %v", r.header)
	}

	about := sample
	about.About, about.Users = 0, nil
	if err := report(New(url, settingsWith("")), about); err != nil {
		t.Fatal(err)
	}
	r = <-requests
	var doc map[string]any
	if err := json.Unmarshal([]byte(strings.TrimPrefix(r.body, "POST / ")), &doc); err != nil {
		t.Fatal(err)
	}
	if _, ok := doc["perp"]; ok || doc["users"] == nil || r.header["Authorization"] != nil {
		t.Errorf("about a session: %s, header %v", r.body, r.header)
	}
}

func TestFailures(t *testing.T) {
	for code, want := range map[int]string{200: "", 500: "the receiver replied 500 Internal Server Error", 403: "the receiver replied 403 Forbidden"} {
		url, requests := receiver(t, status(code))
		err := report(New(url, settingsWith("")), sample)
		if text := ""; err != nil && err.Error() != want || err == nil && want != text {
			t.Errorf("%d: %v", code, err)
		}
		if len(requests) != 1 {
			t.Errorf("%d: %d requests", code, len(requests))
		}
	}
	if err := report(New("http://127.0.0.1:1/", settingsWith("hidden")), sample); err == nil || strings.Contains(err.Error(), "hidden") {
		t.Errorf("nobody there: %v", err)
	}
}

// A receiver that hangs costs a bounded number of reports, and the stop is not
// held up by it.
func TestBounds(t *testing.T) {
	release := make(chan struct{})
	url, requests := receiver(t, func(http.ResponseWriter, *http.Request) { <-release })
	c := New(url, settingsWith(""))
	done := make(chan error, 2*maxWaiting)
	for range maxWaiting + 10 {
		c.Report(sample, func(err error) { done <- err })
	}
	for range 10 {
		if err := <-done; err != errBusy {
			t.Errorf("one too many: %v", err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.Close(ctx); err == nil {
		t.Error("Close did not wait")
	}
	for range maxWaiting {
		if err := <-done; err == nil {
			t.Error("a report that nobody has answered")
		}
	}
	if n := len(requests); n > maxRequests {
		t.Errorf("%d requests at a time", n)
	}
	close(release)
	if err := New(url, settingsWith("")).Close(t.Context()); err != nil {
		t.Error(err)
	}
}
