package store

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"drawrelay/frame"
)

// memFile is a File in memory.
type memFile struct {
	File
	b []byte
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	if need := int(off) + len(p); need > len(f.b) {
		f.b = append(f.b, make([]byte, need-len(f.b))...)
	}
	return copy(f.b[off:], p), nil
}
func (f *memFile) ReadAt(p []byte, off int64) (int, error) { return copy(p, f.b[off:]), nil }
func (f *memFile) Sync() error                             { return nil }
func (f *memFile) Close() error                            { return nil }

// newSegments starts to count the segments in use. Those of earlier tests do
// not count: a machine that has crashed never gives its segments back.
func newSegments() (count func() int64) {
	before := LiveSegments()
	return func() int64 { return LiveSegments() - before }
}

// TestLogModel appends runs of messages of random sizes, writes, trims and
// reads back at random, against a plain byte slice.
func TestLogModel(t *testing.T) {
	inUse := newSegments()
	for seed := uint64(1); seed <= 20; seed++ {
		rnd := rand.New(rand.NewPCG(seed, 1))
		f := &memFile{}
		l := OpenLog(f, 31, 0, nil, 0)
		var model []byte
		bounds := map[int64]bool{0: true}
		count := int64(0)
		for step := 0; step < 400; step++ {
			switch rnd.IntN(4) {
			case 0, 1:
				var run []byte
				n := 1 + rnd.IntN(5)
				for range n {
					body := make([]byte, rnd.IntN([]int{10, 300, 65536}[rnd.IntN(3)]))
					for i := range body {
						body[i] = byte(rnd.Uint32())
					}
					run = frame.Append(run, frame.Msg{Type: 200, User: 1, Body: body})
					bounds[int64(len(model)+len(run))] = true
				}
				l.Append(run, n)
				model = append(model, run...)
				count += int64(n)
			case 2: // write part of it, at boundaries
				to := l.Boundary(l.written.Load(), l.Size(), int64(rnd.IntN(300000)))
				var sp Span
				for at := l.written.Load(); at < to; {
					if !l.Acquire(&sp, at, to) {
						t.Fatalf("seed %d: unwritten bytes are not in memory", seed)
					}
					for _, v := range sp.Vectors[:sp.N] {
						f.WriteAt(v, 31+at)
						at += int64(len(v))
					}
					sp.Release()
				}
				l.written.Store(to)
				l.Trim(l.Size() - int64(rnd.IntN(200000)))
			case 3:
				if len(model) == 0 {
					continue
				}
				from := int64(rnd.IntN(len(model)))
				var sp Span
				if !l.Acquire(&sp, from, l.Size()) {
					if from >= l.Start() {
						t.Fatalf("seed %d: Acquire(%d) refused, start %d", seed, from, l.Start())
					}
					n := min(1000, l.Written()-from)
					b := make([]byte, n)
					if err := l.ReadAt(b, from); err != nil || !bytes.Equal(b, model[from:from+n]) {
						t.Fatalf("seed %d: ReadAt(%d): %v", seed, from, err)
					}
					continue
				}
				var got []byte
				for _, v := range sp.Vectors[:sp.N] {
					got = append(got, v...)
				}
				if !bytes.Equal(got, model[from:sp.To]) {
					t.Fatalf("seed %d: Acquire(%d) differs", seed, from)
				}
				sp.Release()
			}
			if l.Size() != int64(len(model)) || l.Count() != count {
				t.Fatalf("seed %d: size %d count %d, want %d %d", seed, l.Size(), l.Count(), len(model), count)
			}
			if s, w := l.Start(), l.Written(); s > w || w > l.Size() {
				t.Fatalf("seed %d: start %d written %d end %d", seed, s, w, l.Size())
			}
		}
		for _, m := range l.marks {
			if !bounds[m.Offset] {
				t.Fatalf("seed %d: mark at %d is not a boundary", seed, m.Offset)
			}
		}
		// Walking from boundary to boundary covers the log in batches that end on boundaries.
		for at := int64(0); at < l.Size(); {
			to := l.Boundary(at, l.Size(), 256<<10)
			if to <= at || !bounds[to] {
				t.Fatalf("seed %d: batch from %d ends at %d", seed, at, to)
			}
			at = to
		}
		if err := l.Release(); err != nil {
			t.Fatal(err)
		}
	}
	if n := inUse(); n != 0 {
		t.Errorf("%d segments are still in use", n)
	}
}

// TestLogIdleHoldsNothing: a log that is written and read to the end keeps no
// segment (relay-design.md §11, memory bounds).
func TestLogIdleHoldsNothing(t *testing.T) {
	inUse := newSegments()
	f := &memFile{}
	l := OpenLog(f, 0, 0, nil, 0)
	l.Append(make([]byte, 4), 1)
	l.written.Store(l.Size())
	l.Trim(l.Size())
	if n := inUse(); n != 0 {
		t.Fatalf("%d segments in use", n)
	}
	l.Append([]byte{0, 1, 200, 1, 7}, 1)
	var sp Span
	if !l.Acquire(&sp, 4, 9) || !bytes.Equal(sp.Vectors[0], []byte{0, 1, 200, 1, 7}) {
		t.Fatalf("after an idle period: %v", sp.Vectors[0])
	}
	sp.Release()
	l.Release()
}

func TestLogAppendAllocs(t *testing.T) {
	f := &memFile{}
	l := OpenLog(f, 0, 0, nil, 0)
	msg := frame.Append(nil, frame.Msg{Type: 148, User: 1, Body: make([]byte, 200)})
	var sp Span
	if n := testing.AllocsPerRun(10000, func() {
		from := l.Size()
		l.Append(msg, 1)
		l.Acquire(&sp, from, l.Size())
		sp.Release()
		l.written.Store(l.Size())
		l.Trim(l.Size())
	}); n != 0 {
		t.Errorf("%v allocations per appended message", n)
	}
	l.Release()
}

func BenchmarkLogAppend(b *testing.B) {
	f := &memFile{}
	l := OpenLog(f, 0, 0, nil, 0)
	msg := frame.Append(nil, frame.Msg{Type: 148, User: 1, Body: make([]byte, 200)})
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	for b.Loop() {
		l.Append(msg, 1)
		l.written.Store(l.Size())
		l.Trim(l.Size())
	}
	l.Release()
}

// TestTrimForgets: dropped segments are not reachable from the log any more, so
// a burst's memory is given back.
func TestTrimForgets(t *testing.T) {
	l := OpenLog(&memFile{}, 0, 0, nil, 0)
	l.Append(make([]byte, 40*SegmentSize), 40*SegmentSize/frame.HeaderLen)
	l.written.Store(l.Size())
	l.Trim(l.Size() - 1)
	for i, s := range l.segs[:cap(l.segs)] {
		if (s != nil) != (i < len(l.segs)) {
			t.Fatalf("slot %d of %d in use, %d allocated: %v", i, len(l.segs), cap(l.segs), s != nil)
		}
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
}
