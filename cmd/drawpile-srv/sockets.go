package main

import (
	"context"
	"fmt"
	"net"
	"strings"
)

// sockets are the listening sockets of the server; nil = none.
type sockets struct {
	tcp, websocket, admin net.Listener
	passed                bool // by the service manager, not opened here
}

// openSockets takes the sockets that the service manager has passed, or opens
// those that the options ask for: TCP, WebSocket, then admin
// (configuration.md §2.3, §5.2).
func openSockets(ctx context.Context, o *options) (s *sockets, err error) {
	if s, err = takeSockets(); err != nil || s.tcp != nil {
		return s, err
	}
	s.tcp, err = listenTCP(ctx, o.listen, o.port, "--")
	if err == nil && o.webPort != 0 {
		s.websocket, err = listenTCP(ctx, o.webListen, o.webPort, "--websocket-")
	}
	if err == nil && o.admin.port != 0 {
		s.admin, err = listenAdmin(o.admin.port)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// takeSockets returns the sockets that the service manager has passed, once.
func takeSockets() (*sockets, error) {
	list, err := passedSockets()
	if err != nil || len(list) == 0 {
		return new(sockets), err
	}
	return assignSockets(list)
}

// close may be called twice, and for none.
func (s *sockets) close() {
	if s == nil {
		return
	}
	for _, l := range []net.Listener{s.tcp, s.websocket, s.admin} {
		if l != nil {
			_ = l.Close() // nobody is waiting at it
		}
	}
}

// passedSocket is a listening socket that the service manager has opened.
type passedSocket struct {
	name string // FileDescriptorName= of the socket unit, may be empty
	net.Listener
}

// socketNames are what sockets are for, in the order in which they are passed
// if their names do not say it (configuration.md §5.2).
var socketNames = []string{"tcp", "admin", "websocket"}

// assignSockets says which passed socket is which: by their names if all of
// them are ours, else by their order.
func assignSockets(list []passedSocket) (*sockets, error) {
	s := &sockets{passed: true}
	places := map[string]*net.Listener{"tcp": &s.tcp, "admin": &s.admin, "websocket": &s.websocket}
	named := true
	for i := range list {
		named = named && places[list[i].name] != nil
	}
	fail := func(format string, args ...any) (*sockets, error) {
		for i := range list {
			_ = list[i].Close()
		}
		return nil, fmt.Errorf("sockets passed by the service manager: "+format, args...)
	}
	if len(list) > len(socketNames) {
		return fail("%d, but at most %d are used: %s", len(list), len(socketNames), strings.Join(socketNames, ", "))
	}
	for i := range list {
		name := socketNames[i]
		if named {
			name = list[i].name
		}
		if *places[name] != nil {
			return fail("two are named %s; give each its own FileDescriptorName=", name)
		}
		*places[name] = list[i].Listener
	}
	if s.tcp == nil {
		return fail("none is named tcp; add FileDescriptorName=tcp to the socket unit of the TCP port")
	}
	return s, nil
}
