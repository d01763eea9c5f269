package relay

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"drawrelay/store/serverlog"
)

/* How a member's connection ends
 *
 * 1. bye      link's loop   in order: a last message is queued and input is discarded from now on
 *    fail     link's loop   at once: the peer has gone, a limit is passed, or there is nothing to wait for
 * 2. finish   link's loop   after bye, once everything is sent: our side is closed, the peer is waited for
 * 3. close    link's loop   at the end of the turn, for what has failed; the descriptor is given up once no
 *                           worker has the output
 * 4. depart   link's loop   the session is told, once
 */

const (
	// keepAliveAfter is the silence after which a client that knows them is
	// sent a KeepAlive (wire.md §8).
	keepAliveAfter = 30 * time.Second
	// closeWait bounds how long a disconnected member may take to read its
	// last messages and hang up, when it has no idle timeout.
	closeWait = 60 * time.Second
)

var (
	errAborted    = errors.New("aborted")
	errIdle       = errors.New("idle for too long")
	errBadData    = errors.New("bad data")
	errTooSlow    = errors.New("too many direct messages are waiting")
	errSessionEnd = errors.New("disconnected")
)

// bye makes b, in the member's framing, the last that it is sent: what is
// queued comes first, then the connection is closed in an orderly way.
func (k *link) bye(b *buffer) {
	if k.failed != nil || k.ending {
		b.release()
		return
	}
	k.direct += len(b.bytes())
	k.directs = append(k.directs, b)
	k.ending = true
	k.left = k.loop.now
	wait := k.idle
	if wait == 0 {
		wait = closeWait
	}
	k.endBy = k.loop.now.Add(wait)
	k.dropInput()
	k.sendLater()
}

// finish goes on with a disconnect once everything queued is sent.
func (k *link) finish() {
	if k.ending && !k.shut {
		k.shut = true
		// Nothing is left to be sent, so it is gone for everybody who asks,
		// even if the peer takes its time to hang up (wire.md §12.2).
		k.loop.srv.conns.remove(k)
		if k.pipe != nil {
			// The socket has taken everything, so it takes an alert too; if
			// not, the peer sees the end without one.
			_ = k.pipe.TLS.CloseWrite()
			k.loop.vectors = append(k.loop.vectors[:0], k.pipe.TakeOutput())
			_, _ = k.write(k.loop.vectors, len(k.loop.vectors[0]))
		}
		if err := k.conn.shutdownWrite(k); err != nil {
			k.fail(errSessionEnd)
		}
	}
}

// fail has the link closed at the end of the turn.
func (k *link) fail(err error) {
	if k.failed != nil {
		return
	}
	k.failed = err
	k.loop.dead = append(k.loop.dead, k)
	k.loop.wake()
}

func (k *link) failWrite(err error) {
	if !peerGone(err) {
		k.note(serverlog.Status, "Socket write error: %v", err)
	}
	k.fail(fmt.Errorf("write: %w", err))
}

func (k *link) failRead(err error) {
	if !peerGone(err) {
		k.note(serverlog.Status, "Socket read error: %v", err)
	}
	k.fail(fmt.Errorf("read: %w", err))
}

// close ends a failed link. It may be called twice: once when it fails and
// once more when a worker has given the output back.
func (k *link) close() {
	if !k.closed {
		k.closed = true
		k.leaveLoop()
		k.depart()
		if k.conn != nil && k.output == outputCatchup {
			k.conn.cut(k) // the worker's next write fails
		}
	}
	if k.output == outputCatchup {
		return // the descriptor must not be reused before the worker is done
	}
	if k.conn != nil {
		abort := errors.Is(k.failed, errAborted) || errors.Is(k.failed, errBadData) ||
			errors.Is(k.failed, errIdle) || errors.Is(k.failed, errTooSlow)
		k.conn.close(k, abort)
		k.conn = nil
		k.dropOutput()
		k.dropNexts()
		_ = k.log.Release()
	}
}

// depart tells the session that the member is gone, once.
func (k *link) depart() {
	if k.departed {
		return
	}
	k.departed = true
	if k.room.loop == k.loop {
		k.room.gone(k)
	} else {
		k.room.loop.post(event{kind: evGone, link: k})
	}
}

func (k *link) leaveLoop() {
	l := k.loop
	l.srv.conns.remove(k)
	last := len(l.links) - 1
	l.links[last].index = k.index
	l.links[k.index] = l.links[last]
	l.links[last] = nil
	l.links = l.links[:last]
	l.load.Add(-1)
	k.shard.remove(k)
	k.dropInput()
	k.pending = nil
}

func (k *link) dropInput() {
	if k.partial != nil {
		k.partial.release()
		k.partial = nil
	}
}

func (k *link) dropOutput() {
	for _, b := range k.directs {
		b.release()
	}
	k.directs, k.direct, k.sent = nil, 0, 0
	if k.cipher != nil {
		k.cipher.release()
		k.cipher = nil
	}
}

// tick checks the timers of the link (wire.md §8).
func (k *link) tick() {
	now := k.loop.now
	switch {
	case k.failed != nil:
	case k.ending:
		if now.After(k.endBy) {
			k.fail(errAborted)
		}
	case !k.sever.IsZero() && now.After(k.sever):
		k.fail(errAborted)
	case k.held: // not the peer's fault
	case k.idle > 0 && now.Sub(k.lastSign()) > k.idle:
		k.note(serverlog.Status, "Message queue exceeded timeout of %dms", k.idle.Milliseconds())
		k.fail(errIdle)
	case k.idle > 0 && k.person.KeepAlive && !k.quiet && now.Sub(k.lastSent) >= keepAliveAfter && len(k.directs) == 0:
		k.lastSent = now
		k.queue(k.framed(keepAliveFrame))
	}
}

// lastSign returns when the member last gave a sign of life: it was read from,
// or it took something while it is not read because too much waits for it.
func (k *link) lastSign() time.Time {
	if k.readyAgain && k.lastSent.After(k.lastRead) {
		return k.lastSent
	}
	return k.lastRead
}

// note keeps what the session's log is to say about the end of the connection,
// at level Warn; the first note counts.
func (k *link) note(topic serverlog.Topic, format string, args ...any) {
	if k.farewell == "" {
		k.farewellTopic, k.farewell = topic, fmt.Sprintf(format, args...)
	}
}

func (k *link) logf(level serverlog.Level, topic serverlog.Topic, format string, args ...any) {
	k.loop.srv.log.Put(serverlog.Entry{Level: level, Topic: topic, Session: k.room.id,
		User:    serverlog.User{ID: k.user, Addr: k.person.Addr, Name: k.person.Name},
		Message: fmt.Sprintf(format, args...)})
}

// peerGone reports whether err only says that the peer has left.
func peerGone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || isReset(err)
}
