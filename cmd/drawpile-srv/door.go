package main

import (
	"fmt"
	"net"
	"sync/atomic"
	"time"
)

// door is a listening socket as login sees it. It looks at the configuration
// file before each connection is served, so that a change counts for the next
// one (configuration.md §9.4), and knows whether connections are really taken.
type door struct {
	net.Listener
	*reloader
	name string // for messages

	accepted atomic.Int64 // connections so far
	// busy is when the last connection was taken, or failed to be, while it
	// has not been handed on: Unix nanoseconds, 0 = waiting for one.
	busy atomic.Int64
}

func newDoor(l net.Listener, r *reloader, name string) *door {
	return &door{Listener: l, reloader: r, name: name}
}

// Accept implements net.Listener.
func (d *door) Accept() (net.Conn, error) {
	d.busy.Store(0)
	c, err := d.Listener.Accept()
	d.busy.Store(time.Now().UnixNano())
	if err == nil {
		d.accepted.Add(1)
		d.check()
	}
	return c, err
}

// doorStall is how long one connection may take from being accepted to being
// somebody else's business. It is a look at a file; a failed accept is tried
// again within a second.
const doorStall = 10 * time.Second

// stuck returns an error if connections are not taken any more. Any goroutine.
func (d *door) stuck() error {
	since := d.busy.Load()
	if since == 0 {
		return nil
	}
	if took := time.Since(time.Unix(0, since)); took > doorStall {
		return fmt.Errorf("the %s port has not taken connections for %v", d.name, took.Round(time.Second))
	}
	return nil
}
