package login

import (
	"context"
	"runtime"
	"sync"
	"time"
)

// pace bounds how many new connections are served per second, so that a flood
// of them leaves the processors to those who draw. What comes too fast waits
// in the kernel, where it costs nothing. Safe for any goroutine.
type pace struct {
	every time.Duration // between two connections in the long run
	burst time.Duration // how far ahead of that they may come

	mu   sync.Mutex
	next time.Time // when the long run has caught up with what was served
}

func newPace() *pace {
	every := time.Second / time.Duration(connectionRate*runtime.NumCPU())
	return &pace{every: every, burst: connectionBurst}
}

// wait returns when another connection may be served, or with false when ctx
// has ended.
func (p *pace) wait(ctx context.Context) bool {
	p.mu.Lock()
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	delay := p.next.Sub(now) - p.burst
	p.next = p.next.Add(p.every)
	p.mu.Unlock()
	if delay <= 0 {
		return ctx.Err() == nil
	}
	select {
	case <-time.After(delay):
		return true
	case <-ctx.Done():
		return false
	}
}
