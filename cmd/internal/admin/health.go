package admin

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"drawrelay/store"
)

const (
	// healthTime is how long the loops may take to answer a health check.
	healthTime = 2 * time.Second
)

// Health is the answer to a health check.
type Health struct {
	Status   string   `json:"status"` // ok, degraded or failing
	Problems []string `json:"problems,omitempty"`
}

// health looks at everything that people would notice. It names no names:
// nobody needs credentials to ask.
func (s *Server) health(ctx context.Context) Health {
	h := Health{Status: "ok"}
	report := func(status, format string, args ...any) {
		if h.Status != "failing" {
			h.Status = status
		}
		h.Problems = append(h.Problems, fmt.Sprintf(format, args...))
	}
	ctx, cancel := context.WithTimeout(ctx, healthTime)
	defer cancel()
	if err := s.cfg.Relay.Pulse(ctx); err != nil {
		report("failing", "%v", err)
	}
	if s.cfg.Commits != nil {
		w := s.cfg.Commits.Stats()
		if w.Failing > 0 {
			report("failing", "%d sessions cannot be stored; the log says why", w.Failing)
		}
		if w.Stalled > 0 {
			report("degraded", "%d sessions are delivered ahead of their files, because the disk is slow", w.Stalled)
		}
	}
	if s.cfg.Room != nil {
		switch s.cfg.Room() {
		case store.RoomLow:
			report("degraded", "the disk of the sessions folder is filling up")
		case store.RoomShort:
			report("failing", "nobody can host: the disk of the sessions folder is almost full")
		case store.RoomNone:
			report("failing", "sessions take no more drawing: the disk of the sessions folder is full")
		}
	}
	if c := s.cfg.Certificate; c != nil {
		if days := c.DaysLeft(s.cfg.Now()); days <= 0 {
			report("failing", "the TLS certificate has expired")
		}
	}
	return h
}

// serveHealth answers /healthz: 503 when something people need does not work.
func (s *Server) serveHealth(w http.ResponseWriter, r *http.Request) {
	h := s.health(r.Context())
	status := http.StatusOK
	if h.Status == "failing" {
		status = http.StatusServiceUnavailable
	}
	writeReply(w, reply{status: status, body: h})
}

// serveReady answers /readyz: whether people can connect and be served.
func (s *Server) serveReady(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), healthTime)
	defer cancel()
	check := s.cfg.Ready
	if check == nil {
		check = s.cfg.Relay.Pulse
	}
	if err := check(ctx); err != nil {
		writeReply(w, reply{status: http.StatusServiceUnavailable, body: Health{"failing", []string{err.Error()}}})
		return
	}
	writeReply(w, ok(Health{Status: "ok"}))
}
