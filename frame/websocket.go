package frame

// WebSocketHeadLen is the length of the head of a message inside a WebSocket
// binary message: type and user, no length (wire.md §3).
const WebSocketHeadLen = 2

// MaxWebSocket is the longest WebSocket message in bytes (wire.md §3, §18.2).
const MaxWebSocket = WebSocketHeadLen + MaxPayload

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
