//go:build linux

package load

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"drawrelay/frame"
	"drawrelay/perf/proto"
)

// send queues whole messages for a member. Runs on the loop.
func (l *Loop) send(m *Member, b []byte) {
	if m.conn != nil {
		m.sendTLS(b)
		return
	}
	if m.fd < 0 {
		return
	}
	if len(m.out) == m.outAt {
		m.out, m.outAt = m.out[:0], 0
	}
	m.out = m.appendTo(m.out, b)
	l.flush(m)
}

// appendTo appends whole messages to a queue of the member.
func (m *Member) appendTo(queue, b []byte) []byte {
	if m.web != nil {
		return proto.AppendClientFrames(queue, b)
	}
	return append(queue, b...)
}

// flush hands a plain member's queue to the kernel as far as it takes it.
func (l *Loop) flush(m *Member) {
	for m.fd >= 0 && m.outAt < len(m.out) {
		n, err := unix.SendmsgN(m.fd, m.out[m.outAt:], nil, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
		if n > 0 {
			m.outAt += n
		}
		switch {
		case err == nil || err == unix.EINTR:
		case err == unix.EAGAIN:
			l.arm(m, true)
			return
		default:
			l.lost(m, err)
			return
		}
	}
	l.arm(m, false)
	if s := m.Session; s != nil && s.closedLoop.Load() && s.dirty.CompareAndSwap(false, true) {
		l.dirty.Store(true)
	}
}

func (l *Loop) arm(m *Member, on bool) {
	if m.fd < 0 || m.armed == on {
		return
	}
	m.armed = on
	l.interest(m)
}

func (l *Loop) interest(m *Member) {
	ev := unix.EpollEvent{Fd: m.index}
	if !m.paused {
		ev.Events |= unix.EPOLLIN
	}
	if m.armed {
		ev.Events |= unix.EPOLLOUT
	}
	unix.EpollCtl(l.epfd, unix.EPOLL_CTL_MOD, m.fd, &ev)
}

// pending returns the bytes queued for a member that the kernel has not taken.
func (m *Member) pending() int {
	if m.conn == nil {
		return len(m.out) - m.outAt
	}
	m.writeMu.Lock()
	defer m.writeMu.Unlock()
	if m.writing && len(m.queue) == 0 {
		return 1
	}
	return len(m.queue)
}

// setPaused stops reading from members or continues.
func (l *Loop) setPaused(ms []*Member, on bool) {
	l.Do(func() {
		for _, m := range ms {
			if m.conn != nil {
				m.gate.set(!on)
			} else if m.fd >= 0 {
				m.paused = on
				l.interest(m)
			}
		}
	})
}

// SetPing changes the interval of every member's pings; 0 = none.
func (l *Loop) SetPing(d time.Duration) { l.Do(func() { l.Ping, l.nextPing = d, 0 }) }

// ping sends the pings that are due, spread evenly over the members.
func (l *Loop) ping(now int64) {
	if l.Ping <= 0 || len(l.members) == 0 {
		return
	}
	step := max(int64(l.Ping)/int64(len(l.members)), 1)
	if l.nextPing == 0 || l.nextPing > now+step { // members were added
		l.nextPing = now + step
	}
	ping := frame.AppendPing(nil, false)
	for ; l.nextPing <= now; l.nextPing += step {
		l.pingIndex = (l.pingIndex + 1) % len(l.members)
		if m := l.members[l.pingIndex]; m != nil {
			l.send(m, ping)
		}
	}
}

// sendTLS queues bytes for the member's writer and starts one if none runs.
func (m *Member) sendTLS(b []byte) {
	m.writeMu.Lock()
	defer m.writeMu.Unlock()
	m.queue = m.appendTo(m.queue, b)
	if !m.writing {
		m.writing = true
		go m.writeTLS()
	}
}

func (m *Member) writeTLS() {
	var batch []byte
	for {
		m.writeMu.Lock()
		batch, m.queue = m.queue, batch[:0]
		if len(batch) == 0 {
			m.writing = false
			m.writeMu.Unlock()
			m.progress(m.loop)
			return
		}
		m.writeMu.Unlock()
		m.progress(m.loop)
		if _, err := m.conn.Write(batch); err != nil {
			m.loop.post(func() { m.loop.lost(m, err) })
			return
		}
	}
}

// readTLS is the goroutine that receives for a TLS member.
func (m *Member) readTLS(rest []byte) {
	l := m.loop
	m.receive(rest, l.Now())
	buf := make([]byte, 16<<10) // one TLS record
	for {
		m.gate.wait()
		n, err := m.conn.Read(buf)
		if n > 0 {
			b := buf[:n]
			if m.web != nil {
				b = m.web.Append(m.webBuf[:0], b)
				m.webBuf = b
			}
			m.receive(b, l.Now())
			m.progress(l)
		}
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if errors.Is(err, io.EOF) {
				err = errors.New("connection closed by the server")
			}
			l.post(func() { l.lost(m, err) })
			return
		}
	}
}

// gate lets a goroutine through or holds it.
type gate struct {
	mu     sync.Mutex
	cond   *sync.Cond
	closed bool
}

func newGate() *gate {
	g := &gate{}
	g.cond = sync.NewCond(&g.mu)
	return g
}

func (g *gate) set(open bool) {
	g.mu.Lock()
	g.closed = !open
	g.mu.Unlock()
	g.cond.Broadcast()
}

func (g *gate) open() { g.set(true) }

func (g *gate) wait() {
	g.mu.Lock()
	for g.closed {
		g.cond.Wait()
	}
	g.mu.Unlock()
}
