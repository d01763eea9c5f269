package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"time"

	"drawrelay/cmd/internal/admin"
	"drawrelay/cmd/internal/extauth"
	"drawrelay/cmd/internal/extbans"
	"drawrelay/cmd/internal/hasher"
	"drawrelay/login"
	"drawrelay/relay"
	"drawrelay/store"
	"drawrelay/store/dirlock"
	"drawrelay/store/keypair"
	"drawrelay/store/serverlog"
	"drawrelay/store/settings"
)

// Bounds of an orderly stop (configuration.md §4): containers kill after 10 s.
const (
	// stopTimeout is how long clients may take to go, and files to be synced.
	stopTimeout = 4 * time.Second
	// hardStop ends the process whatever it is doing.
	hardStop = 9 * time.Second
	// echo is how long after the first signal others are taken for the same
	// one: timeout(1) and terminals signal the process and its group.
	echo = 500 * time.Millisecond
	// logTimeout is how long a stuck standard error may hold up the end.
	logTimeout = 500 * time.Millisecond
)

// process is a running server.
type process struct {
	log      *serverlog.Log
	stderr   io.Writer
	store    *store.Store
	lock     *dirlock.Lock // nil = sessions in memory
	relay    *relay.Server
	outside  *outside
	login    *login.Server
	recorder *store.Recorder // nil without --record
	// templates are nil without --templates.
	templates *templates
	reloader  *reloader
	profiles  io.Closer // nil = no profiles
	external  *extbans.Source
	hasher    *hasher.Hasher
	sockets   *sockets
	doors     []*door // one per port that clients come through
	service   *service
	admin     *admin.Server // nil = off
	front     *front        // nil = no browser was opened for the page
	ending    chan struct{} // the page's wish to stop
	quit      chan struct{}
}

// start brings a server up in the order of configuration.md §2.3. What has been
// started is stopped again when a later step fails.
func start(o *options, stderr io.Writer, now func() time.Time) (_ *process, err error) {
	early := new(sockets)
	defer func() {
		if err != nil {
			early.close()
		}
	}()
	var pair *keypair.Pair
	if o.user != "" {
		// What only root may open comes first; everything else is read and
		// made by the account that will need it again.
		if early, pair, err = openAsRoot(o, now()); err != nil {
			return nil, err
		}
	}
	reloader, warnings, err := newReloader(o, now)
	if err != nil {
		return nil, err
	}
	if pair == nil {
		if pair, err = loadKeyPair(o, now()); err != nil {
			return nil, err
		}
	}
	reloader.pair = pair
	if o.lingering {
		reloader.settings.Set(lingering(reloader.settings.Get()))
	}
	setProcessors(o)

	p := &process{log: serverlog.New(stderr, o.logFormat, now), stderr: stderr, reloader: reloader, sockets: early, quit: make(chan struct{}), ending: make(chan struct{}, 1)}
	reloader.log = p.log
	p.hasher = hasher.New(hasher.Options{Command: o.hashCommand, Processes: login.HashWorkers(), Warn: func(err error) { p.put(serverlog.Warn, err.Error()) }})
	for _, text := range append(warnings, o.warnings...) {
		p.put(serverlog.Warn, text)
	}
	if err := reloader.openDatabase(o.database); err != nil {
		p.abandon()
		return nil, err
	}
	if err := p.open(o, now); err != nil {
		p.abandon()
		return nil, err
	}
	go reloader.run(p.quit)
	go tidyMemory(p.quit)
	p.service.ready()
	return p, nil
}

// openAsRoot opens the sockets and reads the TLS key with the rights of root,
// and then gives them up.
func openAsRoot(o *options, now time.Time) (s *sockets, pair *keypair.Pair, err error) {
	if o.certFile != "" {
		if pair, err = loadKeyPair(o, now); err != nil {
			return nil, nil, err
		}
	}
	if s, err = openSockets(context.Background(), o); err != nil {
		return nil, nil, err
	}
	if err = becomeUser(o.user); err != nil {
		s.close()
		return nil, nil, err
	}
	if pair != nil {
		if err := pair.Reload(); err != nil {
			o.warn("%s cannot read the TLS files, so renewed ones will count only after a restart: %v; let a group of it read them", o.user, err)
		}
	}
	return s, pair, nil
}

// lingerTime is how long an empty session waits for its people with --data and
// no configuration file: long enough to come back after a crash of the server.
const lingerTime = 10 * time.Minute

// lingering returns s with the settings of --data: the Drawpile server's
// default would delete a session within seconds of a restart, before anybody
// has come back to it.
func lingering(s *settings.Settings) *settings.Settings {
	c := *s
	c.EmptySessionLingerTime = lingerTime
	c.Persistence = true
	return &c
}

// open brings sessions to life and opens the ports.
func (p *process) open(o *options, now func() time.Time) (err error) {
	if p.sockets.tcp == nil {
		if p.sockets, err = takeSockets(); err != nil {
			return err
		}
	}
	// Stored sessions say to members whether browsers may come.
	if p.sockets.websocket != nil || o.webPort != 0 && p.sockets.tcp == nil || o.singlePort {
		p.reloader.settings.EnableWebSockets()
	}
	if err := p.openSessions(o, now); err != nil {
		return err
	}
	if err := p.openTemplates(o); err != nil {
		return err
	}
	if p.sockets.tcp == nil {
		s, err := openSockets(context.Background(), o)
		if err != nil {
			return err
		}
		p.sockets = s
	}
	if p.sockets.passed && len(o.listening) > 0 {
		p.put(serverlog.Warn, fmt.Sprintf("%s: ignored, because the service manager has passed sockets", strings.Join(o.listening, ", ")))
	}
	if o.pprof.IsValid() {
		if p.profiles, err = serveProfiles(o.pprof); err != nil {
			return err
		}
		p.put(serverlog.Info, fmt.Sprintf("Serving profiles at http://%v/debug/pprof/", o.pprof))
	}
	p.external = p.newExternalBans()
	p.startLogin(o, now)
	p.service = newService(p)
	p.openDoors(o)
	p.fetchBans()
	p.startOutside(o)
	return p.startAdmin(o, now)
}

// accept serves the connections of a port until it is closed.
func (p *process) accept(d *door, serve func(net.Listener) error) {
	address, port := listenerAddress(d)
	p.put(serverlog.Info, fmt.Sprintf("Started listening for %s connections on port %d at address %s", d.name, port, address))
	if err := serve(d); err != nil {
		p.put(serverlog.Error, fmt.Sprintf("No longer accepting %s connections: %v", d.name, err))
	}
}

// openSessions opens the store, starts the relay and brings stored sessions to
// life.
func (p *process) openSessions(o *options, now func() time.Time) (err error) {
	settings := p.reloader.settings
	if o.sessions != "" {
		if err := store.OS.MkdirAll(o.sessions, dataPerm); err != nil {
			return fmt.Errorf("make the session folder: %w; let the server's user make it, or choose another --sessions or --data", err)
		}
		if p.lock, err = dirlock.Acquire(o.sessions); err != nil {
			return fmt.Errorf("%w; stop it or choose another --sessions", err)
		}
	}
	p.store, err = store.Open(store.Options{
		Dir: o.sessions, Checksums: o.checksums, FS: store.OS, Log: p.log, Now: now, SyncInterval: o.syncInterval,
		Grace: store.DefaultGrace, Archive: func() bool { return settings.Get().Archive },
	})
	if err != nil {
		return fmt.Errorf("open the session folder: %w", err)
	}
	histories, err := p.store.Load()
	if err != nil {
		return fmt.Errorf("load sessions: %w", err)
	}
	config := relayConfig(o)
	config.Passwords = p.hasher
	config.Store, config.Settings, config.Log, config.Now = p.store, settings, p.log, now
	p.outside = newOutside(o, p.reloader, &config)
	if o.record != "" {
		p.recorder = store.NewRecorder(store.RecorderOptions{Path: o.record, Log: p.log, Now: now})
		config.Recorder = p.recorder
	}
	if p.relay, err = relay.New(config); err != nil {
		return err
	}
	if o.transport != "goroutine" { // else loops have no threads of their own
		if err := p.relay.FavourLoops(); err != nil {
			p.put(serverlog.Warn, err.Error())
		}
	}
	var stored []string
	for _, h := range histories {
		stored = append(stored, h.ID)
	}
	p.reloader.recall(stored)
	for _, h := range histories {
		if err := p.relay.Adopt(h); err != nil {
			// Its files stay as they are; the others are still welcome.
			p.put(serverlog.Error, err.Error())
			if err := h.Close(); err != nil {
				p.put(serverlog.Error, err.Error())
			}
		}
	}
	return nil
}

var transports = map[string]relay.Transport{
	"auto": relay.TransportAuto, "poll": relay.TransportPoll, "goroutine": relay.TransportGoroutine,
}

// relayConfig returns what the options say about the relay.
func relayConfig(o *options) relay.Config {
	return relay.Config{Loops: o.loops, Transport: transports[o.transport], CryptKey: o.cryptKey}
}

func (p *process) startLogin(o *options, now func() time.Time) {
	config := login.Config{
		Settings: p.reloader.settings, Log: p.log, Directory: p.relay, Seater: p.relay,
		Users: p.reloader.users(), Bans: allBans{p.reloader.bans(), p.external},
		LocalHost: strings.ToLower(o.localHost), LocalHostForms: hostForms(o.localHost), Version: version, CryptKey: o.cryptKey != nil, Now: now,
		TrustedProxy: o.trusts, Passwords: p.hasher,
	}
	if p.templates != nil {
		config.Templates = p.templates
	}
	if o.authURL != "" {
		config.AuthServer, config.AuthURL = extauth.New(o.authURL), o.authURL
	}
	if o.reportURL != "" {
		config.Reports = loginReports{p.relay}
	}
	if pair := p.reloader.pair; pair != nil {
		shared := tlsConfig(pair)
		config.TLS = func() *tls.Config { return shared }
	}
	p.login = login.New(config)
}

// serve waits for signals and returns the exit status after an orderly stop.
func (p *process) serve(stop, reload <-chan os.Signal) int {
	for {
		select {
		case <-reload:
			p.service.reload(p.reloader.checkAll)
		case <-stop:
			return p.stop(stop)
		case <-p.ending:
			return p.stop(stop)
		case <-p.service.rests:
			return p.stop(stop)
		}
	}
}

// stop tells everybody to go and makes files durable. A second signal cuts the
// time short that clients have for it.
func (p *process) stop(again <-chan os.Signal) int {
	hard := time.AfterFunc(hardStop, func() {
		fmt.Fprintln(p.stderr, "drawpile-srv: stopping took too long, giving up")
		os.Exit(exitFailed)
	})
	defer hard.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	stopped := make(chan struct{})
	defer close(stopped)
	go func() {
		for first := time.Now(); ; {
			select {
			case <-again:
				if time.Since(first) >= echo {
					cancel()
				}
			case <-stopped:
				return
			}
		}
	}()

	p.service.end()
	if p.front != nil {
		p.front.close()
	}
	if p.admin != nil {
		p.admin.Close()
	}
	p.put(serverlog.Info, fmt.Sprintf("Stopping server and kicking out %d users...", p.users()))
	close(p.quit)
	status := exitOK
	// Login first: it closes the listeners and hands out no more seats.
	if err := p.login.Stop(ctx); err != nil {
		p.put(serverlog.Warn, fmt.Sprintf("Some clients did not finish their login in time: %v", err))
	}
	p.external.Stop()
	if err := p.relay.Stop(ctx); err != nil {
		p.put(serverlog.Warn, fmt.Sprintf("Some clients did not go in time: %v", err))
	}
	if err := p.store.Close(); err != nil {
		p.put(serverlog.Error, fmt.Sprintf("Closing the session files: %v", err))
		status = exitFailed
	}
	p.outside.stop(p.log)
	p.release()
	p.put(serverlog.Info, "Server stopped.")
	if err := p.reloader.close(); err != nil {
		p.put(serverlog.Error, fmt.Sprintf("Closing the database: %v", err))
		status = exitFailed
	}
	p.log.Close(logTimeout)
	return status
}

// abandon undoes a start that failed half-way.
func (p *process) abandon() {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if p.relay != nil {
		_ = p.relay.Stop(ctx) // nobody is connected; the start has failed anyway
	}
	if p.store != nil {
		_ = p.store.Close() // the error of the start is the one to tell
	}
	p.outside.stop(p.log)
	p.sockets.close()
	p.release()
	_ = p.reloader.close() // as above
	p.log.Close(logTimeout)
}

func (p *process) release() {
	p.hasher.Close()
	if p.recorder != nil {
		p.recorder.Close()
	}
	if p.profiles != nil {
		_ = p.profiles.Close() // only readers of profiles notice
	}
	if p.lock != nil {
		_ = p.lock.Release() // ends with the process anyway
	}
}

func (p *process) put(level serverlog.Level, text string) { p.reloader.put(level, text) }

// setProcessors gives Go enough processors that a loop returning from the
// kernel never waits for one that computes hashes (relay-design.md §9). An
// explicit GOMAXPROCS wins.
func setProcessors(o *options) {
	if os.Getenv("GOMAXPROCS") != "" {
		return
	}
	config := relayConfig(o)
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + config.LoopCount() + login.HashWorkers())
}
