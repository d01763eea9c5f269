package listing

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"drawrelay/store/serverlog"
)

// announce puts a session on a list to fulfil a wish.
func (c *Client) announce(l *listing, wish int, again bool) {
	defer c.work.Done()
	if !c.config.Allowed(l.server.url) {
		if c.done(l, wish, false) {
			c.sessions.ListingForbidden(l.session, l.server.url)
		}
		return
	}
	if !c.enter(l.server) {
		return
	}
	defer l.server.leave()
	if again && c.postpone(l) {
		return
	}
	c.log(serverlog.Info, l.session, "Announcing session at at "+l.server.url)
	s, ok := c.sessions.Find(l.session)
	if !ok {
		c.done(l, wish, false)
		return
	}
	now := c.config.Now()
	d := describe(s, c.config.Settings.Get(), now)
	at, interval, message, err := c.post(c.ctx, l.server.url, &d)
	if err != nil {
		c.announceFailed(l, wish, err)
		return
	}
	if message != "" {
		c.log(serverlog.Info, l.session, l.server.url+": "+message)
	}

	c.mu.Lock()
	l.at, l.atWish, l.interval, l.sent, l.sentAt = &at, wish, interval, d, now
	l.again, l.refusedSince = true, time.Time{}
	l.server.answered()
	current := l.wanted && l.wish == wish
	c.mu.Unlock()
	c.done(l, wish, current && c.sessions.Listed(l.session, l.server.url, at.number, message))
}

// done ends a request for a wish, and the wish itself unless it is still held.
// It reports whether the wish was held until now.
func (c *Client) done(l *listing, wish int, wanted bool) (held bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l.busy = false
	held = l.wanted && l.wish == wish
	if !wanted && l.wish == wish {
		l.wanted = false
	}
	c.stepLocked(l)
	return held
}

// postpone lets a listing wait that would be announced again at a server that
// has just been found not to answer.
func (c *Client) postpone(l *listing) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.config.Now().Before(l.server.retryAt) {
		return false
	}
	l.busy, l.lost, l.retryAt = false, true, l.server.retryAt
	c.stepLocked(l)
	return true
}

func (c *Client) announceFailed(l *listing, wish int, err error) {
	var refused refusal
	c.mu.Lock()
	l.busy = false
	current := l.wanted && l.wish == wish
	retry := current && l.again
	if errors.As(err, &refused) {
		retry = retry && !c.refusedTooLongLocked(l)
		l.retryAt = c.config.Now().Add(spread(firstRetry))
	} else {
		c.backOffLocked(l.server)
		l.retryAt = l.server.retryAt
	}
	l.lost = retry
	if current && !retry {
		l.wanted = false
	}
	c.stepLocked(l)
	c.mu.Unlock()
	if current {
		c.sessions.ListingFailed(l.session, l.server.url, err.Error(), retry)
	}
}

// refusedTooLongLocked notes a refusal and reports whether to give up.
func (c *Client) refusedTooLongLocked(l *listing) bool {
	now := c.config.Now()
	if l.refusedSince.IsZero() {
		l.refusedSince = now
	}
	return now.Sub(l.refusedSince) >= maxRefused
}

// backOffLocked follows a request that a server has not answered. Requests
// that fail together count once.
func (c *Client) backOffLocked(srv *server) {
	now := c.config.Now()
	if now.Before(srv.retryAt) {
		return
	}
	wait := maxRetry
	if srv.failures < 5 {
		wait = firstRetry << srv.failures
	}
	srv.failures++
	srv.retryAt = now.Add(spread(min(wait, maxRetry)))
}

// answered follows an answer: the server is there. The caller holds the lock.
func (srv *server) answered() { srv.failures, srv.retryAt = 0, time.Time{} }

// spread adds jitter to a wait.
func spread(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (1 - jitter + 2*jitter*rand.Float64()))
}

// withdraw takes a session off a list.
func (c *Client) withdraw(l *listing, at place) {
	defer c.work.Done()
	if !c.enter(l.server) {
		return
	}
	defer l.server.leave()
	for n := 1; ; n++ {
		err := c.delete(c.ctx, l.server.url, at)
		if err == nil || n == withdrawals || !c.pause(spread(withdrawWait)) {
			if err != nil {
				c.log(serverlog.Warn, l.session, fmt.Sprintf("%s: unlisting failed, the listing will expire there: %v", l.server.url, err))
			}
			break
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l.at, l.busy = nil, false
	c.stepLocked(l)
}

// pause waits, and reports false if the client is being closed.
func (c *Client) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.stop:
		return false
	}
}
