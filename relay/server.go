// Package relay runs sessions: it orders the messages of their members, keeps
// them as history and sends them to everybody.
//
// A session is owned by one event loop, where all its state changes happen,
// without locks. Its members' connections live on that loop or, in big
// sessions, on others, which only scan input and send output. What may block
// is done elsewhere: files by the store's writers and the I/O workers, hashes
// and look-ups by goroutines.
package relay

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/entry"
	"drawrelay/store/namefilter"
	"drawrelay/store/password"
	"drawrelay/store/serverlog"
	"drawrelay/store/settings"
)

// maxLoops is the most loops a server starts on its own: more only helps where
// sends to a network card are cheap.
const maxLoops = 4

// offloadLimit is how many slow tasks of sessions (hashing, compressing) run
// at a time.
const offloadLimit = 2

// Transport says what loops and connections run on.
type Transport uint8

const (
	TransportAuto      Transport = iota // the poller where there is one
	TransportPoll                       // epoll or kqueue
	TransportGoroutine                  // goroutines only
)

// Config is what a server needs. Store, Settings and Log are required.
type Config struct {
	Store    *store.Store
	Settings *settings.Source
	Log      *serverlog.Log
	// CryptKey encrypts exported ban lists, 32 bytes; nil: not configured.
	CryptKey []byte
	// Passwords checks and makes password hashes; nil: password.Here.
	Passwords password.Hasher
	// Recorder records all sessions; nil: none is recorded. It is closed after
	// Stop.
	Recorder *store.Recorder
	// Listings puts sessions on public lists; nil: they cannot be listed.
	Listings Listings
	// Reporter sends abuse reports; nil: there is nobody to send them to.
	Reporter  Reporter
	Loops     int // 0: as many as processors, at most 4
	Transport Transport
	// Now is the clock, time.Now if nil. It must be monotonic.
	Now func() time.Time
}

// Server is all sessions and their loops.
type Server struct {
	config   Config
	store    *store.Store
	settings *settings.Source
	log      *serverlog.Log
	now      func() time.Time
	portable bool

	loops    []*loop
	running  sync.WaitGroup
	workers  *workers
	registry *registry
	conns    *conns
	slow     chan struct{} // places for offloaded tasks
	finished sync.WaitGroup
	steps    sync.WaitGroup    // parts of replacements whose outcome a loop has not taken yet
	names    namefilter.Filter // of titles
	panics   atomic.Int64
	carried  atomic.Int64 // bytes sent by I/O workers
	stopping atomic.Bool
	stopOnce sync.Once
}

var (
	_ entry.Seater    = (*Server)(nil)
	_ entry.Directory = (*Server)(nil)
)

// LoopCount returns how many loops a server with this configuration runs.
func (c *Config) LoopCount() int {
	if c.Loops > 0 {
		return c.Loops
	}
	return min(runtime.NumCPU(), maxLoops)
}

// New starts a server without sessions. Stop ends it.
func New(c Config) (*Server, error) {
	s := &Server{
		config: c, store: c.Store, settings: c.Settings, log: c.Log, now: c.Now,
		registry: newRegistry(), conns: newConns(),
		slow: make(chan struct{}, offloadLimit),
	}
	if s.now == nil {
		s.now = time.Now
	}
	switch c.Transport {
	case TransportPoll:
		if !havePoller {
			return nil, errors.New("start relay: this platform has no poller; use the goroutine transport")
		}
	case TransportGoroutine:
		s.portable = true
	default:
		s.portable = !havePoller
	}
	for i := range c.LoopCount() {
		l := newLoop(s, i)
		if s.portable {
			l.drv = newGoDriver(l)
		} else {
			drv, err := newPollDriver(l)
			if err != nil {
				return nil, fmt.Errorf("start relay: loop %d: %w", i, err)
			}
			l.drv = drv
		}
		s.loops = append(s.loops, l)
	}
	s.workers = newWorkers()
	for _, l := range s.loops {
		s.running.Go(func() { l.drv.run(l) })
	}
	c.Settings.Watch(s.settingsChanged)
	return s, nil
}

// settingsChanged tells every session about a new snapshot.
func (s *Server) settingsChanged(old, now *settings.Settings) {
	for _, r := range s.registry.all() {
		r.loop.do(func() {
			defer r.rescue()
			if !r.over {
				r.session.settingsChanged(old, now)
			}
		})
	}
}

// leastLoaded returns the loop with the fewest connections.
func (s *Server) leastLoaded() *loop {
	best := s.loops[0]
	for _, l := range s.loops[1:] {
		if l.load.Load() < best.load.Load() {
			best = l
		}
	}
	return best
}

// call runs f on the loop and waits for its result. f must not block.
func (l *loop) call(f func() error) error {
	done := make(chan error, 1)
	l.do(func() {
		finished := false
		defer func() {
			if !finished {
				done <- errors.New("internal error")
			}
		}()
		err := f()
		finished = true
		done <- err
	})
	return <-done
}

// open makes a history a live session on a loop. prepare is called on the loop
// once the session has started, before anybody can find it, start when it can
// be found; if that fails the session does not come to be. Both may be nil.
func (s *Server) open(h *store.History, loaded bool, prepare func(), start func(*room) error) (*room, error) {
	l := s.leastLoaded()
	r := newRoom(s, l, h)
	l.load.Add(1) // a session is some work, even without members
	err := l.call(func() error {
		defer r.rescue()
		env := sessionEnv{
			hist: h, settings: s.settings, log: s.log, out: r, now: l.time,
			cryptKey: s.config.CryptKey, listings: s.config.Listings, names: &s.names,
			passwords: s.config.Passwords,
		}
		if s.config.Reporter != nil {
			env.report = r.report
		}
		r.session = newSession(env)
		r.describe()
		l.rooms = append(l.rooms, r)
		r.session.start(loaded)
		if prepare != nil {
			prepare()
		}
		r.describe()
		if err := s.registry.add(r); err != nil {
			r.over = true
			l.rooms = l.rooms[:len(l.rooms)-1]
			if r.track != nil {
				r.track.Finish()
			}
			return err
		}
		l.wake()
		if start == nil {
			return nil
		}
		return start(r)
	})
	if err != nil {
		l.load.Add(-1)
		return nil, err
	}
	return r, nil
}

// Adopt makes a loaded session live. On failure the caller keeps the history.
// Any goroutine.
func (s *Server) Adopt(h *store.History) error {
	_, err := s.open(h, true, nil, nil)
	if err != nil {
		return fmt.Errorf("adopt session %s: %w", h.ID, err)
	}
	return nil
}

// errNoRoom refuses a host while the disk is almost full.
var errNoRoom = &entry.Refusal{Code: "closed", Message: "This server is short of disk space, so nobody can host at the moment. Joining still works."}

// Host implements entry.Seater. It blocks for the creation of the files. The
// context does not end it early: the connection would be nobody's.
func (s *Server) Host(ctx context.Context, q *entry.HostRequest) error {
	if s.stopping.Load() {
		return entry.ErrServerFull
	}
	set := s.settings.Get()
	if err := s.registry.reserve(q.Alias, set.SessionCountLimit); err != nil {
		return err
	}
	reserved := true
	unreserve := func() {
		if reserved {
			reserved = false
			s.registry.unreserve(q.Alias)
		}
	}
	defer unreserve()
	if q.Version.Server != frame.ServerProtocol {
		return entry.ErrBadProtocol
	}
	h, err := s.store.Create(store.Create{
		Alias: q.Alias, Founder: q.Person.Name, Version: q.Version,
		MaxUsers: set.UserLimit(), ForceNSFM: set.ForceNSFM, AutoReset: set.AutoResetThreshold,
	})
	if errors.Is(err, store.ErrNoRoom) {
		return errNoRoom
	}
	if err != nil {
		s.log.Put(serverlog.Entry{Level: serverlog.Error, Topic: serverlog.Status,
			User:    serverlog.User{Addr: q.Person.Addr, Name: q.Person.Name},
			Message: fmt.Sprintf("Cannot create the files of a session: %v; check the free space and the rights of the sessions folder", err)})
		return entry.ErrIDInUse // the one code for internal errors that clients know
	}
	flags := store.Flags(0).
		With(store.AllowWeb, q.AllowWeb).With(store.Invites, set.Invites).With(store.Unlisted, q.Unlisted)
	unreserve()
	_, err = s.open(h, false, func() {
		// After the first configuration in the history, which does not have
		// them (session.md §4), but before anybody can see or join it.
		if q.PasswordHash != "" {
			h.SetPasswordHash(q.PasswordHash)
		}
		h.SetFlags(h.Flags() | flags)
	}, func(r *room) error {
		r.session.admitHost(q.Person, q.UserID, func(st *seat) {
			r.attach(st, q.Conn)
			if q.Listing != nil {
				if b := q.Listing(r.desc.Load()); len(b) > 0 {
					r.direct(st, b)
				}
			}
		})
		return nil
	})
	if err != nil {
		h.Remove()
		var refusal *entry.Refusal
		if errors.As(err, &refusal) {
			return refusal
		}
		return entry.ErrIDInUse
	}
	return nil
}

// Join implements entry.Seater. The context does not end it early: the seat
// may be taken at that moment, and then the connection is the session's.
func (s *Server) Join(ctx context.Context, q *entry.JoinRequest) error {
	r := s.registry.find(q.Session)
	if r == nil || s.stopping.Load() {
		return entry.ErrNotFound
	}
	var err error
	if !r.ask(func() { err = r.session.admitJoin(q, func(st *seat) { r.attach(st, q.Conn) }) }) {
		return entry.ErrNotFound
	}
	return err
}

// All implements entry.Directory.
func (s *Server) All() []*entry.Session {
	rooms := s.registry.all()
	out := make([]*entry.Session, 0, len(rooms))
	for _, r := range rooms {
		out = append(out, r.desc.Load())
	}
	return out
}

// Find implements entry.Directory.
func (s *Server) Find(idOrAlias string) (*entry.Session, bool) {
	r := s.registry.find(idOrAlias)
	if r == nil {
		return nil, false
	}
	return r.desc.Load(), true
}

// Watch implements entry.Directory.
func (s *Server) Watch(w func(id string, d *entry.Session)) (cancel func()) {
	return s.registry.watch(w)
}

// Members returns how many people are in sessions. Any goroutine.
func (s *Server) Members() int {
	n := 0
	for _, r := range s.registry.all() {
		n += r.desc.Load().UserCount
	}
	return n
}

// finish closes the files of a session that is over, off the loop.
func (s *Server) finish(r *room, remove bool) {
	r.loop.load.Add(-1)
	track := r.track
	s.finished.Go(func() {
		var err error
		if remove {
			r.hist.Remove()
		} else {
			err = r.hist.Close()
		}
		if err != nil {
			s.log.Put(serverlog.Entry{Level: serverlog.Error, Topic: serverlog.Status, Session: r.id,
				Message: fmt.Sprintf("Cannot close the session's files: %v", err)})
		}
		if track != nil {
			track.Finish()
		}
	})
}

// Panics returns how many broken invariants have been caught. Any goroutine.
func (s *Server) Panics() int64 { return s.panics.Load() }
