//go:build linux

package load

import (
	"math/bits"
	"time"
)

// Histogram counts durations in buckets of 1/32 relative width, so that
// percentiles are at most 3 % too high. The zero value is ready.
//
// Ownership: one goroutine records; others may read after it has stopped.
type Histogram struct {
	n       uint64
	max     int64 // ns
	buckets [64 * subBuckets]uint32
}

const (
	subBits    = 5
	subBuckets = 1 << subBits
)

// Record adds a duration in ns; negative ones count as 0.
func (h *Histogram) Record(ns int64) {
	if ns < 0 {
		ns = 0
	}
	if ns > h.max {
		h.max = ns
	}
	h.n++
	h.buckets[bucketOf(uint64(ns))]++
}

func bucketOf(v uint64) int {
	if v < subBuckets {
		return int(v)
	}
	shift := bits.Len64(v) - 1 - subBits
	return (shift+1)<<subBits + int(v>>shift)&(subBuckets-1)
}

// bucketTop returns the largest value of bucket i in ns.
func bucketTop(i int) int64 {
	if i < subBuckets {
		return int64(i)
	}
	shift := i>>subBits - 1
	return (int64(subBuckets+i&(subBuckets-1))+1)<<shift - 1
}

// Merge adds what other has counted.
func (h *Histogram) Merge(other *Histogram) {
	h.n += other.n
	h.max = max(h.max, other.max)
	for i, c := range other.buckets {
		h.buckets[i] += c
	}
}

// Count returns how many durations were recorded.
func (h *Histogram) Count() uint64 { return h.n }

// Max returns the longest duration, exactly.
func (h *Histogram) Max() time.Duration { return time.Duration(h.max) }

// Quantile returns the duration that a share q (0..1) does not exceed.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.n == 0 {
		return 0
	}
	rank := uint64(q * float64(h.n))
	if rank >= h.n {
		return h.Max()
	}
	var seen uint64
	for i, c := range h.buckets {
		seen += uint64(c)
		if seen > rank {
			return time.Duration(min(bucketTop(i), h.max))
		}
	}
	return h.Max()
}
