// Package login is everything between accepting a connection and the moment
// its user has a seat in a session: greeting, STARTTLS, client info, lookup,
// identification, the session list, hosting and joining (login.md).
//
// Every connection has one goroutine, which reads and answers; every command
// is one function. A second goroutine exists while the client looks at the
// session list, to send it updates. Seats are given by an entry.Seater, to
// which the connection then belongs.
package login

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"drawrelay/store/entry"
	"drawrelay/store/namefilter"
	"drawrelay/store/password"
	"drawrelay/store/serverlog"
	"drawrelay/store/settings"
)

// Config is what a login server works with. Immutable after New.
type Config struct {
	Settings  *settings.Source
	Log       *serverlog.Log
	Directory entry.Directory
	Seater    entry.Seater
	Users     Users // internal accounts, nil = none
	Bans      Bans  // server-wide bans, nil = none

	// TLS returns the configuration for a new connection; nil = the listener
	// is plain and startTls is not offered. With it, TLS is required.
	TLS func() *tls.Config
	// TrustedProxy reports whether a peer is believed about the addresses of
	// WebSocket clients (X-Real-IP); nil = peers on this machine.
	TrustedProxy func(peer netip.Addr) bool
	// LocalHost is the server's own host name, case-folded and normalised;
	// empty = not configured (login.md §8 row 5).
	LocalHost string
	// LocalHostForms are other spellings of it that clients may use, as those
	// of an internationalised name.
	LocalHostForms []string
	// Version is the program version in the hello text.
	Version string
	// CryptKey says that a key for encrypted ban exports is configured.
	CryptKey bool

	// AuthServer and AuthURL are external authentication (login.md §10.3);
	// without either there is none. AuthURL is sent to clients as it is.
	AuthServer AuthServer
	AuthURL    string
	// Reports takes abuse reports, nil = there is no report URL.
	Reports Reports
	// Templates are session templates, nil = none.
	Templates Templates

	// Passwords checks and makes password hashes, nil = password.Here.
	Passwords password.Hasher

	Now  func() time.Time // clock for what clients and logs see, nil = time.Now
	Rand io.Reader        // secrets and chance, nil = crypto/rand
}

// Server brings connections from accept to seat.
type Server struct {
	cfg    Config
	limits limits
	hashes *hashPool
	names  namefilter.Filter
	// attempts remembers wrong passwords across connections.
	attempts attempts
	pace     *pace         // of all ports
	slots    chan struct{} // one per TLS handshake that may compute
	upgrades chan struct{} // one per renewal of a password hash

	ctx    context.Context // ends when Stop begins
	cancel context.CancelFunc
	wg     sync.WaitGroup // connections and the linger watch

	panics   atomic.Int64
	refusals notice
	failures notice

	mu        sync.Mutex
	stopping  bool
	listeners map[net.Listener]struct{}
	conns     map[*conn]struct{}
	addresses map[netip.Prefix]int // connections in login per unit of limit
	watching  bool                 // the linger watch runs
}

// New returns a server that serves nothing yet.
func New(cfg Config) *Server {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.TrustedProxy == nil {
		cfg.TrustedProxy = func(peer netip.Addr) bool { return !peer.IsValid() || peer.IsLoopback() }
	}
	if cfg.Passwords == nil {
		cfg.Passwords = password.Here{}
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	s := &Server{
		cfg:       cfg,
		limits:    defaultLimits(),
		hashes:    newHashPool(HashWorkers(), cfg.Passwords),
		pace:      newPace(),
		slots:     make(chan struct{}, handshakeSlots()),
		upgrades:  make(chan struct{}, upgradesAtOnce),
		listeners: make(map[net.Listener]struct{}),
		conns:     make(map[*conn]struct{}),
		addresses: make(map[netip.Prefix]int),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// InLogin returns how many connections are between accept and seat.
func (s *Server) InLogin() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Stop ends all Serve calls and tells everybody still logging in that the
// server shuts down. It returns when all of them are gone; when ctx ends it
// cuts those that are left and returns the context's error.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	s.stopping = true
	for l := range s.listeners {
		_ = l.Close() // the accept loop sees net.ErrClosed
	}
	s.mu.Unlock()
	s.cancel()
	s.each(func(c *conn) { c.alarm.stop(stopGrace) })

	gone := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(gone)
	}()
	var err error
	select {
	case <-gone:
	case <-ctx.Done():
		err = ctx.Err()
		s.each(func(c *conn) { c.alarm.sever() })
		<-gone
	}
	s.hashes.close()
	return err
}

// each calls f for every connection in login, without holding the lock.
func (s *Server) each(f func(*conn)) {
	s.mu.Lock()
	conns := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	for _, c := range conns {
		f(c)
	}
}

// watchLinger wakes connections that have been without a session for too long
// (wire.md §8).
func (s *Server) watchLinger() {
	defer s.wg.Done()
	tick := time.NewTicker(lingerCheck)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
		limit := s.cfg.Settings.Get().SessionLessClientLingerTime
		if limit <= 0 {
			continue
		}
		s.each(func(c *conn) {
			if time.Since(c.accepted) >= limit {
				c.alarm.raise(evLinger)
			}
		})
	}
}

func (s *Server) log(level serverlog.Level, topic serverlog.Topic, text string) {
	s.cfg.Log.Put(serverlog.Entry{Level: level, Topic: topic, Message: text})
}
