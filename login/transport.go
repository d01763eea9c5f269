package login

import (
	"io"

	"drawrelay/frame"
	"drawrelay/store/entry"
)

// transport reads and writes protocol messages on one connection. It exists so
// that WebSocket connections go through the same login.
//
// Ownership: everything but writeMessages belongs to the connection's
// goroutine; writeMessages is called under the connection's write lock.
type transport interface {
	// readMessage returns the next message. After an error that is a time-out
	// it may be called again and goes on where it stopped.
	// Valid until: the next call of readMessage.
	readMessage() (frame.Msg, error)
	// unread puts the message read last back: it will be read again, and
	// counts as pending.
	unread()
	// buffered reports whether readMessage will return without reading from
	// the socket.
	buffered() bool
	// writeMessages writes whole messages given in TCP framing.
	writeMessages(frames []byte) error
	// writeEnd says after the last message that it was the last, where the
	// framing has a way to. It is called under the write lock.
	writeEnd() error
	// pending returns bytes that were read from the socket and belong to
	// later messages, as they came off it (decrypted).
	pending() []byte
	framing() entry.Framing
}

// input is a buffer that is filled from a reader.
//
// Buffer layout: buf[:r] is used up, buf[r:w] is waiting input.
type input struct {
	in   io.Reader
	most int // bytes that may wait
	buf  []byte
	r, w int
}

// waiting returns the bytes that have not been used.
func (i *input) waiting() []byte { return i.buf[i.r:i.w] }

// maxEmptyReads is how often in a row a reader may return nothing at all.
const maxEmptyReads = 100

// fill reads once. The buffer grows only when it is full, and never beyond
// its limit. What was used before is lost.
func (i *input) fill() error {
	switch {
	case i.r == i.w:
		i.r, i.w = 0, 0
		if len(i.buf) > keepBuffer {
			i.buf = nil
		}
	case i.r > 0:
		i.w = copy(i.buf, i.buf[i.r:i.w])
		i.r = 0
	}
	if i.w == len(i.buf) {
		grown := make([]byte, min(max(2*len(i.buf), smallBuffer), i.most))
		copy(grown, i.buf[:i.w])
		i.buf = grown
	}
	for range maxEmptyReads {
		n, err := i.in.Read(i.buf[i.w:])
		if n > 0 {
			i.w += n
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// stream is the transport of plain and encrypted TCP (wire.md §2).
type stream struct {
	input
	out      io.Writer
	received func() // called after every successful read
	last     int    // where the message read last begins in the buffer
}

func newStream(in io.Reader, out io.Writer, received func()) *stream {
	return &stream{input: input{in: in, most: frame.MaxFrame}, out: out, received: received}
}

func (s *stream) framing() entry.Framing { return entry.FramingTCP }

func (s *stream) pending() []byte { return s.waiting() }

func (s *stream) unread() { s.r = s.last }

func (s *stream) buffered() bool {
	n := frame.Len(s.waiting())
	return n != 0 && n <= len(s.waiting())
}

func (s *stream) readMessage() (frame.Msg, error) {
	for {
		m, rest, err := frame.Parse(s.waiting())
		if err == nil {
			s.last, s.r = s.r, s.w-len(rest)
			return m, nil
		}
		if err := s.fill(); err != nil {
			return frame.Msg{}, err
		}
		s.received()
	}
}

func (s *stream) writeMessages(frames []byte) error {
	_, err := s.out.Write(frames)
	return err
}

func (s *stream) writeEnd() error { return nil }
