package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"drawrelay/cmd/internal/adminpage"
	"drawrelay/cmd/internal/desktop"
	"drawrelay/store"
)

// graphical is what the options say about graphical mode, in which the admin
// page takes the place of windows.
type graphical struct {
	asked, refused bool     // --gui, --no-gui
	remote         *url.URL // administer that server instead of running one
	credentials    string   // "user:password" for remote; empty = the browser asks

	shows bool // this start shows the page
}

// withRemote are the options that have a meaning with --remote.
var withRemote = []string{"gui", "remote", "web-admin-auth"}

func (o *options) checkGraphical(g given) error {
	o.graphical.asked, o.graphical.refused = g.has("gui"), g.has("no-gui")
	if o.graphical.asked && o.graphical.refused {
		return errors.New("--gui contradicts --no-gui; remove one")
	}
	if !g.has("remote") {
		return nil
	}
	if !o.graphical.asked {
		return errors.New("--remote works only with --gui; add it")
	}
	for _, name := range slices.Sorted(maps.Keys(g)) {
		if !slices.Contains(withRemote, name) {
			return fmt.Errorf("--%s has no effect with --remote, which starts no server here; remove one", name)
		}
	}
	u, err := desktop.ParseRemote(g["remote"])
	if err != nil {
		// The address may contain a password.
		return fmt.Errorf("--remote: %w", err)
	}
	o.graphical.remote = u
	return nil
}

// surroundings are those of this process.
func surroundings() desktop.Environment {
	return desktop.Environment{OS: runtime.GOOS, Getenv: os.Getenv}
}

// chooseGraphical decides whether this start shows the admin page: --gui, or no
// options at all, on a desktop. With --gui it also chooses the database that
// graphical mode uses on this system, so that settings and bans are the same
// whether there is a display or not.
func (o *options) chooseGraphical(noOptions bool, e desktop.Environment) error {
	if o.graphical.remote != nil {
		return nil
	}
	o.graphical.shows = e.Display() && !o.graphical.refused && (o.graphical.asked || noOptions)
	if o.graphical.asked && !o.graphical.shows {
		o.warn("--gui: there is no display here (neither DISPLAY nor WAYLAND_DISPLAY is set), so the server runs without it. " +
			"To administer it: start it with --web-admin-port 27780 and --web-admin-auth USER:PASSWORD and open http://127.0.0.1:27780/ in a browser here, " +
			"or on a desktop start drawpile-srv --gui --remote http://THIS-HOST:27780/api")
	}
	if (o.graphical.shows || o.graphical.asked) && o.database == "" && o.config == "" {
		path, err := e.Database()
		if err != nil {
			return fmt.Errorf("graphical mode: %w", err)
		}
		if err := store.OS.MkdirAll(filepath.Dir(path), dataPerm); err != nil {
			return fmt.Errorf("graphical mode: make the folder of the settings: %w; use --database FILE", err)
		}
		o.database = path
	}
	return nil
}

// frontHeaderTime bounds how long the browser may take to send the head of a
// request.
const frontHeaderTime = 10 * time.Second

// front is the admin page in a browser on this machine.
type front struct {
	door *desktop.Door
	web  *http.Server
}

// openFront serves next to one browser on loopback. kind and stop are as for
// desktop.NewDoor.
func openFront(next http.Handler, kind string, stop func()) (*front, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serve the admin page: %w", err)
	}
	f := &front{door: desktop.NewDoor(next, kind, stop, l, time.Now)}
	f.web = &http.Server{Handler: f.door, ReadHeaderTimeout: frontHeaderTime}
	go func() { _ = f.web.Serve(l) }() // ends when it is closed
	return f, nil
}

// show opens the browser. If there is none to open, the link is printed: it is
// a secret for one use, so it goes to standard output and not into the log.
func (f *front) show(ctx context.Context, e desktop.Environment, stdout io.Writer) {
	link := f.door.Link()
	if err := e.OpenBrowser(ctx, link); err != nil {
		fmt.Fprintf(stdout, "The browser cannot be opened: %v\nOpen this within a minute: %s\n", err, link)
	}
}

// frontCloseTime is how long the page has to hear that its wish to stop was
// heard.
const frontCloseTime = 500 * time.Millisecond

func (f *front) close() {
	ctx, cancel := context.WithTimeout(context.Background(), frontCloseTime)
	defer cancel()
	if f.web.Shutdown(ctx) != nil {
		_ = f.web.Close() // whoever looks at the page notices
	}
}

// failureTime is how long a failed start waits for the browser to tell about it.
const failureTime = 30 * time.Second

// failGraphical tells why the server cannot start: in the browser as well if
// there were no options, because whoever clicked on an icon sees no terminal.
func (o *options) failGraphical(failure error, stdout, stderr io.Writer) (status int) {
	if !o.graphical.shows || o.graphical.asked {
		return fail(stderr, failure)
	}
	told := make(chan struct{})
	var once sync.Once
	f, err := openFront(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		fmt.Fprintf(w, "The drawing server cannot start:\n\n%v\n", failure)
		once.Do(func() { close(told) })
	}), "connection", func() {})
	if err == nil {
		f.show(context.Background(), surroundings(), stdout)
		select {
		case <-told:
		case <-time.After(failureTime):
		}
		f.close()
	}
	return fail(stderr, failure)
}

// runRemote administers another server until it is told to stop.
func runRemote(o *options, stop <-chan os.Signal, stdout, stderr io.Writer) int {
	e := surroundings()
	if !e.Display() {
		return fail(stderr, fmt.Errorf("--gui --remote: there is no display here (neither DISPLAY nor WAYLAND_DISPLAY is set); "+
			"run it on a desktop, or use drawpile-srv ctl on the machine of the server"))
	}
	ended := make(chan struct{}, 1)
	f, err := openFront(desktop.NewRemote(adminpage.New(), o.graphical.remote, o.graphical.credentials), "connection", func() {
		select {
		case ended <- struct{}{}:
		default: // it ends already
		}
	})
	if err != nil {
		return fail(stderr, err)
	}
	fmt.Fprintf(stdout, "The admin page of %s is at %s, for the browser that opens now. Ctrl+C ends it.\n", o.graphical.remote.Host, f.door.Address())
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go f.show(ctx, e, stdout)
	select {
	case <-stop:
	case <-ended:
	}
	f.close()
	return exitOK
}

// openPage prepares the admin page for a browser on this machine; show opens
// it. It is the built-in one, whatever the admin port serves, and may end the
// server as a signal does.
func (p *process) openPage() (err error) {
	inside := http.NewServeMux()
	inside.Handle("/", p.admin.Local())
	page := adminpage.New()
	inside.Handle("/{$}", page)
	inside.Handle("/assets/", page)
	p.front, err = openFront(inside, "server", func() {
		select {
		case p.ending <- struct{}{}:
		default: // it ends already
		}
	})
	return err
}
