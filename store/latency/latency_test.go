package latency

import (
	"testing"
	"time"
)

func TestHistogram(t *testing.T) {
	var h Histogram
	for _, d := range []time.Duration{0, 50 * time.Microsecond, 51 * time.Microsecond, time.Second, time.Minute} {
		h.Observe(d)
	}
	s := h.Snapshot()
	if s.Count != 5 || s.Sum != 61*time.Second+101*time.Microsecond {
		t.Errorf("count %d, sum %v", s.Count, s.Sum)
	}
	for i, want := range map[int]uint64{0: 2, 1: 3, 12: 3, 13: 4, 15: 4} {
		if s.Buckets[i] != want {
			t.Errorf("not longer than %v: %d, want %d", Bounds[i], s.Buckets[i], want)
		}
	}
	twice := s
	twice.Add(s)
	if twice.Count != 10 || twice.Buckets[0] != 4 || twice.Sum != 2*s.Sum {
		t.Errorf("twice: %+v", twice)
	}
	if n := testing.AllocsPerRun(100, func() { h.Observe(time.Millisecond) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
