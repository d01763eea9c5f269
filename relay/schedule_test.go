package relay

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/entry"
	"drawrelay/store/settings"
)

// schedule is a random course of events in one session, and the invariants
// that hold between them.
type schedule struct {
	*world
	rnd     *rand.Rand
	seed    uint64
	present []*seat
	next    int
	drawn   map[*seat]int // strokes sent
}

// checkEvery is how many steps pass between two checks, each of which looks at
// everything.
const checkEvery = 20

// Random schedules of joins, leaves, messages and commands. A failure prints
// its seed; SCHEDULE_SEED repeats it.
func TestRulesRandomSchedules(t *testing.T) {
	seeds := 40
	if testing.Short() {
		seeds = 20
	}
	first := uint64(1)
	if s := os.Getenv("SCHEDULE_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		first, seeds = n, 1
	}
	for seed := first; seed < first+uint64(seeds); seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { runSchedule(t, seed) })
	}
}

func runSchedule(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 7))
	limit := int64(0)
	if rnd.IntN(3) == 0 {
		limit = 20000 + rnd.Int64N(30000)
	}
	w := newWorld(t, withSettings(func(s *settings.Settings) {
		s.SessionSizeLimit = limit
		s.EnableGhosts = true
		s.EmptySessionLingerTime = time.Hour
	}), withCreate(func(c *store.Create) {
		c.Flags |= store.Persistent
		c.AutoReset = int64(rnd.IntN(3)) * 4000
	}))
	x := &schedule{world: w, rnd: rnd, seed: seed, drawn: map[*seat]int{}}
	w.hosts(person("host"))
	x.present = []*seat{w.host}
	ready := rnd.IntN(60)
	for step := range 400 {
		if step == ready {
			w.cmd(w.host, "init-complete", nil, nil)
		}
		x.step(step < ready)
		if t.Failed() || w.s.state == stateShutdown {
			return
		}
		if step%checkEvery == 0 {
			x.check()
		}
		if t.Failed() {
			return
		}
	}
	x.check()
}

func (x *schedule) any() *seat { return x.present[x.rnd.IntN(len(x.present))] }

func (x *schedule) drop() {
	x.present = slices.DeleteFunc(x.present, func(st *seat) bool { return st.gone })
}

func (x *schedule) step(initialising bool) {
	w, rnd := x.world, x.rnd
	if len(x.present) == 0 {
		x.enter()
		return
	}
	st := x.any()
	switch n := rnd.IntN(100); {
	case n < 12:
		x.enter()
	case n < 18:
		if !initialising || st != w.host {
			w.leave(st)
		}
	case n < 60:
		x.drawn[st]++
		w.send(st, frame.Type(64+rnd.IntN(192)), uint8(rnd.IntN(256)), fmt.Sprintf("%s %d %x", st.person.Name, x.drawn[st], make([]byte, rnd.IntN(200))))
	case n < 66:
		w.chat(st, "hi", uint8(rnd.IntN(2)), uint8(rnd.IntN(32)))
	case n < 70:
		w.send(st, frame.TypePrivateChat, 0, string([]byte{x.any().id, 0})+"psst")
	case n < 75:
		w.send(st, frame.TypeSessionOwner, 0, ids(x.any().id, x.any().id))
	case n < 79:
		w.send(st, frame.TypeTrustedUsers, 0, ids(x.any().id, x.any().id))
	case n < 83:
		w.cmd(st, "kick-user", []any{x.any().id}, map[string]any{"ban": rnd.IntN(4) == 0})
	case n < 86:
		w.cmd(st, "mute", []any{x.any().id, rnd.IntN(2) == 0}, nil)
	case n < 90:
		w.out.defers = rnd.IntN(2) == 0
		w.conf(st, map[string]any{"password": fmt.Sprint(rnd.IntN(3)), "title": fmt.Sprint(rnd.IntN(100))})
	case n < 92:
		w.conf(st, map[string]any{"opword": []string{"", "o"}[rnd.IntN(2)], "deputies": rnd.IntN(2) == 0})
	case n < 93:
		w.cmd(st, "gain-op", []any{"o"}, nil)
	case n < 94:
		w.cmd(st, "remove-ban", []any{1 + rnd.IntN(5)}, nil)
	case n < 97:
		x.reset(st)
	default:
		w.out.defers = false
		w.advance(time.Duration(rnd.IntN(20)) * time.Second)
	}
	x.drop()
}

// reset does a part of a reset, whichever is due.
func (x *schedule) reset(st *seat) {
	w, rnd := x.world, x.rnd
	up := w.s.initSeat
	switch {
	case w.s.stream != nil && !w.s.stream.prepared && w.s.stream.st.busy == false:
		st = w.s.stream.st
		image := compressed(msg(136, "streamed"), msg(200, "image"))
		cut := rnd.IntN(len(image))
		w.send(st, frame.TypeResetStream, 0, string(image[:cut]))
		if !st.gone {
			w.send(st, frame.TypeResetStream, 0, string(image[cut:]))
		}
		if !st.gone {
			w.cmd(st, "stream-reset-finish", []any{2 + rnd.IntN(2)}, nil)
		}
	case w.s.auto.status == autoresetQueried || w.s.auto.status == autoresetWaiting:
		for _, st := range slices.Clone(w.s.seats) {
			if st.reset&resetQueried != 0 && rnd.IntN(3) > 0 {
				w.ready(st, stream1...)
			}
		}
	case w.s.auto.status == autoresetRequested && w.s.auto.chosen != nil:
		w.cmd(w.s.auto.chosen, "stream-reset-start", []any{w.s.auto.payload}, nil)
	case up != nil && up != x.host:
		w.draw(up, "uploaded")
		if !up.gone {
			w.cmd(up, []string{"init-complete", "init-cancel", "init-begin"}[rnd.IntN(3)], nil, nil)
		}
	default:
		w.cmd(st, "reset-session", nil, nil)
	}
}

func (x *schedule) enter() {
	kinds := [][]func(*entry.Person){{}, {}, {}, {registered}, {mod}, {ghost}}
	name := fmt.Sprintf("u%d", x.next)
	if x.rnd.IntN(3) == 0 {
		name = fmt.Sprintf("u%d", x.rnd.IntN(x.next+1)) // perhaps somebody known, or present
	} else {
		x.next++
	}
	r := &entry.JoinRequest{Person: person(name, kinds[x.rnd.IntN(len(kinds))]...), Session: x.s.hist.ID}
	if last := x.s.hist.LastIndex(); x.rnd.IntN(4) == 0 && last > 1 {
		r.Index = frame.HistoryIndex{Start: x.s.hist.StartStamp, Pos: 1 + x.rnd.Int64N(last), Session: x.s.hist.ID}
	}
	st, err := x.tryJoin(r)
	if err == nil && !st.gone {
		x.present = append(x.present, st)
	}
	x.drop()
}

// check verifies what must hold at the end of every turn.
func (x *schedule) check() {
	t, w := x.t, x.world
	if w.s.frozen {
		return // leaves wait
	}
	// The members are those who have not gone, each id once, and known by it.
	if !slices.Equal(w.s.seats, x.present) {
		t.Fatalf("members %v", w.s.seats)
	}
	seen := map[uint8]bool{}
	for _, st := range w.s.seats {
		if st.gone || seen[st.id] || st.id == 0 || w.s.byID[st.id] != st {
			t.Errorf("seat of %q is not in order", st.person.Name)
		}
		seen[st.id] = true
	}
	for id, st := range w.s.byID {
		if st != nil && !seen[uint8(id)] {
			t.Errorf("id %d belongs to somebody who is no member", id)
		}
	}
	// Somebody can always operate the session.
	ops, people := 0, 0
	for _, st := range w.s.seats {
		if !st.person.Ghost() {
			people++
		}
		if st.operator() { // a ghost may have taken the status from all others
			ops++
		}
	}
	if people > 0 && ops == 0 && w.s.hist.OpwordHash() == "" && !w.s.hist.AuthOps() {
		t.Error("nobody is operator and nobody can become one")
	}
	history := parseAll(t, w.out.all)
	if int64(len(history)) != w.s.hist.Log().Count() || int64(len(w.out.all)) != w.s.hist.Log().Size() || w.s.size.Load() != w.s.hist.Log().Size() {
		t.Errorf("accounts: %d messages, %d bytes", len(history), len(w.out.all))
	}
	// Who is present according to the history is present.
	present := map[uint8]bool{}
	for _, h := range history {
		switch h.Type {
		case frame.TypeJoin:
			if present[h.User] {
				t.Errorf("user %d joins twice", h.User)
			}
			present[h.User] = true
		case frame.TypeLeave:
			if !present[h.User] {
				t.Errorf("user %d leaves but was not there", h.User)
			}
			delete(present, h.User)
		}
	}
	for _, st := range w.s.seats {
		if present[st.id] == st.person.Ghost() {
			t.Errorf("history is wrong about %q", st.person.Name)
		}
		delete(present, st.id)
	}
	if len(present) > 0 {
		t.Errorf("history says these are present: %v", present)
	}
	// Each member has been sent exactly the history from its start on.
	if w.s.state == stateRunning {
		for _, st := range w.s.seats {
			x.checkDelivered(st)
		}
	}
	// The newest list of operators is about those present.
	if w.s.state == stateRunning && w.s.fits(frame.MaxFrame) {
		last := w.lastOps()
		var want []byte
		for _, st := range w.s.seats {
			if st.operator() {
				want = append(want, st.id)
			}
		}
		var got []byte
		for _, id := range []byte(last) {
			if st := w.s.byID[id]; st != nil && st.operator() {
				got = append(got, id)
			}
		}
		if last != "none" && string(got) != string(want) {
			t.Errorf("operators in the history %v, present %v", []byte(last), want)
		}
	}
	// Descriptions agree.
	d := w.s.describe()
	if d.UserCount != len(w.s.seats) || len(d.Members) != len(w.s.seats) || d.Size.Load() != w.s.hist.Log().Size() {
		t.Errorf("description %+v", d)
	}
}

// checkDelivered compares what a member was sent with the history.
func (x *schedule) checkDelivered(st *seat) {
	k := st.link.(*fakeLink)
	if k.closed {
		return // the session has not noticed yet
	}
	if k.pos != len(x.out.all) {
		x.t.Errorf("%q is at %d of %d", st.person.Name, k.pos, len(x.out.all))
	}
	got := filter(k.got[k.base:], func(h heard) bool { return h.history })
	want := parseAll(x.t, x.out.all[k.start:])
	if len(got) != len(want) {
		x.t.Errorf("%q was sent %d messages instead of %d", st.person.Name, len(got), len(want))
		return
	}
	for i := range got {
		if g, w := got[i].Msg, want[i]; g.Type != w.Type || g.User != w.User || !bytes.Equal(g.Body, w.Body) {
			x.t.Errorf("%q: message %d is %v instead of %v", st.person.Name, i, got[i], want[i])
			return
		}
	}
}
