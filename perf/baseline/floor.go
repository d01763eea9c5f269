//go:build linux

package baseline

import (
	"fmt"
	"net"
	"runtime"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"drawrelay/frame"
)

/* The bare event loop: what reading and writing alone costs
 *
 * 1. read    at most 256 KB of each readable member
 * 2. append  runs of whole history messages go to the session's log, one copy
 * 3. pace    after a flush that took d the session's next one waits 3 d, at
 *            most 5 ms; not if 3 d < 50 us or 64 KB are waiting
 * 4. flush   one send of log[cursor:end] per member, at most 1 MB
 *
 * All of it runs on one locked thread. No policy, no store.
 */

const (
	floorRead    = 256 << 10                        // bytes per read
	floorSend    = 1 << 20                          // bytes per send
	floorLog     = 1 << 30 << (^uint(0) >> 63 << 1) // address space reserved per session: 4 GiB, 1 GiB with 32 bits
	floorGap     = 3                                // flush gap as a multiple of the flush
	floorMaxGap  = 5000 * 1000                      // ns
	floorMinGap  = 50 * 1000                        // ns; shorter gaps are not waited for
	floorUrgent  = 64 << 10                         // bytes waiting that are flushed at once
	floorLowat   = 128 << 10                        // unsent bytes the kernel may hold per member
	floorTimeout = int64(time.Hour)                 // ns
)

// Floor is the event loop.
type Floor struct {
	addr         string
	epfd, listen int
	wakefd       int
	buf          []byte
	conns        []*floorConn // by descriptor
	sessions     map[string]*floorSession
	dirty        []*floorSession
	ids          int
	done         chan struct{}
	events       [512]unix.EpollEvent
}

type floorSession struct {
	id      string
	log     []byte // mapped; the first end bytes are the history
	end     int
	count   int // messages in the log
	members []*floorConn
	users   users
	key     int
	running bool
	host    *floorConn

	dirty    bool
	flushed  int   // end at the last flush
	nextTime int64 // no flush before, ns
	first    int   // rotates who is served first
}

type floorConn struct {
	fd      int
	login   dialogue
	session *floorSession
	user    uint8
	cursor  int    // in the session's log
	private []byte // sent between messages
	mid     bool   // cursor is inside a message
	blocked bool   // the socket is full
	armed   bool   // an event is asked for when it is not
	partial []byte // start of a message, received
}

// ListenFloor starts a floor at host:port.
func ListenFloor(addr string) (*Floor, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	ip := net.ParseIP(host).To4()
	if ip == nil {
		return nil, fmt.Errorf("floor: %q is not an IPv4 address", host)
	}
	f := &Floor{sessions: map[string]*floorSession{}, buf: make([]byte, floorRead+frame.MaxFrame), done: make(chan struct{})}
	if err := f.open(&unix.SockaddrInet4{Port: n, Addr: [4]byte(ip)}); err != nil {
		return nil, fmt.Errorf("floor: %w", err)
	}
	go f.loop()
	return f, nil
}

func (f *Floor) open(sa *unix.SockaddrInet4) (err error) {
	if f.listen, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0); err != nil {
		return err
	}
	unix.SetsockoptInt(f.listen, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if err = unix.Bind(f.listen, sa); err != nil {
		return err
	}
	if err = unix.Listen(f.listen, 1024); err != nil {
		return err
	}
	got, err := unix.Getsockname(f.listen)
	if err != nil {
		return err
	}
	f.addr = net.JoinHostPort(net.IP(sa.Addr[:]).String(), strconv.Itoa(got.(*unix.SockaddrInet4).Port))
	if f.epfd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	if f.wakefd, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return err
	}
	for _, fd := range []int{f.listen, f.wakefd} {
		ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
		if err = unix.EpollCtl(f.epfd, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
			return err
		}
	}
	return nil
}

// Addr returns host:port.
func (f *Floor) Addr() string { return f.addr }

// Close disconnects everybody and waits for the loop to end.
func (f *Floor) Close() error {
	one := [8]byte{1}
	_, err := unix.Write(f.wakefd, one[:])
	<-f.done
	return err
}

var clockStart = time.Now()

func nanos() int64 { return int64(time.Since(clockStart)) }

func (f *Floor) loop() {
	runtime.LockOSThread()
	unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	defer close(f.done)
	for {
		n := f.wait(f.flushDue())
		for i := range f.events[:n] {
			e := &f.events[i]
			switch fd := int(e.Fd); {
			case fd == f.wakefd:
				f.shutdown()
				return
			case fd == f.listen:
				f.accept()
			default:
				f.event(fd, e.Events)
			}
		}
	}
}

func (f *Floor) event(fd int, events uint32) {
	c := f.conns[fd]
	if c != nil && events&unix.EPOLLOUT != 0 {
		c.blocked = false
		if f.serve(c) && !c.blocked {
			f.arm(c, false)
		}
	}
	if c = f.conns[fd]; c != nil && events&^unix.EPOLLOUT != 0 {
		f.read(c)
	}
}

// wait blocks for events until the time when (ns).
func (f *Floor) wait(when int64) int {
	ns := when - nanos()
	var n uintptr
	if ns <= 0 {
		n, _, _ = unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(f.epfd), uintptr(unsafe.Pointer(&f.events[0])), uintptr(len(f.events)), 0, 0, 0)
	} else {
		ts := unix.NsecToTimespec(ns)
		n, _, _ = unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(f.epfd), uintptr(unsafe.Pointer(&f.events[0])), uintptr(len(f.events)), uintptr(unsafe.Pointer(&ts)), 0, 0)
	}
	if int(n) < 0 || int(n) > len(f.events) {
		return 0
	}
	return int(n)
}

func (f *Floor) shutdown() {
	for _, c := range f.conns {
		if c != nil {
			unix.Close(c.fd)
		}
	}
	for _, s := range f.sessions {
		unix.Munmap(s.log)
	}
	unix.Close(f.listen)
	unix.Close(f.epfd)
	unix.Close(f.wakefd)
}

// flushDue flushes the sessions whose time has come and returns when the next
// one is due.
func (f *Floor) flushDue() int64 {
	next := nanos() + floorTimeout
	list := f.dirty
	f.dirty = f.dirty[:0]
	for _, s := range list {
		now := nanos()
		if now < s.nextTime && s.end-s.flushed < floorUrgent {
			f.dirty = append(f.dirty, s)
			next = min(next, s.nextTime)
			continue
		}
		s.dirty = false
		f.flush(s)
		d := nanos() - now
		if gap := min(floorGap*d, floorMaxGap); gap >= floorMinGap {
			s.nextTime = now + d + gap
		}
		if s.dirty { // somebody has more than one turn's worth
			next = 0
		}
	}
	return next
}

func (f *Floor) mark(s *floorSession) {
	if !s.dirty {
		s.dirty = true
		f.dirty = append(f.dirty, s)
	}
}

func (f *Floor) flush(s *floorSession) {
	s.flushed = s.end
	s.first++
	n := len(s.members)
	gone := 0
	for i := 0; i < n; i++ {
		c := s.members[(s.first+i)%n]
		if !c.blocked && !f.serve(c) {
			gone++
			n = len(s.members) // c was removed; others move up
			if n == 0 {
				return
			}
			i--
		}
	}
}

// serve sends what a member is due; false means that it is gone.
func (f *Floor) serve(c *floorConn) bool {
	s := c.session
	for !c.blocked {
		switch {
		case len(c.private) > 0 && !c.mid:
			n, ok := f.send(c, c.private)
			if !ok {
				return false
			}
			c.private = c.private[:copy(c.private, c.private[n:])]
		case s != nil && c.cursor < s.end && (s.running || c != s.host):
			target := min(s.end, c.cursor+floorSend)
			n, ok := f.send(c, s.log[c.cursor:target])
			if !ok {
				return false
			}
			c.cursor += n
			c.mid = c.cursor != s.end
			if c.cursor == target && c.mid {
				f.mark(s)
				return true
			}
		default:
			return true
		}
	}
	return true
}

// send hands bytes to the kernel; it waits for room if not all are taken.
func (f *Floor) send(c *floorConn, b []byte) (int, bool) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(c.fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, 0, 0)
	switch {
	case errno == 0 && int(n) == len(b):
	case errno == 0:
		c.blocked = true
		f.arm(c, true)
	case errno == unix.EAGAIN || errno == unix.EINTR:
		c.blocked = true
		f.arm(c, true)
		return 0, true
	default:
		f.drop(c)
		return 0, false
	}
	return int(n), true
}

// arm asks for an event when the socket has room again, or no longer.
func (f *Floor) arm(c *floorConn, on bool) {
	if c.armed == on {
		return
	}
	c.armed = on
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(c.fd)}
	if on {
		ev.Events |= unix.EPOLLOUT
	}
	unix.EpollCtl(f.epfd, unix.EPOLL_CTL_MOD, c.fd, &ev)
}
