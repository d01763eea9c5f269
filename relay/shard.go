package relay

import (
	"sync/atomic"
	"time"

	"drawrelay/store"
)

const (
	// paceFactor and paceLimit: after a flush that took d the next one of the
	// same shard starts no earlier than paceFactor*d, at most paceLimit later.
	// It bounds a session's share of its loop and gathers messages under load,
	// where most of the CPU goes into sends (relay-design.md §5).
	paceFactor = 3
	paceLimit  = 5 * time.Millisecond
	// paceLeast: shorter gaps are not worth a timer.
	paceLeast = 50 * time.Microsecond
	// paceBytes: with this much pending a flush is worth its sends at once.
	paceBytes = 64 << 10
)

// shard is the members of one session on one loop. It only sends; everything
// that orders messages happens on the session's owner loop.
//
// Ownership: its loop, but for posted and low.
type shard struct {
	loop *loop
	room *room

	posted atomic.Bool  // an evDeliver is under way
	low    atomic.Int64 // lowest offset a member is to be sent from memory

	links     []*link
	first     int // whom the next flush serves first
	dirty     bool
	flushed   view // what the last flush sent
	notBefore time.Time
	span      store.Span // vectors of the common cursor
	spanLog   *store.Log
	spanTo    int64 // the end that was asked for
}

func (s *shard) add(k *link) {
	k.place = len(s.links)
	s.links = append(s.links, k)
}

func (s *shard) remove(k *link) {
	last := len(s.links) - 1
	s.links[last].place = k.place
	s.links[k.place] = s.links[last]
	s.links[last] = nil
	s.links = s.links[:last]
}

// mark puts the shard on its loop's dirty list, once. Loop only.
func (s *shard) mark() {
	if !s.dirty {
		s.dirty = true
		s.loop.dirty = append(s.loop.dirty, s)
		s.loop.wake()
	}
}

// notify makes the shard's loop flush it. Any goroutine.
func (s *shard) notify() {
	if !s.posted.Swap(true) {
		s.loop.post(event{kind: evDeliver, shard: s})
	}
}

// due reports whether the shard may be flushed.
func (s *shard) due(now time.Time) bool {
	if !s.notBefore.After(now) {
		return true
	}
	v := s.room.view()
	return v.log != s.flushed.log || v.to-s.flushed.to >= paceBytes
}

// flush sends every member what is deliverable, in one write each.
func (s *shard) flush() {
	s.dirty = false
	s.loop.label(s.room.sendLabels)
	began := s.loop.srv.now()
	due := s.room.view()
	n := len(s.links)
	if s.first >= n {
		s.first = 0
	}
	for i := 0; i < n; i++ {
		at := s.first + i
		if at >= n {
			at -= n
		}
		if k := s.links[at]; !k.blocked && k.failed == nil {
			k.send(due)
		}
	}
	s.first++
	s.dropSpan()
	s.flushed = due
	s.findLow()
	s.loop.label(s.loop.labels)
	now := s.loop.srv.now()
	if s.loop == s.room.loop {
		s.room.timed.finish(due, now, &s.loop.meter.fanOut)
	}
	took := now.Sub(began)
	gap := min(paceFactor*took, paceLimit)
	if gap < paceLeast {
		gap = 0
	}
	s.notBefore = began.Add(took + gap)
	s.room.flushed(s)
}

// findLow publishes the lowest cursor of members who are sent from memory.
func (s *shard) findLow() {
	low := int64(1<<63 - 1)
	for _, k := range s.links {
		if k.output == outputLive && k.failed == nil && k.log == s.room.log() {
			low = min(low, k.cursor)
		}
	}
	s.low.Store(low)
}

// vectors returns [from, to) of log as vectors, shared by members with the
// same cursor; end is where they really end. ok is false if from is not in
// memory any more.
// Valid until: dropSpan or the next call.
func (s *shard) vectors(log *store.Log, from, to int64) (v [][]byte, end int64, ok bool) {
	if s.span.N == 0 || s.spanLog != log || s.span.From != from || s.spanTo != to {
		s.span.Release()
		if !log.Acquire(&s.span, from, to) {
			return nil, from, false
		}
		s.spanLog, s.spanTo = log, to
	}
	return s.span.Vectors[:s.span.N], s.span.To, true
}

func (s *shard) dropSpan() {
	s.span.Release()
	s.spanLog = nil
	s.loop.rendering.log = nil
}
