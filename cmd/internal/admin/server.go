// Package admin serves the HTTP admin API of the server, its metrics, health
// and profiles (admin-api.md), on a listener of its own.
//
// Calls that change something run one at a time; calls that look run side by
// side. Whatever concerns a session is one event on that session's loop, so a
// call is atomic to those who draw, and slow callers cost the loops nothing.
package admin

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"drawrelay/cmd/internal/adminpage"
	"drawrelay/cmd/internal/extbans"
	"drawrelay/login"
	"drawrelay/relay"
	"drawrelay/store"
	"drawrelay/store/db"
	"drawrelay/store/diskspace"
	"drawrelay/store/password"
	"drawrelay/store/serverlog"
	"drawrelay/store/settings"
)

// Limits of one caller and of all.
const (
	// maxBody is the largest request body, bytes: the longest legitimate ones,
	// rule texts and whitelists, have some kilobytes.
	maxBody = 1 << 20
	// maxHeader bounds a request's head, bytes.
	maxHeader = 16 << 10
	// headerTime, bodyTime and replyTime bound how long a caller may take to
	// send its head, to send everything and to take the answer.
	headerTime = 10 * time.Second
	bodyTime   = 30 * time.Second
	replyTime  = 60 * time.Second
	// idleTime is how long an idle connection is kept: longer than the front
	// ends wait between two looks.
	idleTime = 2 * time.Minute
	// callTime bounds a call: sessions that do not answer by then are stuck.
	callTime = 5 * time.Second
	// changeWait is how long a change waits for the one before it.
	changeWait = 20 * time.Second
	// closeTime is how long calls may take to end when the server stops.
	closeTime = time.Second
)

// Settings are the run-time settings and where they are kept.
type Settings interface {
	// Get returns the snapshot in force.
	Get() *settings.Settings
	// Look notices what was changed where they are kept. It may wait.
	Look()
	// SetSettings stores texts by key, all or none, under the rules of
	// config.Accepted. When it returns nil they are in force, or the store is
	// one that cannot be changed.
	SetSettings(values map[string]string) error
}

// Config is what the API works with.
type Config struct {
	Relay    *relay.Server
	Login    *login.Server
	Log      *serverlog.Log
	Settings Settings
	// Database is the configuration database, nil = there is none.
	Database *db.DB
	ExtBans  *extbans.Source
	// Passwords checks and makes password hashes, nil = password.Here.
	Passwords password.Hasher
	// Templates are the session templates, nil = none.
	Templates login.Templates

	Auth   Credentials // zero = nobody needs any
	Access Access
	// Origin is the literal Access-Control-Allow-Origin, empty = none.
	Origin string

	// LocalHost and Port are what listing servers are told; an empty LocalHost
	// is guessed.
	LocalHost string
	Port      int
	// ReportURL and ExtAuth say that these features are configured.
	ReportURL, ExtAuth bool

	// Page serves everything that is not part of the API, nil = nothing.
	Page http.Handler
	// Reload looks at configuration and certificates again, nil = nothing does.
	// Only local callers can ask for it.
	Reload func()
	// AccessLog is told about every request, nil = nobody. It must not block.
	AccessLog func(Request)

	// Commits are the writers of sessions, nil = sessions are in memory.
	Commits *store.Committer
	// Room returns how much space sessions have left, nil = they are in memory.
	Room func() store.Room
	// Folder is where sessions are kept, empty = nowhere.
	Folder string
	// Certificate is that of the TLS port, nil = none.
	Certificate interface{ DaysLeft(now time.Time) int }
	// Ready says why nobody can connect, nil = everybody can.
	Ready func(ctx context.Context) error
	// FlightRecorder keeps a trace of the last seconds for when a loop stalls.
	FlightRecorder bool

	Started time.Time        // of the process
	Now     func() time.Time // nil = time.Now
}

// Request is a served request, for the log.
type Request struct {
	Time   time.Time
	Status int
	Peer   string // address; empty for a Unix socket
	Method string
	Path   string // without the query and without secrets
}

// Server is the HTTP side of the administration.
type Server struct {
	cfg    Config
	api    http.Handler
	mux    *http.ServeMux // metrics, health, profiles
	disk   disk
	flight flight
	stop   context.CancelFunc // of the watch over the loops
	watch  sync.WaitGroup
	rate   *bucket
	// openRate is for what needs no credentials: who may only ask whether the
	// server is well cannot use up the calls of those who administer it.
	openRate *bucket
	wrong    *wrongGuard
	guess    hostGuess

	stalls   atomic.Int64
	requests [6]atomic.Int64 // by the first digit of their status

	looking, changing *crew // who work on calls
	// remote and local are the connections of Serve and ServeLocal: those of
	// strangers do not keep out who comes through the Unix socket.
	remote, local connLimit

	mu      sync.Mutex
	closed  bool
	servers map[*http.Server]bool // whether they serve a local listener
}

// New returns a server that serves nothing yet. Close ends it.
func New(cfg Config) *Server {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Passwords == nil {
		cfg.Passwords = password.Here{}
	}
	s := &Server{
		cfg: cfg, rate: newBucket(cfg.Now), openRate: newBucket(cfg.Now), wrong: newWrongGuard(),
		looking: newCrew(lookers), changing: newCrew(changers),
		remote: connLimit{places: make(chan struct{}, maxConns)}, local: connLimit{places: make(chan struct{}, maxConns)},
		servers: make(map[*http.Server]bool), disk: disk{folder: cfg.Folder, space: diskspace.Of},
	}
	s.api = adminpage.Guard(http.HandlerFunc(s.call), cfg.Origin)
	s.mux = s.inside()
	if cfg.FlightRecorder {
		if err := s.flight.start(); err != nil {
			s.put(serverlog.Warn, serverlog.Status, err.Error())
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	s.watch.Go(func() { s.watchLoops(ctx) })
	return s
}

// Serve serves a TCP listener, only to those who have access, until it or the
// server is closed, and returns nil then.
func (s *Server) Serve(l net.Listener) error {
	return s.serve(&guarded{Listener: l, access: s.cfg.Access, limit: &s.remote}, false)
}

func (s *Server) serve(l net.Listener, local bool) error {
	h := &http.Server{
		Handler: s, MaxHeaderBytes: maxHeader,
		ReadHeaderTimeout: headerTime, ReadTimeout: bodyTime, WriteTimeout: replyTime, IdleTimeout: idleTime,
		ErrorLog: log.New(discard{}, "", 0), // peers that speak nonsense; the access log has the others
		BaseContext: func(net.Listener) context.Context {
			return context.WithValue(context.Background(), localKey{}, local)
		},
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		_ = l.Close()
		return nil
	}
	s.servers[h] = local
	s.mu.Unlock()
	err := h.Serve(l)
	s.mu.Lock()
	delete(s.servers, h)
	s.mu.Unlock()
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return fmt.Errorf("serve the admin API: %w", err)
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// CloseListeners ends all Serve calls; calls under way are finished, but not
// for long. Serve can be called again. Local listeners stay.
func (s *Server) CloseListeners() { s.end(false) }

// end ends the Serve calls, and the ServeLocal calls too if it is to end all.
func (s *Server) end(all bool) {
	s.mu.Lock()
	open := make([]*http.Server, 0, len(s.servers))
	for h, local := range s.servers {
		if all || !local {
			open = append(open, h)
		}
	}
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	for _, h := range open {
		if h.Shutdown(ctx) != nil {
			_ = h.Close() // profiles under way, or callers that do not read
		}
	}
}

// Close ends everything for good.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	s.end(true)
	s.looking.close()
	s.changing.close()
	s.watch.Wait()
	s.flight.stop()
}

func (s *Server) put(level serverlog.Level, topic serverlog.Topic, text string) {
	s.cfg.Log.Put(serverlog.Entry{Level: level, Topic: topic, Message: text})
}
