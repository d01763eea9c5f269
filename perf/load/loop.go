//go:build linux

package load

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"drawrelay/perf/proto"
)

/* The generator's event loop, one locked thread
 *
 * 1. tasks    requests of other goroutines (Do), conditions they wait for (Await)
 * 2. draw     messages that are due by the plan's schedule; in a closed loop
 *             those for which the window has room
 * 3. wait     epoll, until the next message is due
 * 4. read     sampled members first, at most 256 KB each
 * 5. write    members whose socket has room again
 *
 * TLS members read and write on goroutines of their own and wake the loop when
 * a window may have moved.
 */

const (
	readChunk   = 256 << 10 // bytes per read of a plain member
	maxEvents   = 512
	checkEvery  = int64(time.Millisecond) // how often conditions are evaluated
	idleTimeout = int64(100 * time.Millisecond)
)

// Loop holds members and draws.
//
// Ownership: the loop's thread, unless a field says otherwise.
type Loop struct {
	Verify Verify        // never changes
	Ping   time.Duration // interval of every member's pings; 0 = none
	Spin   bool          // poll instead of sleeping, so that no send of the server has to wake this process

	epfd, wakefd int
	clock        time.Time
	buf          []byte
	webBuf       []byte    // decoded
	members      []*Member // by index; gone ones are nil
	free         []int32
	events       [maxEvents]unix.EpollEvent
	plan         *run
	drawers      uint16
	stopping     bool
	conditions   []*condition
	lastCheck    int64
	nextPing     int64
	pingIndex    int
	sampling     bool

	woken atomic.Bool // an eventfd write is under way
	dirty atomic.Bool // some session is
	mu    sync.Mutex
	tasks []func() // protected by mu
	done  chan struct{}
}

type condition struct {
	ok       func() bool
	deadline int64
	result   chan error
}

// New starts a loop.
func New(v Verify, ping time.Duration, spin bool) (*Loop, error) {
	l := &Loop{Verify: v, Ping: ping, Spin: spin, clock: time.Now(), buf: make([]byte, readChunk), done: make(chan struct{})}
	var err error
	if l.epfd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	if l.wakefd, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		unix.Close(l.epfd)
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: -1}
	if err := unix.EpollCtl(l.epfd, unix.EPOLL_CTL_ADD, l.wakefd, &ev); err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	go l.loop()
	return l, nil
}

// Now returns the loop's clock in ns.
func (l *Loop) Now() int64 { return int64(time.Since(l.clock)) }

// Do runs f on the loop and returns when it has.
func (l *Loop) Do(f func()) {
	ch := make(chan struct{})
	l.post(func() { f(); close(ch) })
	<-ch
}

func (l *Loop) post(f func()) {
	l.mu.Lock()
	l.tasks = append(l.tasks, f)
	l.mu.Unlock()
	l.wake()
}

func (l *Loop) wake() {
	if l.woken.CompareAndSwap(false, true) {
		one := [8]byte{1}
		unix.Write(l.wakefd, one[:])
	}
}

// ErrTimeout says that a condition was not met in time.
var ErrTimeout = errors.New("not in time")

// Await waits until ok, which runs on the loop, is true.
func (l *Loop) Await(timeout time.Duration, ok func() bool) error {
	c := &condition{ok: ok, deadline: l.Now() + int64(timeout), result: make(chan error, 1)}
	l.post(func() { l.conditions = append(l.conditions, c); l.lastCheck = 0 })
	return <-c.result
}

// Close closes all connections and ends the loop.
func (l *Loop) Close() {
	l.Do(func() {
		for _, m := range l.members {
			if m != nil {
				l.drop(m)
			}
		}
		l.stopping = true
	})
	<-l.done
	unix.Close(l.epfd)
	unix.Close(l.wakefd)
}

func (l *Loop) loop() {
	runtime.LockOSThread()
	// Default slack of timers is 50 us, a tenth of the interval of 2,000 messages/s.
	unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	defer close(l.done)
	for !l.stopping {
		l.runTasks()
		now := l.Now()
		l.check(now)
		l.ping(now)
		until := l.draw(now)
		if len(l.conditions) > 0 {
			until = min(until, now+checkEvery)
		}
		if l.Ping > 0 && l.nextPing > 0 {
			until = min(until, l.nextPing)
		}
		n := l.wait(min(until, now+idleTimeout) - l.Now())
		l.handle(n)
	}
	for _, c := range l.conditions {
		c.result <- errors.New("the loop has ended")
	}
}

func (l *Loop) runTasks() {
	l.mu.Lock()
	tasks := l.tasks
	l.tasks = nil
	l.mu.Unlock()
	for _, f := range tasks {
		f()
	}
}

func (l *Loop) check(now int64) {
	if len(l.conditions) == 0 || now-l.lastCheck < checkEvery {
		return
	}
	l.lastCheck = now
	kept := l.conditions[:0]
	for _, c := range l.conditions {
		switch {
		case c.ok():
			c.result <- nil
		case now > c.deadline:
			c.result <- ErrTimeout
		default:
			kept = append(kept, c)
		}
	}
	l.conditions = kept
}

// wait blocks for events, ns at most, and returns how many there are.
func (l *Loop) wait(ns int64) int {
	p := unsafe.Pointer(&l.events[0])
	if ns <= 0 || l.Spin {
		n, _, _ := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.epfd), uintptr(p), maxEvents, 0, 0, 0)
		return count(n)
	}
	ts := unix.NsecToTimespec(ns)
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(l.epfd), uintptr(p), maxEvents, uintptr(unsafe.Pointer(&ts)), 0, 0)
	if errno == unix.ENOSYS { // kernels before 5.11: milliseconds only
		n, _, _ = unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.epfd), uintptr(p), maxEvents, uintptr(ns/1e6), 0, 0)
	}
	return count(n)
}

func count(n uintptr) int {
	if int(n) < 0 || int(n) > maxEvents {
		return 0
	}
	return int(n)
}

func (l *Loop) handle(n int) {
	if l.sampling {
		for i := range l.events[:n] {
			e := &l.events[i]
			if e.Fd >= 0 && e.Events&^unix.EPOLLOUT != 0 {
				if m := l.members[e.Fd]; m != nil && m.sampled {
					l.read(m)
					e.Events &= unix.EPOLLOUT
				}
			}
		}
	}
	for i := range l.events[:n] {
		e := &l.events[i]
		if e.Fd < 0 {
			var b [8]byte
			unix.Read(l.wakefd, b[:])
			l.woken.Store(false)
			continue
		}
		m := l.members[e.Fd]
		if m == nil {
			continue
		}
		if e.Events&unix.EPOLLOUT != 0 {
			l.flush(m)
		}
		if e.Events&^unix.EPOLLOUT != 0 && m.fd >= 0 {
			l.read(m)
		}
	}
}

// read takes one chunk of what a plain member has received.
func (l *Loop) read(m *Member) {
	var n uintptr
	var errno unix.Errno
	if m.discard {
		n, _, errno = unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(m.fd), 0, 1<<30, unix.MSG_TRUNC|unix.MSG_DONTWAIT, 0, 0)
	} else {
		n, _, errno = unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(m.fd), uintptr(unsafe.Pointer(&l.buf[0])), readChunk, unix.MSG_DONTWAIT, 0, 0)
	}
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
		return
	case errno != 0:
		l.lost(m, errno)
		return
	case n == 0:
		l.lost(m, errors.New("connection closed by the server"))
		return
	}
	if m.discard {
		m.discarded += uint64(n)
		m.ink.Store(m.discardBase + m.discarded)
		m.raw.Store(m.discarded)
	} else {
		b := l.buf[:n]
		if m.web != nil {
			b = m.web.Append(l.webBuf[:0], b)
			l.webBuf = b
		}
		m.receive(b, l.Now())
	}
	m.progress(l)
}

// progress notes that a window may have room.
func (m *Member) progress(l *Loop) {
	if m.Session != nil && m.Session.closedLoop.Load() && m.Session.dirty.CompareAndSwap(false, true) {
		l.dirty.Store(true)
		if m.conn != nil {
			l.wake()
		}
	}
}

func (l *Loop) lost(m *Member, err error) {
	if !m.left {
		m.fail(err)
	}
	l.drop(m)
}

// Add makes a client whose dialogue is over a member of s.
func (l *Loop) Add(c *proto.Client, s *Session) (*Member, error) {
	m := newMember(c, s)
	m.loop = l
	m.w.full = l.Verify == Full
	if c.Secure() {
		conn, rest := c.Conn()
		m.conn, m.gate = conn, newGate()
		l.Do(func() { l.enlist(m) })
		go m.readTLS(rest)
		return m, nil
	}
	fd, rest, err := c.Detach()
	if err != nil {
		return nil, err
	}
	m.fd = fd
	l.Do(func() {
		l.enlist(m)
		m.receive(rest, l.Now())
		ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: m.index}
		if err = unix.EpollCtl(l.epfd, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
			l.drop(m)
		}
	})
	return m, err
}

func (l *Loop) enlist(m *Member) {
	if n := len(l.free); n > 0 {
		m.index = l.free[n-1]
		l.free = l.free[:n-1]
		l.members[m.index] = m
	} else {
		m.index = int32(len(l.members))
		l.members = append(l.members, m)
	}
	if m.Session != nil {
		m.Session.Members = append(m.Session.Members, m)
	}
}

// drop closes a member's connection; it stays in its session's list.
func (l *Loop) drop(m *Member) {
	if m.index < 0 || l.members[m.index] != m {
		return
	}
	m.left = true
	l.members[m.index] = nil
	l.free = append(l.free, m.index)
	if m.conn != nil {
		m.gate.open()
		m.conn.Close()
		return
	}
	unix.Close(m.fd)
	m.fd = -1
}

// Drop disconnects a member.
func (l *Loop) Drop(m *Member) { l.Do(func() { l.drop(m) }) }
