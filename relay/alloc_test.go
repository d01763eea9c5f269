package relay

import (
	"bytes"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"drawrelay/frame"
)

// drain counts what arrives at c without allocating.
func drain(c net.Conn, got *atomic.Int64) {
	buf := make([]byte, 64<<10)
	for {
		n, err := c.Read(buf)
		got.Add(int64(n))
		if err != nil {
			c.Close()
			return
		}
	}
}

// TestRelayAllocations: relaying a message allocates nothing, whether messages
// come one by one or in bulk (relay-design.md §11, invariant 8).
func TestRelayAllocations(t *testing.T) {
	for _, s := range []setup{{loops: 1}, {loops: 1, files: true}, {loops: 2, files: true}, {loops: 1, files: true, web: true}} {
		t.Run(s.String(), func(t *testing.T) {
			s.grace, s.lazySync = patience, true // a busy machine's disk is not what is measured
			ts := startServer(t, s)
			host, id := ts.host("host", 1)
			var got [3]atomic.Int64
			var members [3]*client
			for i, name := range []string{"ann", "bob", "cid"} {
				members[i] = ts.joinQuiet(name, id)
				go drain(members[i].raw, &got[i])
			}
			msg := frame.Append(nil, frame.Msg{Type: 148, User: 1, Body: make([]byte, 200)})
			arrives := len(msg)
			if s.web {
				arrives = len(frame.AppendFrames(nil, msg))
				msg = clientFrame(frame.OpBinary, true, msg[2:], 0x12345678)
			}
			host.raw.Close() // it allocates for each message it receives
			for ts.Members() > len(members) {
				waitBriefly()
			}
			settle := func() {
				for last := int64(-1); ; {
					sum := got[0].Load() + got[1].Load() + got[2].Load()
					if sum == last {
						return
					}
					last = sum
					waitBriefly()
				}
			}
			relay := func(chunk []byte, times int) float64 {
				settle()
				var before, after runtime.MemStats
				size := int64(len(chunk) / len(msg) * arrives)
				want := got[0].Load() + size*int64(times)
				runtime.ReadMemStats(&before)
				for range times {
					at := got[0].Load()
					if _, err := members[0].raw.Write(chunk); err != nil {
						t.Fatal(err)
					}
					for got[0].Load() < at+size {
						runtime.Gosched()
					}
				}
				for i := range got {
					for got[i].Load() < want-1<<20 {
						runtime.Gosched()
					}
				}
				runtime.ReadMemStats(&after)
				return float64(after.Mallocs-before.Mallocs) / float64(times*len(chunk)/len(msg))
			}
			// The count is that of the whole process: what else goes on in it,
			// like a collection that empties pools, must not count each time.
			least := func(chunk []byte, times int, limit float64) float64 {
				n := relay(chunk, times)
				for try := 1; try < 5 && n > limit; try++ {
					n = min(n, relay(chunk, times))
				}
				return n
			}
			relay(msg, 100) // warm up
			if n := least(msg, 300, 0.1); n > 0.1 {
				t.Errorf("%.3f allocations per message that comes alone", n)
			}
			if n := least(bytes.Repeat(msg, 200), 100, 0.01); n > 0.01 {
				t.Errorf("%.4f allocations per message in bulk", n)
			}
		})
	}
}

// waitBriefly lets what is under way arrive.
func waitBriefly() { time.Sleep(20 * time.Millisecond) }
