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

// style-and-wishes.md A.11: who has begun and fails, in any way, is followed by
// the next candidate at once too; session.md §16.6, §17.3, §17.4, §17.7.
func TestRulesResetterFails(t *testing.T) {
	upload := func(w *world, c *seat) {
		w.cmd(c, "reset-session", nil, nil)
		w.draw(c, "part of the image")
	}
	stream := func(w *world, c *seat) {
		w.cmd(c, "stream-reset-start", []any{w.s.auto.payload}, nil)
		w.send(c, frame.TypeResetStream, 0, string(compressed(msg(136, "x"))[:5]))
	}
	tests := []struct {
		name       string
		begin, end func(w *world, c *seat)
	}{
		{"stream: leaves", stream, func(w *world, c *seat) { w.leave(c) }},
		{"stream: de-opped", stream, func(w *world, c *seat) { w.send(w.host, frame.TypeSessionOwner, 0, ids(w.s.seats[2].id)) }},
		{"stream: bad piece", func(w *world, c *seat) { w.cmd(c, "stream-reset-start", []any{w.s.auto.payload}, nil) },
			func(w *world, c *seat) { w.send(c, frame.TypeResetStream, 0, "junk") }},
		{"stream: bad count", stream, func(w *world, c *seat) { w.cmd(c, "stream-reset-finish", []any{7}, nil) }},
		{"stream: aborts", stream, func(w *world, c *seat) { w.cmd(c, "stream-reset-abort", nil, nil) }},
		{"stream: silent", stream, func(w *world, c *seat) { w.advance(resetterTime + time.Second) }},
		{"stream: wrong correlator", func(*world, *seat) {}, func(w *world, c *seat) { w.cmd(c, "stream-reset-start", []any{"x"}, nil) }},
		{"stream: no space", func(*world, *seat) {}, func(w *world, c *seat) {
			w.change(func(s *settings.Settings) { s.SessionSizeLimit = w.s.hist.Log().Size() })
			w.cmd(c, "stream-reset-start", []any{w.s.auto.payload}, nil)
		}},
		{"upload: leaves", upload, func(w *world, c *seat) { w.leave(c) }},
		{"upload: de-opped", upload, func(w *world, c *seat) { w.send(w.host, frame.TypeSessionOwner, 0, ids(w.s.seats[2].id)) }},
		{"upload: cancels", upload, func(w *world, c *seat) { w.cmd(c, "init-cancel", nil, nil) }},
		{"upload: empty", upload, func(w *world, c *seat) {
			w.cmd(c, "init-begin", nil, nil)
			w.cmd(c, "init-complete", nil, nil)
		}},
		{"upload: too large", upload, func(w *world, c *seat) {
			for !c.gone {
				w.draw(c, strings.Repeat("x", 60000))
			}
		}},
		{"upload: silent", upload, func(w *world, c *seat) { w.advance(resetterTime + time.Second) }},
		{"upload: disk", upload, func(w *world, c *seat) {
			w.out.fails = fmt.Errorf("disk full")
			w.cmd(c, "init-complete", nil, nil)
		}},
	}
	for _, tt := range tests {
		w := open(t, small()...)
		o, p := w.join(person("op")), w.join(person("pop"))
		w.send(w.host, frame.TypeSessionOwner, 0, ids(o.id, p.id))
		w.fill(w.host)
		w.ready(w.host, "os", "ios")
		if strings.HasPrefix(tt.name, "stream") {
			w.ready(o, stream1...)
		} else {
			w.ready(o, "os", "linux")
		}
		w.ready(p)
		first := request(o, 0)
		if first == nil {
			t.Fatalf("%s: not the best one", tt.name)
		}
		tt.begin(w, o)
		equal(t, tt.name+": not yet", request(p, 0) == nil, true)
		tt.end(w, o)
		equal(t, tt.name+": the session goes on", []any{w.s.state, w.s.stream == nil, o.reset}, []any{stateRunning, true, 0})
		if request(p, 0) == nil {
			t.Errorf("%s: the next one is not asked", tt.name)
			continue
		}
		// With nobody left it pauses, then all are asked again.
		w.leave(p)
		equal(t, tt.name+": the last one", request(w.host, 0) != nil, true)
		w.cmd(w.host, "reset-session", nil, nil)
		from := mark(w.host)
		w.cmd(w.host, "init-cancel", nil, nil)
		w.out.fails = nil
		w.change(func(s *settings.Settings) { s.SessionSizeLimit = 1 << 20 })
		w.draw(w.host, "x")
		equal(t, tt.name+": pause", []any{query(w.host, from), request(w.host, from) == nil}, []any{"", true})
		w.advance(autoresetRetry)
		w.draw(w.host, "x")
		equal(t, tt.name+": again", query(w.host, from) != "", true)
	}
}

// The next one streams under a correlator of its own: the first one's client
// must not begin again when the second one's start goes by.
func TestRulesResetterCorrelator(t *testing.T) {
	w := open(t, small()...)
	o := w.join(person("op"))
	w.send(w.host, frame.TypeSessionOwner, 0, ids(o.id))
	w.fill(w.host)
	w.ready(w.host, stream1...)
	w.ready(o, stream1...)
	first := request(w.host, 0)["correlator"]
	w.cmd(w.host, "stream-reset-start", []any{first}, nil)
	w.cmd(w.host, "stream-reset-abort", nil, nil)
	second := request(o, 0)["correlator"]
	if second == nil || second == first {
		t.Fatalf("correlators %v and %v", first, second)
	}
	w.cmd(o, "stream-reset-start", []any{second}, nil)
	from := mark(o)
	w.send(o, frame.TypeResetStream, 0, string(compressed(msg(136, "image"))))
	w.cmd(o, "stream-reset-finish", []any{1}, nil)
	equal(t, "errors", errorsSince(o, 0), []string{})
	equal(t, "progress", progress(o, from), "next")
	equal(t, "resolved", string(w.history()[3].Body), "image")
}

// Nobody who is still catching up is asked, nor can offer itself; a query that
// nobody else could answer waits (issue; style-and-wishes.md A.11).
func TestRulesAutoresetCatchingUp(t *testing.T) {
	w := open(t, small()...)
	w.s.hist.SetAuthOp("internal:late", true)
	w.out.lag = true
	late := w.join(person("late", registered))
	equal(t, "operator", late.operator(), true)
	from := mark(late)
	w.fill(w.host)
	equal(t, "who is here is asked", query(w.host, 0) != "", true)
	equal(t, "who catches up is not", query(late, 0), "")
	w.ready(late, stream1...)
	labelsEqual(t, "nor can it offer itself", ofKind(since(late, from), "log")[1:],
		fmt.Sprintf("log User %d responded to an autoreset request without being in query state", late.id))
	w.ready(w.host, "os", "ios")
	equal(t, "the other one is chosen at once", request(w.host, 0) != nil, true)

	// Alone, it is asked when it has arrived.
	w = open(t, small()...)
	w.s.hist.SetAuthOp("internal:late", true)
	w.out.lag = true
	late = w.join(person("late", registered))
	w.leave(w.host)
	bob := w.join(person("bob"))
	from = mark(bob)
	w.fill(bob)
	w.advance(time.Minute)
	labelsEqual(t, "nothing is said meanwhile", ofKind(since(bob, from), "log"))
	equal(t, "not asked", query(late, 0), "")
	w.out.lag = false
	w.advance(2 * time.Second)
	equal(t, "asked then", query(late, 0) != "", true)

	// After a reset everybody catches up with it first.
	w = open(t, small()...)
	w.cmd(w.host, "reset-session", nil, nil)
	w.draw(w.host, "image")
	w.out.lag = true
	w.cmd(w.host, "init-complete", nil, nil)
	w.fill(w.host)
	w.advance(5 * time.Second)
	equal(t, "after a reset", query(w.host, 0), "")
	w.out.lag = false
	w.advance(2 * time.Second)
	equal(t, "after a reset", query(w.host, 0) != "", true)
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
