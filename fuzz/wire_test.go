package fuzz

import (
	"io"
	"net"
	"os"
	"sync"
	"time"

	"drawrelay/frame"
)

// wire is a connection whose peer has said everything already: reading gives
// one piece after the other and then the end, and what is written is kept. It
// notes uses that break a promise of package login.
type wire struct {
	done chan struct{} // closed with the connection, or when it was seated

	mu        sync.Mutex
	in        [][]byte
	out       []byte
	deadlines [2]time.Time // of reading and of writing
	half      bool         // the writing side is closed
	closed    bool
	seated    bool
	faults    []string
}

// largestWrite is more than login ever gathers before it writes, in bytes.
const largestWrite = 64<<10 + 2*frame.MaxFrame

// newWire cuts stream into pieces of size bytes; 0 leaves it whole.
func newWire(stream []byte, size int) *wire {
	w := &wire{done: make(chan struct{})}
	for size > 0 && len(stream) > size {
		w.in = append(w.in, stream[:size])
		stream = stream[size:]
	}
	if len(stream) > 0 {
		w.in = append(w.in, stream)
	}
	return w
}

// usable checks what every use of the connection needs.
func (w *wire) usable(what string, deadline time.Time) error {
	if w.seated {
		w.faults = append(w.faults, what+" although the connection was seated")
	}
	if w.closed {
		return net.ErrClosed
	}
	if !deadline.IsZero() && !time.Now().Before(deadline) {
		return os.ErrDeadlineExceeded
	}
	return nil
}

func (w *wire) Read(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.usable("read", w.deadlines[0]); err != nil {
		return 0, err
	}
	if len(w.in) == 0 {
		return 0, io.EOF
	}
	n := copy(b, w.in[0])
	if w.in[0] = w.in[0][n:]; len(w.in[0]) == 0 {
		w.in = w.in[1:]
	}
	return n, nil
}

func (w *wire) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.usable("write", w.deadlines[1]); err != nil {
		return 0, err
	}
	if w.half {
		w.faults = append(w.faults, "write after the end of writing")
	}
	if len(b) > largestWrite {
		w.faults = append(w.faults, "too much was gathered for one write")
	}
	w.out = append(w.out, b...)
	return len(b), nil
}

func (w *wire) CloseWrite() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.usable("end of writing", time.Time{})
	w.half = true
	return err
}

func (w *wire) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.usable("close", time.Time{}); err != nil {
		return err
	}
	w.closed = true
	close(w.done)
	return nil
}

// seat ends login's right to the connection. watching says that it might still
// want to tell about sessions. rest is what it has not read.
func (w *wire) seat(watching bool) (rest []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if watching {
		w.faults = append(w.faults, "the sessions are watched although the connection was seated")
	}
	for _, b := range w.in {
		rest = append(rest, b...)
	}
	w.seated = true
	close(w.done)
	return rest
}

func (w *wire) setDeadline(t time.Time, which ...int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.usable("deadline", time.Time{}); err != nil {
		return err
	}
	for _, i := range which {
		w.deadlines[i] = t
	}
	return nil
}

func (w *wire) SetDeadline(t time.Time) error      { return w.setDeadline(t, 0, 1) }
func (w *wire) SetReadDeadline(t time.Time) error  { return w.setDeadline(t, 0) }
func (w *wire) SetWriteDeadline(t time.Time) error { return w.setDeadline(t, 1) }
func (w *wire) LocalAddr() net.Addr                { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 27750} }
func (w *wire) RemoteAddr() net.Addr               { return &net.TCPAddr{IP: net.IPv4(198, 51, 100, 7), Port: 50000} }
