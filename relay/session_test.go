package relay

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/entry"
	"drawrelay/store/serverlog"
	"drawrelay/store/settings"
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

func (o *fakeOutlet) current(st *seat) bool { return st.link.(*fakeLink).pos == len(o.all) }
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
				k.pos = 0
				k.base, k.start = len(k.got), 0
			case k.pos < int(from):
				o.t.Error("the fake cannot serve members who lag behind the fork")
			default:
				k.pos += len(flat) - int(from)
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

// world is a session under test with its surroundings.
type world struct {
	t    testing.TB
	out  *fakeOutlet
	s    *session
	set  *settings.Source
	log  *serverlog.Log
	time time.Time
	host *seat
}

type option func(*worldConfig)

type worldConfig struct {
	settings settings.Settings
	create   store.Create
	loaded   bool
	cryptKey []byte
	lines    io.Writer
}

func withSettings(f func(*settings.Settings)) option { return func(c *worldConfig) { f(&c.settings) } }
func withCreate(f func(*store.Create)) option        { return func(c *worldConfig) { f(&c.create) } }
func withKey(key string) option                      { return func(c *worldConfig) { c.cryptKey = []byte(key) } }

// newWorld returns a session that has started but has no host yet.
func newWorld(t testing.TB, options ...option) *world {
	c := worldConfig{settings: *settings.Default(), create: store.Create{
		Founder: "alice", Version: frame.OwnVersion, MaxUsers: 254, AutoReset: 15 << 20,
		Flags: store.AllowWeb | store.Invites,
	}}
	for _, o := range options {
		o(&c)
	}
	w := &world{t: t, time: time.Date(2026, 5, 16, 12, 34, 56, 0, time.UTC)}
	now := func() time.Time { return w.time }
	w.log = serverlog.New(io.Discard, serverlog.FormatText, now)
	t.Cleanup(func() { w.log.Close(time.Second) })
	st, err := store.Open(store.Options{Log: w.log, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	hist, err := st.Create(c.create)
	if err != nil {
		t.Fatal(err)
	}
	w.set = settings.NewSource(&c.settings)
	w.out = &fakeOutlet{t: t, hist: hist}
	w.s = newSession(sessionEnv{
		hist: hist, settings: w.set, log: w.log, out: w.out, now: now, cryptKey: c.cryptKey,
		hash:  func(p string) (string, error) { return "hash:" + p, nil },
		check: func(stored, p string) bool { return stored == "hash:"+p },
	})
	w.out.s = w.s
	w.s.start(c.loaded)
	return w
}

// change replaces settings and tells the session, as the transport does.
func (w *world) change(f func(*settings.Settings)) {
	old := w.set.Get()
	n := *old
	f(&n)
	w.set.Set(&n)
	w.s.settingsChanged(old, &n)
	w.turn()
}

// turn is the end of a loop turn.
func (w *world) turn() {
	w.out.settle()
	w.out.deliver()
}

func person(name string, f ...func(*entry.Person)) *entry.Person {
	p := &entry.Person{
		Name: name, Addr: netip.MustParseAddr("192.0.2.1"),
		SystemID: fmt.Sprintf("%032x", []byte(name)),
	}
	for _, f := range f {
		f(p)
	}
	return p
}

func registered(p *entry.Person)   { p.AuthID = "internal:" + p.Name }
func mod(p *entry.Person)          { registered(p); p.Flags |= entry.FlagMod }
func ghost(p *entry.Person)        { mod(p); p.Flags |= entry.FlagGhost }
func browser(p *entry.Person)      { p.Browser = true }
func incompatible(p *entry.Person) { p.Incompatible = true }
func local(p *entry.Person)        { p.Addr = netip.MustParseAddr("::ffff:127.0.0.1") }
func at(addr string) func(*entry.Person) {
	return func(p *entry.Person) { p.Addr = netip.MustParseAddr(addr) }
}
func with(f entry.Flags) func(*entry.Person) { return func(p *entry.Person) { p.Flags |= f } }

func (w *world) attach(st *seat) {
	if st.link != nil {
		w.t.Fatal("attached twice")
	}
	k := &fakeLink{out: w.out, seat: st}
	rest := w.out.all
	for range st.skip {
		rest = rest[frame.Len(rest):]
	}
	k.pos = len(w.out.all) - len(rest)
	k.start = k.pos
	st.link = k
}

// hosts seats the host with id 1 and leaves the session initialising.
func (w *world) hosts(p *entry.Person) *seat {
	w.s.admitHost(p, 1, func(st *seat) { w.attach(st); w.host = st })
	w.turn()
	return w.host
}

// open returns a running session hosted by alice.
func open(t testing.TB, options ...option) *world {
	w := newWorld(t, options...)
	w.hosts(person("alice"))
	w.draw(w.host, "canvas")
	w.cmd(w.host, "init-complete", nil, nil)
	if w.s.state != stateRunning {
		t.Fatalf("state is %v", w.s.state)
	}
	return w
}

func (w *world) tryJoin(r *entry.JoinRequest) (st *seat, err error) {
	err = w.s.admitJoin(r, func(x *seat) { st = x; w.attach(x) })
	if (err == nil) != (st != nil) {
		w.t.Fatalf("join: attached %v, error %v", st != nil, err)
	}
	w.turn()
	return st, err
}

func (w *world) join(p *entry.Person) *seat {
	w.t.Helper()
	st, err := w.tryJoin(&entry.JoinRequest{Person: p, Session: w.s.hist.ID})
	if err != nil {
		w.t.Fatalf("join %s: %v", p.Name, err)
	}
	return st
}

func (w *world) invited(p *entry.Person, v *entry.Invite) *seat {
	w.t.Helper()
	st, err := w.tryJoin(&entry.JoinRequest{Person: p, Session: w.s.hist.ID, Invited: v})
	if err != nil {
		w.t.Fatalf("join %s: %v", p.Name, err)
	}
	return st
}

func (w *world) leave(st *seat) {
	w.s.left(st, "")
	st.link.(*fakeLink).closed = true
	w.turn()
}

// send is a message from a member as the transport hands it on.
func (w *world) send(st *seat, t frame.Type, user uint8, body string) {
	m := frame.Msg{Type: t, User: user, Body: []byte(body)}
	if err := frame.Check(m); err != nil {
		w.t.Fatalf("%v: %v", t, err)
	}
	if t.Opaque() && w.s.fast(st, m.Size()) {
		m.User = st.id
		b := frame.Append(nil, m)
		w.out.append(b, 1)
		w.s.appended(st, len(b), 1, t >= frame.FirstCommand)
	} else {
		w.s.receive(st, m)
	}
	for i := range m.Body {
		m.Body[i] = 0xaa // the body is borrowed
	}
	w.turn()
}

func (w *world) draw(st *seat, body string) { w.send(st, 136, st.id, body) }

func (w *world) chat(st *seat, text string, transient, opaque uint8) {
	w.send(st, frame.TypeChat, st.id, string([]byte{transient, opaque})+text)
}

func (w *world) cmd(st *seat, name string, args []any, kwargs map[string]any) {
	doc := map[string]any{"cmd": name}
	if args != nil {
		doc["args"] = args
	}
	if kwargs != nil {
		doc["kwargs"] = kwargs
	}
	b, err := json.Marshal(doc)
	if err != nil {
		w.t.Fatal(err)
	}
	w.send(st, frame.TypeServerCommand, 0, string(b))
}

func (w *world) conf(st *seat, kwargs map[string]any) { w.cmd(st, "sessionconf", nil, kwargs) }

func (w *world) advance(d time.Duration) {
	for d > 0 {
		step := min(d, time.Second)
		w.time = w.time.Add(step)
		d -= step
		w.s.tick(w.time)
		w.turn()
	}
}

// history is everything stored in the current log.
func (w *world) history() []heard {
	k := &fakeLink{out: w.out}
	k.add(w.out.all, true)
	return k.got
}

func heardBy(st *seat) []heard { return st.link.(*fakeLink).got }

func mark(st *seat) int { return len(heardBy(st)) }

// since returns what a member was told after a mark.
func since(st *seat, from int) []heard { return heardBy(st)[from:] }

func filter(list []heard, keep func(heard) bool) []heard {
	var out []heard
	for _, h := range list {
		if keep(h) {
			out = append(out, h)
		}
	}
	return out
}

func ofKind(list []heard, kind string) []heard {
	return filter(list, func(h heard) bool { return h.Type == frame.TypeServerCommand && h.kind() == kind })
}

func ofType(list []heard, t frame.Type) []heard {
	return filter(list, func(h heard) bool { return h.Type == t })
}

// label names a message briefly: the reply type, with what tells it apart, or
// the message type.
func label(h heard) string {
	if h.Type != frame.TypeServerCommand {
		return h.Type.String()
	}
	kind := h.kind()
	switch kind {
	case "sessionconf":
		config, _ := h.json["config"].(map[string]any)
		for _, key := range []string{"banlist", "announcements", "muted", "auth", "invitelist"} {
			if _, ok := config[key]; ok && len(config) == 1 {
				return key
			}
		}
		if len(config) == 1 {
			return fmt.Sprint("closed ", config["closed"])
		}
	case "log":
		return fmt.Sprint("log ", h.json["message"])
	case "msg", "alert":
		if key, ok := h.json["T"]; ok {
			return fmt.Sprint(kind, " ", key)
		}
	case "error":
		return fmt.Sprint("error ", h.json["message"])
	}
	return kind
}

func labels(list []heard) []string {
	out := []string{}
	for _, h := range list {
		out = append(out, label(h))
	}
	return out
}

func equal(t testing.TB, what string, got, want any) {
	t.Helper()
	g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want)
	if g != w {
		t.Errorf("%s:\n got %s\nwant %s", what, g, w)
	}
}

func labelsEqual(t testing.TB, what string, got []heard, want ...string) {
	t.Helper()
	equal(t, what, strings.Join(labels(got), "\n"), strings.Join(want, "\n"))
}

func TestRulesSmoke(t *testing.T) {
	w := open(t)
	b := w.join(person("bob"))
	w.draw(b, "stroke")
	for _, h := range heardBy(b) {
		t.Log(h)
	}
}
