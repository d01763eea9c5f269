package relay

import (
	"fmt"

	"drawrelay/frame"
	"drawrelay/store/serverlog"
)

/* Input of a member
 *
 * 1. readable   link's loop    one read of up to readBuffer into the loop's buffer
 * 2. receive    link's loop    whole messages are cut off, the rest is kept as partial; WebSocket frames
 *                              become messages first (web.go)
 * 3. scan       link's loop    transport messages (ping, keep-alive, disconnect) are consumed here
 * 4. runs       owner loop     consecutive opaque messages are appended with one copy
 *    message    owner loop     everything else goes to the session's policy, one by one
 *
 * For a member on another loop than its session's owner, 4 is reached with one
 * posted buffer per read.
 */

// runLimit is how many bytes of consecutive opaque messages are appended at
// once; marks of the log are set between runs.
const runLimit = 64 << 10

// receive takes plain bytes from the member. b is borrowed; context ids in it
// are overwritten.
func (k *link) receive(b []byte) {
	if k.ending || k.failed != nil || len(b) == 0 {
		return
	}
	if k.web != nil {
		k.receiveFrames(b)
		return
	}
	if k.partial != nil {
		// Complete the started message first, then go on in b.
		p := k.partial.bb
		if len(p.B) < frame.HeaderLen {
			n := min(frame.HeaderLen-len(p.B), len(b))
			p.B = append(p.B, b[:n]...)
			b = b[n:]
		}
		if len(p.B) < frame.HeaderLen {
			return
		}
		n := min(frame.Len(p.B)-len(p.B), len(b))
		p.B = append(p.B, b[:n]...)
		b = b[n:]
		if len(p.B) < frame.Len(p.B) {
			return
		}
		whole := k.partial
		k.partial = nil
		k.charge(len(whole.bytes()), 1)
		k.deliver(whole.bytes())
		whole.release()
	}
	n, count := frame.Whole(b)
	if n > 0 {
		k.charge(n, count)
		k.deliver(b[:n])
	}
	if rest := b[n:]; len(rest) > 0 && k.failed == nil && !k.ending {
		k.partial = newBuffer(rest)
	}
}

// deliver hands whole messages to the session's owner loop.
func (k *link) deliver(b []byte) {
	if k.failed != nil || k.ending {
		return
	}
	if k.quiet {
		k.echo(b)
		return
	}
	if k.room.loop == k.loop {
		k.room.takeMessages(k, b)
		return
	}
	if !k.answerPings(b) {
		return
	}
	k.inflight += len(b)
	k.room.loop.post(event{kind: evInput, link: k, buf: newBuffer(b)})
}

// takeBatch takes messages of a member on another loop.
func (r *room) takeBatch(k *link, b *buffer) {
	n := len(b.bytes())
	r.takeMessages(k, b.bytes())
	b.release()
	k.loop.post(event{kind: evConsumed, link: k, n: int64(n)})
}

// takeMessages takes whole messages from a member. b is borrowed, its context
// ids are overwritten.
func (r *room) takeMessages(k *link, b []byte) {
	defer r.rescue()
	if r.over || k.seat.gone {
		return
	}
	local := k.loop == r.loop
	r.loop.label(r.readLabels)
	run, n, drew := 0, 0, false // opaque messages in front of b[at:] not yet taken
	firstRun := r.firstRun(k.seat)
	for at := 0; at < len(b); {
		size := frame.Len(b[at:])
		t := frame.Type(b[at+2])
		if t >= firstRun {
			drew = drew || t >= frame.FirstCommand
			run += size
			n++
			at += size
			if run >= runLimit {
				r.takeRun(k.seat, b[at-run:at], n, drew)
				run, n, drew = 0, 0, false
			}
			continue
		}
		if n > 0 {
			r.takeRun(k.seat, b[at-run:at], n, drew)
			run, n, drew = 0, 0, false
		}
		m := frame.Msg{Type: t, User: b[at+3], Body: b[at+frame.HeaderLen : at+size : at+size]}
		at += size
		switch t {
		case frame.TypeKeepAlive:
		case frame.TypePing, frame.TypeDisconnect:
			if local && !k.transportMessage(m) {
				return
			}
		default:
			if frame.Check(m) != nil {
				if local {
					k.badData(m)
				} else {
					r.session.event(serverlog.Warn, serverlog.RuleBreak, k.seat, fmt.Sprintf(unknownMessage, m.Type, m.Size()))
					r.abort(k.seat)
				}
				return
			}
			r.session.receive(k.seat, m)
			firstRun = r.firstRun(k.seat)
		}
		if local && k.failed != nil || k.seat.gone || r.over {
			return
		}
	}
	if n > 0 {
		r.takeRun(k.seat, b[len(b)-run:], n, drew)
	}
	r.loop.label(r.loop.labels)
}

// firstRun returns the first message type that is taken in runs: of who uploads
// the canvas only drawing commands, because everything else is echoed.
func (r *room) firstRun(st *seat) frame.Type {
	if r.session.fastUpload(st, 0) {
		return frame.FirstCommand
	}
	return frame.FirstOpaque
}

// takeRun takes n opaque messages in a row.
func (r *room) takeRun(st *seat, b []byte, n int, drew bool) {
	if r.session.fastUpload(st, len(b)) {
		r.append(b, n)
		r.skipToEnd(st)
		r.session.appended(st, len(b), n, drew)
		return
	}
	if r.session.fast(st, len(b)) {
		for at := 0; at < len(b); at += frame.Len(b[at:]) {
			b[at+3] = st.id
		}
		r.append(b, n)
		r.session.appended(st, len(b), n, drew)
		return
	}
	for len(b) > 0 && !st.gone && !r.over {
		m, rest, _ := frame.Parse(b)
		b = rest
		r.session.receive(st, m)
	}
}

// answerPings handles the transport messages of b on a remote loop; the owner
// loop skips them. It reports false if the member is done for.
func (k *link) answerPings(b []byte) bool {
	for len(b) > 0 {
		m, rest, err := frame.Parse(b)
		if err != nil {
			return true
		}
		b = rest
		if m.Type == frame.TypePing || m.Type == frame.TypeDisconnect {
			if !k.transportMessage(m) {
				return false
			}
		}
	}
	return true
}

// transportMessage handles Ping, KeepAlive and Disconnect (session.md §12). It
// reports false for bad data.
func (k *link) transportMessage(m frame.Msg) bool {
	switch m.Type {
	case frame.TypePing:
		pong, err := frame.ParsePing(m.Body)
		if err != nil {
			k.badData(m)
			return false
		}
		if !pong {
			k.pong()
		}
	case frame.TypeDisconnect:
		if _, err := frame.ParseDisconnect(m.Body); err != nil {
			k.badData(m)
			return false
		}
	}
	return true
}

const unknownMessage = "Received unknown message type %d of length %d"

func (k *link) badData(m frame.Msg) {
	k.note(serverlog.RuleBreak, unknownMessage, m.Type, m.Size())
	k.fail(errBadData)
}

// consumed says that the owner loop has taken n posted bytes.
func (k *link) consumed(n int) {
	k.inflight -= n
	if k.readyAgain && k.inflight < remoteInput {
		k.readLater()
	}
}

// hold stops reading until resume, because the session's store lags.
func (k *link) hold() {
	k.held = true
	k.readyAgain = true
}

func (k *link) resume() {
	if k.held {
		k.held = false
		k.readLater()
	}
}

// readLater has readable called in the next turn.
func (k *link) readLater() {
	if !k.queuedRead && k.failed == nil {
		k.queuedRead = true
		k.loop.more = append(k.loop.more, k)
		k.loop.wake()
	}
}

// mayRead reports whether the member may be read now.
func (k *link) mayRead() bool {
	if k.failed != nil {
		return false
	}
	if k.ending {
		return true // discarded, to see the end
	}
	if k.held || k.paused || k.inflight >= remoteInput || k.direct > directPause {
		k.readyAgain = true
		return false
	}
	if k.throttled() {
		k.readyAgain = true
		return false
	}
	if !k.quiet && k.room.backlogged() {
		k.hold()
		k.room.addHeld(k)
		return false
	}
	return true
}
