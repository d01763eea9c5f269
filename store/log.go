package store

import (
	"errors"
	"fmt"
	"io"
	"sort"
	"sync"
	"sync/atomic"
)

/* The log of a session
 *
 * 1. Append   owner loop   messages join the tail segment; end moves on
 * 2. Write    committer    [written, end) goes to the history file; written moves on
 * 3. Send     any loop     members are sent what lies below their session's deliverable offset,
 *                          from segments (Acquire) or, when those are gone, from the file (ReadAt)
 * 4. Sync     committer    the file is synced aside; synced moves on
 * 5. Trim     owner loop   segments nobody needs are dropped
 *
 * Invariants (relay-design.md §11): start <= written <= end, synced <= written;
 * bytes below end never change; end and written, as published, are message
 * boundaries.
 */

const (
	// windowBytes is how much written history stays in memory for members who
	// lag a little, per session with a file.
	windowBytes = 1 << 20
	// segmentBudget is how many segments all logs together may use before
	// windows shrink to what is not written yet: 1024 of 64 KiB are 64 MiB.
	segmentBudget = 1024
	// markBytes is the least distance between two indexed boundaries.
	markBytes = SegmentSize
	// SpanVectors bounds the vectors of a Span: one send of at most 1 MiB.
	SpanVectors = 16
)

// Mark is an indexed message boundary: message number Index of the log starts
// at byte Offset.
type Mark struct{ Offset, Index int64 }

// Log is the append-only byte sequence of one generation of a session's
// history: whole messages in TCP framing, counted from offset 0, in segments
// in memory and, for sessions with a file, in that file from position head on.
type Log struct {
	file File   // nil: memory only
	head int64  // file position of offset 0
	name string // of the recording in its folder; empty: no checksums are kept

	// Owner loop only.
	tail *segment // segment that end lies in, nil if there is none

	end     atomic.Int64 // after the last message
	written atomic.Int64 // handed to the kernel
	synced  atomic.Int64 // on the disk
	count   atomic.Int64 // messages
	refs    atomic.Int32 // users of file; the last one closes it

	mu    sync.Mutex // held for table look-ups only, never across a system call
	segs  []*segment // segs[i] holds offsets from (base+i)<<segmentBits on
	base  int64
	start int64 // first offset in memory
	marks []Mark
}

// NewLog returns an empty log that lives in memory only.
func NewLog() *Log { return OpenLog(nil, 0, 0, nil, 0) }

// OpenLog returns a log over the messages that f holds from position head on:
// count messages in size bytes, indexed by marks. f may be nil for a log in
// memory, then size and count must be 0. The log owns f and closes it with the
// last Release.
func OpenLog(f File, head, size int64, marks []Mark, count int64) *Log {
	l := &Log{file: f, head: head, marks: marks, start: size, base: size >> segmentBits}
	l.end.Store(size)
	l.written.Store(size)
	l.synced.Store(size)
	l.count.Store(count)
	l.refs.Store(1)
	return l
}

// Size returns the bytes of all messages. Any goroutine.
func (l *Log) Size() int64 { return l.end.Load() }

// Count returns the number of messages. Any goroutine.
func (l *Log) Count() int64 { return l.count.Load() }

// Written returns the offset up to which the file has the log; for a log in
// memory that is Size. Any goroutine.
func (l *Log) Written() int64 {
	if l.file == nil {
		return l.end.Load()
	}
	return l.written.Load()
}

// Synced returns the offset up to which the log is on the disk. Any goroutine.
func (l *Log) Synced() int64 { return l.synced.Load() }

// HasFile reports whether the log is kept in a file.
func (l *Log) HasFile() bool { return l.file != nil }

// File returns the history file and the position of offset 0 in it, or nil.
// Valid until: the caller's reference is released.
func (l *Log) File() (f File, head int64) { return l.file, l.head }

// Retain adds a reference, so that the file stays open. The caller must hold
// one already, or be the owner loop.
func (l *Log) Retain() { l.refs.Add(1) }

// Release gives a reference back. The last one closes the file and frees the
// segments; the error is that of closing.
func (l *Log) Release() error {
	switch n := l.refs.Add(-1); {
	case n > 0:
		return nil
	case n < 0:
		panic("internal error: store: log released too often")
	}
	l.mu.Lock()
	for _, s := range l.segs {
		s.release()
	}
	l.segs, l.tail = nil, nil
	l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

// Append adds n whole messages. The bytes are copied, once.
// Owner loop only. Guarantee: no allocation but for a segment now and then.
func (l *Log) Append(frames []byte, n int) {
	end := l.end.Load()
	if len(l.marks) == 0 || end-l.marks[len(l.marks)-1].Offset >= markBytes {
		l.mark(Mark{end, l.count.Load()})
	}
	for at := end; len(frames) > 0; {
		if l.tail == nil || at&segmentMask == 0 {
			l.grow(at)
		}
		c := copy(l.tail.buf[at&segmentMask:], frames)
		frames = frames[c:]
		at += int64(c)
		if len(frames) == 0 {
			end = at
			if at&segmentMask == 0 {
				l.tail = nil
			}
		}
	}
	l.count.Add(int64(n))
	l.end.Store(end)
}

func (l *Log) mark(m Mark) {
	l.mu.Lock()
	l.marks = append(l.marks, m)
	l.mu.Unlock()
}

// grow adds the segment that offset at lies in.
func (l *Log) grow(at int64) {
	s := segments.get()
	l.mu.Lock()
	if len(l.segs) == 0 {
		l.base = at >> segmentBits
	}
	l.segs = append(l.segs, s)
	l.mu.Unlock()
	l.tail = s
}

// Start returns the first offset that is in memory. Any goroutine.
func (l *Log) Start() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.start
}

// Span is a referenced view of part of a log in memory.
// Valid until: Release. Ownership: whoever acquired it.
type Span struct {
	From, To int64
	Vectors  [SpanVectors][]byte
	N        int // vectors in use
	segs     [SpanVectors]*segment
}

// Acquire makes sp a view of [from, to), or of its start if more than
// SpanVectors segments are concerned. It reports false, leaving sp empty, if
// from is not in memory any more. to must not exceed Size. Any goroutine.
func (l *Log) Acquire(sp *Span, from, to int64) bool {
	sp.From, sp.To, sp.N = from, from, 0
	if from >= to {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if from < l.start {
		return false
	}
	for sp.N < SpanVectors && sp.To < to {
		s := l.segs[sp.To>>segmentBits-l.base]
		lo := sp.To & segmentMask
		hi := min(SegmentSize, lo+to-sp.To)
		s.refs.Add(1)
		sp.segs[sp.N] = s
		sp.Vectors[sp.N] = s.buf[lo:hi:hi]
		sp.N++
		sp.To += hi - lo
	}
	return true
}

// Release gives the segments back. Releasing an empty span does nothing.
func (sp *Span) Release() {
	for i := 0; i < sp.N; i++ {
		sp.segs[i].release()
		sp.segs[i] = nil
		sp.Vectors[i] = nil
	}
	sp.N = 0
}

// ReadAt fills b with the bytes from offset off on, from the file. off+len(b)
// must not exceed Written. The caller holds a reference. Blocks: never on a loop.
func (l *Log) ReadAt(b []byte, off int64) error {
	if l.file == nil {
		return errors.New("read history: the log has no file")
	}
	n, err := l.file.ReadAt(b, l.head+off)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read history at offset %d: %w", off, err)
}

// Boundary returns the end of the next batch for a member at from, which is a
// message boundary: to itself if it lies within limit bytes, else the last
// indexed boundary within limit, else the first one after it. to must be a
// boundary. Any goroutine.
func (l *Log) Boundary(from, to, limit int64) int64 {
	if to-from <= limit {
		return to
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	// The first mark beyond from+limit.
	i := sort.Search(len(l.marks), func(i int) bool { return l.marks[i].Offset > from+limit })
	if i > 0 && l.marks[i-1].Offset > from {
		return min(l.marks[i-1].Offset, to)
	}
	if i < len(l.marks) {
		return min(l.marks[i].Offset, to)
	}
	return to
}

// boundaryBefore returns the last indexed boundary at or before off.
func (l *Log) boundaryBefore(off int64) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := sort.Search(len(l.marks), func(i int) bool { return l.marks[i].Offset > off })
	if i == 0 {
		return 0
	}
	return l.marks[i-1].Offset
}

// MarkBefore returns the last indexed boundary at or before message number
// index; walking headers from there finds the message. Any goroutine.
func (l *Log) MarkBefore(index int64) Mark {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := sort.Search(len(l.marks), func(i int) bool { return l.marks[i].Index > index })
	if i == 0 {
		return Mark{}
	}
	return l.marks[i-1]
}

// Trim drops segments of a log with a file that are not needed: need is the
// lowest offset that a member is to be sent from memory, Size if there is
// none. What is not written yet always stays, and at most the window of what
// is written. Owner loop only.
func (l *Log) Trim(need int64) {
	if l.file == nil {
		return
	}
	end := l.end.Load()
	window := int64(windowBytes)
	if segments.live.Load() > segmentBudget {
		window = 0
	}
	to := min(max(need, end-window), l.written.Load())
	l.mu.Lock()
	if to > l.start {
		l.start = to
		drop := 0
		for drop < len(l.segs) && (l.base+int64(drop)+1)<<segmentBits <= to {
			drop++
		}
		if to == end {
			drop = len(l.segs)
			l.tail = nil
		}
		for _, s := range l.segs[:drop] {
			s.release()
		}
		n := copy(l.segs, l.segs[drop:])
		clear(l.segs[n:]) // or what was dropped would stay reachable
		l.segs = l.segs[:n]
		l.base += int64(drop)
	}
	l.mu.Unlock()
}
