package relay

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"

	"drawrelay/frame"
	"drawrelay/store"
)

/* Catching up
 *
 * 1. catchUp   loop     a member far behind gives its output away
 * 2. turn      worker   one batch of at most turnBytes is sent from the history file (sendfile for plain
 *                       TCP), or from memory for sessions without a file
 * 3. returned  loop     the output comes back when direct messages wait, the socket is full, or the member
 *                       has nearly caught up: direct messages first, then live again or the next batch
 *
 * A member that does not read costs nobody a worker: its turn ends at the
 * first full socket and goes on after the socket's write event.
 */

const (
	// turnBytes bounds one batch of a worker: what a pong waits for, at most.
	turnBytes = 1 << 20
	// ioWorkers is how many batches are sent at a time. They may block on a
	// cold file, so one is not enough; more would only compete with drawing.
	ioWorkers = 2
	// nearlyThere is how far behind a worker leaves a member to its loop, bytes.
	nearlyThere = 256 << 10
	// chunkBytes is how much is read or sent by one call of a worker.
	chunkBytes = 256 << 10
	// sealBytes is how much a worker encrypts at a time; what the socket does
	// not take of it stays in memory for a member that does not read.
	sealBytes = 64 << 10
	// renderRead is how much is read from the file to be rendered for a
	// WebSocket member: what is read, rendered and copied to the socket at once
	// stays in the processor's cache, 10 to 15 % cheaper than chunkBytes.
	// Keeping renderings for others who join at the same time costs more than
	// it saves: they are out of the cache by then.
	renderRead = 64 << 10
)

// workers is the pool that serves members who are far behind.
type workers struct {
	mu     sync.Mutex // protects queue and closed
	work   *sync.Cond
	queue  []*link // each link at most once
	closed bool
	wg     sync.WaitGroup
}

func newWorkers() *workers {
	w := &workers{}
	w.work = sync.NewCond(&w.mu)
	w.wg.Add(ioWorkers)
	for range ioWorkers {
		go w.run()
	}
	return w
}

func (w *workers) submit(k *link) {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		k.giveBack(false, errAborted)
		return
	}
	w.queue = append(w.queue, k)
	w.mu.Unlock()
	w.work.Signal()
}

func (w *workers) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.work.Broadcast()
	w.wg.Wait()
}

func (w *workers) run() {
	defer w.wg.Done()
	// Those who draw come first: bulk data is sent at a lower priority.
	runtime.LockOSThread()
	lowerPriority()
	c := &carrier{}
	for {
		w.mu.Lock()
		for len(w.queue) == 0 && !w.closed {
			w.work.Wait()
		}
		if w.closed {
			rest := w.queue
			w.queue = nil
			w.mu.Unlock()
			for _, k := range rest {
				k.giveBack(false, errAborted) // its loop closes it
			}
			return
		}
		k := w.queue[0]
		w.queue[0] = nil
		w.queue = w.queue[1:]
		w.mu.Unlock()
		full, more, err := c.carry(k)
		if more && !full && err == nil && !k.wanted.Load() {
			w.submit(k) // behind the others
			continue
		}
		k.giveBack(full, err)
	}
}

// giveBack returns the output to the loop.
func (k *link) giveBack(full bool, err error) {
	n := int64(0)
	if full {
		n = 1
	}
	k.loop.post(event{kind: evReturn, link: k, n: n, err: err})
}

// catchUp gives the output away. Loop only.
func (k *link) catchUp(to int64) {
	if to <= k.cursor && k.target <= k.cursor {
		return
	}
	k.output = outputCatchup
	k.goal = to
	k.drained = false
	k.wanted.Store(len(k.directs) > 0) // they come between two batches
	k.conn.catchUp(k)
}

// returned takes the output back: full says that the socket takes no more.
func (k *link) returned(full int64, err error) {
	k.output = outputLive
	if k.failed != nil {
		k.close()
		return
	}
	if err != nil {
		k.failWrite(err)
		return
	}
	k.lastSent = k.loop.now
	if full != 0 {
		k.output = outputCatchup
		if k.drained {
			k.drained = false
			k.conn.catchUp(k)
		} else {
			k.blocked = true
		}
		return
	}
	k.wanted.Store(false)
	k.send(k.room.view())
	k.shard.dropSpan()
	if k.output == outputLive && k.conn != nil {
		k.conn.caughtUp(k)
	}
}

// carrier is what one worker uses to carry a batch. Ownership: its goroutine.
type carrier struct {
	span   store.Span
	buf    []byte
	cipher []byte
	web    rendering
	one    [1][]byte
}

// errBroken ends a member whose session has broken an invariant.
var errBroken = errors.New("internal error")

// carry is turn; a broken invariant ends the member's session.
func (c *carrier) carry(k *link) (full, more bool, err error) {
	if broken := attempt(func() { full, more, err = c.turn(k) }); broken != "" {
		*c = carrier{} // whatever was left in it
		k.room.broken(broken)
		return false, false, errBroken
	}
	return full, more, err
}

// turn sends one batch: what is left of the batch in flight, or the next one.
// full says that the socket takes no more before the end of it, more that the
// member is still too far behind for its loop. The caller owns the member's
// output.
func (c *carrier) turn(k *link) (full, more bool, err error) {
	if k.cipher != nil {
		if full, err = c.sendCipher(k); full || err != nil {
			return full, false, err
		}
	}
	if k.skip > 0 {
		if err := c.skip(k); err != nil {
			return false, false, err
		}
	}
	to := k.goal
	if v := k.room.view(); v.log == k.log {
		to = max(to, v.to)
	}
	if k.log.HasFile() {
		to = min(to, k.log.Written())
	}
	if k.cursor == k.target {
		if to <= k.cursor {
			return false, false, nil
		}
		k.target = k.log.Boundary(k.cursor, to, turnBytes)
	}
	for k.cursor < k.target && !full && err == nil {
		full, err = c.chunk(k)
	}
	return full, to-k.cursor > nearlyThere, err
}

// chunk sends the next piece of the batch.
func (c *carrier) chunk(k *link) (full bool, err error) {
	if k.web != nil {
		return c.frames(k)
	}
	n := min(k.target-k.cursor, chunkBytes)
	if k.pipe != nil {
		n = min(n, sealBytes)
	}
	f, head := k.log.File()
	if written := k.log.Written(); f != nil && k.cursor < written {
		n = min(n, written-k.cursor) // the rest of the batch is in memory
		if s, ok := k.conn.(fileSender); ok && k.pipe == nil && f.OS() != nil {
			sent, err := s.sendFile(k, f.OS(), head+k.cursor, int(n))
			k.loop.srv.carried.Add(int64(sent))
			k.cursor += int64(sent)
			return int64(sent) < n && err == nil, err
		}
		if int64(cap(c.buf)) < n {
			c.buf = make([]byte, chunkBytes)
		}
		b := c.buf[:n]
		if err := k.log.ReadAt(b, k.cursor); err != nil {
			return false, err
		}
		c.one[0] = b
		sent, full, err := c.send(k, c.one[:], int(n))
		k.cursor += int64(sent)
		return full, err
	}
	if !k.log.Acquire(&c.span, k.cursor, k.cursor+n) {
		return false, fmt.Errorf("history at offset %d is neither in the file nor in memory", k.cursor)
	}
	defer c.span.Release()
	sent, full, err := c.send(k, c.span.Vectors[:c.span.N], int(n))
	k.cursor += int64(sent)
	return full, err
}

// frames is chunk for a WebSocket member.
func (c *carrier) frames(k *link) (full bool, err error) {
	if err := c.render(k); err != nil {
		return false, err
	}
	b := c.web.frames[k.web.part:]
	most := len(b)
	if k.pipe != nil {
		most = sealBytes
	}
	sent := 0
	for sent < len(b) && !full && err == nil {
		var n int
		c.one[0] = b[sent:min(len(b), sent+most)]
		n, full, err = c.send(k, c.one[:], len(c.one[0]))
		sent += n
	}
	k.tookFrames(c.web.frames, c.web.to, sent)
	return full, err
}

// render renders the next piece of the batch, from the file as far as that has
// it, else from memory.
func (c *carrier) render(k *link) error {
	to, r := k.target, &c.web
	written := k.log.Written()
	if !k.log.HasFile() || k.cursor >= written {
		if !r.render(k.log, k.cursor, to, chunkBytes) {
			return fmt.Errorf("history at offset %d is neither in the file nor in memory", k.cursor)
		}
		return nil
	}
	to = k.log.Boundary(k.cursor, min(to, written), renderRead)
	c.buf = slices.Grow(c.buf[:0], int(to-k.cursor))[:to-k.cursor]
	if err := k.log.ReadAt(c.buf, k.cursor); err != nil {
		return err
	}
	r.log, r.to, r.frames = nil, to, frame.AppendFrames(r.frames[:0], c.buf)
	return nil
}

// skip moves the cursor over the messages the member has already, by their
// headers.
func (c *carrier) skip(k *link) error {
	var h [frame.HeaderLen]byte
	for k.skip > 0 {
		if err := c.peek(k, h[:]); err != nil {
			return fmt.Errorf("skip to history position: %w", err)
		}
		k.cursor += int64(frame.Len(h[:]))
		k.target = k.cursor
		k.skip--
	}
	return nil
}

// peek reads the bytes at the cursor, from the file or from memory.
func (c *carrier) peek(k *link, b []byte) error {
	if k.log.HasFile() && k.cursor+int64(len(b)) <= k.log.Written() {
		return k.log.ReadAt(b, k.cursor)
	}
	if !k.log.Acquire(&c.span, k.cursor, k.cursor+int64(len(b))) {
		return fmt.Errorf("history at offset %d is neither in the file nor in memory", k.cursor)
	}
	defer c.span.Release()
	n := 0
	for _, v := range c.span.Vectors[:c.span.N] {
		n += copy(b[n:], v)
	}
	return nil
}

// send writes or seals the vectors, total bytes, and returns how many of them
// count as sent. full says that the socket takes no more.
func (c *carrier) send(k *link, v [][]byte, total int) (n int, full bool, err error) {
	if k.pipe == nil {
		n, err := c.write(k, v, total)
		return n, n < total && err == nil, err
	}
	k.pipe.SetOutput(c.cipher[:0])
	for _, b := range v {
		if err := k.pipe.Seal(b); err != nil {
			return 0, false, err
		}
	}
	out := k.pipe.TakeOutput()
	c.cipher = out[:0]
	c.one[0] = out
	n, err = c.write(k, c.one[:], len(out))
	if err == nil && n < len(out) {
		k.cipher, k.ciphered = newBuffer(out[n:]), 0
		return total, true, nil
	}
	return total, false, err
}

// write sends through the connection and counts it.
func (c *carrier) write(k *link, v [][]byte, total int) (int, error) {
	n, err := k.conn.write(k, v, total)
	k.loop.srv.carried.Add(int64(n))
	return n, err
}

// sendCipher sends ciphertext that is left from before.
func (c *carrier) sendCipher(k *link) (full bool, err error) {
	c.one[0] = k.cipher.bytes()[k.ciphered:]
	left := len(c.one[0])
	n, err := c.write(k, c.one[:], left)
	if err != nil {
		return false, err
	}
	if n < left {
		k.ciphered += n
		return true, nil
	}
	k.cipher.release()
	k.cipher = nil
	return false, nil
}

// fileSender is a transport that can send a file without reading it.
type fileSender interface {
	sendFile(k *link, f fileDescriptor, off int64, n int) (int, error)
}

// errShortFile says that the history file ends before the history does.
var errShortFile = errors.New("the history file is shorter than the history")

type fileDescriptor interface {
	io.ReaderAt
	Fd() uintptr
}
