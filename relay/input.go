package relay

import (
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
