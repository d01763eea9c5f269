package login

import (
	"net"
	"sync"
	"time"
)

// event is something that ends a blocking read from outside.
type event uint8

const (
	evStop   event = 1 << iota // the server stops
	evLinger                   // too long without a session
	evDone                     // awaited work has ended
	evBroken                   // another goroutine's write failed
	evKick                     // an administrator wants it to go
)

// past is a deadline that has gone by.
var past = time.Unix(1, 0)

// alarm decides when the connection's blocking read returns: at the idle
// time-out, at a step's hard limit, or when an event is raised.
//
// Ownership: raise and sever are for any goroutine, the rest is for the
// connection's own.
type alarm struct {
	mu       sync.Mutex
	conn     net.Conn      // immutable
	idle     time.Duration // 0 = never
	expires  time.Time     // idle time-out, zero = never
	hard     time.Time     // limit of the current step, zero = none
	events   event
	closing  bool // only time ends the wait for the peer's close
	released bool // the connection has been handed over or closed
}

// start starts the idle time-out.
func (a *alarm) start(idle time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.idle = idle
	if idle > 0 {
		a.expires = time.Now().Add(idle)
	}
	a.applyLocked()
}

// received restarts the idle time-out; unlimit also lifts the step's limit.
func (a *alarm) received(unlimit bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if unlimit {
		a.hard = time.Time{}
	}
	if a.idle > 0 {
		a.expires = time.Now().Add(a.idle)
	}
	a.applyLocked()
}

// limit sets the hard limit of a step, 0 = none.
func (a *alarm) limit(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hard = time.Time{}
	if d > 0 {
		a.hard = time.Now().Add(d)
	}
	a.applyLocked()
}

// raise makes the connection's read return, now or as soon as it blocks. It
// reports false if the connection does not read for its login any more.
func (a *alarm) raise(e event) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closing || a.released {
		return false
	}
	a.events |= e
	a.applyLocked()
	return true
}

// stop raises evStop and leaves grace for a write in progress and for the rest
// of an orderly close.
func (a *alarm) stop(grace time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.released {
		return
	}
	end := time.Now().Add(grace)
	_ = a.conn.SetWriteDeadline(end) // fails on a closed socket only, as the write will
	if !a.closing {
		a.events |= evStop
	} else if end.Before(a.expires) {
		a.expires = end
	}
	a.applyLocked()
}

// clear forgets an event.
func (a *alarm) clear(e event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.events &^= e
	a.applyLocked()
}

// pending returns the raised events.
func (a *alarm) pending() event {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.events
}

// release ends all influence on the connection and clears its deadlines. It
// returns false if the connection has been cut meanwhile.
func (a *alarm) release() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.released || a.events&evKick != 0 {
		return false
	}
	a.released = true
	_ = a.conn.SetDeadline(time.Time{})
	return true
}

// retain takes the connection back after a hand-over that failed.
func (a *alarm) retain() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.released = false
	a.applyLocked()
}

// close leaves d for the rest of an orderly close.
func (a *alarm) close(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.events&evStop != 0 {
		d = min(d, stopGrace)
	}
	a.closing, a.events, a.hard = true, 0, time.Time{}
	a.expires = time.Now().Add(d)
	a.applyLocked()
}

// closed closes the connection after an orderly close.
func (a *alarm) closed() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.released {
		a.released = true
		_ = a.conn.Close()
	}
}

// due returns the limit that expires first, measured from start.
func (a *alarm) due(start time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.hard.IsZero() && (a.expires.IsZero() || a.hard.Before(a.expires)) {
		return a.hard.Sub(start)
	}
	return a.idle
}

// sever cuts the connection unless it has been handed over.
func (a *alarm) sever() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.released {
		a.released = true
		reset(a.conn)
	}
}

func (a *alarm) applyLocked() {
	if a.released {
		return
	}
	t := a.expires
	if !a.hard.IsZero() && (t.IsZero() || a.hard.Before(t)) {
		t = a.hard
	}
	if a.events != 0 {
		t = past
	}
	_ = a.conn.SetReadDeadline(t) // fails on a closed socket only, as the read will
}

// reset closes a connection at once; on TCP the peer gets a reset.
func reset(conn net.Conn) {
	if t, ok := conn.(interface{ SetLinger(sec int) error }); ok {
		_ = t.SetLinger(0)
	}
	_ = conn.Close()
}
