package relay

import (
	"sync/atomic"
	"time"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/entry"
	"drawrelay/store/serverlog"
)

/* Output of a member
 *
 * The stream to a member is a sequence of batches of history, each ending on a
 * message boundary, with direct messages between batches:
 *
 *	[cursor ... target)   what is left of the batch in flight
 *	directs               pongs first, then in order
 *	[target ... )         the next batch, up to the deliverable offset
 *
 * send is the only writer while output is live. A member too far behind for
 * that is handed to an I/O worker (output = catchup), which owns cursor,
 * target and the socket until it posts evReturn.
 */

const (
	// partialLimit is the most that one incomplete message can take, bytes.
	partialLimit = frame.MaxFrame
	// directLimit bounds the direct messages queued for a member, bytes;
	// beyond it the member is disconnected. History is not counted: a lagging
	// member costs a cursor.
	directLimit = 1 << 20
	// directPause: a member with this much queued directly is not read until
	// it has taken half of it, so that what it causes itself (pongs, its own
	// transient chat) slows it down instead of ending it.
	directPause = 256 << 10
	// liveLag is how far behind a member may be and still be served by its
	// loop, bytes; beyond it an I/O worker does.
	liveLag = 1 << 20
	// notSentLowat bounds the unsent bytes the kernel takes for a member
	// (relay-design.md §6); the rest waits in the shared log.
	notSentLowat = 128 << 10
	// bulkLowat is the same while the member catches up: fewer turns.
	bulkLowat = 256 << 10
	// remoteInput bounds the input of a member that is on its way to the
	// owner loop, bytes; beyond it the member is not read.
	remoteInput = 256 << 10
)

// output says who writes to the member.
type output uint8

const (
	outputLive    output = iota // its loop
	outputCatchup               // an I/O worker
)

// link is the connection of a member: its socket, cursor and queues.
//
// Ownership: its loop; while output is catchup the worker owns log, cursor,
// target, cipher and writes to the socket.
type link struct {
	id     uint64 // entry.Conn.ID
	kind   ConnKind
	loop   *loop
	room   *room
	shard  *shard
	seat   *seat // opaque here but for id; the session's owner loop has it
	person *entry.Person
	user   uint8

	conn   transport
	fd     int // poll transport; -1 after close
	pipe   *entry.Pipe
	web    *webState // non-nil: a WebSocket member
	output output

	// Output.
	log      *store.Log
	cursor   int64
	target   int64
	goal     int64       // for a worker: at least this far
	nexts    []nextLog   // logs to go on with, in order, after resets
	directs  []*buffer   // direct messages; the first may be partly sent
	skip     int64       // messages after cursor that the member has already
	goalLog  *store.Log  // what the member must have been sent to have caught up, nil: it has
	goalEnd  int64       // as far as this
	behind   atomic.Bool // has not caught up; any goroutine reads
	sent     int         // bytes sent of the first direct message
	direct   int         // bytes in directs
	cipher   *buffer     // encrypted but not sent
	ciphered int         // bytes of cipher that are sent
	blocked  bool        // waits for the socket to take more
	drained  bool        // the socket took more while a worker had the output
	wanted   atomic.Bool // direct messages wait for a worker to give the output back
	ending   bool        // no input any more; close once everything queued is sent
	shut     bool        // our side has been closed
	quiet    bool        // left alone: sent nothing but pongs and its own messages
	left     time.Time   // when ending or quiet began
	endBy    time.Time

	// Input.
	partial    *buffer   // start of an incomplete message
	pending    []byte    // read by login already
	starting   bool      // pending has not been taken
	reading    bool      // input is being taken
	answer     bool      // direct messages were queued meanwhile
	atEnd      bool      // the peer has closed its side: read until the end shows
	readyAgain bool      // the socket may have more
	held       bool      // not read because the store lags
	paused     bool      // not read because the session says so
	throttle   *throttle // rate limit, nil while there is none
	inflight   int       // bytes posted to the owner loop and not consumed

	queuedSend, queuedRead bool
	failed                 error  // why it is to be closed; set once
	farewell               string // for the session log, see note
	farewellTopic          serverlog.Topic
	closed, departed       bool // close and depart have run
	index, place           int  // in loop.links and shard.links
	lastRead, lastSent     time.Time
	idle                   time.Duration
	sever                  time.Time // zero: never; login's Conn.Sever
}

// transport is what a link needs from its kind of connection. Loop only.
type transport interface {
	// write sends the vectors; total is their length. It returns how much was
	// taken; less than total means that writable will be called later.
	write(k *link, v [][]byte, total int) (int, error)
	// readable reads what there is, as far as mayRead allows.
	readable(k *link)
	// catchUp has the member served by somebody else until evReturn.
	catchUp(k *link)
	// caughtUp is called when the loop writes to the member again.
	caughtUp(k *link)
	// shutdownWrite closes our side after everything written so far.
	shutdownWrite(k *link) error
	// cut makes pending reads and writes of the connection fail. The
	// descriptor stays reserved until close.
	cut(k *link)
	close(k *link, abort bool)
}

// input takes what there is from the member: first what login has read
// already, then what the socket has. Loop only.
func (k *link) input() {
	if k.conn == nil || k.failed != nil {
		return
	}
	k.reading = true
	defer k.endInput()
	if k.starting {
		k.starting = false
		if p := k.pending; len(p) > 0 {
			k.pending = nil
			k.receive(p)
		}
		if k.pipe != nil && k.failed == nil {
			k.receiveCipher(nil) // what TLS has read ahead
		}
	}
	if k.failed == nil {
		k.conn.readable(k)
	}
}

// endInput sends what the input has led to, pongs above all, without waiting
// for the end of the turn. History is not sent: it is gathered.
func (k *link) endInput() {
	k.reading = false
	if k.answer {
		k.answer = false
		if k.failed == nil && k.output == outputLive && !k.blocked {
			k.send(view{k.log, k.target})
			k.shard.dropSpan()
		}
	}
}

// serve runs f, a method of the link; a broken invariant ends the session.
func (k *link) serve(f func()) {
	defer k.room.rescue()
	f()
}

// --- output ---

// queue adds direct messages in the member's framing, taking over the
// reference.
func (k *link) queue(b *buffer) {
	if k.failed != nil || k.ending {
		b.release()
		return
	}
	k.direct += len(b.bytes())
	if k.direct > directLimit {
		b.release()
		k.note(serverlog.Status, "Disconnected: %v (%d bytes)", errTooSlow, k.direct)
		k.fail(errTooSlow)
		return
	}
	k.directs = append(k.directs, b)
	k.sendLater()
}

// pong answers a Ping.
func (k *link) pong() {
	if k.web != nil {
		k.urgent(webPongFrame)
	} else {
		k.urgent(pongFrame)
	}
}

// urgent queues b before everything else that is queued. It is copied.
func (k *link) urgent(b []byte) {
	if k.failed != nil || k.ending {
		return
	}
	if k.direct += len(b); k.direct > directLimit {
		k.fail(errTooSlow)
		return
	}
	at := 0
	if k.sent > 0 {
		at = 1
	}
	k.directs = append(k.directs, nil)
	copy(k.directs[at+1:], k.directs[at:])
	k.directs[at] = newBuffer(b)
	k.sendLater()
}

var (
	pongFrame      = frame.AppendPing(nil, true)
	webPongFrame   = frame.AppendFrames(nil, pongFrame)
	keepAliveFrame = frame.AppendKeepAlive(nil)
)

func (k *link) sendLater() {
	if k.output == outputCatchup {
		k.wanted.Store(true)
		return
	}
	if k.reading {
		k.answer = true // sent when this input has been taken
		return
	}
	if !k.queuedSend && !k.blocked && k.output == outputLive {
		k.queuedSend = true
		k.loop.direct = append(k.loop.direct, k)
		k.loop.wake()
	}
}

// send writes what is due, history as far as the view goes. It returns when
// everything is sent, the socket is full, or the member has become a case for
// an I/O worker. The caller drops the shard's span afterwards.
func (k *link) send(due view) {
	if k.pipe != nil {
		k.sendCipher(due)
		return
	}
	for k.failed == nil && !k.blocked && k.output == outputLive {
		v, history, total, ok := k.plan(due)
		if !ok {
			return
		}
		if total == 0 {
			k.finish()
			return
		}
		n, err := k.write(v, total)
		clear(v)
		if err != nil {
			k.failWrite(err)
			return
		}
		k.took(n, history)
		if n < total {
			k.blocked = true
			return
		}
	}
}

// plan collects what is to be written next: history says whether it starts
// with history. ok is false if an I/O worker has taken over.
func (k *link) plan(due view) (v [][]byte, history bool, total int, ok bool) {
	to := k.limit(due)
	if k.goalLog != nil {
		k.checkGoal()
	}
	v = k.loop.vectors[:0]
	if k.cursor < k.target {
		v, n, end, in := k.history(v, k.target)
		if !in {
			k.catchUp(to)
			return nil, false, 0, false
		}
		total = n
		if end == k.target {
			v, total = k.planDirects(v, total)
		}
		k.loop.vectors = v[:0]
		return v, true, total, true
	}
	v, total = k.planDirects(v, total)
	if k.cursor < to && !k.ending && len(k.directs) <= maxDirects {
		if to-k.cursor > liveLag && k.log.HasFile() && k.cursor >= k.log.Written() {
			to = k.log.Boundary(k.cursor, to, liveLag) // the disk stalls: only memory has it
		}
		bulk := k.skip > 0 || to-k.cursor > liveLag
		if !bulk {
			// The session's loop may trim the log at any moment: only what has
			// been acquired is known to be in memory.
			if more, n, _, in := k.history(v, to); in {
				k.target = to
				v = more
				total += n
			} else {
				bulk = true
			}
		}
		if bulk && total == 0 {
			k.catchUp(to)
			return nil, false, 0, false
		}
	}
	k.loop.vectors = v[:0]
	return v, false, total, true
}

// maxDirects bounds the direct messages of one write. History follows only
// when no more are queued.
const maxDirects = 40

func (k *link) planDirects(v [][]byte, total int) ([][]byte, int) {
	for i, b := range k.directs {
		if i == maxDirects {
			break
		}
		p := b.bytes()
		if i == 0 {
			p = p[k.sent:]
		}
		v = append(v, p)
		total += len(p)
	}
	return v, total
}

// took accounts for n written bytes of a plan.
func (k *link) took(n int, history bool) {
	if n > 0 {
		k.lastSent = k.loop.now
	}
	if history {
		n = k.tookHistory(n)
	}
	for n > 0 && len(k.directs) > 0 {
		b := k.directs[0]
		left := len(b.bytes()) - k.sent
		if n < left {
			k.sent += n
			n = 0
			break
		}
		n -= left
		k.direct -= len(b.bytes())
		k.sent = 0
		b.release()
		k.directs[0] = nil
		k.directs = k.directs[1:]
	}
	if len(k.directs) == 0 {
		k.directs = nil
	}
	if k.readyAgain && k.direct < directPause/2 {
		k.readLater()
	}
	if !history {
		if k.sent > 0 || len(k.directs) > 0 {
			k.target = k.cursor // the batch has not begun
		} else {
			k.tookHistory(n)
		}
	}
}

// writable is called when the socket takes more.
func (k *link) writable() {
	if !k.blocked || k.failed != nil {
		k.drained = true // a worker may just have found the socket full
		return
	}
	k.blocked = false
	if k.output == outputCatchup {
		k.conn.catchUp(k)
		return
	}
	k.send(k.room.view())
	k.shard.dropSpan()
}
