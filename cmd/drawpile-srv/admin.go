package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"time"

	"drawrelay/cmd/internal/admin"
	"drawrelay/cmd/internal/adminpage"
	"drawrelay/store"
	"drawrelay/store/serverlog"
	"drawrelay/store/settings"
)

// adminOptions are those of the admin API.
type adminOptions struct {
	port   int // 0 = none
	auth   admin.Credentials
	access admin.Access
	origin string
	socket string // path of a Unix socket, empty = none
}

// adminVariables may hold the credentials: both spellings are documented
// (configuration.md §3).
var adminVariables = []string{"DRAWPILESRV_WEB_ADMIN_AUTH", "DRAWPILE_SRV_WEB_ADMIN_AUTH"}

// checkAdmin reads the options of the admin API. Credentials that cannot be
// meant stop the start: the reference would serve everybody.
func (o *options) checkAdmin(g given) (err error) {
	if g.has("web-admin-port") {
		n, err := settings.ParseInt(g["web-admin-port"])
		if err != nil || n < 0 || n > 65535 {
			return fmt.Errorf("--web-admin-port %s: write a port from 1 to 65535, or 0 for none", g["web-admin-port"])
		}
		o.admin.port = n
	}
	if o.admin.socket = g["web-admin-socket"]; g.has("web-admin-socket") && o.admin.socket == "" {
		return errors.New("--web-admin-socket: write a path")
	}
	from, text := "--web-admin-auth", g["web-admin-auth"]
	for _, name := range adminVariables {
		if text == "" {
			from, text = "environment variable "+name, os.Getenv(name)
		}
	}
	if text != "" {
		o.graphical.credentials = text
		if o.admin.auth, err = admin.ParseCredentials(text); err != nil {
			return fmt.Errorf("%s: %w", from, err)
		}
	}
	if o.admin.access, err = admin.ParseAccess(g["web-admin-access"]); err != nil {
		return fmt.Errorf("--web-admin-access: Invalid subnet %s: %w; write all, 192.0.2.7 or 192.0.2.0/24", g["web-admin-access"], err)
	}
	if o.admin.origin = g["web-admin-allowed-origin"]; o.admin.origin != "" && o.admin.origin != "*" {
		u, err := url.Parse(o.admin.origin)
		if err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != o.admin.origin {
			return fmt.Errorf("--web-admin-allowed-origin %s: write it as browsers do, like https://example.org, or *", o.admin.origin)
		}
	}
	return nil
}

// listenAdmin opens the port of the admin API at all addresses: who may connect
// is up to the access mask.
func listenAdmin(port int) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", net.JoinHostPort("", strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("cannot listen on the admin port %d: %w; choose another --web-admin-port", port, err)
	}
	return l, nil
}

// adminSettings are the settings as the admin API sees them.
type adminSettings struct{ *reloader }

// Get implements admin.Settings.
func (s adminSettings) Get() *settings.Settings { return s.settings.Get() }

// Look implements admin.Settings.
func (s adminSettings) Look() {
	if s.db != nil {
		s.db.Refresh()
		return
	}
	s.check()
}

// startAdmin serves the admin API, if it has a port, a Unix socket or a browser
// that was opened for it.
func (p *process) startAdmin(o *options, now func() time.Time) error {
	l := p.sockets.admin
	if l == nil && (o.admin.auth.Required() || o.admin.access != (admin.Access{}) || o.admin.origin != "") {
		p.put(serverlog.Warn, "Options of the admin API have no effect without --web-admin-port")
	}
	if l == nil && o.admin.socket == "" && !o.graphical.shows {
		return nil
	}
	p.admin = admin.New(p.adminConfig(o, now))
	if o.admin.socket != "" {
		local, err := listenUnix(o.admin.socket)
		if err != nil {
			return err
		}
		p.put(serverlog.Info, "Started listening for the admin API at "+o.admin.socket)
		go p.serveLocal(local)
	}
	if o.graphical.shows {
		if err := p.openPage(); err != nil {
			return err
		}
	}
	if l == nil {
		return nil
	}
	if o.admin.access.Public() && !o.admin.auth.Required() {
		p.put(serverlog.Warn, "Everybody who can reach the admin port may administer this server; set --web-admin-auth unless something in front of it asks for a password")
	}
	go p.serveAdmin(l, o.admin.port)
	return nil
}

func (p *process) adminConfig(o *options, now func() time.Time) admin.Config {
	_, port := listenerAddress(p.sockets.tcp)
	if o.announcePort > 0 {
		port = o.announcePort
	}
	config := admin.Config{
		Relay: p.relay, Login: p.login, Log: p.log, Settings: adminSettings{p.reloader}, Database: p.reloader.db, ExtBans: p.external,
		Auth: o.admin.auth, Access: o.admin.access, Origin: o.admin.origin,
		LocalHost: o.localHost, Port: port, ReportURL: o.reportURL != "", ExtAuth: o.authURL != "",
		Commits: p.store.Committer(), Room: p.store.Room, Folder: o.sessions, Ready: p.works, Passwords: p.hasher, FlightRecorder: o.flightRecorder,
		Page: adminPage(), Reload: func() { p.service.reload(p.reloader.checkAll) },
		AccessLog: p.logRequest, Started: now(), Now: now,
	}
	if p.templates != nil {
		config.Templates = p.templates
	}
	if pair := p.reloader.pair; pair != nil {
		config.Certificate = pair
	}
	return config
}

// adminPage is the front end that is installed in one of the data directories
// (admin-api.md §1.6), or the built-in page.
func adminPage() http.Handler {
	home := os.Getenv("XDG_DATA_HOME")
	if user, err := os.UserHomeDir(); home == "" && err == nil {
		home = filepath.Join(user, ".local", "share")
	}
	for _, dir := range []string{home, "/usr/local/share", "/usr/share"} {
		if !filepath.IsAbs(dir) {
			continue
		}
		if files, err := store.Folder(filepath.Join(dir, "drawpile", "drawpile-srv", "webadmin")); err == nil {
			return admin.Static(files)
		}
	}
	return adminpage.New()
}

// serveAdmin serves the admin port until the server stops. SIGUSR1 opens it
// anew; a socket of the service manager stays, its connections do not.
func (p *process) serveAdmin(l net.Listener, port int) {
	renew := make(chan os.Signal, 1)
	if len(adminSignals) > 0 {
		signal.Notify(renew, adminSignals...)
		defer signal.Stop(renew)
	}
	for {
		address, bound := listenerAddress(l)
		p.put(serverlog.Info, fmt.Sprintf("Started listening for the admin API on port %d at address %s", bound, address))
		ended := make(chan error, 1)
		served := l
		if p.sockets.passed {
			served = lend(l)
		}
		go func() { ended <- p.admin.Serve(served) }()
		select {
		case <-renew:
			p.admin.CloseListeners()
			_ = served.Close() // if it was not served yet
			<-ended
		case err := <-ended:
			if err != nil {
				p.put(serverlog.Error, err.Error())
			}
			return
		}
		if p.sockets.passed {
			continue
		}
		for l = nil; l == nil; {
			var err error
			if l, err = listenAdmin(port); err == nil {
				break
			}
			p.put(serverlog.Warn, fmt.Sprintf("The admin port stays closed until the next SIGUSR1: %v", err))
			select {
			case <-renew:
			case <-p.quit:
				return
			}
		}
	}
}

// lentListener gives a listener back instead of closing it.
type lentListener struct{ net.Listener }

// deadliner is a listener whose Accept can be ended.
type deadliner interface{ SetDeadline(time.Time) error }

func lend(l net.Listener) *lentListener {
	if d, ok := l.(deadliner); ok {
		_ = d.SetDeadline(time.Time{}) // without, it is served once
	}
	return &lentListener{Listener: l}
}

// Accept implements net.Listener.
func (l *lentListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = net.ErrClosed
	}
	return c, err
}

// Close ends Accept.
func (l *lentListener) Close() error {
	if d, ok := l.Listener.(deadliner); ok {
		return d.SetDeadline(time.Unix(1, 0))
	}
	return l.Listener.Close()
}

// logRequest writes a request to the log in the form of the reference
// (admin-api.md §1.4).
func (p *process) logRequest(r admin.Request) {
	peer := r.Peer
	if a, err := netip.ParseAddr(peer); err == nil {
		peer = a.Unmap().String()
	}
	p.log.Line(fmt.Sprintf("%s HTTP(%d) %s \"%s %s\"", r.Time.Local().Format("2006-01-02T15:04:05"), r.Status, peer, r.Method, r.Path))
}
