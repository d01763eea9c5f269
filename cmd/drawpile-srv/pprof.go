package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"time"
)

// profileHeaderTimeout bounds how long a reader of profiles may take to ask.
const profileHeaderTimeout = 5 * time.Second

// serveProfiles serves the profiles of the process at addr. The relay labels
// its goroutines with loop, phase and session.
func serveProfiles(addr netip.AddrPort) (io.Closer, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	// Not the command line: it may contain passwords.
	mux.Handle("/debug/pprof/cmdline", http.NotFoundHandler())
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	l, err := net.Listen("tcp", addr.String())
	if err != nil {
		return nil, fmt.Errorf("serve profiles: %w; choose another --pprof", err)
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: profileHeaderTimeout}
	go func() { _ = server.Serve(l) }() // ends when it is closed at the stop
	return server, nil
}
