//go:build linux

package load

import (
	"math/rand"
	"strings"
	"testing"
	"time"

	"drawrelay/frame"
)

// sampleStream returns a stream with strokes of two drawers, marks, control
// messages and other history, and the number of strokes in it.
func sampleStream(n int) (stream []byte, strokes int) {
	sizes := DrawingMix()
	var seq [2]uint32
	stream = appendMark(stream, 1, markStart, 1)
	for i := range n {
		d := uint16(i / 7 & 1)
		stream = appendStroke(stream, sizes.At(uint32(i)), 1, d, seq[d], int64(i+1))
		seq[d]++
		switch i % 10 {
		case 3:
			stream, _ = frame.AppendReply(stream, 0, frame.Object{"type": "status", "size": i})
		case 5:
			stream = frame.AppendJoin(stream, 3, 0, "x", nil)
		case 8:
			stream = frame.AppendPing(stream, true)
		}
	}
	return appendMark(stream, 1, markEnd, 2), n
}

func TestWalkerAtEverySplit(t *testing.T) {
	stream, n := sampleStream(60)
	var want tally
	for _, full := range []bool{false, true} {
		for step := 1; step < 3000; step += 1 + step/8 {
			w := walker{full: full}
			for b := stream; len(b) > 0; {
				k := min(step, len(b))
				if err := w.feed(b[:k], 1); err != nil {
					t.Fatalf("step %d: %v", step, err)
				}
				b = b[k:]
			}
			if want == (tally{}) {
				want = w.end
			}
			if w.end != want || w.strokes != uint64(n) || w.mark != 2 || !w.whole() {
				t.Fatalf("step %d, full %v: got %+v, %d strokes, want %+v, %d", step, full, w.end, w.strokes, want, n)
			}
		}
	}
	var bytes uint64
	for b := stream; len(b) > 0; {
		m, rest, _ := frame.Parse(b)
		if m.Type >= 32 && m.Type != markType {
			bytes += uint64(m.Size())
		}
		b = rest
	}
	if want.bytes != bytes+MinSize { // the end mark counts
		t.Errorf("got %d bytes of history, want %d", want.bytes, bytes)
	}
}

func TestWalkerFindsFaults(t *testing.T) {
	var a, b, c []byte
	a = appendStroke(a, 100, 1, 0, 0, 0)
	b = appendStroke(b, 200, 1, 0, 1, 0)
	c = appendStroke(c, 300, 1, 0, 2, 0)
	join := func(parts ...[]byte) (out []byte) {
		for _, p := range parts {
			out = append(out, p...)
		}
		return out
	}
	damaged := append([]byte(nil), b...)
	damaged[150]++
	disconnect := frame.AppendDisconnect(nil, 1, "kicked")
	for _, tt := range []struct {
		name, want string
		stream     []byte
	}{
		{"in order", "", join(a, b, c)},
		{"lost", "lost", join(a, c)},
		{"swapped", "lost", join(a, c, b)},
		{"repeated", "repeated", join(a, b, b)},
		{"damaged", "damaged", join(a, damaged)},
		{"disconnected", "kicked", join(a, disconnect)},
	} {
		w := walker{full: true}
		err := w.feed(tt.stream, 0)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
}

func TestWalkerHashDependsOnOrder(t *testing.T) {
	// Messages of two drawers may come in any order, but in the same one for all.
	a := appendStroke(nil, 100, 1, 0, 0, 0)
	b := appendStroke(nil, 100, 2, 1, 0, 0)
	var v, w walker
	v.feed(append(append([]byte(nil), a...), b...), 0)
	w.feed(append(append([]byte(nil), b...), a...), 0)
	if v.hash == w.hash {
		t.Error("the order of two messages does not change the hash")
	}
}

func TestHistogram(t *testing.T) {
	var h Histogram
	r := rand.New(rand.NewSource(1))
	for range 100000 {
		h.Record(int64(r.Intn(1000000)))
	}
	for _, q := range []float64{0.5, 0.9, 0.99, 0.999} {
		got, want := float64(h.Quantile(q)), q*1e6
		if got < want*0.98 || got > want*1.05 {
			t.Errorf("quantile %v: got %v, want %v", q, got, want)
		}
	}
	for i := range 1900 {
		if bucketOf(uint64(bucketTop(i))) != i || bucketOf(uint64(bucketTop(i)+1)) != i+1 {
			t.Fatalf("bucket %d ends at %d", i, bucketTop(i))
		}
	}
	if h.Max() >= time.Millisecond || h.Quantile(1) != h.Max() {
		t.Errorf("max %v", h.Max())
	}
}

func TestDrawingMix(t *testing.T) {
	if m := DrawingMix().Mean(); m < 415 || m > 440 {
		t.Errorf("mean size %v B, want about 425", m)
	}
}

func BenchmarkWalker(b *testing.B) {
	sizes := DrawingMix()
	var stream []byte
	n := uint32(0)
	for len(stream) < 250<<10 {
		stream = appendStroke(stream, sizes.At(n), 1, 0, n, 0)
		n++
	}
	w := walker{next: []uint32{0}}
	b.ReportAllocs()
	for b.Loop() {
		w.next[0] = 0
		if err := w.feed(stream, 0); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/message")
}
