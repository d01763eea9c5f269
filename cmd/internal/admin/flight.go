package admin

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"runtime/trace"
	"strconv"
	"sync"
	"time"

	"drawrelay/store/serverlog"
)

const (
	// StallLimit is how long an event loop may take to answer before that
	// counts as a stall: people see their strokes come late.
	StallLimit = 250 * time.Millisecond
	// probeEvery is the time between two questions.
	probeEvery = 250 * time.Millisecond
	// stallLogEvery is the least time between two reports of a stall.
	stallLogEvery = time.Minute
	// flightAge and flightBytes are how much the flight recorder remembers.
	flightAge   = 5 * time.Second
	flightBytes = 8 << 20
)

// watchLoops asks the loops until ctx ends whether they still turn, and saves a
// trace of what came before when they do not.
func (s *Server) watchLoops(ctx context.Context) {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	var reported time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		probe, cancel := context.WithTimeout(ctx, StallLimit)
		err := s.cfg.Relay.Pulse(probe)
		cancel()
		if err == nil || ctx.Err() != nil {
			continue
		}
		s.stalls.Add(1)
		began := time.Now()
		report := began.Sub(reported) > stallLogEvery || reported.IsZero()
		if report {
			reported = began
			s.flight.save(began)
		}
		_ = s.cfg.Relay.Pulse(ctx) // one stall is reported once
		if report && ctx.Err() == nil {
			how := ""
			if s.flight.running() {
				how = "; a trace of it is at /debug/flight of the admin port"
			}
			s.put(serverlog.Warn, serverlog.Status, fmt.Sprintf("An event loop did not answer for %v%s",
				(time.Since(began)+StallLimit).Round(time.Millisecond), how))
		}
	}
}

// flight is the flight recorder: the runtime's trace of the last seconds.
type flight struct {
	recorder *trace.FlightRecorder // nil: off

	mu   sync.Mutex // protects what follows, and the recorder's one writer
	dump []byte     // of the newest stall
	at   time.Time
}

// start begins to record; without it there are no traces.
func (f *flight) start() error {
	r := trace.NewFlightRecorder(trace.FlightRecorderConfig{MinAge: flightAge, MaxBytes: flightBytes})
	if err := r.Start(); err != nil {
		return fmt.Errorf("start the flight recorder: %w", err)
	}
	f.recorder = r
	return nil
}

func (f *flight) stop() {
	if f.recorder != nil {
		f.recorder.Stop()
	}
}

func (f *flight) running() bool { return f.recorder != nil && f.recorder.Enabled() }

// save keeps the trace of now.
func (f *flight) save(now time.Time) {
	if !f.running() {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var b bytes.Buffer
	if _, err := f.recorder.WriteTo(&b); err == nil {
		f.dump, f.at = b.Bytes(), now
	}
}

// serveFlight sends the trace of the newest stall, or with now=true that of
// this moment, for go tool trace.
func (s *Server) serveFlight(w http.ResponseWriter, r *http.Request) {
	f := &s.flight
	if !f.running() {
		writeReply(w, fail(http.StatusNotFound, "The flight recorder is off; start the server with --flight-recorder"))
		return
	}
	if queryParams(r.URL.RawQuery).looseBool("now", false, false) {
		f.save(time.Now())
	}
	f.mu.Lock()
	dump, at := f.dump, f.at
	f.mu.Unlock()
	if dump == nil {
		writeReply(w, fail(http.StatusNotFound, "No event loop has stalled; add ?now=true for a trace of this moment"))
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="flight-`+at.UTC().Format("20060102T150405Z")+`.trace"`)
	w.Header().Set("Content-Length", strconv.Itoa(len(dump)))
	_, _ = w.Write(dump) // the caller may have gone
}
