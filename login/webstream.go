package login

import (
	"io"

	"drawrelay/frame"
	"drawrelay/store/entry"
)

// webStream is the transport of WebSocket connections (wire.md §3). Frames are
// decoded as they come; messages that have been decoded and not been read wait
// in TCP framing, in place.
type webStream struct {
	input
	out      io.Writer
	received func()             // called after every read that completed messages
	control  func([]byte) error // writes control frames

	decoder  frame.WebSocketDecoder
	messages []byte // decoded, not read
	last     []byte // the message read last
	again    bool   // it is to be read again
	pongs    []byte // not sent
	closing  []byte // content of the client's Close frame, nil = none
	broken   error  // what is wrong with the next frame
	scratch  []byte
}

// maxWebFrame is the longest frame with its head in bytes: what waits at most.
const maxWebFrame = frame.MaxWebSocket + 14

func newWebStream(in io.Reader, out io.Writer, first []byte, received func(), control func([]byte) error) *webStream {
	return &webStream{
		input: input{in: in, most: maxWebFrame, buf: first, w: len(first)},
		out:   out, received: received, control: control,
	}
}

func (s *webStream) framing() entry.Framing { return entry.FramingWebSocket }

func (s *webStream) unread() { s.again = true }

func (s *webStream) buffered() bool {
	if s.again || len(s.messages) > 0 || s.closing != nil || s.broken != nil {
		return true
	}
	want, err := s.decoder.Want(s.waiting())
	return want == 0 || err != nil
}

// webClosed says that the client has sent a Close frame.
type webClosed struct{ reply []byte }

func (e *webClosed) Error() string { return "closed by the client" }

func (s *webStream) readMessage() (frame.Msg, error) {
	for {
		if s.again {
			s.again = false
			m, _, err := frame.Parse(s.last)
			return m, err
		}
		if len(s.messages) > 0 {
			m, rest, err := frame.Parse(s.messages)
			s.last, s.messages = s.messages[:m.Size()], rest
			return m, err
		}
		switch {
		case s.closing != nil:
			return frame.Msg{}, &webClosed{frame.AppendCloseReply(nil, s.closing)}
		case s.broken != nil:
			return frame.Msg{}, s.broken
		}
		progress, err := s.decode()
		if err != nil {
			return frame.Msg{}, err
		}
		if progress {
			continue
		}
		if err := s.fill(); err != nil {
			return frame.Msg{}, err
		}
	}
}

// decode takes the frames that have arrived, up to the end of a stretch of
// messages.
func (s *webStream) decode() (progress bool, err error) {
	for len(s.messages) == 0 && s.closing == nil && s.broken == nil {
		messages, control, rest, err := s.decoder.Decode(s.waiting())
		s.r = s.w - len(rest)
		s.messages, s.broken = messages, err
		switch control.Op {
		case frame.OpClose:
			s.closing = append([]byte{}, control.Body...)
		case frame.OpPing:
			s.pongs = append(frame.AppendWebSocketHead(s.pongs, frame.OpPong, len(control.Body)), control.Body...)
		case 0:
			if len(messages) == 0 && err == nil {
				return false, s.sendPongs()
			}
		}
		if len(messages) > 0 {
			s.received()
		}
	}
	return true, s.sendPongs()
}

func (s *webStream) sendPongs() error {
	if len(s.pongs) == 0 {
		return nil
	}
	err := s.control(s.pongs)
	s.pongs = nil
	return err
}

// pending returns frames that bring another decoder where this one is.
func (s *webStream) pending() []byte {
	var b []byte
	add := func(m []byte) { b = frame.AppendClientFrame(b, frame.OpBinary, true, m[2:]) }
	if s.again {
		add(s.last)
	}
	for m := s.messages; len(m) > 0; m = m[frame.Len(m):] {
		add(m[:frame.Len(m)])
	}
	if s.closing != nil {
		b = frame.AppendClientFrame(b, frame.OpClose, true, s.closing)
	}
	b = s.decoder.Pending(b)
	return append(b, s.waiting()...)
}

func (s *webStream) writeMessages(frames []byte) error {
	s.scratch = frame.AppendFrames(s.scratch[:0], frames)
	_, err := s.out.Write(s.scratch)
	if cap(s.scratch) > keepBuffer {
		s.scratch = nil
	}
	return err
}

func (s *webStream) writeEnd() error {
	_, err := s.out.Write(frame.AppendClose(nil, frame.CloseNormal))
	return err
}
