package relay

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/settings"
)

// small makes autoresets come soon: at 10 KB above the base, limit 1 MB.
func small(o ...option) []option {
	return append(o, withCreate(func(c *store.Create) { c.AutoReset = 10 << 10 }),
		withSettings(func(s *settings.Settings) { s.SessionSizeLimit = 1 << 20 }))
}

// fill draws beyond the threshold.
func (w *world) fill(st *seat) {
	for range 12 {
		w.draw(st, strings.Repeat("f", 1000))
	}
}

// query returns the payload of the last query to a member, "" if there is none.
func query(st *seat, from int) string {
	payload := ""
	for _, h := range ofKind(since(st, from), "autoreset") {
		if h.json["query"] == true {
			payload = h.json["payload"].(string)
		}
	}
	return payload
}

// request returns the last request to reset to a member.
func request(st *seat, from int) map[string]any {
	var v map[string]any
	for _, h := range ofKind(since(st, from), "autoreset") {
		if h.json["query"] == false {
			v = h.json
		}
	}
	return v
}

func (w *world) ready(st *seat, kwargs ...any) {
	v := map[string]any{"payload": w.s.auto.payload}
	for i := 0; i < len(kwargs); i += 2 {
		v[kwargs[i].(string)] = kwargs[i+1]
	}
	w.cmd(st, "ready-to-autoreset", nil, v)
}

var stream1 = []any{"capabilities", []any{"gzip1", "net"}, "os", "linux", "net", 100}

// session.md §33 items 26 and 45.
func TestRulesAutoresetQuery(t *testing.T) {
	w := open(t, small()...)
	o, b, g, old := w.join(person("op")), w.join(person("bob")), w.join(person("gus", ghost)), w.join(person("old", incompatible))
	w.send(w.host, frame.TypeSessionOwner, 0, ids(o.id, old.id))
	marks := map[*seat]int{}
	for _, st := range w.s.seats {
		marks[st] = mark(st)
	}
	w.fill(b)
	for st, asked := range map[*seat]bool{w.host: true, o: true, b: false, g: false, old: false} {
		got := filter(since(st, marks[st]), func(h heard) bool { return !h.history })
		want := []string{fmt.Sprintf("log Autoreset threshold (10.00 KiB, effectively %s) reached.", formatSize(w.s.threshold())), "sizelimit"}
		if asked {
			want = append(want, "autoreset")
		}
		labelsEqual(t, "26: "+st.person.Name, got, want...)
		if asked {
			equal(t, "26", got[2].json["maxSize"], float64(1<<20))
			equal(t, "26", got[2].json["payload"], w.s.auto.payload)
			if p := strings.Split(w.s.auto.payload, ":"); len(p) != 3 || p[0] != "1" || p[2] != fmt.Sprint(w.time.UnixMilli()) {
				t.Errorf("26: payload %q", w.s.auto.payload)
			}
		}
	}
	from := mark(b)
	w.fill(b)
	labelsEqual(t, "once", filter(since(b, from), func(h heard) bool { return !h.history }))
	// Nobody answers: a pause, then once more.
	w.advance(4 * time.Second)
	equal(t, "no answer", w.s.auto.status, autoresetNone)
	labelsEqual(t, "no answer", ofKind(since(b, from), "log"), "log Autoreset failed with no candidates to perform it")
	from = mark(w.host)
	w.fill(b)
	equal(t, "pause", query(w.host, from), "")
	w.advance(31 * time.Second)
	w.draw(b, "x")
	if query(w.host, from) == "" {
		t.Error("no second query")
	}
}

func TestRulesThreshold(t *testing.T) {
	tests := []struct {
		threshold, minimum, base, limit, want int64
	}{
		{0, 100, 50, 1000, 0}, {100, 0, 50, 0, 150}, {100, 200, 50, 0, 250}, {1000, 0, 50, 1000, 900}, {1000, 0, 0, 999, 899},
	}
	for _, tt := range tests {
		w := open(t, withSettings(func(s *settings.Settings) {
			s.MinimumAutoResetThreshold, s.SessionSizeLimit = tt.minimum, tt.limit
		}))
		w.s.hist.SetAutoReset(tt.threshold)
		w.s.resetBase = tt.base
		equal(t, fmt.Sprintf("45: %+v", tt), w.s.threshold(), tt.want)
	}
	w := open(t, small(withSettings(func(s *settings.Settings) {}))...)
	w.conf(w.host, map[string]any{"resetThreshold": 0})
	from := mark(w.host)
	w.fill(w.host)
	w.fill(w.host)
	equal(t, "45: off", query(w.host, from), "")
}

// session.md §33 items 27 and 28, §16.3.
func TestRulesAutoresetAnswers(t *testing.T) {
	w := open(t, small()...)
	o, b, g := w.join(person("op")), w.join(person("bob")), w.join(person("gus", ghost))
	w.send(w.host, frame.TypeSessionOwner, 0, ids(o.id))
	w.fill(b)
	// Wrong answers.
	logs := func(st *seat, kwargs ...any) []heard {
		from := mark(b)
		w.ready(st, kwargs...)
		return since(b, from)
	}
	labelsEqual(t, "ghost", logs(g), fmt.Sprintf("log User %d is not an operator, but sent ready-to-autoreset", g.id))
	labelsEqual(t, "payload", logs(o, "payload", "1:2:3"), fmt.Sprintf("log User %d responded with incorrect autoreset payload", o.id))
	from := mark(b)
	w.ready(b)
	equal(t, "guest", errorsSince(b, from), []string{"ready-to-autoreset: Not a session owner"})
	// 27: with one of two, after 3 s.
	labelsEqual(t, "accepted", logs(o))
	labelsEqual(t, "twice", logs(o), fmt.Sprintf("log User %d responded to an autoreset request without being in query state", o.id))
	equal(t, "27: not yet", request(o, 0) == nil, true)
	w.advance(2 * time.Second)
	equal(t, "27: not yet", request(o, 0) == nil, true)
	w.advance(2 * time.Second)
	equal(t, "27: request", fmt.Sprint(request(o, 0)), "map[maxSize:1.048576e+06 query:false type:autoreset]")
	equal(t, "27: others", request(w.host, 0) == nil, true)
	equal(t, "late", w.s.auto.status, autoresetRequested)
	labelsEqual(t, "late", logs(w.host))
	equal(t, "late", w.host.reset, 0)
	// The chosen one resets.
	w.cmd(o, "reset-session", nil, nil)
	equal(t, "cleared", []any{w.s.auto.status, o.reset}, []any{autoresetNone, 0})

	// 27: with one, at once.
	w = open(t, small()...)
	w.fill(w.host)
	w.ready(w.host, "payload", "") // older clients send none
	equal(t, "27: at once", request(w.host, 0) != nil, true)
	// 27: with several, when all have answered.
	w = open(t, small()...)
	o = w.join(person("op"))
	w.send(w.host, frame.TypeSessionOwner, 0, ids(o.id))
	w.fill(o)
	w.ready(w.host)
	equal(t, "27: one of two", request(w.host, 0) == nil, true)
	w.ready(o, stream1...)
	equal(t, "27, 28: streaming wins", fmt.Sprint(request(o, 0)), fmt.Sprintf("map[correlator:%s maxSize:1.048576e+06 query:false stream:gzip1 type:autoreset]", w.s.auto.payload))
	equal(t, "flags", o.reset, resetAwaiting|resetStreaming)
}

// session.md §16.3, §16.4 and §33 item 28.
func TestRulesCandidates(t *testing.T) {
	c := func(kv ...any) candidate {
		v := map[string]any{}
		for i := 0; i < len(kv); i += 2 {
			x := kv[i+1]
			if n, ok := x.(int); ok {
				x = float64(n)
			}
			v[kv[i].(string)] = x
		}
		return newCandidate(nil, v)
	}
	caps := func(s ...any) []any { return s }
	equal(t, "nothing known", c(), candidate{net: 100})
	equal(t, "old net value", c("net", 80), candidate{net: 0})
	equal(t, "new net value", c("net", 80, "capabilities", caps("net")), candidate{net: 80})
	equal(t, "system", c("os", "android").system, -1)
	equal(t, "system", c("os", "windows").system, 1)
	equal(t, "system", c("os", "amiga").system, 0)
	equal(t, "pings", c("pings", []any{1.0, -5.0, "x", 3.0, 0.0}).ping, 2)
	net := caps("net")
	order := []candidate{
		c("capabilities", caps("net", "gzip1"), "os", "ios", "net", 0, "pings", []any{9.0}),
		c("capabilities", net, "os", "linux", "net", 1, "pings", []any{9.0}),
		c("capabilities", net, "os", "", "net", 100, "pings", []any{1.0}),
		c("capabilities", net, "os", "", "net", 50, "pings", []any{1.0}),
		c("capabilities", net, "os", "", "net", 50, "pings", []any{2.0}),
		c("capabilities", net, "os", "ios", "net", 100, "pings", []any{1.0}),
	}
	for i := range order {
		for j := range order {
			if got := order[i].better(&order[j]); got != (i < j) {
				t.Errorf("28: %d better than %d: %v", i, j, got)
			}
		}
	}
	same, unknown := c("net", 1, "pings", []any{5.0}), c("net", 1)
	equal(t, "28: ping unknown", []bool{same.better(&unknown), unknown.better(&same)}, []bool{false, false})
}

// session.md §32 D2 and style-and-wishes.md A.11: the next one at once.
func TestRulesAutoresetPassesOn(t *testing.T) {
	ends := map[string]func(w *world, chosen *seat){
		"leaves":        func(w *world, c *seat) { w.leave(c) },
		"de-opped":      func(w *world, c *seat) { w.send(w.host, frame.TypeSessionOwner, 0, ids(w.s.seats[2].id)) },
		"never answers": func(w *world, c *seat) { w.advance(resetterTime + time.Second) },
	}
	for name, end := range ends {
		w := open(t, small()...)
		o, p := w.join(person("op")), w.join(person("pop"))
		w.send(w.host, frame.TypeSessionOwner, 0, ids(o.id, p.id))
		w.fill(w.host)
		w.ready(w.host, "os", "ios")
		w.ready(o, stream1...)
		w.ready(p)
		equal(t, name+": best", request(o, 0) != nil, true)
		end(w, o)
		equal(t, "D2: "+name+": next", request(p, 0) != nil, true)
		equal(t, "D2: "+name+": flags", o.reset, 0)
		w.leave(p)
		equal(t, "D2: "+name+": last", request(w.host, 0) != nil, true)
		w.advance(resetterTime + time.Second)
		equal(t, "D2: "+name+": given up", w.s.auto.status, autoresetNone)
		from := mark(w.host)
		w.draw(w.host, "x")
		equal(t, "D2: "+name+": pause", query(w.host, from), "")
		w.advance(autoresetRetry)
		w.draw(w.host, "x")
		equal(t, "D2: "+name+": again", query(w.host, from) != "", true)
	}
}

// A candidate that leaves before the choice is not chosen.
func TestRulesCandidateLeaves(t *testing.T) {
	w := open(t, small()...)
	o := w.join(person("op"))
	w.send(w.host, frame.TypeSessionOwner, 0, ids(o.id))
	w.fill(w.host)
	w.ready(o, stream1...)
	w.leave(o)
	from := mark(w.host)
	w.advance(4 * time.Second)
	labelsEqual(t, "nobody left", ofKind(since(w.host, from), "log"), "log Autoreset triggered, but no user available to execute it with")
}
