package admin

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
)

const (
	// lookers is how many calls that only look are worked on at a time, and
	// changers how many of those that change something: one, so that each is
	// atomic to the others.
	lookers  = 4
	changers = 1
)

// crew works on calls, on threads of low priority: who draws comes first, even
// where callers ask for all they can.
type crew struct {
	jobs chan *job
	quit chan struct{}
	wg   sync.WaitGroup
}

type job struct {
	f      func()
	done   chan struct{}
	failed error // f has panicked
}

var errClosed = errors.New("the admin API is closed")

func newCrew(n int) *crew {
	c := &crew{jobs: make(chan *job), quit: make(chan struct{})}
	for range n {
		c.wg.Go(c.work)
	}
	return c
}

func (c *crew) work() {
	runtime.LockOSThread() // never unlocked: the thread ends with its priority
	lowerPriority()
	for {
		select {
		case j := <-c.jobs:
			j.run()
		case <-c.quit:
			return
		}
	}
}

func (j *job) run() {
	defer close(j.done)
	defer func() {
		if p := recover(); p != nil {
			j.failed = fmt.Errorf("%v\n%s", p, debug.Stack())
		}
	}()
	j.f()
}

// do has f worked on and waits for it. If ctx ends before somebody is free, f
// is not run. A panic of f is one of the caller.
func (c *crew) do(ctx context.Context, f func()) error {
	j := &job{f: f, done: make(chan struct{})}
	select {
	case c.jobs <- j:
	case <-ctx.Done():
		return ctx.Err()
	case <-c.quit:
		return errClosed
	}
	<-j.done
	if j.failed != nil {
		panic(j.failed)
	}
	return nil
}

func (c *crew) close() {
	close(c.quit)
	c.wg.Wait()
}
