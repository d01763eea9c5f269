package relay

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"drawrelay/frame"
	"drawrelay/store"
)

// fakeOutlet stands for the transport: it remembers what each seat was told,
// in order, and delivers the history at once unless it is held back.
type fakeOutlet struct {
	t         testing.TB
	s         *session
	hist      *store.History
	all       []byte // the history of the current log
	running   bool
	ended     []bool // arguments of end
	queued    []func()
	defers    bool // offloaded work waits for runOffloaded
	lag       bool // history is not delivered until deliver
	published int
	fails     error  // of replace
	paused    []bool // arguments of pause
}

// fakeLink is the transport's part of a seat.
type fakeLink struct {
	out    *fakeOutlet
	seat   *seat
	pos    int // bytes of history it has been sent
	goal   int // it is catching up before
	got    []heard
	closed bool

	// The history it has been sent since got[base] is all[start:pos].
	base, start int
}

// heard is a message a member was sent.
type heard struct {
	frame.Msg
	history bool
	json    map[string]any // of a ServerCommand
}

func (h heard) kind() string {
	v, _ := h.json["type"].(string)
	return v
}

func (h heard) String() string {
	if h.Type == frame.TypeServerCommand {
		return fmt.Sprintf("%s/%d %s", h.Type, h.User, h.Body)
	}
	return fmt.Sprintf("%s/%d %q", h.Type, h.User, h.Body)
}

func (o *fakeOutlet) links() []*fakeLink {
	var out []*fakeLink
	for _, st := range o.s.seats {
		if k, ok := st.link.(*fakeLink); ok {
			out = append(out, k)
		}
	}
	return out
}

func parseAll(t testing.TB, b []byte) []frame.Msg {
	var out []frame.Msg
	for len(b) > 0 {
		m, rest, err := frame.Parse(b)
		if err != nil {
			t.Fatalf("broken frames: %v", err)
		}
		m.Body = slices.Clone(m.Body)
		out = append(out, m)
		b = rest
	}
	return out
}

func (k *fakeLink) add(frames []byte, history bool) {
	if k.closed {
		if k.seat.gone { // otherwise the session has not noticed yet
			k.out.t.Errorf("message for %q after its end", k.seat.person.Name)
		}
		return
	}
	for _, m := range parseAll(k.out.t, frames) {
		h := heard{Msg: m, history: history}
		if m.Type == frame.TypeServerCommand {
			if err := json.Unmarshal(m.Body, &h.json); err != nil {
				k.out.t.Errorf("bad JSON %q: %v", m.Body, err)
			}
		}
		k.got = append(k.got, h)
	}
}

func (o *fakeOutlet) append(frames []byte, n int) {
	if got := len(parseAll(o.t, frames)); got != n {
		o.t.Errorf("append of %d messages says %d", got, n)
	}
	o.hist.Log().Append(frames, n)
	o.all = append(o.all, frames...)
}

// deliver sends everybody what is due of the history, as the transport does at
// the end of a turn.
func (o *fakeOutlet) deliver() {
	if !o.running || o.lag {
		return
	}
	for _, k := range o.links() {
		k.add(o.all[k.pos:], true)
		k.pos = len(o.all)
	}
}

func (o *fakeOutlet) direct(st *seat, frames []byte) {
	if k, ok := st.link.(*fakeLink); ok {
		k.add(frames, false)
	}
}

func (o *fakeOutlet) broadcast(frames []byte, keep func(*seat) bool) {
	frames = slices.Clone(frames)
	for _, k := range o.links() {
		if keep == nil || keep(k.seat) {
			k.add(frames, false)
		}
	}
}

func (o *fakeOutlet) setRunning(running bool)     { o.running = running }
func (o *fakeOutlet) pause(st *seat, paused bool) { o.paused = append(o.paused, paused) }

func (o *fakeOutlet) current(st *seat) bool    { return st.link.(*fakeLink).pos == len(o.all) }
func (o *fakeOutlet) catchUp(st *seat)         { st.link.(*fakeLink).goal = len(o.all) }
func (o *fakeOutlet) catchingUp(st *seat) bool { k := st.link.(*fakeLink); return k.pos < k.goal }
func (o *fakeOutlet) skipToEnd(st *seat) {
	k := st.link.(*fakeLink)
	k.pos = len(o.all)
	k.base, k.start = len(k.got), k.pos
}

func (o *fakeOutlet) detach(st *seat, reason uint8, text string) {
	o.gone(st)
	if k := st.link.(*fakeLink); !k.closed { // it may have hung up already
		k.add(frame.AppendDisconnect(nil, reason, text), false)
		k.closed = true
	}
}

func (o *fakeOutlet) leaveAlone(st *seat) {
	o.gone(st)
	st.link.(*fakeLink).closed = true
}

func (o *fakeOutlet) abort(st *seat) {
	o.gone(st)
	st.link.(*fakeLink).closed = true
}

func (o *fakeOutlet) gone(st *seat) {
	if !st.gone || slices.Contains(o.s.seats, st) {
		o.t.Errorf("%q is still a member", st.person.Name)
	}
}

func (o *fakeOutlet) offload(work, done func()) {
	o.queued = append(o.queued, func() { work(); done() })
}

// settle runs offloaded tasks, unless they are held back.
func (o *fakeOutlet) settle() {
	for !o.defers && len(o.queued) > 0 {
		task := o.queued[0]
		o.queued = o.queued[1:]
		task()
	}
}

// replace switches as soon as offloaded work may run: members who start over
// are put at the start, others keep their place.
func (o *fakeOutlet) replace(image [][]byte, n int, from int64, done func(error)) {
	flat := slices.Concat(image...)
	if got := len(parseAll(o.t, flat)); got != n {
		o.t.Errorf("image of %d messages says %d", got, n)
	}
	o.queued = append(o.queued, func() {
		o.s.freeze()
		if o.fails != nil {
			done(o.fails)
			return
		}
		var tail []byte
		if from != startOver {
			tail = o.all[from:]
		}
		for _, k := range o.links() {
			switch {
			case from == startOver:
				k.pos, k.goal = 0, 0
				k.base, k.start = len(k.got), 0
			case k.pos < int(from):
				o.t.Error("the fake cannot serve members who lag behind the fork")
			default:
				k.pos += len(flat) - int(from)
				k.goal += len(flat) - int(from)
				k.base, k.start = len(k.got), k.pos
			}
		}
		l := store.NewLog()
		l.Append(flat, n)
		if len(tail) > 0 {
			l.Append(tail, len(parseAll(o.t, tail)))
		}
		o.hist.FirstIndex = o.hist.LastIndex() + 1
		o.hist.SetLog(l)
		o.all = append(flat, tail...)
		done(nil)
	})
}

func (o *fakeOutlet) publish()        { o.published++ }
func (o *fakeOutlet) end(remove bool) { o.ended = append(o.ended, remove) }

// fakeHasher marks passwords instead of hashing them, or fails.
type fakeHasher struct{ err error }

func (f fakeHasher) Check(stored, pass string) (bool, error) { return stored == "hash:"+pass, f.err }

func (f fakeHasher) Hash(pass string) (string, error) {
	if pass == "" {
		return "", nil
	}
	return "hash:" + pass, f.err
}
