package admin

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/entry"
)

// metric returns a value out of the text form.
func metric(t *testing.T, text, name string) float64 {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindStringSubmatch(text)
	if m == nil {
		t.Errorf("no metric %s", name)
		return -1
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Error(err)
	}
	return v
}

type fixedDays int

func (d fixedDays) DaysLeft(time.Time) int { return int(d) }

func TestMetrics(t *testing.T) {
	w := newWorld(t, setup{files: true, database: true, config: func(c *Config) { c.Certificate = fixedDays(12) }})
	a := w.host("alice", "")
	b := w.join("bob", a.session, nil)
	w.enter("lobby")
	const strokes = 50
	for i := range strokes {
		a.send(200, fmt.Appendf(nil, "stroke %d", i))
	}
	b.hear("the last stroke", func(m frame.Msg) bool { return m.Type == 200 && string(m.Body) == "stroke 49" })
	w.ok("GET", "status", "")
	var text string
	w.await("a sample", func() bool {
		text = w.request("GET", "/metrics", "").body
		return !strings.Contains(text, "drawpile_fanout_seconds_count 0\n") && !strings.Contains(text, "drawpile_store_sync_seconds_count 0\n")
	})
	for name, want := range map[string]float64{
		`drawpile_connections{kind="login"}`: 1, `drawpile_connections{kind="tcp"}`: 2, `drawpile_connections{kind="tls"}`: 0,
		"drawpile_sessions": 1, "drawpile_members": 2, "drawpile_certificate_days_left": 12, "drawpile_internal_errors_total": 0,
		`drawpile_log_dropped_total{to="stderr"}`: 0, `drawpile_log_dropped_total{to="database"}`: 0, "drawpile_store_failing_sessions": 0,
		`drawpile_session_members{session="` + a.session + `"}`: 2,
	} {
		if got := metric(t, text, name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	for name, least := range map[string]float64{
		"drawpile_messages_in_total": strokes, "drawpile_bytes_in_total": strokes * 12, "drawpile_bytes_out_total": 2 * strokes * 12,
		"drawpile_deliveries_total": 2 * strokes, "drawpile_history_bytes": strokes * 12, "drawpile_disk_free_bytes": 1, "drawpile_store_writes_total": 1,
		"drawpile_store_written_bytes_total": strokes * 12, `drawpile_session_messages_total{session="` + a.session + `"}`: strokes,
		`drawpile_admin_requests_total{status="2xx"}`: 1, "go_goroutines": 1, "process_open_fds": 1, "drawpile_start_time_seconds": 1e9,
	} {
		if got := metric(t, text, name); got < least {
			t.Errorf("%s is %v, want at least %v", name, got, least)
		}
	}
}

// The figures of single sessions are bounded.
func TestMetricsAreBounded(t *testing.T) {
	w := newWorld(t, setup{})
	for i := range topSessions + 3 {
		w.host(fmt.Sprintf("host%d", i), "")
	}
	text := w.request("GET", "/metrics", "").body
	if n := strings.Count(text, "\ndrawpile_session_members{"); n != topSessions {
		t.Errorf("%d sessions with figures of their own, want %d", n, topSessions)
	}
}

func TestHealth(t *testing.T) {
	w := newWorld(t, setup{files: true})
	w.equal("healthy", w.request("GET", "/healthz", "").v, object{"status": "ok"})
	w.equal("ready", w.request("GET", "/readyz", "").v, object{"status": "ok"})
	for room, want := range map[store.Room][]any{
		store.RoomLow:   {200, object{"status": "degraded", "problems": []any{"the disk of the sessions folder is filling up"}}},
		store.RoomShort: {503, object{"status": "failing", "problems": []any{"nobody can host: the disk of the sessions folder is almost full"}}},
		store.RoomNone:  {503, object{"status": "failing", "problems": []any{"sessions take no more drawing: the disk of the sessions folder is full"}}},
	} {
		w = newWorld(t, setup{config: func(c *Config) { c.Room = func() store.Room { return room } }})
		a := w.request("GET", "/healthz", "")
		w.equal("little space", []any{a.status, a.v}, want)
	}
	w = newWorld(t, setup{config: func(c *Config) { c.Certificate = fixedDays(0) }})
	a := w.request("GET", "/healthz", "")
	w.equal("expired", []any{a.status, a.object(t)["status"]}, []any{503, "failing"})
}

// Profiles show loops, phases and sessions by label, and the flight recorder
// gives out what go tool trace reads.
func TestProfiles(t *testing.T) {
	w := newWorld(t, setup{config: func(c *Config) { c.FlightRecorder = true }})
	w.equal("index", w.request("GET", "/debug/pprof/", "").status, 200)
	w.equal("command line", w.request("GET", "/debug/pprof/cmdline", "").status, 404) // passwords may be in it
	w.await("labels of the loops", func() bool {
		return strings.Contains(w.request("GET", "/debug/pprof/goroutine?debug=1", "").body, `"loop":"0"`)
	})
	w.equal("no stall", w.request("GET", "/debug/flight", "").status, 404)
	a := w.request("GET", "/debug/flight?now=true", "")
	if a.status != 200 || !bytes.HasPrefix([]byte(a.body), []byte("go 1.")) {
		t.Errorf("%d %.40q", a.status, a.body)
	}
	w.equal("kept", w.request("GET", "/debug/flight", "").body, a.body)
	w.equal("off", newWorld(t, setup{}).request("GET", "/debug/flight", "").status, 404)
}

// A loop that hangs is noticed, and what it was doing is kept.
func TestStall(t *testing.T) {
	w := newWorld(t, setup{config: func(c *Config) { c.FlightRecorder = true }})
	a := w.host("alice", "")
	var once sync.Once
	cancel := w.relay.Watch(func(string, *entry.Session) { once.Do(func() { time.Sleep(4 * StallLimit) }) })
	defer cancel()
	w.ok("PUT", "sessions/"+a.session, `{"title":"slow"}`)
	w.logged("Status An event loop did not answer for ")
	if a := w.request("GET", "/debug/flight", ""); a.status != 200 || !strings.HasPrefix(a.body, "go 1.") {
		t.Errorf("%d %.40q", a.status, a.body)
	}
	if n := metric(t, w.request("GET", "/metrics", "").body, "drawpile_loop_stalls_total"); n < 1 {
		t.Errorf("%v stalls", n)
	}
}

// A panic in a call is answered and counted as an error of ours.
func TestPanic(t *testing.T) {
	w := newWorld(t, setup{config: func(c *Config) { c.Login = nil }})
	a := w.request("GET", "/api/status", "")
	w.equal("answer", []any{a.status, a.object(t)["message"]}, []any{500, "Internal error"})
	w.logged("internal error in the admin API")
}
