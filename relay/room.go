package relay

import (
	"context"
	"fmt"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"sync"
	"sync/atomic"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/entry"
	"drawrelay/store/serverlog"
)

// room is the transport side of a session: its log, its members' links on
// their loops, and the way from one to the other. It implements outlet.
//
// Ownership: the owner loop, but for what is atomic.
type room struct {
	id      string
	srv     *Server
	loop    *loop // owner
	hist    *store.History
	session *session
	track   *store.Track // the recording made of it; nil: none

	running   atomic.Bool
	shards    atomic.Pointer[[]*shard] // the first is the owner loop's
	desc      atomic.Pointer[entry.Session]
	over      bool
	members   int
	messages  count       // taken into the history; any goroutine reads
	timed     sample      // a message whose time is taken
	questions []*question // who waits for an answer

	storage   atomic.Uint32 // state of the store that the session knows
	storageAt atomic.Bool   // a look at it is under way

	heldMu sync.Mutex // protects held
	held   []*link    // not read until the backlog has shrunk

	readLabels, sendLabels context.Context
}

const (
	// plainPerLoop is how many members of a session stay on its owner loop
	// before further ones go to the least loaded loop (relay-design.md §11).
	plainPerLoop = 128
	// sealedPerLoop is the same for members with TLS, whose encryption is
	// worth sharing early.
	sealedPerLoop = 16
)

func newRoom(s *Server, l *loop, h *store.History) *room {
	r := &room{id: h.ID, srv: s, loop: l, hist: h}
	label := func(phase string) context.Context {
		return pprof.WithLabels(l.labels, pprof.Labels("phase", phase, "session", h.ID))
	}
	r.readLabels, r.sendLabels = label("read"), label("send")
	shards := []*shard{{loop: l, room: r}}
	r.shards.Store(&shards)
	h.Durable.OnCommit = r.committed
	return r
}

// log returns the session's current log. Any goroutine.
func (r *room) log() *store.Log { return r.hist.Durable.Log() }

// view is a log and how far members may be sent it.
type view struct {
	log *store.Log
	to  int64
}

// view returns the current log and its deliverable offset, 0 while delivery is
// stopped. Any goroutine.
func (r *room) view() view {
	l := r.log()
	if !r.running.Load() {
		return view{l, 0}
	}
	return view{l, r.hist.DeliverableOf(l)}
}

// committed is called by the store when the written offset has moved, or when
// the session cannot be stored any more or can again. Any goroutine.
func (r *room) committed() {
	if r.storageState() != r.storage.Load() && !r.storageAt.Swap(true) {
		r.loop.do(r.checkStorage)
	}
	for _, s := range *r.shards.Load() {
		s.notify()
	}
	if r.hist.Durable.Backlog() < store.MaxBacklog/2 {
		r.releaseHeld()
	}
}

// storageState sums up what the session wants to know of its store.
func (r *room) storageState() (state uint32) {
	if r.hist.Err() != nil {
		state = 1
	}
	if r.hist.Stalled() {
		state |= 2
	}
	return state
}

// checkStorage has the session look at its store. Owner loop. What changes
// right then is noticed by the next commit or tick.
func (r *room) checkStorage() {
	defer r.rescue()
	r.storageAt.Store(false)
	r.storage.Store(r.storageState())
	if !r.over {
		r.session.checkStorage()
	}
}

// backlogged reports whether so much waits to be written that senders must
// wait too. Any goroutine.
func (r *room) backlogged() bool { return r.hist.Durable.Backlog() > store.MaxBacklog }

func (r *room) addHeld(k *link) {
	r.heldMu.Lock()
	r.held = append(r.held, k)
	r.heldMu.Unlock()
	if !r.backlogged() {
		r.releaseHeld() // the store was faster
	}
}

func (r *room) releaseHeld() {
	r.heldMu.Lock()
	held := r.held
	r.held = nil
	r.heldMu.Unlock()
	for _, k := range held {
		k.loop.post(event{kind: evResume, link: k})
	}
}

// flushed is called by a shard after a flush; the owner trims the log.
func (r *room) flushed(s *shard) {
	if s.loop != r.loop {
		return
	}
	need := int64(1<<63 - 1)
	for _, s := range *r.shards.Load() {
		need = min(need, s.low.Load())
	}
	r.log().Trim(need)
}

func (r *room) tick() {
	defer r.rescue()
	if r.over {
		return
	}
	r.session.tick(r.loop.now)
	for _, s := range *r.shards.Load() {
		if s.loop == r.loop && !s.dirty {
			s.findLow()
			r.flushed(s)
		}
	}
}

// rescue turns a broken invariant into the end of this one session. Deferred,
// on the owner loop.
func (r *room) rescue() {
	p := recover()
	if p == nil {
		return
	}
	r.srv.panics.Add(1)
	r.srv.log.Put(serverlog.Entry{Level: serverlog.Error, Topic: serverlog.Status, Session: r.id,
		Message: fmt.Sprintf("internal error, the session is closed: %v\n%s", p, debug.Stack())})
	r.crash()
}

// attempt runs f, which is not on a loop, and returns how it broke an
// invariant, for rescue; "" if it did not.
func attempt(f func()) (broken string) {
	defer func() {
		if p := recover(); p != nil {
			broken = fmt.Sprintf("%v\n%s", p, debug.Stack())
		}
	}()
	f()
	return ""
}

// broken ends the session because of an invariant that was broken elsewhere.
// Any goroutine.
func (r *room) broken(what string) {
	r.loop.do(func() {
		defer r.rescue()
		panic(what)
	})
}

// crash ends the session without its policy and keeps its files.
func (r *room) crash() {
	bye := frame.AppendDisconnect(nil, frame.ReasonError, "Internal server error")
	for _, s := range *r.shards.Load() {
		s.loop.do(func() {
			for _, k := range slices.Clone(s.links) {
				k.bye(k.lastWords(bye))
			}
		})
	}
	r.end(false)
}

// gone is called when a member's connection has ended.
func (r *room) gone(k *link) {
	defer r.rescue()
	r.members--
	switch {
	case k.farewell == "":
	case r.over || k.seat.gone:
		k.logf(serverlog.Warn, k.farewellTopic, "%s", k.farewell)
	default:
		r.session.event(serverlog.Warn, k.farewellTopic, k.seat, k.farewell)
	}
	if !r.over {
		r.session.left(k.seat, "")
	}
}

// --- outlet ---

func (r *room) append(frames []byte, n int) {
	l := r.log()
	l.Append(frames, n)
	r.messages.add(int64(n))
	r.loop.meter.deliveries.add(int64(n * r.members))
	r.timed.begin(r, l)
	if l.HasFile() {
		r.hist.Durable.Kick()
		if !r.hist.Stalled() {
			return // its commit makes it deliverable
		}
	}
	for _, s := range *r.shards.Load() {
		if s.loop == r.loop {
			s.mark()
		} else {
			s.notify()
		}
	}
}

func (r *room) direct(st *seat, frames []byte) {
	k, ok := st.link.(*link)
	if !ok {
		return
	}
	r.queue(k, k.framed(frames))
}

func (r *room) queue(k *link, b *buffer) {
	if k.loop == r.loop {
		k.queue(b)
	} else {
		k.loop.post(event{kind: evDirect, link: k, buf: b})
	}
}

func (r *room) broadcast(frames []byte, keep func(*seat) bool) {
	var plain, web *buffer // one for each framing that occurs
	for _, st := range r.session.seats {
		if keep != nil && !keep(st) {
			continue
		}
		k, ok := st.link.(*link)
		if !ok {
			continue
		}
		b := &plain
		if k.web != nil {
			b = &web
		}
		if *b == nil {
			*b = k.framed(frames)
		}
		(*b).retain()
		r.queue(k, *b)
	}
	for _, b := range []*buffer{plain, web} {
		if b != nil {
			b.release()
		}
	}
}

func (r *room) setRunning(running bool) {
	if running && r.track == nil && r.srv.config.Recorder != nil {
		r.track = r.srv.config.Recorder.Begin(r.hist)
	}
	r.running.Store(running)
	for _, s := range *r.shards.Load() {
		s.notify()
	}
}

func (r *room) skipToEnd(st *seat) {
	k, ok := st.link.(*link)
	if !ok {
		return
	}
	end := r.log().Size()
	if k.loop != r.loop {
		k.loop.do(func() { k.skipTo(end) })
		return
	}
	k.skipTo(end)
}

// skipTo moves the cursor of a member that is between two batches.
func (k *link) skipTo(end int64) {
	if k.output == outputLive && k.cursor == k.target {
		k.cursor, k.target = end, end
	}
}

func (r *room) detach(st *seat, reason uint8, text string) {
	k, ok := st.link.(*link)
	if !ok {
		return
	}
	b := k.lastWords(frame.AppendDisconnect(nil, reason, text))
	if k.loop == r.loop {
		k.bye(b)
	} else {
		k.loop.post(event{kind: evBye, link: k, buf: b})
	}
}

func (r *room) leaveAlone(st *seat) {
	k, ok := st.link.(*link)
	if !ok {
		return
	}
	if k.loop == r.loop {
		k.goQuiet()
	} else {
		k.loop.do(k.goQuiet)
	}
}

func (r *room) abort(st *seat) {
	k, ok := st.link.(*link)
	if !ok {
		return
	}
	if k.loop == r.loop {
		k.fail(errAborted)
	} else {
		k.loop.post(event{kind: evAbort, link: k})
	}
}

func (r *room) publish() {
	if r.over {
		return
	}
	r.srv.registry.changed(r, r.describe())
}

// describe renews the session's description.
func (r *room) describe() *entry.Session {
	d := r.session.describe()
	d.Redeem = r.redeem
	r.desc.Store(d)
	return d
}

// redeem uses an invite on the owner loop. Any goroutine but a loop's.
func (r *room) redeem(secret string, p *entry.Person) (v *entry.Invite, result entry.RedeemResult) {
	result = entry.RedeemUnknown
	r.ask(func() { v, result = r.session.redeem(secret, p) })
	return v, result
}

func (r *room) end(remove bool) {
	if r.over {
		return
	}
	r.over = true
	l := r.loop
	for i, o := range l.rooms {
		if o == r {
			l.rooms = append(l.rooms[:i], l.rooms[i+1:]...)
			break
		}
	}
	r.srv.registry.remove(r)
	l.do(r.endQuestions)
	r.srv.finish(r, remove)
}
