package store

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Durable is the written side of one session: its journal, its current log and
// how far both have got.
type Durable struct {
	c *Committer // nil: the session lives in memory only

	// OnCommit is called by a writer after the log's written offset has moved,
	// after the session has begun or ceased to be stalled and after the
	// outcome of Err has changed. It must not block. Set before the first Kick.
	OnCommit func()

	log       atomic.Pointer[Log]
	dirty     atomic.Bool // a kick has not been served yet
	stalled   atomic.Bool // changed with c.mu held
	err       atomic.Pointer[error]
	pending   atomic.Int64 // bytes of journal lines not written yet
	journaled atomic.Int64 // bytes of the journal, with those

	errs      sync.Mutex // protects the parts of err
	writeErr  error      // of the last write
	syncErr   error      // of the first sync that failed, for good
	noRoom    bool       // the disk is almost full
	forgotten bool       // not counted as failing any more

	mu       sync.Mutex // protects the journal's queue
	journal  File
	lines    []byte // journal lines not written yet
	spare    []byte
	position int64 // end of the journal file

	// Writer that holds it in busy only.
	span Span

	syncing sync.Mutex // one sync at a time, and none after closed
	closed  bool       // protected by syncing
	sums    blockSums  // protected by syncing

	// Protected by c.mu.
	queued bool
	ended  bool      // nothing is written any more
	since  time.Time // when the oldest unserved kick came; zero: there is none
	retry  *time.Timer
	idle   *sync.Cond // signalled when the session leaves busy
}

// NewDurable returns the written side of a session with the given current log
// and journal, whose end is at position. A nil Committer makes one that has
// nothing to write.
func (c *Committer) NewDurable(log *Log, journal File, position int64) *Durable {
	d := &Durable{c: c, journal: journal, position: position}
	d.journaled.Store(position)
	d.log.Store(log)
	if c != nil {
		d.idle = sync.NewCond(&c.mu)
	}
	return d
}

// Log returns the current log. Any goroutine; the owner loop changes it.
func (d *Durable) Log() *Log { return d.log.Load() }

// SetLog makes l the current log, after a reset. Owner loop only. The old log
// stays the caller's to release.
func (d *Durable) SetLog(l *Log) { d.log.Store(l) }

// Journal queues one line, given without its line break, and kicks. Owner of
// the session only. Never blocks.
func (d *Durable) Journal(line string) {
	if d.c == nil {
		return
	}
	d.mu.Lock()
	d.lines = append(d.lines, line...)
	d.lines = append(d.lines, '\n')
	d.mu.Unlock()
	d.pending.Add(int64(len(line)) + 1)
	d.journaled.Add(int64(len(line)) + 1)
	d.Kick()
}

// Kick says that there is something to write. Never blocks; cheap when the
// session is queued already. Any goroutine.
func (d *Durable) Kick() {
	if d.c == nil || d.dirty.Swap(true) {
		return
	}
	d.c.enqueue(d)
}

// Deliverable returns the offset of the current log up to which members may be
// sent it: what the file has, or everything while the disk stalls, or
// everything for a session without a file. Any goroutine.
func (d *Durable) Deliverable() int64 { return d.DeliverableOf(d.log.Load()) }

// DeliverableOf is Deliverable for a log that is, or was until a reset, the
// session's current one. Any goroutine.
func (d *Durable) DeliverableOf(l *Log) int64 {
	if !l.HasFile() || d.stalled.Load() {
		return l.Size()
	}
	if d.c.interval == 0 {
		return l.synced.Load()
	}
	return l.written.Load()
}

// Backlog returns how many bytes wait to be written, journal lines included.
// Any goroutine.
func (d *Durable) Backlog() int64 {
	l := d.log.Load()
	return l.Size() - l.Written() + d.pending.Load()
}

// Flush waits until everything queued and appended so far is in the files and
// syncs them. What failed before is tried once more. It returns the first
// error. It blocks: never on a loop.
func (d *Durable) Flush() error {
	if d.c == nil {
		return nil
	}
	d.Kick()
	d.c.mu.Lock()
	if d.isFailed() {
		d.c.queueLocked(d)
	}
	for d.queued || d.isBusy() || d.dirty.Load() && !d.isFailed() && !d.ended {
		d.idle.Wait()
	}
	d.c.mu.Unlock()
	if err := d.failure(); err != nil {
		return err
	}
	return d.sync()
}

// Close flushes, then closes the journal and gives up the current log. Nothing
// may be appended or kicked any more. It blocks: never on a loop.
func (d *Durable) Close() error {
	err := d.Flush()
	if d.c != nil {
		d.c.mu.Lock()
		d.ended = true // a retry that is under way comes to nothing
		delete(d.c.unsync, d)
		delete(d.c.failed, d)
		if d.retry != nil {
			d.retry.Stop()
		}
		for d.isBusy() {
			d.idle.Wait()
		}
		d.setStalledLocked(false)
		d.c.mu.Unlock()
		d.forget()
	}
	d.syncing.Lock()
	defer d.syncing.Unlock()
	if d.closed {
		return err
	}
	d.closed = true
	if err == nil {
		d.sumBlocks(d.log.Load(), true)
	}
	if d.journal != nil {
		if cerr := d.journal.Close(); err == nil {
			err = cerr
		}
	}
	if cerr := d.log.Load().Release(); err == nil {
		err = cerr
	}
	return err
}

func (d *Durable) isBusy() bool {
	_, ok := d.c.busy[d]
	return ok
}

func (d *Durable) tell() {
	if d.OnCommit != nil {
		d.OnCommit()
	}
}

// pass writes everything a session has.
func (d *Durable) pass() error {
	d.dirty.Store(false)
	err := d.writeAll()
	d.noteWrite(err)
	if err == nil {
		d.c.stats.writes.Add(1)
		if d.c.interval == 0 {
			err = d.sync()
		}
	}
	return err
}

func (d *Durable) writeAll() error {
	if err := d.writeJournal(); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	l := d.log.Load()
	if !l.HasFile() {
		return nil
	}
	to := l.end.Load()
	for at := l.written.Load(); at < to; {
		if !l.Acquire(&d.span, at, to) {
			return errors.New("internal error: store: unwritten bytes are not in memory")
		}
		var err error
		for _, v := range d.span.Vectors[:d.span.N] {
			if _, err = l.file.WriteAt(v, l.head+at); err != nil {
				break
			}
			at += int64(len(v))
			d.c.stats.bytes.Add(int64(len(v)))
		}
		d.span.Release()
		if err != nil {
			return fmt.Errorf("write history at offset %d: %w", at, err)
		}
		if at < to {
			// A long backlog: tell how far it is, at a message boundary.
			if mark := l.boundaryBefore(at); mark > l.written.Load() {
				l.written.Store(mark)
				d.tell()
			}
		}
	}
	l.written.Store(to)
	return nil
}

// writeJournal writes the queued lines. What could not be written stays queued.
func (d *Durable) writeJournal() error {
	if d.journal == nil {
		return nil
	}
	d.mu.Lock()
	lines := d.lines
	d.lines = d.spare[:0]
	d.spare = nil
	d.mu.Unlock()
	queued := len(lines)
	var err error
	if len(lines) > 0 {
		if _, err = d.journal.WriteAt(lines, d.position); err == nil {
			d.position += int64(len(lines))
			lines = lines[:0]
		}
	}
	d.pending.Add(int64(len(lines) - queued))
	d.mu.Lock()
	if len(lines) > 0 {
		d.lines = append(lines, d.lines...)
	} else {
		d.spare = lines
	}
	d.mu.Unlock()
	return err
}

// sync makes what is written durable. Once it has failed it keeps failing: the
// kernel may have dropped what could not be written, and would report success.
func (d *Durable) sync() error {
	d.syncing.Lock()
	defer d.syncing.Unlock()
	if d.closed {
		return nil
	}
	if err := d.syncFailure(); err != nil {
		return err
	}
	l := d.log.Load()
	written := l.written.Load()
	l.Retain()
	defer l.Release()
	var err error
	began := d.c.now()
	if d.journal != nil {
		err = d.journal.Sync()
	}
	if err == nil && l.HasFile() && l.synced.Load() < written {
		err = l.file.Sync()
	}
	d.c.stats.syncTime.Observe(d.c.now().Sub(began))
	d.c.stats.syncs.Add(1)
	if err != nil {
		return d.noteSync(fmt.Errorf("sync history: %w", err))
	}
	if l.synced.Load() < written {
		l.synced.Store(written)
	}
	d.sumBlocks(l, false)
	return nil
}
