package store

import "time"

/* When the disk does not keep up
 *
 * Slow      What waits for longer than the grace is delivered before it is in the file: the session is
 *           stalled until a pass has taken everything, or has again been quick.
 * Full      A write that fails is tried again from the same position, DefaultRetry later. Meanwhile the
 *           session stops accepting (Err); what it has accepted stays in memory and, after the grace,
 *           counts as stalled: it is delivered, so that members see who comes and goes.
 * Broken    A sync that fails sticks for good: the kernel may already have dropped the pages. Writing
 *           goes on, so that what little is still accepted survives a kill.
 *
 * With a sync interval of 0 nothing is delivered before it is on the disk, whatever happens.
 */

// Stalled reports whether members are sent what the file does not have yet.
// Any goroutine.
func (d *Durable) Stalled() bool { return d.stalled.Load() }

// watchStalls arms the stall timer unless it is. The caller holds c.mu.
func (c *Committer) watchStalls() {
	if !c.watched && c.grace > 0 && c.interval > 0 {
		c.watched = true
		c.watch.Reset(c.grace)
	}
}

// findStalls marks the sessions that have waited longer than the grace. It
// runs again while any may come to that.
func (c *Committer) findStalls() {
	var late []*Durable
	c.mu.Lock()
	c.watched = false
	limit := c.now().Add(-c.grace)
	again := false
	look := func(d *Durable) {
		switch {
		case d.since.IsZero() || d.stalled.Load():
		case d.since.After(limit):
			again = true
		default:
			d.setStalledLocked(true)
			late = append(late, d)
		}
	}
	for _, d := range c.queue[c.head:] {
		look(d)
	}
	for d := range c.busy {
		look(d)
	}
	for d := range c.failed {
		look(d)
	}
	if again {
		c.watchStalls()
	}
	c.mu.Unlock()
	for _, d := range late {
		d.tell()
	}
}

// caughtUpLocked is called after a successful pass. The session is not stalled
// any more if that left nothing behind, or was quick enough: under steady load
// there is always something behind. The caller holds c.mu.
func (d *Durable) caughtUpLocked() {
	if d.stalled.Load() && (!d.dirty.Load() || d.c.now().Sub(d.since) < d.c.grace) {
		d.setStalledLocked(false)
	}
	d.since = time.Time{}
}

// setStalledLocked changes the state and counts it; tell is up to the caller,
// who holds c.mu.
func (d *Durable) setStalledLocked(on bool) {
	if d.stalled.Swap(on) == on {
		return
	}
	if on {
		d.c.stats.stalls.Add(1)
		d.c.stats.stalled.Add(1)
	} else {
		d.c.stats.stalled.Add(-1)
	}
}

// isFailed reports whether the session waits for a retry. The caller holds
// c.mu.
func (d *Durable) isFailed() bool {
	_, ok := d.c.failed[d]
	return ok
}

// Err returns why the session cannot be stored at the moment, or nil. While it
// is not nil nothing must be appended to the history but what keeps track of
// who is there. A failed sync stays for good, a failed write until a retry
// succeeds. Any goroutine.
func (d *Durable) Err() error {
	if p := d.err.Load(); p != nil {
		return *p
	}
	return nil
}

// noteWrite remembers the outcome of a pass.
func (d *Durable) noteWrite(err error) {
	if err != nil {
		d.c.stats.writeErrors.Add(1)
	}
	d.errs.Lock()
	defer d.errs.Unlock()
	if (err == nil) != (d.writeErr == nil) { // the first reason stays
		d.writeErr = err
		d.publishErr()
	}
}

// noteSync remembers that a sync has failed, and returns err.
func (d *Durable) noteSync(err error) error {
	d.c.stats.syncErrors.Add(1)
	d.errs.Lock()
	defer d.errs.Unlock()
	d.syncErr = err
	d.publishErr()
	return err
}

func (d *Durable) syncFailure() error {
	d.errs.Lock()
	defer d.errs.Unlock()
	return d.syncErr
}

// failure returns why the last write or a sync has failed, or nil.
func (d *Durable) failure() error {
	d.errs.Lock()
	defer d.errs.Unlock()
	if d.syncErr != nil {
		return d.syncErr
	}
	return d.writeErr
}

// publishErr makes Err return what holds now. The caller holds d.errs.
func (d *Durable) publishErr() {
	err := d.syncErr
	if err == nil {
		err = d.writeErr
	}
	if err == nil && d.noRoom {
		err = ErrNoRoom
	}
	var p *error
	if err != nil {
		held := err // only an error costs an allocation
		p = &held
	}
	was := d.err.Swap(p)
	switch {
	case was == nil && p != nil:
		d.c.stats.failing.Add(1)
	case was != nil && p == nil:
		d.c.stats.failing.Add(-1)
	}
}

// forget takes a session that is closed out of the count of failing ones.
func (d *Durable) forget() {
	d.errs.Lock()
	defer d.errs.Unlock()
	if d.err.Load() != nil && !d.forgotten {
		d.c.stats.failing.Add(-1)
	}
	d.forgotten = true
}
