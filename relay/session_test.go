package relay

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"testing"
	"time"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/entry"
	"drawrelay/store/serverlog"
	"drawrelay/store/settings"
)

// world is a session under test with its surroundings.
type world struct {
	t    testing.TB
	out  *fakeOutlet
	s    *session
	set  *settings.Source
	log  *serverlog.Log
	time time.Time
	host *seat

	everybody []*seat // who was ever attached
}

type option func(*worldConfig)

type worldConfig struct {
	settings settings.Settings
	create   store.Create
	loaded   bool
	cryptKey []byte
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
		passwords: fakeHasher{},
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
	w.everybody = append(w.everybody, st)
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
	r.PasswordHash = w.s.hist.PasswordHash() // as if it had just been checked
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
