package store

import (
	"sync"
	"sync/atomic"
)

// SegmentSize is the size of the pages of a log in memory, in bytes. A message
// may straddle two of them.
const (
	SegmentSize = 1 << segmentBits
	segmentBits = 16
	segmentMask = SegmentSize - 1
)

// freeSegments bounds the segments kept for reuse: 64 of 64 KiB are 4 MiB,
// enough for bursts without garbage, little enough for a small board.
const freeSegments = 64

// segment is one page of a log.
//
// Ownership: the log's table holds one reference, every Span another. The
// bytes below the log's published end never change; the owner loop writes
// beyond it.
type segment struct {
	refs atomic.Int32
	buf  [SegmentSize]byte
}

// segmentPool is a free list of fixed size; what does not fit is left to the
// garbage collector.
type segmentPool struct {
	mu   sync.Mutex // held for a push or a pop only
	free []*segment
	live atomic.Int64
}

var segments segmentPool

// LiveSegments returns how many segments are in use in this process.
func LiveSegments() int64 { return segments.live.Load() }

func (p *segmentPool) get() *segment {
	p.live.Add(1)
	p.mu.Lock()
	var s *segment
	if n := len(p.free); n > 0 {
		s = p.free[n-1]
		p.free[n-1] = nil
		p.free = p.free[:n-1]
	}
	p.mu.Unlock()
	if s == nil {
		s = new(segment)
	}
	s.refs.Store(1)
	return s
}

func (s *segment) release() {
	switch n := s.refs.Add(-1); {
	case n > 0:
		return
	case n < 0:
		panic("internal error: store: segment released too often")
	}
	segments.live.Add(-1)
	segments.mu.Lock()
	if len(segments.free) < freeSegments {
		segments.free = append(segments.free, s)
	}
	segments.mu.Unlock()
}
