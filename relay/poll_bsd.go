//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package relay

import (
	"time"

	gnetio "github.com/panjf2000/gnet/v2/pkg/io"
	"github.com/panjf2000/gnet/v2/pkg/netpoll"
	"github.com/panjf2000/gnet/v2/pkg/queue"
	"golang.org/x/sys/unix"
)

// waker wakes a poller from any goroutine with a task.
type waker struct{ d *pollDriver }

func (w *waker) open(d *pollDriver) error {
	w.d = d
	return nil
}

func (w *waker) is(int) bool { return false }

func (w *waker) wake() {
	_ = w.d.poller.Trigger(queue.HighPriority, func(any) error { return w.d.turn() }, nil)
}

func (w *waker) close() {}

// timer is a timer of the runtime.
type timer struct{ t *time.Timer }

func (t *timer) open(d *pollDriver) error {
	t.t = time.AfterFunc(time.Hour, d.loop.wake)
	t.t.Stop()
	return nil
}

func (t *timer) is(int) bool { return false }

func (t *timer) close() { t.t.Stop() }

func (d *pollDriver) arm(after time.Duration) { d.timer.t.Reset(after) }

// maxVectors is how many vectors one write takes.
const maxVectors = 64

func writeVectors(fd int, v [][]byte) (int, error) {
	return gnetio.Writev(fd, v[:min(len(v), maxVectors)])
}

func setNotSentLowat(int, int) {}

// peerClosed reports whether an event says that the peer has closed its side.
func peerClosed(_ netpoll.IOEvent, flags netpoll.IOFlags) bool { return flags&unix.EV_EOF != 0 }

func lowerPriority() {}
