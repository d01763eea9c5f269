package relay

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/entry"
)

/* Random streams
 *
 * Members over real sockets join, from the start or from where they say they
 * have been, leave in orderly and other ways, stop reading and go on, draw
 * messages of all sizes, ping and chat. In the end everybody's stream is the
 * history from its start on, with direct messages at message boundaries.
 */

// streamer is a member of a random course: it writes from a goroutine of its
// own, so that the course never waits for it, and can stop reading.
type streamer struct {
	*client
	skip int64 // messages of the history it has said to have

	mu      sync.Mutex
	cond    *sync.Cond
	asleep  bool   // does not read
	out     []byte // waits to be written
	pings   int    // in out or written
	closing bool   // no more writes
	said    map[uint8]int
	gone    bool
}

// sleepyConn is a connection that its owner reads only while awake.
type sleepyConn struct {
	net.Conn
	s *streamer
}

func (c sleepyConn) Read(b []byte) (int, error) {
	c.s.mu.Lock()
	for c.s.asleep {
		c.s.cond.Wait()
	}
	c.s.mu.Unlock()
	return c.Conn.Read(b)
}

func (s *streamer) sleep(on bool) {
	s.mu.Lock()
	s.asleep = on
	s.cond.Broadcast()
	s.mu.Unlock()
}

func (s *streamer) write(b []byte) {
	s.mu.Lock()
	s.out = append(s.out, b...)
	s.cond.Broadcast()
	s.mu.Unlock()
}

// writeAll writes until the streamer closes or the connection ends.
func (s *streamer) writeAll() {
	for {
		s.mu.Lock()
		for len(s.out) == 0 && !s.closing {
			s.cond.Wait()
		}
		b := s.out
		s.out = nil
		s.mu.Unlock()
		if len(b) == 0 {
			return
		}
		if _, err := s.conn.Write(b); err != nil {
			return
		}
	}
}

func (s *streamer) close() {
	s.mu.Lock()
	s.closing, s.asleep = true, false
	s.cond.Broadcast()
	s.mu.Unlock()
}

// course is a random course of events.
type course struct {
	t      *testing.T
	ts     *testServer
	rnd    *rand.Rand
	id     string
	room   *room
	host   *client
	here   []*streamer
	past   []*streamer
	joined int
}

// TestRandomStreams: see above. STREAM_SEEDS says how many seeds, STREAM_SEED
// repeats one.
func TestRandomStreams(t *testing.T) {
	first, seeds := uint64(1), uint64(2)
	if testing.Short() {
		seeds = 1
	}
	for name, value := range map[string]*uint64{"STREAM_SEEDS": &seeds, "STREAM_SEED": &first} {
		if text := os.Getenv(name); text != "" {
			n, err := strconv.ParseUint(text, 10, 64)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if *value = n; name == "STREAM_SEED" {
				seeds = 1
			}
		}
	}
	for seed := first; seed < first+seeds; seed++ {
		for i, s := range []setup{
			{loops: 1}, {loops: 2}, {loops: 4}, {loops: 2, transport: TransportGoroutine},
			{loops: 1, tls: true}, {loops: 2, tls: true}, {loops: 4, tls: true}, {loops: 2, tls: true, transport: TransportGoroutine},
			{loops: 1, mixed: true}, {loops: 4, mixed: true}, {loops: 2, mixed: true, transport: TransportGoroutine}, {loops: 1, web: true},
		} {
			s.files, s.grace = seed%2 == 1, forever
			if !*thorough && (seed+uint64(i))%2 == 1 {
				continue // the other half of the combinations for each seed
			}
			t.Run(fmt.Sprintf("seed=%d,%v", seed, s), func(t *testing.T) { runCourse(t, seed, s) })
		}
	}
}

func runCourse(t *testing.T, seed uint64, s setup) {
	ts := startServer(t, s)
	c := &course{t: t, ts: ts, rnd: rand.New(rand.NewPCG(seed, uint64(s.loops)))}
	c.host, c.id = ts.host("host", 50)
	c.room = ts.room(c.id)
	// Let the next members be spread over all loops, as in a big session.
	ts.crowd(c.id, plainPerLoop)
	for step := range 300 {
		c.step()
		if step%10 == 0 {
			c.checkLoops()
		}
	}
	c.finish()
	ts.crowd(c.id, -plainPerLoop)
}

func (c *course) any() *streamer { return c.here[c.rnd.IntN(len(c.here))] }

func (c *course) step() {
	if len(c.here) == 0 {
		c.join()
		return
	}
	rnd, s := c.rnd, c.any()
	switch n := rnd.IntN(100); {
	case n < 7:
		if len(c.here) < 12 {
			c.join()
		}
	case n < 11:
		c.leave(s)
	case n < 18:
		s.sleep(true)
	case n < 25:
		s.sleep(false)
	case n < 75:
		for range 1 + rnd.IntN(10) {
			s.write(frame.Append(nil, frame.Msg{Type: frame.Type(64 + rnd.IntN(192)), User: uint8(rnd.IntN(256)), Body: c.body(s)}))
		}
	case n < 88:
		for range 1 + rnd.IntN(5) {
			s.pings++
			s.write(frame.Append(nil, frame.Msg{Type: frame.TypePing, Body: []byte{0}}))
		}
		s.write(frame.AppendKeepAlive(frame.AppendPing(nil, true)))
	default:
		target := c.any()
		s.said[target.id]++
		body := []byte{target.id, 0, s.id}
		body = binary.BigEndian.AppendUint32(body, uint32(s.said[target.id]))
		s.write(frame.Append(nil, frame.Msg{Type: frame.TypePrivateChat, Body: body}))
	}
}

// body returns the content of a stroke: any length, some of it random.
func (c *course) body(s *streamer) []byte {
	size := c.rnd.IntN(400)
	switch c.rnd.IntN(20) {
	case 0:
		size = frame.MaxFrame - frame.HeaderLen
	case 1:
		size = c.rnd.IntN(frame.MaxFrame - frame.HeaderLen)
	case 2:
		size = 0
	}
	b := make([]byte, size)
	for i := range min(size, 32) {
		b[i] = byte(c.rnd.Uint32())
	}
	return b
}

func (c *course) join() {
	name := fmt.Sprintf("member %d", c.joined)
	c.joined++
	k, ec := c.ts.connect(name)
	k.sid = fmt.Sprintf("%032x", int64(1<<40)+int64(c.joined))
	q := &entry.JoinRequest{Person: k.person(), Conn: ec, Session: c.id}
	s := &streamer{client: k, said: make(map[uint8]int)}
	s.cond = sync.NewCond(&s.mu)
	if c.rnd.IntN(3) == 0 {
		h := c.room.hist
		var last, size int64
		_ = c.room.loop.call(func() error { last, size = h.LastIndex(), h.Log().Size(); return nil })
		await(c.t, "write", func() bool { return h.Log().Written() >= size }) // clients know nothing newer
		q.Index = frame.HistoryIndex{Start: h.StartStamp, Pos: 1 + c.rnd.Int64N(last), Session: c.id}
		s.skip = q.Index.Pos - h.FirstIndex + 1
	}
	if err := c.ts.Join(context.Background(), q); err != nil {
		c.t.Fatalf("join: %v", err)
	}
	k.conn = sleepyConn{k.conn, s}
	go k.readAll()
	go s.writeAll()
	k.id = uint8(k.waitReply("result")["join"].(map[string]any)["user"].(float64))
	c.here = append(c.here, s)
	for _, o := range append(c.here, c.past...) {
		delete(o.said, k.id) // a new listener with this id
	}
}

// leave ends a connection: orderly, with unread or unsent data, in the middle
// of a message, or with a reset.
func (c *course) leave(s *streamer) {
	s.gone = true
	c.here = slices.DeleteFunc(c.here, func(x *streamer) bool { return x == s })
	c.past = append(c.past, s)
	switch c.rnd.IntN(4) {
	case 0:
		s.write(make([]byte, frame.HeaderLen-1))
	case 1:
		s.write([]byte{0x80, 0, 200, 1, 2, 3})
	case 2:
		_ = s.raw.(*net.TCPConn).SetLinger(0)
	}
	s.close()
	_ = s.raw.Close()
	_ = s.conn.Close()
}

// checkLoops looks at all members on their loops.
func (c *course) checkLoops() {
	log := c.room.log()
	for _, l := range c.ts.loops {
		_ = l.call(func() error {
			for i, k := range l.links {
				if k.index != i || k.loop != l || k.failed == nil && k.shard.links[k.place] != k {
					c.t.Errorf("link %d of loop %d is not in order", i, l.id)
				}
				if k.room != c.room || k.output != outputLive || k.failed != nil {
					continue
				}
				if to := c.room.view().to; k.cursor > k.target || k.target > to {
					c.t.Errorf("%s is at %d of %d, beyond the deliverable %d", k.person.Name, k.cursor, k.target, to)
				}
			}
			return nil
		})
	}
	start := log.Start()
	synced := log.Synced()
	written := log.Written()
	end := log.Size()
	if start > written && log.HasFile() || synced > written || written > end {
		c.t.Errorf("log from %d, synced %d, written %d, end %d", start, synced, written, end)
	}
}

// finish lets everybody read to the end, and compares.
func (c *course) finish() {
	t := c.t
	for _, s := range c.here {
		s.sleep(false)
	}
	for _, s := range c.here {
		s.pings++
		s.write(frame.Append(nil, frame.Msg{Type: frame.TypePing, Body: []byte{0}}))
		s.write(frame.Append(nil, frame.Msg{Type: 148, Body: []byte("last of " + s.name)}))
	}
	for _, s := range c.here {
		c.host.waitBody("last of " + s.name)
	}
	c.host.send(148, []byte("the end"))
	late := c.ts.join("late", c.id)
	for _, k := range append([]*client{late, c.host}, clients(c.here)...) {
		k.waitBody("the end")
		if k != late {
			k.wait(0, "join of late", func(m frame.Msg) bool { return m.Type == frame.TypeJoin && m.User == late.id })
		}
	}
	log := c.readLog()
	for _, s := range append(slices.Clone(c.here), c.past...) {
		want := onlyHistory(log, s.skip)
		got := s.stream()
		switch {
		case s.gone:
			if !bytes.HasPrefix(want, got) {
				t.Errorf("%s, who has left, has received something else than the history: %d bytes, common %d of %d", s.name, len(got), common(got, want), len(want))
			}
		case !bytes.HasPrefix(want, got) || !bytes.Contains(got[max(0, len(got)-4096):], []byte("the end")):
			t.Errorf("%s has received something else than the history: %d bytes, common %d of %d", s.name, len(got), common(got, want), len(want))
		}
		s.checkDirect()
	}
	c.checkLoops()
	for _, s := range c.here {
		s.close()
	}
}

func clients(list []*streamer) (out []*client) {
	for _, s := range list {
		out = append(out, s.client)
	}
	return out
}

// readLog returns the session's history.
func (c *course) readLog() []byte {
	log := c.room.log()
	var b []byte
	for at, end := int64(0), log.Size(); at < end; {
		if to := min(end, at+1<<20); log.HasFile() && to <= log.Written() {
			part := make([]byte, to-at)
			if err := log.ReadAt(part, at); err != nil {
				c.t.Fatal(err)
			}
			b = append(b, part...)
			at = to
			continue
		}
		var sp store.Span
		if !log.Acquire(&sp, at, end) {
			c.t.Fatalf("offset %d is neither in the file nor in memory", at)
		}
		for _, v := range sp.Vectors[:sp.N] {
			b = append(b, v...)
		}
		at = sp.To
		sp.Release()
	}
	return b
}

// onlyHistory returns the messages of a log after the first skip ones that
// cannot be taken for direct ones.
func onlyHistory(log []byte, skip int64) []byte {
	var out []byte
	for n := int64(0); len(log) > 0; n++ {
		size := frame.Len(log)
		if n >= skip && frame.Type(log[2]) >= 32 {
			out = append(out, log[:size]...)
		}
		log = log[size:]
	}
	return out
}

// stream returns the history that the member has received.
func (s *streamer) stream() []byte {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	var b []byte
	for _, m := range s.msgs {
		if m.Type >= 32 && m.Type != frame.TypePrivateChat {
			b = frame.Append(b, m)
		}
	}
	return b
}

// checkDirect: private messages come in order, and every ping of who is still
// there has been answered.
func (s *streamer) checkDirect() {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	pongs := 0
	last := make(map[uint8]uint32)
	for _, m := range s.msgs {
		switch m.Type {
		case frame.TypePing:
			pongs++
		case frame.TypePrivateChat:
			from, n := m.Body[2], binary.BigEndian.Uint32(m.Body[3:])
			if m.User == s.id && m.Body[0] != s.id || m.User != from {
				continue // the echo of an own one, or from somebody who had this id before
			}
			if n <= last[from] && n != 1 && m.Body[0] != from {
				s.t.Errorf("%s received private message %d of %d after %d", s.name, n, from, last[from])
			}
			last[from] = n
		}
	}
	if pongs != s.pings && !s.gone || pongs > s.pings {
		s.t.Errorf("%s has sent %d pings and received %d pongs", s.name, s.pings, pongs)
	}
}

// common returns the length of the common start.
func common(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
