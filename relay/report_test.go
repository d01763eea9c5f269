package relay

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"drawrelay/frame"
	"drawrelay/store/entry"
	"drawrelay/store/settings"
)

// session.md §30 and commands.md §8.10: who learns of a report.
func TestRulesReport(t *testing.T) {
	for _, tt := range []struct {
		name    string
		enabled bool
		report  func(sent *Report) func(Report, func(error))
		guest   []string
		mod     []string
	}{
		{"not configured", true, nil, nil, []string{"Cannot send abuse report: server URL not configured!"}},
		{"not enabled", false, sends(nil), nil, []string{"Cannot send abuse report: not enabled!"}},
		{"sent", true, sends(nil), []string{"Session was reported."}, []string{"Session was reported."}},
		{"failed", true, sends(errors.New("down")), nil, []string{"Unable to send abuse report: down"}},
	} {
		w := open(t, withSettings(func(s *settings.Settings) { s.AbuseReport = tt.enabled }))
		b, m := w.join(person("bob")), w.join(person("mona", mod))
		var sent Report
		if tt.report != nil {
			w.s.report = tt.report(&sent)
		}
		fromB, fromM := mark(b), mark(m)
		w.cmd(b, "report", nil, map[string]any{"user": 1, "reason": "spam"})
		equal(t, tt.name+": errors", errorsSince(b, fromB), []string{})
		texts := func(list []heard) (out []string) {
			for _, h := range ofKind(list, "log") {
				out = append(out, h.json["message"].(string))
			}
			return out
		}
		for i, h := range ofKind(since(m, fromM), "log") {
			if named := h.json["user"] != nil; named != (i == 0) {
				t.Errorf("%s: user of %v", tt.name, h)
			}
		}
		equal(t, tt.name+": guest", texts(since(b, fromB)), tt.guest)
		equal(t, tt.name+": moderator", texts(since(m, fromM)), append([]string{"Abuse report about user 1 received: spam"}, tt.mod...))
		if tt.name == "sent" {
			equal(t, "content", fmt.Sprintf("%+v", sent), fmt.Sprintf("{Session:%s Title: By:{ID:2 Name:bob Auth:false Op:false Addr:192.0.2.1} About:1 Reason:spam Size:%d Users:[",
				w.s.hist.ID, w.s.hist.Log().Size())+"{ID:1 Name:alice Auth:false Op:true Addr:192.0.2.1} {ID:2 Name:bob Auth:false Op:false Addr:192.0.2.1} "+
				"{ID:3 Name:mona Auth:true Op:true Addr:192.0.2.1}]}")
		}
		for range 50 {
			w.cmd(b, "report", nil, map[string]any{"reason": strings.Repeat("x", 60000)})
		}
		n := 0
		for _, h := range ofKind(heardBy(m), "log") {
			if strings.HasPrefix(h.json["message"].(string), "Abuse report") {
				n++
			}
			if len(h.Body) > 2*maxLogText {
				t.Errorf("entry of %d bytes", len(h.Body))
			}
		}
		equal(t, tt.name+": at most", n, maxReports)
	}
}

func sends(err error) func(*Report) func(Report, func(error)) {
	return func(sent *Report) func(Report, func(error)) {
		return func(r Report, done func(error)) {
			if sent.Session == "" {
				*sent = r
			}
			done(err)
		}
	}
}

// session.md §24 and commands.md §12 item 37.
func TestRulesThumbnail(t *testing.T) {
	w := open(t)
	b := w.join(person("bob", func(p *entry.Person) { p.Thumbnail = true }))
	c := w.join(person("carol", func(p *entry.Person) { p.Thumbnail = true }))
	said := func(st *seat, f func()) string {
		from := mark(st)
		f()
		if got := ofKind(since(st, from), "log"); len(got) > 0 {
			return got[0].json["message"].(string)
		}
		return ""
	}
	equal(t, "not capable", w.s.requestThumbnail(w.host, ThumbnailOptions{}), false)
	from := mark(b)
	equal(t, "asked", w.s.requestThumbnail(b, ThumbnailOptions{MaxWidth: 400, Format: "webp"}), true)
	correlator := w.s.thumb.correlator
	equal(t, "request", string(ofKind(since(b, from), "thumbnail")[0].Body),
		`{"correlator":"`+correlator+`","format":"webp","maxWidth":400,"type":"thumbnail"}`)
	if p := strings.Split(correlator, ":"); len(p) != 2 || p[1] != fmt.Sprintf("%x", w.time.UnixMilli()) {
		t.Errorf("correlator %q", correlator)
	}
	equal(t, "asked already", w.s.requestThumbnail(b, ThumbnailOptions{}), false)
	answer := func(st *seat, body string) string {
		return said(w.host, func() { w.send(st, frame.TypeThumbnail, 0, body) })
	}
	equal(t, "somebody else", answer(c, correlator+"image"), "Got thumbnail from user we didn't want it from")
	equal(t, "correlator", answer(b, "x"+correlator), "Got thumbnail with correlator we weren't waiting on")
	equal(t, "image", answer(b, correlator+"image"), "Thumbnail set")
	data, _, err := w.s.hist.Thumbnail()
	equal(t, "stored", []any{string(data), err}, []any{"image", nil})
	equal(t, "twice", answer(b, correlator+"image"), "Got thumbnail from user we didn't want it from")
	w.s.requestThumbnail(b, ThumbnailOptions{})
	equal(t, "empty", answer(b, w.s.thumb.correlator), "Got thumbnail with no data")

	fail := func(st *seat, args ...any) string {
		return said(w.host, func() { w.cmd(st, "thumbnail-error", args, nil) })
	}
	w.s.requestThumbnail(b, ThumbnailOptions{})
	fromB := mark(b)
	fail(b, "x")
	equal(t, "37: arguments", errorsSince(b, fromB), []string{"thumbnail-error: Thumbnail error expected 2 arguments: correlator, error"})
	equal(t, "37: foreign correlator", fail(b, "1:2", "nocanvas"), "")
	equal(t, "37: somebody else", fail(c, w.s.thumb.correlator, "nocanvas"), "")
	equal(t, "outstanding", w.s.thumb != nil, true)
	equal(t, "37", fail(b, w.s.thumb.correlator, "nocanvas"), "Thumbnail generation failed: nocanvas")
	w.s.requestThumbnail(b, ThumbnailOptions{})
	equal(t, "replaced", w.s.requestThumbnail(c, ThumbnailOptions{}), true)
	w.leave(c)
	equal(t, "left", w.s.thumb == nil, true)
	w.s.requestThumbnail(b, ThumbnailOptions{})
	equal(t, "cancelled", said(w.host, w.s.cancelThumbnail), "Thumbnail generation cancelled")
}
