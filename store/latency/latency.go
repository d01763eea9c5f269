// Package latency counts durations in fixed buckets, without locks and without
// allocating.
package latency

import (
	"sync/atomic"
	"time"
)

// Bounds are the upper ends of the buckets; what is longer is only in Count.
var Bounds = [...]time.Duration{
	50 * time.Microsecond, 100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 10 * time.Second,
}

// Histogram counts durations. The zero value is empty. Any goroutine.
type Histogram struct {
	buckets [len(Bounds)]atomic.Uint64 // not cumulative
	beyond  atomic.Uint64
	sum     atomic.Int64 // ns
}

// Observe counts one duration.
// Guarantee: no allocation.
func (h *Histogram) Observe(d time.Duration) {
	h.sum.Add(int64(d))
	for i := range Bounds {
		if d <= Bounds[i] {
			h.buckets[i].Add(1)
			return
		}
	}
	h.beyond.Add(1)
}

// Snapshot is what a histogram has counted.
type Snapshot struct {
	Buckets [len(Bounds)]uint64 // how many were not longer than the bound
	Count   uint64
	Sum     time.Duration
}

// Snapshot returns what has been counted. What comes meanwhile may be in it in
// part.
func (h *Histogram) Snapshot() (s Snapshot) {
	s.Sum = time.Duration(h.sum.Load())
	for i := range h.buckets {
		s.Count += h.buckets[i].Load()
		s.Buckets[i] = s.Count
	}
	s.Count += h.beyond.Load()
	return s
}

// Add counts what another histogram has counted as well.
func (s *Snapshot) Add(o Snapshot) {
	for i := range s.Buckets {
		s.Buckets[i] += o.Buckets[i]
	}
	s.Count += o.Count
	s.Sum += o.Sum
}
