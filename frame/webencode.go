package frame

import "encoding/binary"

// AppendWebSocketHead appends the head of a whole frame from a server with n
// bytes after it.
func AppendWebSocketHead(dst []byte, op Opcode, n int) []byte {
	first := finalFlag | byte(op)
	switch {
	case n < shortLengths:
		return append(dst, first, byte(n))
	case n < 1<<16:
		return append(dst, first, length16, byte(n>>8), byte(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, first, length64), uint64(n))
}

// WebSocketEncoder turns a stream of messages in TCP framing, cut anywhere,
// into WebSocket binary frames as a server sends them. Only the heads differ,
// by 0, 2 or 8 bytes. The zero value begins with a message.
type WebSocketEncoder struct {
	head [HeaderLen]byte // start of a header that has been cut
	have int             // bytes in head
	left int             // bytes of the current message to come
}

// Append appends the frames of the next bytes of the stream to dst.
// Guarantee: no allocation if dst has room.
func (e *WebSocketEncoder) Append(dst, b []byte) []byte {
	if e.left > 0 {
		n := min(e.left, len(b))
		dst = append(dst, b[:n]...)
		b = b[n:]
		e.left -= n
	}
	for e.have > 0 && len(b) > 0 {
		e.head[e.have] = b[0]
		b = b[1:]
		if e.have++; e.have == HeaderLen {
			e.have = 0
			n := Len(e.head[:]) - HeaderLen
			dst = AppendWebSocketHead(dst, OpBinary, WebSocketHeadLen+n)
			dst = append(dst, e.head[2], e.head[3])
			e.left = min(n, len(b))
			dst = append(dst, b[:e.left]...)
			b, e.left = b[e.left:], n-e.left
		}
	}
	for len(b) >= HeaderLen {
		n := Len(b)
		m := min(n, len(b))
		dst = AppendWebSocketHead(dst, OpBinary, n-2)
		dst = append(dst, b[2:m]...)
		b, e.left = b[m:], n-m
	}
	if e.left == 0 && len(b) > 0 {
		e.have = copy(e.head[:], b)
	}
	return dst
}

// AppendFrames appends the frames of whole messages in TCP framing.
func AppendFrames(dst, messages []byte) []byte {
	var e WebSocketEncoder
	return e.Append(dst, messages)
}

// FrameLen returns the length of the server's binary frame that starts b, and
// that of its message in TCP framing. b must hold at least the head.
func FrameLen(b []byte) (frame, message int) {
	head, n := 2, int(b[1])
	switch n {
	case length16:
		head, n = 4, int(binary.BigEndian.Uint16(b[2:]))
	case length64:
		head, n = 10, int(binary.BigEndian.Uint64(b[2:]))
	}
	return head + n, 2 + n
}
