package relay

import (
	"context"
	"fmt"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"drawrelay/store/serverlog"
)

/* One turn of a loop
 *
 * 1. Input    events of the batch: members' bytes are read, scanned and appended to their session's log
 * 2. Inbox    what other loops, the store, I/O workers and logins have posted
 * 3. Flush    each dirty shard whose gap has passed sends to its members from their cursors
 * 4. Direct   members with direct messages only
 * 5. Sweep    members that failed or ended are closed
 *
 * Everything a loop owns is touched by its own goroutine only. Nothing in a
 * turn blocks: no file access, no lock held across a system call.
 */

const (
	// readBuffer is how much one read takes at most, bytes; beyond 64 KiB the
	// gain at saturation is 1.2 to 1.7 times (relay-design.md §3).
	readBuffer = 256 << 10
	// readTurn bounds what is read from one member in a turn, bytes, so that a
	// flood of one is not lag for the next.
	readTurn = 1 << 20
	// tickEvery is the resolution of idle and keep-alive timers.
	tickEvery = time.Second
)

// loop is one event loop.
type loop struct {
	id  int
	srv *Server
	drv driver

	woken atomic.Bool // a turn is due
	load  atomic.Int64
	turns atomic.Uint64 // finished turns; written by the loop only

	mu    sync.Mutex // protects inbox; held for an append or a swap only
	inbox []event

	meter meter

	// Loop goroutine only.
	spare                  []event
	now                    time.Time
	dirty                  []*shard // to be flushed
	paced                  []*shard // to be flushed when their gap has passed
	direct                 []*link  // with direct messages to send
	more                   []*link  // with more input than one turn takes
	directSpare, moreSpare []*link
	dead                   []*link // to be closed
	throttled              []*link // not read before their time
	links                  []*link
	rooms                  []*room
	nextTick               time.Time
	armed                  time.Time // when the timer fires
	vectors                [][]byte
	rbuf                   []byte // read buffer, room for one partial message before a full read
	plain                  []byte // decrypted input
	cipher                 []byte // encrypted output
	rendering              rendering
	closing                bool
	labels                 context.Context
}

// driver is what a loop runs on: the poller, or plain goroutines.
type driver interface {
	// run calls turn until stop; it returns when the loop is closing.
	run(l *loop)
	// wake makes a turn happen soon. Any goroutine.
	wake()
	// arm makes a turn happen after d, replacing an earlier arm. Loop only.
	arm(d time.Duration)
	// attach takes a member's connection over. Loop only.
	attach(k *link) error
	// close gives back what wake needs, once nobody calls it any more.
	close()
}

type eventKind uint8

const (
	evTask     eventKind = iota // run task
	evDeliver                   // shard: the deliverable offset has moved, or delivery was started or stopped
	evDirect                    // link: queue buf
	evInput                     // room: buf are whole messages from link
	evConsumed                  // link: the room has taken n bytes of input
	evReturn                    // link: an I/O worker gives the output back
	evGone                      // room: the link has ended
	evBye                       // link: queue buf, then end
	evAbort                     // link: end now
	evAttach                    // link: join this loop
	evResume                    // link: the backlog has shrunk, read on
	evRead                      // link: its reader has n bytes or err
	evWritten                   // link: its writer is done, with err
)

type event struct {
	kind  eventKind
	link  *link
	shard *shard
	buf   *buffer
	task  func()
	n     int64
	err   error
}

func newLoop(s *Server, id int) *loop {
	l := &loop{id: id, srv: s}
	l.labels = pprof.WithLabels(context.Background(), pprof.Labels("loop", strconv.Itoa(id), "phase", "turn"))
	l.rbuf = make([]byte, readBuffer+partialLimit)
	return l
}

// post hands e to the loop. Any goroutine. Never blocks.
func (l *loop) post(e event) {
	l.mu.Lock()
	l.inbox = append(l.inbox, e)
	l.mu.Unlock()
	l.wake()
}

// do runs f on the loop. Any goroutine. Never blocks.
func (l *loop) do(f func()) { l.post(event{kind: evTask, task: f}) }

// time is the clock of the sessions: when the turn, or the event that is being
// served, began. Asking the system for each message would cost more than
// relaying it. Loop only.
func (l *loop) time() time.Time { return l.now }

func (l *loop) wake() {
	if !l.woken.Swap(true) {
		l.drv.wake()
	}
}

// turn is one turn, called by the driver after a batch of events.
func (l *loop) turn() {
	defer l.recoverTurn()
	l.woken.Store(false)
	l.now = l.srv.now()
	l.takeInbox()
	l.readThrottled()
	l.readMore()
	if !l.nextTick.After(l.now) {
		l.nextTick = l.now.Add(tickEvery)
		l.tick()
	}
	l.flushPaced()
	l.flushDirty()
	l.sendDirect()
	l.sweep()
	l.armTimer()
	if len(l.more) > 0 {
		l.wake()
	}
	l.turns.Add(1)
}

// recoverTurn keeps a broken invariant from ending the process. What belongs
// to one session is caught closer to it.
func (l *loop) recoverTurn() {
	if r := recover(); r != nil {
		l.srv.panics.Add(1)
		l.srv.log.Put(serverlog.Entry{Level: serverlog.Error, Topic: serverlog.Status,
			Message: fmt.Sprintf("internal error on loop %d: %v\n%s", l.id, r, debug.Stack())})
		l.wake()
	}
}

func (l *loop) takeInbox() {
	l.mu.Lock()
	events := l.inbox
	l.inbox = l.spare
	l.mu.Unlock()
	for i := range events {
		l.take(&events[i])
		events[i] = event{}
	}
	l.spare = events[:0]
	if cap(l.spare) > 4096 {
		l.spare = nil // a burst's inbox is not kept
	}
}

func (l *loop) take(e *event) {
	switch e.kind {
	case evTask:
		e.task()
	case evDeliver:
		e.shard.posted.Store(false)
		e.shard.mark()
	case evDirect:
		e.link.queue(e.buf)
	case evInput:
		e.link.room.takeBatch(e.link, e.buf)
	case evConsumed:
		e.link.consumed(int(e.n))
	case evReturn:
		e.link.returned(e.n, e.err)
	case evGone:
		e.link.room.gone(e.link)
	case evBye:
		e.link.bye(e.buf)
	case evAbort:
		e.link.fail(errAborted)
	case evAttach:
		l.attach(e.link)
	case evResume:
		e.link.resume()
	case evRead:
		e.link.read(int(e.n), e.err)
	case evWritten:
		e.link.wrote(e.err)
	}
}

// label sets the profiling labels of the loop's goroutine.
func (l *loop) label(ctx context.Context) { pprof.SetGoroutineLabels(ctx) }

// attach makes k a member connection of this loop.
func (l *loop) attach(k *link) {
	k.index = len(l.links)
	l.links = append(l.links, k)
	k.lastRead, k.lastSent = l.now, l.now
	k.shard.add(k)
	if k.failed != nil {
		l.dead = append(l.dead, k)
		return
	}
	if err := l.drv.attach(k); err != nil {
		k.fail(fmt.Errorf("take over connection: %w", err))
		return
	}
	k.starting = true
	k.readLater()
	k.sendLater()
}

func (l *loop) readMore() {
	list := l.more
	l.more = l.moreSpare[:0]
	for i, k := range list {
		list[i] = nil
		k.queuedRead = false
		k.serve(k.input)
	}
	l.moreSpare = list[:0]
}

// flushPaced moves shards whose gap has passed to the dirty list.
func (l *loop) flushPaced() {
	keep := l.paced[:0]
	for _, s := range l.paced {
		if s.due(l.now) {
			l.dirty = append(l.dirty, s)
		} else {
			keep = append(keep, s)
		}
	}
	clear(l.paced[len(keep):])
	l.paced = keep
}

func (l *loop) flushDirty() {
	for i := 0; i < len(l.dirty); i++ {
		s := l.dirty[i]
		l.dirty[i] = nil
		if s.due(l.now) {
			s.flush()
		} else {
			l.paced = append(l.paced, s)
		}
	}
	l.dirty = l.dirty[:0]
}

// sendDirect serves members with direct messages. Those that want another turn
// queue themselves for the next one.
func (l *loop) sendDirect() {
	list := l.direct
	l.direct = l.directSpare[:0]
	for i, k := range list {
		list[i] = nil
		k.queuedSend = false
		if k.failed == nil && k.output == outputLive && !k.blocked {
			k.send(k.room.view())
			k.shard.dropSpan()
		}
	}
	l.directSpare = list[:0]
}

// sweep closes what has failed. Closing one member may make another fail.
func (l *loop) sweep() {
	for i := 0; i < len(l.dead); i++ {
		k := l.dead[i]
		l.dead[i] = nil
		k.close()
	}
	l.dead = l.dead[:0]
}

// armTimer asks for a turn when the next gap passes or the next tick is due.
func (l *loop) armTimer() {
	next := l.nextTick
	for _, s := range l.paced {
		if s.notBefore.Before(next) {
			next = s.notBefore
		}
	}
	for _, k := range l.throttled {
		if k.throttle.until.Before(next) {
			next = k.throttle.until
		}
	}
	if len(l.links) == 0 && len(l.rooms) == 0 && len(l.paced) == 0 {
		l.nextTick = time.Time{}
		return
	}
	if next.Equal(l.armed) && l.armed.After(l.now) {
		return // it will fire as it is
	}
	l.armed = next
	l.drv.arm(next.Sub(l.now))
}

func (l *loop) tick() {
	l.countLagging()
	for _, k := range l.links {
		k.tick()
	}
	for i := len(l.rooms) - 1; i >= 0; i-- {
		l.rooms[i].tick()
	}
}
