// Package desktop is the graphical mode: where a desktop keeps the server's
// database, whether there is a desktop at all, the browser on it, and the door
// through which only that browser comes to the admin page.
package desktop

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"
)

// Environment is what is known of the process's surroundings.
type Environment struct {
	OS     string                   // as in runtime.GOOS
	Getenv func(name string) string // reads an environment variable
}

// Display reports whether windows can be shown. A process that a service
// manager runs has no desktop, whatever else its environment says.
func (e Environment) Display() bool {
	if e.Getenv("NOTIFY_SOCKET") != "" || e.Getenv("LISTEN_FDS") != "" {
		return false
	}
	switch e.OS {
	case "windows":
		return true
	case "darwin":
		return e.Getenv("SSH_CONNECTION") == ""
	}
	return e.Getenv("DISPLAY") != "" || e.Getenv("WAYLAND_DISPLAY") != ""
}

// databaseName is the file of the Drawpile server with windows.
const databaseName = "guiserver.db"

// Database returns where a server with windows keeps its settings
// (configuration.md §10.5).
func (e Environment) Database() (string, error) {
	home := func(name string, rest ...string) (string, error) {
		folder := e.Getenv(name)
		if folder == "" {
			return "", fmt.Errorf("the environment variable %s is not set, so there is no place for the settings; use --database FILE", name)
		}
		return filepath.Join(append([]string{folder}, rest...)...), nil
	}
	switch e.OS {
	case "windows":
		return home("LOCALAPPDATA", "drawpile-srv", databaseName)
	case "darwin":
		return home("HOME", "Library", "Application Support", "drawpile-srv", databaseName)
	}
	// The XDG rules: only absolute paths count.
	if data := e.Getenv("XDG_DATA_HOME"); filepath.IsAbs(data) {
		return filepath.Join(data, "drawpile", "drawpile-srv", databaseName), nil
	}
	return home("HOME", ".local", "share", "drawpile", "drawpile-srv", databaseName)
}

// browserTimeout is how long starting a browser may take: the programs below
// hand the address over and end, or become the browser themselves.
const browserTimeout = 5 * time.Second

// opener is a program that opens an address.
type opener struct {
	name string
	args []string
}

func (e Environment) openers() []opener {
	switch e.OS {
	case "windows":
		return []opener{{"rundll32", []string{"url.dll,FileProtocolHandler"}}}
	case "darwin":
		return []opener{{"open", nil}}
	}
	return []opener{{"xdg-open", nil}, {"gio", []string{"open"}}, {"x-www-browser", nil}, {"sensible-browser", nil}}
}

// OpenBrowser opens address in the user's browser. It waits for the program
// that does so to end, but not for longer than a few seconds, since some become
// the browser; those are left running.
func (e Environment) OpenBrowser(ctx context.Context, address string) error {
	var failures []error
	for _, o := range e.openers() {
		path, err := exec.LookPath(o.name)
		if err != nil {
			continue
		}
		if err := start(ctx, path, append(o.args, address)); err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", o.name, err))
			continue
		}
		return nil
	}
	if len(failures) == 0 {
		return errors.New("no program is installed that opens web pages, such as xdg-open")
	}
	return errors.Join(failures...)
}

func start(ctx context.Context, path string, args []string) error {
	// Not CommandContext: the browser outlives the server.
	c := exec.Command(path, args...)
	if err := c.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	limit := time.NewTimer(browserTimeout)
	defer limit.Stop()
	select {
	case err := <-ended:
		return err
	case <-limit.C:
		return nil
	case <-ctx.Done():
		return nil
	}
}
