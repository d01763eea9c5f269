package relay

import (
	"errors"
	"time"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/serverlog"
)

/* WebSocket members
 *
 * The log knows messages in TCP framing only; a WebSocket frame differs from
 * them in its head.
 *
 * Output  link's loop  the batch is rendered once per flush into the loop's buffer and sent from there to
 *                      every member with the same cursor, like the vectors of others (shard.go); what a
 *                      socket does not take costs nothing: the cursor stays on a message boundary, part
 *                      says how much of the frame there is sent, and the rest is rendered again
 *         worker       catching up likewise, from the file or from memory (catchup.go)
 * Input   link's loop  frames are unmasked in place and become messages in TCP framing, one run per read,
 *                      which take the way of all others (input.go)
 */

const (
	// renderWide bounds what is rendered for one send, bytes of history: what
	// a loop sends at most.
	renderWide = liveLag
	// renderNarrow is the same for a member whose socket has been full, and
	// for a worker's call: not much more than one write takes.
	renderNarrow = 128 << 10
	// closeHandshake bounds how long a member that has sent a Close frame, or
	// broken the rules, may take to read what is on its way and to hang up.
	closeHandshake = 5 * time.Second
)

// webState is what a WebSocket member has beyond others.
// Ownership: part and narrow whoever owns the output, the rest the loop.
type webState struct {
	part    int  // bytes of the frame at the cursor that are sent
	narrow  bool // the last write came up short
	decoder frame.WebSocketDecoder
}

// rendering is part of a log as WebSocket frames.
type rendering struct {
	log      *store.Log // nil: nothing
	from, to int64
	frames   []byte
	span     store.Span
}

// render makes r the frames of [from, to) of log, both boundaries, or of its
// start if that is longer than limit bytes. It reports false if from is not in
// memory.
// Guarantee: no allocation but to grow the buffer.
func (r *rendering) render(log *store.Log, from, to, limit int64) bool {
	if r.log == log && r.from == from && r.to <= to && (r.to == to || r.to-from >= limit) {
		return true
	}
	end := log.Boundary(from, to, limit)
	r.log, r.from, r.to, r.frames = nil, from, from, r.frames[:0]
	var e frame.WebSocketEncoder
	for r.to < end {
		if !log.Acquire(&r.span, r.to, end) {
			return false
		}
		for _, b := range r.span.Vectors[:r.span.N] {
			r.frames = e.Append(r.frames, b)
		}
		r.to = r.span.To
		r.span.Release()
	}
	r.log = log
	return true
}

// history appends to v what the member is sent of [cursor, to) next; end is
// where that ends, n its length. ok is false if the cursor is not in memory any
// more.
// Valid until: dropSpan or the next call.
func (k *link) history(v [][]byte, to int64) (_ [][]byte, n int, end int64, ok bool) {
	if k.web == nil {
		span, end, ok := k.shard.vectors(k.log, k.cursor, to)
		return append(v, span...), int(end - k.cursor), end, ok
	}
	r := &k.loop.rendering
	limit := int64(renderWide)
	if k.web.narrow {
		limit = renderNarrow
	}
	if !r.render(k.log, k.cursor, to, limit) {
		return v, 0, k.cursor, false
	}
	b := r.frames[k.web.part:]
	return append(v, b), len(b), r.to, true
}

// tookHistory accounts for n sent bytes that begin with the history of the
// last plan, if it had any, and returns how many are left.
func (k *link) tookHistory(n int) int {
	if n == 0 || k.cursor == k.target {
		return n
	}
	if k.web != nil {
		return k.tookFrames(k.loop.rendering.frames, k.loop.rendering.to, n)
	}
	c := min(n, int(k.target-k.cursor))
	k.cursor += int64(c)
	return n - c
}

// tookFrames accounts for n sent bytes of frames, which begin at the cursor
// and end at offset end of the history, and returns how many are left.
func (k *link) tookFrames(frames []byte, end int64, n int) int {
	w := k.web
	if left := len(frames) - w.part; n >= left {
		k.cursor, w.part, w.narrow = end, 0, false
		return n - left
	}
	w.narrow = true
	n += w.part
	for {
		size, message := frame.FrameLen(frames)
		if n < size {
			w.part = n
			return 0
		}
		n -= size
		frames = frames[size:]
		k.cursor += int64(message)
	}
}

// framed returns a buffer with whole messages in the member's framing.
func (k *link) framed(messages []byte) *buffer {
	if k.web == nil {
		return newBuffer(messages)
	}
	b := newBuffer(nil)
	b.bb.B = frame.AppendFrames(b.bb.B, messages)
	return b
}

// lastWords is framed for what ends the connection (wire.md §3).
func (k *link) lastWords(messages []byte) *buffer {
	b := k.framed(messages)
	if k.web != nil {
		b.bb.B = frame.AppendClose(b.bb.B, frame.CloseNormal)
	}
	return b
}

// receiveFrames is receive for a WebSocket member.
func (k *link) receiveFrames(b []byte) {
	if p := k.partial; p != nil {
		// Complete the started frame first, then go on in b.
		for {
			want, err := k.web.decoder.Want(p.bytes())
			if err != nil {
				k.badFrame(err)
				return
			}
			if want == 0 {
				break
			}
			if len(b) == 0 {
				return
			}
			n := min(want, len(b))
			p.bb.B = append(p.bb.B, b[:n]...)
			b = b[n:]
		}
		k.partial = nil
		k.takeFrames(p.bytes())
		p.release()
	}
	if rest := k.takeFrames(b); len(rest) > 0 {
		k.partial = newBuffer(rest)
	}
}

// takeFrames takes whole frames and returns the start of an incomplete one.
func (k *link) takeFrames(b []byte) (rest []byte) {
	for k.failed == nil && !k.ending {
		messages, control, rest, err := k.web.decoder.Decode(b)
		if len(messages) > 0 {
			k.lastRead = k.loop.now // nothing else is a sign of life (wire.md §8)
			_, n := frame.Whole(messages)
			k.charge(len(messages), n)
			k.deliver(messages)
		}
		switch {
		case err != nil:
			k.badFrame(err)
			return nil
		case control.Op != 0:
			k.takeControl(control)
		case len(messages) == 0:
			return rest
		}
		b = rest
	}
	return nil
}

func (k *link) takeControl(c frame.Control) {
	if k.failed != nil || k.ending {
		return
	}
	k.charge(len(c.Body), 1)
	var b [128]byte
	switch c.Op {
	case frame.OpPing:
		k.urgent(append(frame.AppendWebSocketHead(b[:0], frame.OpPong, len(c.Body)), c.Body...))
	case frame.OpClose:
		k.endFrames(frame.AppendCloseReply(b[:0], c.Body))
	}
}

// endFrames ends a member with a Close frame: it is gone for the session, and
// has a short time to read what is on its way and to hang up.
func (k *link) endFrames(closeFrame []byte) {
	k.bye(newBuffer(closeFrame))
	k.endBy = k.loop.now.Add(closeHandshake)
	k.depart()
}

// badFrame ends a member that sends what cannot be a message, without notice,
// or what is no WebSocket frame, with the reason (wire.md §3, RFC 6455 §7.1.7).
func (k *link) badFrame(err error) {
	if k.failed != nil || k.ending {
		return
	}
	k.note(serverlog.RuleBreak, "Received bad data: %v", err)
	if !errors.Is(err, frame.ErrWebSocket) {
		k.fail(errBadData)
		return
	}
	k.endFrames(frame.AppendClose(nil, frame.CloseProtocol))
}
