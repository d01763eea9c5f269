package admin

import (
	"net/http"
	"net/http/pprof"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Paths that show the inside of the server, behind the same access rules as the
// API. Health checks need no credentials.
const (
	metricsPath  = "/metrics"
	healthPath   = "/healthz"
	readyPath    = "/readyz"
	flightPath   = "/debug/flight"
	profilesPath = "/debug/pprof/"
)

// inside returns who serves these paths.
func (s *Server) inside() *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle(metricsPath, promhttp.HandlerFor(s.newMetrics(), metricsOptions))
	mux.HandleFunc(healthPath, s.serveHealth)
	mux.HandleFunc(readyPath, s.serveReady)
	mux.HandleFunc(flightPath, s.serveFlight)
	mux.HandleFunc(profilesPath, pprof.Index)
	// Not the command line: it may contain passwords.
	mux.Handle(profilesPath+"cmdline", http.NotFoundHandler())
	mux.HandleFunc(profilesPath+"profile", pprof.Profile)
	mux.HandleFunc(profilesPath+"symbol", pprof.Symbol)
	mux.HandleFunc(profilesPath+"trace", pprof.Trace)
	return mux
}

// isInside reports whether a path is one of them, and whether anybody who may
// connect may ask.
func isInside(path string) (inside, open bool) {
	switch path {
	case healthPath, readyPath:
		return true, true
	case metricsPath, flightPath:
		return true, false
	}
	return strings.HasPrefix(path, profilesPath), false
}
