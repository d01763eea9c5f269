package relay

import (
	"net"
	"time"

	"drawrelay/store/entry"
)

/* The portable transport
 *
 * A loop is a goroutine that waits for its inbox; a member is a pair of
 * goroutines. The reader hands what it has read to the loop and waits until
 * the loop is done with it. The writer is given one buffer at a time, so a
 * member that does not read costs that buffer; the log, the cursors and the
 * rules are the same as with the poller.
 */

const (
	// pairBuffer is what the reader and the writer of a member hold, bytes.
	pairBuffer = 32 << 10
)

// goDriver runs a loop on a goroutine.
type goDriver struct {
	loop   *loop
	signal chan struct{}
	timer  *time.Timer
}

func newGoDriver(l *loop) driver {
	d := &goDriver{loop: l, signal: make(chan struct{}, 1), timer: time.NewTimer(time.Hour)}
	d.timer.Stop()
	return d
}

func (d *goDriver) run(l *loop) {
	for !l.closing {
		select {
		case <-d.signal:
		case <-d.timer.C:
		}
		l.turn()
	}
	d.timer.Stop()
}

func (d *goDriver) close() {}

func (d *goDriver) wake() {
	select {
	case d.signal <- struct{}{}:
	default:
	}
}

func (d *goDriver) arm(after time.Duration) { d.timer.Reset(after) }

func (d *goDriver) attach(k *link) error {
	p := k.conn.(*pair)
	go p.readAll(k)
	go p.writeAll(k)
	return nil
}

// pair is the portable transport of a link: its connection and its two
// goroutines. Fields without a note belong to the loop.
type pair struct {
	conn net.Conn // with TLS the *tls.Conn
	raw  net.Conn // the socket

	in    []byte        // read but not taken; the reader's until evRead, then the loop's until taken
	taken chan struct{} // the loop has taken in
	avail bool          // in waits to be taken

	jobs chan pairJob
	out  []byte // the writer's while busy
	busy bool   // the writer has a job
}

// pairJob is what a writer does: write data, or one turn of catching up.
type pairJob struct {
	data  []byte
	carry bool
	end   bool // close our side
}

// newPairLink prepares a link over c for the portable transport.
func newPairLink(c *entry.Conn) *link {
	p := &pair{conn: c.Net, raw: c.Net, taken: make(chan struct{}, 1), jobs: make(chan pairJob, 2)}
	if c.Pipe != nil {
		p.conn = c.Pipe.TLS // stays in pass-through mode
	}
	if t, ok := c.Net.(*net.TCPConn); ok {
		_ = t.SetNoDelay(true)
	}
	_ = p.conn.SetDeadline(time.Time{})
	return &link{fd: -1, conn: p}
}

func (p *pair) readAll(k *link) {
	buf := make([]byte, pairBuffer)
	for {
		n, err := p.conn.Read(buf)
		p.in = buf[:n]
		k.loop.post(event{kind: evRead, link: k, n: int64(n), err: err})
		if err != nil {
			return
		}
		if _, ok := <-p.taken; !ok {
			return
		}
	}
}

// read is called on the loop when the reader has n bytes or an error.
func (k *link) read(n int, err error) {
	p, ok := k.conn.(*pair)
	if !ok || k.failed != nil {
		return
	}
	if n > 0 {
		p.avail = true
		if !k.ending && k.web == nil {
			k.lastRead = k.loop.now
		}
		k.input()
	}
	if err != nil && k.failed == nil {
		k.failRead(err)
	}
}

func (p *pair) readable(k *link) {
	k.readyAgain = false
	if !p.avail || !k.mayRead() {
		return
	}
	p.avail = false
	k.receive(p.in)
	if k.failed == nil {
		p.taken <- struct{}{}
	}
}

func (p *pair) writeAll(k *link) {
	var c carrier
	for j := range p.jobs {
		switch {
		case j.carry:
			full, _, err := c.carry(k)
			k.giveBack(full, err)
		case j.end:
			if t, ok := p.conn.(interface{ CloseWrite() error }); ok {
				_ = t.CloseWrite()
			}
			if t, ok := p.raw.(*net.TCPConn); ok && p.raw != p.conn {
				_ = t.CloseWrite()
			}
		default:
			_, err := p.conn.Write(j.data)
			k.loop.post(event{kind: evWritten, link: k, err: err})
		}
	}
}

// wrote is called on the loop when the writer has written its buffer.
func (k *link) wrote(err error) {
	p, ok := k.conn.(*pair)
	if !ok {
		return
	}
	p.busy = false
	if k.failed != nil {
		return
	}
	if err != nil {
		k.failWrite(err)
		return
	}
	if k.output == outputLive {
		k.blocked = true
		k.writable()
	}
}

func (p *pair) write(k *link, v [][]byte, total int) (int, error) {
	if k.output == outputCatchup {
		// The caller is the writer itself: it may block.
		for _, b := range v {
			if _, err := p.conn.Write(b); err != nil {
				return 0, err
			}
		}
		return total, nil
	}
	if p.busy {
		return 0, nil
	}
	p.out = p.out[:0]
	for _, b := range v {
		p.out = append(p.out, b[:min(len(b), pairBuffer-len(p.out))]...)
		if len(p.out) == pairBuffer {
			break
		}
	}
	p.busy = true
	p.jobs <- pairJob{data: p.out}
	return len(p.out), nil
}

func (p *pair) catchUp(*link) { p.jobs <- pairJob{carry: true} }

func (p *pair) caughtUp(*link) {}

func (p *pair) shutdownWrite(*link) error {
	p.jobs <- pairJob{end: true}
	return nil
}

func (p *pair) cut(*link) { _ = p.raw.Close() }

func (p *pair) close(k *link, abort bool) {
	if t, ok := p.raw.(*net.TCPConn); ok && abort {
		_ = t.SetLinger(0)
	}
	_ = p.raw.Close()
	close(p.jobs)
	close(p.taken)
}
