package relay

import (
	"time"
	"unsafe"

	"github.com/panjf2000/gnet/v2/pkg/netpoll"
	"golang.org/x/sys/unix"
)

// waker wakes a poller from any goroutine through an eventfd. Registered edge
// triggered, it is never read: each write is an event. Unlike a task of the
// poller it allocates nothing.
type waker struct{ fd int }

var one = []byte{1, 0, 0, 0, 0, 0, 0, 0}

func (w *waker) open(d *pollDriver) (err error) {
	if w.fd, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		return err
	}
	return d.poller.AddRead(&netpoll.PollAttachment{FD: w.fd}, true)
}

func (w *waker) is(fd int) bool { return fd == w.fd }

func (w *waker) wake() { _, _ = unix.Write(w.fd, one) }

func (w *waker) close() { _ = unix.Close(w.fd) }

// timer is a timerfd, edge triggered and never read.
type timer struct{ fd int }

func (t *timer) open(d *pollDriver) (err error) {
	if t.fd, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC); err != nil {
		return err
	}
	return d.poller.AddRead(&netpoll.PollAttachment{FD: t.fd}, true)
}

func (t *timer) is(fd int) bool { return fd == t.fd }

func (t *timer) close() { _ = unix.Close(t.fd) }

func (d *pollDriver) arm(after time.Duration) {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(max(after, time.Microsecond)))}
	_ = unix.TimerfdSettime(d.timer.fd, 0, &spec, nil)
}

// maxVectors is how many vectors one write takes.
const maxVectors = 64

// writeVectors writes up to maxVectors vectors with one system call and
// without allocating.
func writeVectors(fd int, v [][]byte) (int, error) {
	if len(v) == 1 {
		return unix.Write(fd, v[0])
	}
	var iov [maxVectors]unix.Iovec
	n := 0
	for _, b := range v {
		if n == maxVectors {
			break
		}
		if len(b) == 0 {
			continue
		}
		iov[n].Base = &b[0]
		iov[n].SetLen(len(b))
		n++
	}
	r, _, e := unix.Syscall(unix.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(&iov[0])), uintptr(n))
	if e != 0 {
		return 0, e
	}
	return int(r), nil
}

// sendFile sends n bytes of f from off on without copying them through user
// space. It returns how many the socket took.
func (s *socket) sendFile(k *link, f fileDescriptor, off int64, n int) (int, error) {
	sent := 0
	for sent < n {
		at := off + int64(sent)
		c, err := unix.Sendfile(k.fd, int(f.Fd()), &at, n-sent)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return sent, nil
		case err != nil:
			return sent, err
		case c == 0:
			return sent, errShortFile
		}
		sent += c
	}
	return sent, nil
}

func setNotSentLowat(fd, n int) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, n)
}

// peerClosed reports whether an event says that the peer has closed its side.
func peerClosed(ev netpoll.IOEvent, _ netpoll.IOFlags) bool { return ev&unix.EPOLLRDHUP != 0 }

// lowerPriority makes the calling thread yield to the loops.
func lowerPriority() { _ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), 10) }
