// Package frame turns bytes into protocol messages and back: TCP framing,
// WebSocket heads, message classes, views and append-encoders for every
// message the server understands, the head of binary recordings and the
// history index text.
//
// It uses the standard library only, does no I/O and allocates nothing on the
// paths that every message takes. Views point into the caller's buffer.
//
// Source of all formats: specification wire.md; sections are named where they
// apply.
package frame

import "errors"

// Sizes of the TCP framing in bytes (wire.md §2).
const (
	HeaderLen  = 4                      // length u16, type u8, user u8
	MaxPayload = 65535                  // the length field is 16 bits wide
	MaxFrame   = HeaderLen + MaxPayload // whole message with its header
)

// Errors of the codec. They are compared with errors.Is.
var (
	// ErrShort says that the buffer ends before the message does; more bytes
	// may complete it.
	ErrShort = errors.New("frame: message is incomplete")
	// ErrTooLong says that a payload does not fit into MaxPayload bytes.
	ErrTooLong = errors.New("frame: payload is longer than 65535 bytes")
	// ErrMalformed says that a payload breaks the limits of its type (wire.md §6).
	ErrMalformed = errors.New("frame: payload is malformed for its type")
)

// Header layout on TCP and in recordings, big-endian:
//
//	0  2  Length  bytes after the header, 0..65535
//	2  1  Type
//	3  1  User    0 = server, 1..254 = users
//	4  n  Body

// Msg is a view of one message.
// Valid until: the buffer it was parsed from is reused.
type Msg struct {
	Type Type
	User uint8
	Body []byte
}

// Size returns the bytes the message takes on TCP and in the history, header
// included. All size accounting uses this number, on every transport
// (session.md §1).
func (m Msg) Size() int { return HeaderLen + len(m.Body) }

// Parse reads the first message of b and returns it with the bytes after it.
// It returns ErrShort if b does not hold a whole message.
// Guarantee: no allocation; Append(nil, m) equals the consumed bytes.
func Parse(b []byte) (m Msg, rest []byte, err error) {
	if len(b) < HeaderLen {
		return Msg{}, b, ErrShort
	}
	n := HeaderLen + int(b[0])<<8 + int(b[1])
	if len(b) < n {
		return Msg{}, b, ErrShort
	}
	return Msg{Type: Type(b[2]), User: b[3], Body: b[HeaderLen:n:n]}, b[n:], nil
}

// Len returns the whole length of the message whose header starts b, or 0 if
// b is shorter than a header.
func Len(b []byte) int {
	if len(b) < HeaderLen {
		return 0
	}
	return HeaderLen + int(b[0])<<8 + int(b[1])
}

// Append appends m in TCP framing to dst.
// A body longer than MaxPayload is a programming error and panics: bodies are
// checked where they are built.
func Append(dst []byte, m Msg) []byte {
	dst = AppendHeader(dst, len(m.Body), m.Type, m.User)
	return append(dst, m.Body...)
}

// AppendHeader appends the TCP header of a message with n payload bytes.
// It panics if n is outside 0..MaxPayload.
func AppendHeader(dst []byte, n int, t Type, user uint8) []byte {
	if uint(n) > MaxPayload {
		panic("internal error: frame: payload length out of range")
	}
	return append(dst, byte(n>>8), byte(n), byte(t), user)
}

// Whole returns how many bytes at the start of b are complete messages and how
// many messages those are. The bytes after them belong to one incomplete
// message.
// Guarantee: no allocation.
func Whole(b []byte) (bytes, messages int) {
	for {
		n := Len(b[bytes:])
		if n == 0 || n > len(b)-bytes {
			return bytes, messages
		}
		bytes += n
		messages++
	}
}
