package frame

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

var (
	errReserved   = fmt.Errorf("%w: reserved bits are set", ErrWebSocket)
	errOpcode     = fmt.Errorf("%w: reserved opcode", ErrWebSocket)
	errUnmasked   = fmt.Errorf("%w: a client's frame is not masked", ErrWebSocket)
	errLongForm   = fmt.Errorf("%w: length is not in its shortest form", ErrWebSocket)
	errControl    = fmt.Errorf("%w: control frame in fragments or longer than 125 bytes", ErrWebSocket)
	errNoFragment = fmt.Errorf("%w: continuation of nothing", ErrWebSocket)
	errFragment   = fmt.Errorf("%w: new message within a fragmented one", ErrWebSocket)
)

// clientHead is the head of a frame from a client.
type clientHead struct {
	op    Opcode
	final bool
	size  int    // of the head, bytes; 0 = not all of it is there
	n     int    // bytes after it
	mask  uint32 // little-endian
}

// parseClientHead reads the head that starts b. An incomplete one has size 0;
// what is there of it has been checked all the same.
func parseClientHead(b []byte) (h clientHead, err error) {
	if len(b) == 0 {
		return h, nil
	}
	h.op, h.final = Opcode(b[0]&opcodeBits), b[0]&finalFlag != 0
	switch {
	case b[0]&reservedBits != 0:
		return h, errReserved
	case h.op > OpPong, h.op > OpBinary && h.op < OpClose:
		return h, errOpcode
	case h.op.control() && !h.final:
		return h, errControl
	case len(b) < 2:
		return h, nil
	case b[1]&maskFlag == 0:
		return h, errUnmasked
	}
	n, at := uint64(b[1]&^maskFlag), 2
	if n > maxControl && h.op.control() {
		return h, errControl
	}
	switch n {
	case length16:
		if at = 4; len(b) < at {
			return h, nil
		}
		if n = uint64(binary.BigEndian.Uint16(b[2:])); n < shortLengths {
			return h, errLongForm
		}
	case length64:
		if at = 10; len(b) < at {
			return h, nil
		}
		if n = binary.BigEndian.Uint64(b[2:]); n < 1<<16 || n >= 1<<63 {
			return h, errLongForm
		}
	}
	if n > MaxWebSocket {
		return h, ErrTooLong
	}
	if len(b) >= at+maskLen {
		h.n, h.size, h.mask = int(n), at+maskLen, binary.LittleEndian.Uint32(b[at:])
	}
	return h, nil
}

// unmask writes src without its mask to dst, which is the same bytes or begins
// before them.
func unmask(dst, src []byte, mask uint32) {
	wide := uint64(mask)<<32 | uint64(mask)
	for len(src) >= 8 {
		binary.LittleEndian.PutUint64(dst, binary.LittleEndian.Uint64(src)^wide)
		dst, src = dst[8:], src[8:]
	}
	for i, x := range src {
		dst[i] = x ^ byte(mask>>(8*(i&3)))
	}
}

// Control is a WebSocket control frame.
// Valid until: the buffer it was decoded from is reused.
type Control struct {
	Op   Opcode // OpClose, OpPing or OpPong; 0 = none
	Body []byte // at most 125 bytes
}

// WebSocketDecoder turns what a client sends after the handshake into messages
// in TCP framing. It keeps the start of a fragmented message and nothing else:
// an incomplete frame stays with the caller.
type WebSocketDecoder struct {
	message []byte // fragments so far, in TCP framing without the length
	open    bool   // a fragmented message has begun
	text    bool   // it is text
	whole   bool   // message has been returned and is to be forgotten
}

// Decode takes the frames at the start of b until a control frame, the end of
// a fragmented message, or the end of the last whole frame. b is overwritten.
//
// messages are whole messages in TCP framing; control came after them, and
// rest is what follows. It has to be called again with rest; if it returns
// neither messages nor a control frame, rest is the start of a frame, and Want
// says how much of it is missing. err is ErrWebSocket for frames that break
// the rules, and ErrShort or ErrTooLong for messages that cannot be one
// (wire.md §18.1, §18.2); messages are what came before. Text messages are
// skipped (wire.md §3).
//
// Valid until: b is reused; messages also until the next call.
// Guarantee: no allocation but for fragmented messages.
func (d *WebSocketDecoder) Decode(b []byte) (messages []byte, control Control, rest []byte, err error) {
	if d.whole {
		d.message, d.whole = nil, false
	}
	w, r := 0, 0 // messages are b[:w], b[r:] is yet to be decoded; w <= r
	for {
		h, err := d.head(b[r:])
		if err != nil || h.size == 0 || h.n > len(b)-r-h.size {
			return b[:w], Control{}, b[r:], err
		}
		body := b[r+h.size : r+h.size+h.n : r+h.size+h.n]
		after := r + h.size + h.n
		switch {
		case h.op.control():
			unmask(body, body, h.mask)
			return b[:w], Control{h.op, body}, b[after:], nil
		case h.op == OpContinuation || !h.final:
			if w > 0 {
				return b[:w], Control{}, b[r:], nil // first what came before
			}
			if err := d.fragment(h, body); err != nil {
				return nil, Control{}, b[r:], err
			}
			if d.whole {
				return d.message, Control{}, b[after:], nil
			}
		case h.op == OpBinary:
			if h.n < WebSocketHeadLen {
				return b[:w], Control{}, b[r:], ErrShort
			}
			// The head of a masked frame is longer than the length it becomes.
			binary.BigEndian.PutUint16(b[w:], uint16(h.n-WebSocketHeadLen))
			unmask(b[w+2:], body, h.mask)
			w += 2 + h.n
		}
		r = after
	}
}

// head reads the next head and checks that its frame may come now.
func (d *WebSocketDecoder) head(b []byte) (h clientHead, err error) {
	// A frame that may not come now is that, however much of its length is
	// there yet.
	if h, err = parseClientHead(b); err != nil && err != ErrTooLong || len(b) == 0 || h.op.control() {
		return h, err
	}
	switch {
	case h.op == OpContinuation && !d.open:
		return h, errNoFragment
	case h.op != OpContinuation && d.open:
		return h, errFragment
	case d.open && max(0, len(d.message)-2)+h.n > MaxWebSocket:
		return h, ErrTooLong
	}
	return h, err
}

// fragment takes a part of a message.
func (d *WebSocketDecoder) fragment(h clientHead, body []byte) error {
	if !d.open {
		d.open, d.text = true, h.op == OpText
		if !d.text {
			d.message = make([]byte, 2, 2+max(len(body), WebSocketHeadLen))
		}
	}
	if !d.text {
		at := len(d.message)
		d.message = append(d.message, body...)
		unmask(d.message[at:], d.message[at:], h.mask)
	}
	if !h.final {
		return nil
	}
	d.open = false
	if d.text {
		return nil
	}
	n := len(d.message) - HeaderLen
	if n < 0 {
		return ErrShort
	}
	binary.BigEndian.PutUint16(d.message, uint16(n))
	d.whole = true
	return nil
}

// Want returns how many more bytes the frame that starts b needs at least, 0
// for none. The errors are those of Decode.
func (d *WebSocketDecoder) Want(b []byte) (int, error) {
	h, err := d.head(b)
	switch {
	case err != nil:
		return 0, err
	case h.size > 0:
		return max(0, h.size+h.n-len(b)), nil
	case len(b) < 2:
		return 2 + maskLen - len(b), nil // no head is shorter
	}
	size := 2 + maskLen
	switch b[1] &^ maskFlag {
	case length16:
		size += 2
	case length64:
		size += 8
	}
	return size - len(b), nil
}

// Pending appends the fragments of an unfinished message as a client could
// have sent them, so that another decoder can go on.
func (d *WebSocketDecoder) Pending(dst []byte) []byte {
	switch {
	case !d.open:
		return dst
	case d.text:
		return AppendClientFrame(dst, OpText, false, nil)
	}
	return AppendClientFrame(dst, OpBinary, false, d.message[2:])
}

// AppendClientFrame appends a frame as a client sends it, with a mask of zeros.
func AppendClientFrame(dst []byte, op Opcode, final bool, body []byte) []byte {
	at := len(dst)
	dst = AppendWebSocketHead(dst, op, len(body))
	if !final {
		dst[at] &^= finalFlag
	}
	dst[at+1] |= maskFlag
	dst = append(dst, 0, 0, 0, 0)
	return append(dst, body...)
}

// Status codes of Close frames (RFC 6455 §7.4.1).
const (
	CloseNormal   = 1000
	CloseProtocol = 1002 // a frame breaks the rules
	CloseBadText  = 1007 // text is not UTF-8
)

// AppendClose appends the server's Close frame with a status code.
func AppendClose(dst []byte, code uint16) []byte {
	dst = AppendWebSocketHead(dst, OpClose, 2)
	return binary.BigEndian.AppendUint16(dst, code)
}

// AppendCloseReply appends the answer to a client's Close frame: the same
// status code, none if it has none, or the one for a frame that breaks the
// rules.
func AppendCloseReply(dst, body []byte) []byte {
	switch {
	case len(body) == 0:
		return AppendWebSocketHead(dst, OpClose, 0)
	case len(body) == 1:
		return AppendClose(dst, CloseProtocol)
	}
	code := binary.BigEndian.Uint16(body)
	switch {
	case code < 1000, code > 1014 && code < 3000, code > 4999, code >= 1004 && code <= 1006:
		code = CloseProtocol
	case !utf8.Valid(body[2:]):
		code = CloseBadText
	}
	return AppendClose(dst, code)
}
