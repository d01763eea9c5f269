//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package relay

import (
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"runtime/pprof"
	"syscall"

	gneterrors "github.com/panjf2000/gnet/v2/pkg/errors"
	"github.com/panjf2000/gnet/v2/pkg/netpoll"
	"golang.org/x/sys/unix"

	"drawrelay/store/entry"
)

/* The poller
 *
 * Descriptors are registered once, edge triggered for both directions: no
 * epoll_ctl on the hot path, and not reading is not calling read. An event of
 * a closed descriptor may meet its successor in the same batch; it only costs
 * that one a read or write that finds nothing.
 */

// havePoller says that this platform has the poll transport.
const havePoller = true

// pollDriver runs a loop on gnet's poller.
type pollDriver struct {
	loop   *loop
	poller *netpoll.Poller
	waker  waker
	timer  timer
	fds    []*link // by descriptor; loop only
	conn   socket  // the transport of all its links
}

func newPollDriver(l *loop) (driver, error) {
	p, err := netpoll.OpenPoller()
	if err != nil {
		return nil, fmt.Errorf("open poller: %w", err)
	}
	d := &pollDriver{loop: l, poller: p}
	d.conn.d = d
	if err = d.waker.open(d); err == nil {
		err = d.timer.open(d)
	}
	if err != nil {
		_ = p.Close()
		return nil, fmt.Errorf("open poller: %w", err)
	}
	return d, nil
}

func (d *pollDriver) run(l *loop) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	pprof.SetGoroutineLabels(l.labels)
	err := d.poller.Polling(d.event)
	if err != nil && !errors.Is(err, gneterrors.ErrEngineShutdown) {
		panic(fmt.Sprintf("internal error: loop %d: poller: %v", l.id, err))
	}
}

func (d *pollDriver) close() {
	d.waker.close()
	d.timer.close()
	_ = d.poller.Close()
}

func (d *pollDriver) wake() { d.waker.wake() }

// event is called for each ready descriptor.
func (d *pollDriver) event(fd int, ev netpoll.IOEvent, flags netpoll.IOFlags) error {
	if d.waker.is(fd) || d.timer.is(fd) {
		return d.turn()
	}
	if fd >= len(d.fds) || d.fds[fd] == nil {
		return nil
	}
	k := d.fds[fd]
	d.loop.now = d.loop.srv.now()
	failed := netpoll.IsErrorEvent(ev, flags)
	if failed || netpoll.IsWriteEvent(ev) {
		k.serve(k.writable)
	}
	if failed || netpoll.IsReadEvent(ev) {
		k.atEnd = k.atEnd || failed || peerClosed(ev, flags)
		k.serve(k.input)
	}
	return nil
}

// turn runs one turn of the loop.
func (d *pollDriver) turn() error {
	d.loop.turn()
	if d.loop.closing {
		return gneterrors.ErrEngineShutdown
	}
	return nil
}

// socket is the poll transport of a link.
type socket struct{ d *pollDriver }

func (d *pollDriver) attach(k *link) error {
	fd := k.fd
	for fd >= len(d.fds) {
		d.fds = append(d.fds, make([]*link, fd+64-len(d.fds))...)
	}
	d.fds[fd] = k
	k.conn = &d.conn
	return d.poller.AddReadWrite(&netpoll.PollAttachment{FD: fd}, true)
}

func (s *socket) write(k *link, v [][]byte, total int) (int, error) {
	sent := 0
	for sent < total {
		n, err := writeVectors(k.fd, v)
		if err == unix.EINTR {
			continue
		}
		if err == unix.EAGAIN {
			return sent, nil
		}
		if err != nil {
			return sent, err
		}
		sent += n
		if sent == total {
			break
		}
		// A short write means a full socket, unless vectors were left out.
		whole := 0
		for _, b := range v[:min(len(v), maxVectors)] {
			whole += len(b)
		}
		if n < whole {
			return sent, nil
		}
		v = v[maxVectors:]
	}
	return sent, nil
}

func (s *socket) readable(k *link) {
	l := k.loop
	k.readyAgain = false
	for got := 0; ; {
		if !k.mayRead() {
			return
		}
		if got >= readTurn {
			k.readyAgain = true
			k.readLater()
			return
		}
		n, err := unix.Read(k.fd, l.rbuf[:readBuffer])
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return
		case err != nil:
			k.failRead(err)
			return
		case n == 0:
			k.fail(io.EOF)
			return
		}
		got += n
		if !k.ending && k.web == nil {
			k.lastRead = l.now
		}
		if k.pipe != nil {
			k.receiveCipher(l.rbuf[:n])
		} else {
			k.receive(l.rbuf[:n])
		}
		if k.failed != nil || n < readBuffer && !k.atEnd {
			return // a short read has emptied the socket; more makes a new event
		}
	}
}

func (s *socket) catchUp(k *link) {
	setNotSentLowat(k.fd, bulkLowat)
	k.loop.srv.workers.submit(k)
}

func (s *socket) caughtUp(k *link) { setNotSentLowat(k.fd, notSentLowat) }

func (s *socket) shutdownWrite(k *link) error { return unix.Shutdown(k.fd, unix.SHUT_WR) }

func (s *socket) cut(k *link) { _ = unix.Shutdown(k.fd, unix.SHUT_RDWR) }

func (s *socket) close(k *link, abort bool) {
	if k.fd < 0 {
		return
	}
	if abort {
		_ = unix.SetsockoptLinger(k.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	if s.d.fds[k.fd] == k {
		s.d.fds[k.fd] = nil
	}
	_ = s.d.poller.Delete(k.fd)
	_ = unix.Close(k.fd)
	k.fd = -1
}

// detachSocket takes the descriptor out of c, which is closed. The socket
// stays non-blocking.
func detachSocket(c net.Conn) (fd int, err error) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return -1, fmt.Errorf("connection of type %T has no descriptor", c)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd = -1
	cerr := raw.Control(func(f uintptr) {
		fd, err = unix.FcntlInt(f, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err == nil {
		err = cerr
	}
	if err != nil {
		return -1, fmt.Errorf("duplicate descriptor: %w", err)
	}
	_ = c.Close()
	if _, ok := c.(*net.TCPConn); ok {
		// Neither is vital: a refusal costs latency or memory only.
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		setNotSentLowat(fd, notSentLowat)
	}
	return fd, nil
}

// newSocketLink prepares a link over c for the poll transport.
func newSocketLink(c *entry.Conn) (*link, error) {
	k := &link{fd: -1, pipe: c.Pipe}
	fd, err := detachSocket(c.Net)
	if err != nil {
		return k, err
	}
	k.fd = fd
	if c.Pipe != nil {
		c.Pipe.Detach()
	}
	return k, nil
}

func isReset(err error) bool {
	return errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ETIMEDOUT)
}
