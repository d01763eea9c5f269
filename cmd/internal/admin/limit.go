package admin

import (
	"net"
	"sync"
	"time"
)

const (
	// maxConns is how many connections are open at a time to all ports, and
	// as many to all local listeners; more are closed as they come. Front ends
	// use a handful each.
	maxConns = 256
	// callsPerSecond and callBurst bound the calls of all callers together,
	// and as many health checks: far above what any front end asks for, far below what the loops notice.
	callsPerSecond = 500
	callBurst      = 1000
	// wrongDelay is how long an answer to wrong credentials takes, and
	// maxWrong how many such answers wait at a time: together at most 40
	// guesses per second, while right credentials never wait.
	wrongDelay = 200 * time.Millisecond
	maxWrong   = 8
)

// connLimit counts open connections.
type connLimit struct{ places chan struct{} }

// hold returns c, which gives its place back when it is closed; nil if there is
// none.
func (l *connLimit) hold(c net.Conn) net.Conn {
	select {
	case l.places <- struct{}{}:
		return &heldConn{Conn: c, limit: l}
	default:
		return nil
	}
}

type heldConn struct {
	net.Conn
	limit *connLimit
	once  sync.Once
}

func (c *heldConn) Close() error {
	c.once.Do(func() { <-c.limit.places })
	return c.Conn.Close()
}

// bucket is a token bucket for calls. Any goroutine.
type bucket struct {
	now func() time.Time

	mu   sync.Mutex
	left float64
	at   time.Time
}

func newBucket(now func() time.Time) *bucket { return &bucket{now: now, left: callBurst, at: now()} }

// take reports whether there is a token for one more call.
func (b *bucket) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	b.left = min(b.left+callsPerSecond*max(now.Sub(b.at).Seconds(), 0), callBurst)
	b.at = now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

// wrongGuard slows down who guesses credentials.
type wrongGuard struct{ places chan struct{} }

func newWrongGuard() *wrongGuard { return &wrongGuard{places: make(chan struct{}, maxWrong)} }

// wait delays the answer to wrong credentials. It reports false if so many wait
// already that there is to be no answer yet.
func (g *wrongGuard) wait(done <-chan struct{}) bool {
	select {
	case g.places <- struct{}{}:
	default:
		return false
	}
	defer func() { <-g.places }()
	t := time.NewTimer(wrongDelay)
	defer t.Stop()
	select {
	case <-t.C:
	case <-done:
	}
	return true
}
