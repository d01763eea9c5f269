package relay

import (
	"testing"
	"time"

	"drawrelay/frame"
)

const (
	// lagBytes is what is drawn while one member does not read.
	lagBytes = 32 << 20
	// lagHeap is how much the heap may grow meanwhile, bytes: windows and
	// buffers.
	lagHeap = 8 << 20
)

// TestLaggard: a member that does not read while the others draw 32 MB costs
// nobody anything: the others finish, memory stays, and it gets everything when
// it reads on.
func TestLaggard(t *testing.T) {
	for _, s := range []setup{
		{loops: 1, files: true}, {loops: 1, files: true, tls: true}, {loops: 1, files: true, transport: TransportGoroutine},
		{loops: 1, files: true, web: true}, {loops: 1, files: true, web: true, tls: true}, {loops: 1, files: true, web: true, transport: TransportGoroutine},
	} {
		t.Run(s.String(), func(t *testing.T) {
			s.grace = forever // what is delivered is written and needs no memory
			ts := startServer(t, s)
			host, id := ts.host("host", 3)
			host.conn.Close() // it would keep everything it receives
			host.waitEnd()
			lag := ts.joinQuiet("lag", id)
			ann, bob := ts.counter("ann", id), ts.counter("bob", id)
			const size = 30000
			stroke := frame.Append(nil, frame.Msg{Type: 148, User: 2, Body: make([]byte, size)})
			drawn := 0
			draw := func(bytes int) {
				n := bytes / size
				drawn += n
				go func() { // a failure shows as missing strokes
					for range n {
						if _, err := ann.conn.Write(stroke); err != nil {
							return
						}
					}
				}()
				for _, c := range []*counter{ann, bob} {
					c.await(t, drawn)
				}
			}
			draw(lagBytes / 8) // fills what is kept for reuse
			before := heap()
			draw(lagBytes)
			// The last segments go with the next tick.
			await(t, "memory given back", func() bool { return heap()-before <= lagHeap })
			c := newCounter(lag)
			c.await(t, drawn)
		})
	}
}

// counter is a member that only counts the strokes it receives.
type counter struct {
	*client
	strokes chan int // sum so far, newest only
	done    chan struct{}
}

func (ts *testServer) counter(name, session string) *counter {
	ts.t.Helper()
	return newCounter(ts.joinQuiet(name, session))
}

func newCounter(c *client) *counter {
	n := &counter{client: c, strokes: make(chan int, 1), done: make(chan struct{})}
	go n.count()
	return n
}

func (c *counter) count() {
	defer close(c.done)
	defer c.raw.Close() // or a server that stops waits for it
	buf := make([]byte, 0, 2*frame.MaxFrame)
	sum := 0
	for {
		n, err := c.conn.Read(buf[len(buf):cap(buf)])
		if err != nil {
			return
		}
		buf = buf[:len(buf)+n]
		whole, _ := frame.Whole(buf)
		for b := buf[:whole]; len(b) > 0; b = b[frame.Len(b):] {
			if b[2] == 148 {
				sum++
			}
		}
		buf = buf[:copy(buf, buf[whole:])]
		select {
		case <-c.strokes:
		default:
		}
		c.strokes <- sum
	}
}

func (c *counter) await(t *testing.T, want int) {
	t.Helper()
	limit := time.After(patience)
	got := 0
	for got < want {
		select {
		case got = <-c.strokes:
		case <-c.done:
			t.Fatalf("%s: the connection ended after %d strokes of %d", c.name, got, want)
		case <-limit:
			t.Fatalf("%s: %d strokes of %d within %v", c.name, got, want, patience)
		}
	}
}
