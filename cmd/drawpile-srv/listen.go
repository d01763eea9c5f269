package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
)

// listenTCP opens the TCP port at addr, or at all addresses of both families
// with one socket if addr is zero (configuration.md §17.1). prefix is what the
// names of its options begin with, before "port" and "listen".
func listenTCP(ctx context.Context, addr netip.Addr, port int, prefix string) (net.Listener, error) {
	network, host := "tcp", ""
	if addr.IsValid() {
		host = addr.String()
		if addr.Is4() {
			network = "tcp4" // "tcp" would take 0.0.0.0 for both families
		}
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, network, net.JoinHostPort(host, strconv.Itoa(port)))
	if err == nil {
		return l, nil
	}
	cure := ""
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		cure = "; another program, perhaps another server, uses this port: stop it or choose another " + prefix + "port"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		cure = "; this machine does not have that address: correct " + prefix + "listen"
	case errors.Is(err, syscall.EACCES):
		cure = "; ports below 1024 need the right to open them: choose another " + prefix + "port"
	}
	return nil, fmt.Errorf("cannot listen on TCP port %d: %w%s", port, err, cure)
}

// listenerAddress returns the address and port for the log.
func listenerAddress(l net.Listener) (address string, port int) {
	if t, ok := l.Addr().(*net.TCPAddr); ok {
		return t.AddrPort().Addr().String(), t.Port
	}
	return l.Addr().String(), 0
}
