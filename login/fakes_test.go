package login

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"drawrelay/frame"
	"drawrelay/store/entry"
)

// directory is a fake entry.Directory.
type directory struct {
	mu       sync.Mutex
	sessions []*entry.Session
	watchers map[int]func(string, *entry.Session)
	next     int
}

func newDirectory(sessions ...*entry.Session) *directory {
	return &directory{sessions: sessions, watchers: make(map[int]func(string, *entry.Session))}
}

func (d *directory) All() []*entry.Session {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.sessions)
}

func (d *directory) Find(id string) (*entry.Session, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.sessions {
		if s.ID == id || s.Alias == id && id != "" {
			return s, true
		}
	}
	return nil, false
}

func (d *directory) Watch(w func(string, *entry.Session)) func() {
	d.mu.Lock()
	defer d.mu.Unlock()
	id := d.next
	d.next++
	d.watchers[id] = w
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.watchers, id)
	}
}

// set publishes a session, or its end if s is nil.
func (d *directory) set(id string, s *entry.Session) {
	d.mu.Lock()
	d.sessions = slices.DeleteFunc(slices.Clone(d.sessions), func(o *entry.Session) bool { return o.ID == id })
	if s != nil {
		d.sessions = append(d.sessions, s)
	}
	watchers := make([]func(string, *entry.Session), 0, len(d.watchers))
	for _, w := range d.watchers {
		watchers = append(watchers, w)
	}
	d.mu.Unlock()
	for _, w := range watchers {
		w(id, s)
	}
}

func (d *directory) watching() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.watchers)
}

// seater is a fake entry.Seater that answers like relay and keeps requests.
type seater struct {
	mu    sync.Mutex
	err   error
	hosts []*entry.HostRequest
	joins []*entry.JoinRequest
	// beforeJoin, if set, answers instead unless it returns nil.
	beforeJoin func(*entry.JoinRequest) error
}

func (s *seater) Host(_ context.Context, r *entry.HostRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.hosts = append(s.hosts, r)
	return s.welcome(r.Conn, "host")
}

func (s *seater) Join(_ context.Context, r *entry.JoinRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.beforeJoin != nil {
		if err := s.beforeJoin(r); err != nil {
			return err
		}
	}
	if s.err != nil {
		return s.err
	}
	s.joins = append(s.joins, r)
	return s.welcome(r.Conn, "join")
}

func (s *seater) welcome(c *entry.Conn, state string) error {
	b, err := frame.AppendReply(nil, 0, frame.Object{"type": "result", "state": state})
	if err != nil {
		return err
	}
	if c.Pipe != nil {
		// As relay does: the TLS code is driven from memory from here on.
		c.Pipe.Detach()
		if err := c.Pipe.Seal(b); err != nil {
			return err
		}
		b = c.Pipe.TakeOutput()
	}
	_, err = c.Net.Write(b)
	return err
}

func (s *seater) join(t *testing.T) *entry.JoinRequest {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.joins) != 1 {
		t.Fatalf("%d joins reached the seater, want 1", len(s.joins))
	}
	return s.joins[0]
}

func (s *seater) host(t *testing.T) *entry.HostRequest {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.hosts) != 1 {
		t.Fatalf("%d hosts reached the seater, want 1", len(s.hosts))
	}
	return s.hosts[0]
}

// newUsers are accounts by name.
func newUsers(accounts ...Account) users {
	u := make(users)
	for _, a := range accounts {
		u[a.Name] = a
	}
	return u
}

// users is a fake Users. Immutable while a server runs.
type users map[string]Account

func (u users) Find(name string) (Account, bool) { a, ok := u[name]; return a, ok }
func (u users) Any() bool                        { return len(u) > 0 }

// fakeBans is a fake Bans; the first match counts.
type fakeBans struct {
	addresses []addressBan
	systems   []systemBan
	users     []userBan
}

type addressBan struct {
	prefix netip.Prefix
	ban    Ban
}

type systemBan struct {
	id  string
	ban Ban
}

type userBan struct {
	id  int64
	ban Ban
}

func (f *fakeBans) Address(a netip.Addr) (Ban, bool) {
	for _, b := range f.addresses {
		if b.prefix.Contains(a) {
			return b.ban, true
		}
	}
	return Ban{}, false
}

func (f *fakeBans) System(id string) (Ban, bool) {
	for _, b := range f.systems {
		if b.id == id {
			return b.ban, true
		}
	}
	return Ban{}, false
}

func (f *fakeBans) User(id int64) (Ban, bool) {
	for _, b := range f.users {
		if b.id == id {
			return b.ban, true
		}
	}
	return Ban{}, false
}
