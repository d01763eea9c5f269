package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"

	"drawrelay/store"
	"drawrelay/store/serverlog"
)

// socketThere reports whether there is a Unix socket at path, of a server that
// runs or was killed. It fails if there cannot be one: something else has that
// name, or it is too long.
func socketThere(path string) (there bool, err error) {
	if limit := len(new(syscall.RawSockaddrUnix).Path); len(path) >= limit {
		return false, fmt.Errorf("--web-admin-socket %s: the path is too long; the limit is %d bytes", path, limit-1)
	}
	info, err := store.OS.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("--web-admin-socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return false, fmt.Errorf("--web-admin-socket %s: there is something else with that name; choose another", path)
	}
	return true, nil
}

// listenUnix opens the Unix socket of the admin API for the own account only. A
// socket that a server has left behind when it was killed is replaced; one that
// answers is not.
func listenUnix(path string) (net.Listener, error) {
	there, err := socketThere(path)
	if err != nil {
		return nil, err
	}
	if there {
		if c, err := net.Dial("unix", path); err == nil {
			_ = c.Close() // nothing was said
			return nil, fmt.Errorf("--web-admin-socket %s: another server answers there; stop it or choose another path", path)
		}
		if err := store.OS.Remove(path); err != nil {
			return nil, fmt.Errorf("--web-admin-socket: remove what another server has left: %w", err)
		}
	}
	// From the first moment on nobody else may connect.
	restore := private()
	l, err := new(net.ListenConfig).Listen(context.Background(), "unix", path)
	restore()
	if err != nil {
		return nil, fmt.Errorf("--web-admin-socket: %w; its folder must exist, and the account of the server must be allowed to write there", err)
	}
	return l, nil
}

// serveLocal serves the Unix socket until the server stops.
func (p *process) serveLocal(l net.Listener) {
	if err := p.admin.ServeLocal(l); err != nil {
		p.put(serverlog.Error, err.Error())
	}
}
