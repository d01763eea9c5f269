package relay

import (
	"strings"
	"testing"
	"time"

	"drawrelay/frame"
	"drawrelay/store/settings"
)

func limited(n int64) option {
	return withSettings(func(s *settings.Settings) { s.SessionSizeLimit = n; s.AutoResetThreshold = 0 })
}

// An image that is uploaded waits in memory, so it is limited also where the
// history is not.
func TestImageLimit(t *testing.T) {
	for limit, want := range map[int64]int64{20000: 20000, 0: maxSizeLimit} {
		equal(t, "limit of the image", open(t, limited(limit)).s.imageLimit(), want)
	}
}

// session.md §15 and §33 item 35.
func TestRulesOutOfSpace(t *testing.T) {
	const limit = 5000
	w := open(t, limited(limit))
	b := w.join(person("bob"))
	w.draw(b, strings.Repeat("x", int(limit-w.s.hist.Log().Size()-frame.HeaderLen)))
	equal(t, "the limit itself fits", w.s.hist.Log().Size(), limit)
	stored := func(what string, want []string, f func()) {
		t.Helper()
		n := len(w.history())
		f()
		labelsEqual(t, what, w.history()[n:], want...)
	}
	from := mark(w.host)
	stored("drawing is dropped", nil, func() { w.draw(b, "y") })
	labelsEqual(t, "warning", since(w.host, from), "outofspace", "alert outofspace")
	from = mark(w.host)
	stored("again", nil, func() { w.draw(b, "y") })
	labelsEqual(t, "at most every 10 s", since(w.host, from))
	stored("chat goes out unsaved", nil, func() { w.chat(b, "hi", 0, 0) })
	labelsEqual(t, "chat goes out unsaved", since(w.host, from), "chat")
	w.advance(10 * time.Second)
	from = mark(w.host)
	stored("trusted users go out unsaved", nil, func() { w.send(w.host, frame.TypeTrustedUsers, 0, "") })
	labelsEqual(t, "with a new warning", since(w.host, from), "trusted", "outofspace", "alert outofspace")
	stored("operator lists use the reserve", []string{"sessionowner"}, func() { w.send(w.host, frame.TypeSessionOwner, 0, "") })
	stored("leaves use the reserve", []string{"leave"}, func() { w.leave(b) })
	from = mark(w.host)
	p := person("carol")
	p.Avatar = []byte("avatar")
	var st *seat
	stored("joins use the reserve", []string{"join"}, func() { st = w.join(p) })
	joins := ofType(w.history(), frame.TypeJoin)
	equal(t, "without avatar", string(joins[len(joins)-1].Body), "\x00\x05carol")
	if _, ok := ofKind(heardBy(st), "catchup")[0].json["key"]; ok {
		t.Error("a key is announced although there is no marker")
	}
	labelsEqual(t, "warning on every join", since(w.host, from)[:2], "outofspace", "alert outofspace")
	from = mark(st)
	stored("D13: configuration goes out unsaved", nil, func() { w.conf(w.host, map[string]any{"title": "T"}) })
	labelsEqual(t, "D13", since(st, from), "sessionconf", "log Changed title to 'T'")
	equal(t, "title", since(st, from)[0].json["config"].(map[string]any)["title"], "T")

	// The reserve ends.
	w.out.append(frame.Append(nil, frame.Msg{Type: 200, Body: make([]byte, 65535)}), 1)
	for w.s.hist.Log().Size() < limit+reserveBytes {
		n := min(65535, limit+reserveBytes-w.s.hist.Log().Size()-frame.HeaderLen)
		w.out.append(frame.Append(nil, frame.Msg{Type: 200, Body: make([]byte, n)}), 1)
	}
	stored("beyond the reserve", nil, func() { w.join(person("dora")) })
}

func TestRulesLimits(t *testing.T) {
	w := open(t, limited(1000))
	equal(t, "base", w.s.limit(), 1000)
	w.s.hist.SetSizeOverride(2000)
	equal(t, "override", w.s.limit(), 2000)
	w.s.hist.SetSizeOverride(0)
	w.change(func(s *settings.Settings) { s.SessionSizeLimit = 0 })
	equal(t, "none", w.s.limit(), 0)
	equal(t, "none fits all", w.s.fits(1<<30), true)
	w.change(func(s *settings.Settings) { s.SessionSizeLimit = 1 << 40 })
	equal(t, "clamped", w.s.limit(), maxSizeLimit)
}

func TestRulesFormatSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0 bytes", 1023: "1023 bytes", 1536: "1.50 KiB", 15 << 20: "15.00 MiB", 3 << 29: "1.50 GiB"} {
		equal(t, want, formatSize(n), want)
	}
}

// session.md §9.4: at most one status in 10 s, and none without a change.
func TestRulesStatus(t *testing.T) {
	w := open(t)
	b := w.join(person("bob"))
	w.advance(30 * time.Second)
	from := mark(b)
	count := func() int { return len(ofKind(since(b, from), "status")) }
	w.advance(30 * time.Second)
	w.draw(w.host, "x")
	w.advance(time.Second)
	equal(t, "first", count(), 1)
	for range 25 {
		w.draw(w.host, "x")
		w.advance(time.Second)
	}
	equal(t, "while drawing for 25 s", count(), 3)
	w.advance(time.Minute)
	equal(t, "afterwards", count(), 4)
	w.advance(time.Minute)
	equal(t, "without a change", count(), 4)
	s := ofKind(since(b, from), "status")[0].json
	if s["size"] == nil || s["hid*"] == nil {
		t.Errorf("status %v", s)
	}
	// D7: no index for those who have not received everything.
	w.out.lag = true
	w.draw(w.host, "x")
	from = mark(b)
	w.advance(10 * time.Second)
	if s := ofKind(since(b, from), "status"); len(s) != 1 || s[0].json["hid*"] != nil {
		t.Errorf("D7: %v", s)
	}
}
