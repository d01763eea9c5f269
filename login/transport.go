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
	// pending returns bytes that were read from the socket and belong to
	// later messages, as they came off it (decrypted).
	pending() []byte
	framing() entry.Framing
}

// stream is the transport of plain and encrypted TCP (wire.md §2).
//
// Buffer layout: buf[:r] is used up, with the message read last at last;
// buf[r:w] is waiting input.
type stream struct {
	in       io.Reader
	out      io.Writer
	received func() // called after every successful read
	buf      []byte
	last     int
	r, w     int
}

func (s *stream) framing() entry.Framing { return entry.FramingTCP }

func (s *stream) pending() []byte { return s.buf[s.r:s.w] }

func (s *stream) unread() { s.r = s.last }

func (s *stream) buffered() bool {
	n := frame.Len(s.buf[s.r:s.w])
	return n != 0 && n <= s.w-s.r
}

func (s *stream) readMessage() (frame.Msg, error) {
	for {
		m, rest, err := frame.Parse(s.buf[s.r:s.w])
		if err == nil {
			s.last, s.r = s.r, s.w-len(rest)
			return m, nil
		}
		if err := s.fill(); err != nil {
			return frame.Msg{}, err
		}
	}
}

// maxEmptyReads is how often in a row a reader may return nothing at all.
const maxEmptyReads = 100

// fill reads once. The buffer grows only when it is full, and never beyond
// one message.
func (s *stream) fill() error {
	switch {
	case s.r == s.w:
		s.r, s.w = 0, 0
		if len(s.buf) > keepBuffer {
			s.buf = nil
		}
	case s.r > 0:
		s.w = copy(s.buf, s.buf[s.r:s.w])
		s.r = 0
	}
	if s.w == len(s.buf) {
		grown := make([]byte, min(max(2*len(s.buf), smallBuffer), frame.MaxFrame))
		copy(grown, s.buf[:s.w])
		s.buf = grown
	}
	for range maxEmptyReads {
		n, err := s.in.Read(s.buf[s.w:])
		if n > 0 {
			s.w += n
			s.received()
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

func (s *stream) writeMessages(frames []byte) error {
	_, err := s.out.Write(frames)
	return err
}
