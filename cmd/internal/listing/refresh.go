package listing

import (
	"errors"
	"fmt"
	"time"

	"drawrelay/store/serverlog"
)

// tick refreshes what is due and tries again what has failed.
func (c *Client) tick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	now := c.config.Now()
	for _, srv := range c.servers {
		for _, l := range srv.listings {
			if l.lost && l.at == nil && !now.Before(l.retryAt) {
				l.lost = false
				c.stepLocked(l)
			}
		}
		c.refreshIfDueLocked(srv)
	}
}

// question is a listing in a refresh, as it was when that was sent.
type question struct {
	l    *listing
	at   *place
	wish int
	told description
	lost bool
}

// moot reports whether things have changed since the refresh was sent. The
// caller holds the lock.
func (q *question) moot() bool { return q.l.at != q.at || q.l.wish != q.wish || !q.l.wanted }

// refreshIfDueLocked refreshes all listings at a server if one of them needs
// it, unless a refresh is under way there.
func (c *Client) refreshIfDueLocked(srv *server) {
	if !c.started || srv.refreshing {
		return
	}
	now, set := c.config.Now(), c.config.Settings.Get()
	var batch []question
	due := false
	for _, l := range srv.listings {
		if l.at == nil || l.busy || !l.wanted || l.atWish != l.wish {
			continue
		}
		s, ok := c.sessions.Find(l.session)
		if !ok {
			continue // about to be unlisted
		}
		d := describe(s, set, now)
		batch = append(batch, question{l, l.at, l.wish, d, l.lost})
		if l.lost {
			due = due || !now.Before(srv.retryAt)
		} else {
			due = due || now.Sub(l.sentAt) >= l.interval || l.sent.urgent(&d)
		}
	}
	if !due {
		return
	}
	srv.refreshing = true
	c.work.Add(1)
	go c.refresh(srv, batch, now)
}

func (c *Client) refresh(srv *server, batch []question, now time.Time) {
	defer c.work.Done()
	updates := make(map[int64]update, len(batch))
	for i := range batch {
		updates[batch[i].at.number] = batch[i].told.update(batch[i].at.key)
	}
	refused, message, err := c.put(c.ctx, srv.url, updates)
	if message != "" {
		c.log(serverlog.Info, "", srv.url+": "+message)
	}
	if err != nil {
		c.refreshFailed(srv, batch, err)
		return
	}

	var tell []func()
	c.mu.Lock()
	srv.answered()
	for _, q := range batch {
		if q.moot() {
			continue
		}
		l := q.l
		reason, no := refused[q.at.number]
		switch {
		case !no:
			l.sent, l.sentAt = q.told, now
			if q.lost {
				l.lost, l.busy, l.refusedSince = false, true, time.Time{}
				tell = append(tell, func() {
					c.done(l, q.wish, c.sessions.Listed(l.session, srv.url, q.at.number, ""))
				})
			}
		case q.lost:
			// The list has dropped it while nobody could tell: start over.
			l.at, l.lost = nil, false
			c.stepLocked(l)
		default:
			l.at, l.wanted = nil, false
			c.stepLocked(l)
			tell = append(tell, func() { c.sessions.Delisted(l.session, srv.url, reason) })
		}
	}
	c.refreshedLocked(srv)
	c.mu.Unlock()
	for _, f := range tell {
		f()
	}
}

func (c *Client) refreshedLocked(srv *server) {
	srv.refreshing = false
	c.forgetLocked(srv)
}

// refreshFailed follows a refresh that was not answered or was refused as a
// whole: the sessions do not count as listed until the server takes them again.
func (c *Client) refreshFailed(srv *server, batch []question, err error) {
	var refused refusal
	void := errors.As(err, &refused) // it does not know our places any more
	var lost []string
	c.mu.Lock()
	c.backOffLocked(srv)
	wait := srv.retryAt.Sub(c.config.Now()).Round(time.Second)
	for _, q := range batch {
		if q.moot() {
			continue
		}
		if !q.l.lost {
			lost = append(lost, q.l.session)
		}
		q.l.lost, q.l.retryAt = true, srv.retryAt
		if void {
			q.l.at = nil
		}
	}
	c.refreshedLocked(srv)
	c.mu.Unlock()
	c.log(serverlog.Warn, "", fmt.Sprintf("%s: bulk refresh error: %v (next try in %v)", srv.url, err, wait))
	for _, session := range lost {
		c.sessions.ListingLost(session, srv.url)
	}
}
