package frame

import "errors"

// WebSocketHeadLen is the length of the head of a message inside a WebSocket
// binary message: type and user, no length (wire.md §3).
const WebSocketHeadLen = 2

// MaxWebSocket is the longest WebSocket message in bytes (wire.md §3, §18.2).
const MaxWebSocket = WebSocketHeadLen + MaxPayload

// ErrWebSocket says that a frame breaks RFC 6455; what is wrapped around it
// says how.
var ErrWebSocket = errors.New("frame: WebSocket frame breaks RFC 6455")

// Opcode is the kind of a WebSocket frame (RFC 6455 §5.2).
type Opcode uint8

const (
	OpContinuation Opcode = 0
	OpText         Opcode = 1
	OpBinary       Opcode = 2
	OpClose        Opcode = 8
	OpPing         Opcode = 9
	OpPong         Opcode = 10
)

func (o Opcode) control() bool { return o&8 != 0 }

// maxControl is the longest body of a control frame in bytes (RFC 6455 §5.5).
const maxControl = 125

// Frame head, big-endian (RFC 6455 §5.2):
//
//	0  1  final flag 0x80, reserved bits 0x70, opcode 0x0f
//	1  1  mask flag 0x80; length 0..125, or 126 or 127
//	2  2  length, if 126
//	2  8  length, if 127
//	.  4  mask, if flagged: always from clients, never from servers
const (
	finalFlag    = 0x80
	reservedBits = 0x70
	opcodeBits   = 0x0f
	maskFlag     = 0x80
	shortLengths = 126 // lengths below it take no bytes of their own
	length16     = 126
	length64     = 127
	maskLen      = 4
)

// ParseWebSocket reads the content of one WebSocket binary message. It returns
// ErrShort for 0 or 1 bytes, which is bad data (wire.md §18.1), and ErrTooLong
// for a payload above MaxPayload (wire.md §18.2).
// Guarantee: no allocation; AppendWebSocket(nil, m) equals b.
func ParseWebSocket(b []byte) (Msg, error) {
	if len(b) < WebSocketHeadLen {
		return Msg{}, ErrShort
	}
	if len(b) > MaxWebSocket {
		return Msg{}, ErrTooLong
	}
	return Msg{Type: Type(b[0]), User: b[1], Body: b[WebSocketHeadLen:len(b):len(b)]}, nil
}

// AppendWebSocket appends the content of the WebSocket binary message that
// carries m. A body longer than MaxPayload panics.
func AppendWebSocket(dst []byte, m Msg) []byte {
	if len(m.Body) > MaxPayload {
		panic("internal error: frame: payload length out of range")
	}
	dst = append(dst, byte(m.Type), m.User)
	return append(dst, m.Body...)
}
