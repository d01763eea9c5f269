package store

import (
	"sync"
	"sync/atomic"
	"time"

	"drawrelay/store/latency"
)

/* Commit pipeline
 *
 * 1. Kick    owner loop  the session is put on the queue, once
 * 2. Write   writer      everything it has appended since goes to the journal and the history file,
 *                        in one go: passes run back to back while there is work, so a slow disk makes
 *                        larger groups by itself
 * 3. Tell    writer      the session's OnCommit runs; its members may be sent what was written
 * 4. Sync    syncer      files with unsynced writes are synced, at most every syncInterval
 *
 * What happens when the disk is slow or fails is in stall.go.
 */

const (
	// writers is how many goroutines write. Two, so that one stuck write (a
	// file on another disk) leaves one for everybody else.
	writers = 2
	// syncers is how many files are synced at a time.
	syncers = 4
	// DefaultSyncInterval bounds what a power cut may lose (decision 4).
	DefaultSyncInterval = time.Second
	// DefaultGrace is how long delivery waits for a stalled disk (decision 4).
	DefaultGrace = 50 * time.Millisecond
	// DefaultRetry is the pause before a failed write is tried again.
	DefaultRetry = time.Second
	// MaxBacklog is how many bytes of a session may wait to be written before
	// its senders are not read any more (relay-design.md §10).
	MaxBacklog = 64 << 20
)

// CommitStats are counters of the pipeline since the start of the process.
type CommitStats struct {
	Writes      int64 // write passes over one session
	Bytes       int64 // bytes of history written
	Syncs       int64
	WriteErrors int64
	SyncErrors  int64
	Stalls      int64 // times a session was delivered ahead of its file
	Stalled     int64 // sessions in that state now
	Failing     int64 // sessions that cannot be stored now

	WriteTime, SyncTime latency.Snapshot // of passes and of syncs
}

// Committer writes what sessions append, off their loops.
type Committer struct {
	interval time.Duration // 0: sync before anything is delivered
	grace    time.Duration
	retry    time.Duration // pause before a failed write is tried again
	now      func() time.Time

	// Set before the first session: where checksums are kept, empty = nowhere.
	sumsDir string
	fs      FS
	warn    func(format string, args ...any)

	stats struct {
		writes, bytes, syncs, writeErrors, syncErrors, stalls, stalled, failing atomic.Int64

		writeTime, syncTime latency.Histogram
	}

	mu      sync.Mutex // protects what follows; never held across I/O
	work    *sync.Cond
	queue   []*Durable // those from head on wait
	head    int
	busy    map[*Durable]struct{} // being written
	failed  map[*Durable]struct{} // wait for a retry
	unsync  map[*Durable]struct{} // written but not synced
	syncing bool                  // a sync round is scheduled or runs
	watch   *time.Timer           // looks for stalls while anything waits to be written
	watched bool
	closed  bool
	wg      sync.WaitGroup
}

// NewCommitter starts the writers. interval is the longest time between a
// write and its sync, 0 to sync before delivery; grace is how long delivery
// waits for the file; retry is the pause before a failed write is tried again.
func NewCommitter(interval, grace, retry time.Duration) *Committer {
	c := &Committer{
		interval: interval,
		grace:    grace,
		retry:    retry,
		now:      time.Now,
		busy:     make(map[*Durable]struct{}),
		failed:   make(map[*Durable]struct{}),
		unsync:   make(map[*Durable]struct{}),
	}
	c.work = sync.NewCond(&c.mu)
	c.watch = time.AfterFunc(time.Hour, c.findStalls)
	c.watch.Stop()
	c.wg.Add(writers)
	for range writers {
		go c.write()
	}
	return c
}

// Close ends the writers after the queue is empty. Sessions must have been
// closed before.
func (c *Committer) Close() {
	c.mu.Lock()
	c.closed = true
	c.work.Broadcast()
	c.mu.Unlock()
	c.wg.Wait()
	c.watch.Stop()
}

// Stats returns the counters. Any goroutine.
func (c *Committer) Stats() CommitStats {
	s := &c.stats
	return CommitStats{
		Writes: s.writes.Load(), Bytes: s.bytes.Load(), Syncs: s.syncs.Load(),
		WriteErrors: s.writeErrors.Load(), SyncErrors: s.syncErrors.Load(),
		Stalls: s.stalls.Load(), Stalled: s.stalled.Load(), Failing: s.failing.Load(),
		WriteTime: s.writeTime.Snapshot(), SyncTime: s.syncTime.Snapshot(),
	}
}

func (c *Committer) enqueue(d *Durable) {
	c.mu.Lock()
	c.queueLocked(d)
	c.mu.Unlock()
}

// queueLocked queues d unless it is queued or busy. The caller holds c.mu.
func (c *Committer) queueLocked(d *Durable) {
	if d.queued || d.isBusy() || d.ended {
		return
	}
	d.queued = true
	if d.isFailed() {
		delete(c.failed, d) // and waits since it failed
	} else {
		d.since = c.now()
	}
	if c.head > 0 && len(c.queue) == cap(c.queue) {
		n := copy(c.queue, c.queue[c.head:])
		clear(c.queue[n:])
		c.queue, c.head = c.queue[:n], 0
	}
	c.queue = append(c.queue, d)
	c.work.Signal()
	c.watchStalls()
}

// write is one writer.
func (c *Committer) write() {
	defer c.wg.Done()
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		for len(c.queue) == c.head {
			if c.closed {
				return
			}
			c.work.Wait()
		}
		d := c.queue[c.head]
		c.queue[c.head] = nil
		if c.head++; c.head == len(c.queue) {
			c.queue, c.head = c.queue[:0], 0 // used again without allocating
		}
		d.queued = false
		if d.ended {
			d.idle.Broadcast()
			continue
		}
		c.busy[d] = struct{}{}
		c.mu.Unlock()

		began := c.now()
		err := d.pass()
		c.stats.writeTime.Observe(c.now().Sub(began))

		c.mu.Lock()
		if err == nil {
			d.caughtUpLocked()
		}
		c.mu.Unlock()
		d.tell()
		c.mu.Lock()
		delete(c.busy, d)
		switch {
		case d.ended:
		case err != nil:
			// dirty stays set, so that nobody queues it before the retry.
			d.dirty.Store(true)
			c.failed[d] = struct{}{}
			if d.retry == nil {
				d.retry = time.AfterFunc(c.retry, func() { c.enqueue(d) })
			} else {
				d.retry.Reset(c.retry)
			}
			c.watchStalls()
		default:
			c.wantSyncLocked(d)
			if d.dirty.Load() {
				c.queueLocked(d)
			}
		}
		d.idle.Broadcast()
	}
}

// wantSyncLocked schedules a sync of what was just written. The caller holds
// c.mu.
func (c *Committer) wantSyncLocked(d *Durable) {
	if c.interval == 0 {
		return
	}
	c.unsync[d] = struct{}{}
	if !c.syncing {
		c.syncing = true
		// Half the interval, so that the sync itself has the other half.
		time.AfterFunc(c.interval/2, c.syncRound)
	}
}

// syncRound syncs every session that has unsynced writes, a few at a time.
func (c *Committer) syncRound() {
	c.mu.Lock()
	round := make(chan *Durable, len(c.unsync))
	for d := range c.unsync {
		round <- d
	}
	clear(c.unsync)
	c.mu.Unlock()
	close(round)
	var wg sync.WaitGroup
	for range min(syncers, len(round)) {
		wg.Go(func() {
			for d := range round {
				if err := d.sync(); err != nil {
					d.tell()
				}
			}
		})
	}
	wg.Wait()
	c.mu.Lock()
	c.syncing = len(c.unsync) > 0
	if c.syncing {
		time.AfterFunc(c.interval/2, c.syncRound)
	}
	c.mu.Unlock()
}
