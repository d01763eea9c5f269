//go:build linux

package scenario

import (
	"errors"
	"time"

	"drawrelay/perf/load"
	"drawrelay/perf/machine"
)

// ErrNotApplicable says that a server cannot run a scenario, such as a
// baseline without TLS.
var ErrNotApplicable = errors.New("not applicable")

// Metric is one measured figure.
type Metric struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Better string  `json:"better,omitempty"` // lower, higher or empty
}

// Result is what one run of a scenario against one server brought.
type Result struct {
	Scenario  string   `json:"scenario"`
	Server    string   `json:"server"`
	Metrics   []Metric `json:"metrics"`
	Others    float64  `json:"others"`    // processors kept busy by other processes while measuring
	Disturbed bool     `json:"disturbed"` // more than allowed, on every try
	Error     string   `json:"error,omitempty"`
	Skipped   bool     `json:"skipped,omitempty"` // not applicable to this server
}

func (r *Result) lower(name string, v float64, unit string) {
	r.Metrics = append(r.Metrics, Metric{name, v, unit, "lower"})
}

func (r *Result) higher(name string, v float64, unit string) {
	r.Metrics = append(r.Metrics, Metric{name, v, unit, "higher"})
}

func (r *Result) info(name string, v float64, unit string) {
	r.Metrics = append(r.Metrics, Metric{name, v, unit, ""})
}

// latency adds percentiles, unless nothing was measured.
func (r *Result) latency(h *load.Histogram) {
	if h.Count() == 0 {
		return
	}
	for _, p := range []struct {
		name string
		q    float64
	}{{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}} {
		r.lower(p.name, float64(h.Quantile(p.q))/1e6, "ms")
	}
}

// span adds what every measured part has in common.
func (r *Result) span(s machine.Span) {
	r.info("server busy", 100*ratio(s.CPU, s.Elapsed), "%")
	r.info("generator busy", 100*ratio(s.Generator, s.Elapsed), "%")
	r.Others = max(r.Others, s.Others)
}

// ratio returns a/b, 0 for b = 0.
func ratio[T, U ~int64 | ~uint64 | ~float64](a T, b U) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// micros returns d in us per one of n.
func micros(d time.Duration, n uint64) float64 { return ratio(float64(d)/1e3, n) }

const (
	mb = 1e6 // as in the names of the scenarios and in rates
	gb = 1e9
	// mib is the unit of memory.
	mib = 1 << 20
)
