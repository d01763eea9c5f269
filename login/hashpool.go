package login

import (
	"context"
	"errors"
	"sync"

	"drawrelay/store/password"
)

// hashPool lets a fixed number of password hashes be computed at a time. Work
// that finds all of it in use waits for its turn: first what nobody suspects,
// then passwords from where, or for accounts for which, wrong ones have come
// lately, both in order. So a flood of guesses keeps only those waiting whose
// own account is guessed at.
type hashPool struct {
	size     int
	start    sync.Once
	jobs     chan func()
	suspects chan func()
	quit     chan struct{}
	end      sync.Once
	hasher   password.Hasher
}

var errHashClosed = errors.New("hash password: the server stops")

// newHashPool returns a pool; its goroutines start with the first work.
func newHashPool(size int, hasher password.Hasher) *hashPool {
	return &hashPool{size: size, jobs: make(chan func()), suspects: make(chan func()), quit: make(chan struct{}), hasher: hasher}
}

// close ends the goroutines. Work in progress is finished, waiting work fails.
func (p *hashPool) close() {
	p.start.Do(func() {}) // none will start
	p.end.Do(func() { close(p.quit) })
}

// check reports whether pass matches the stored hash. With even it takes at
// least as long as for a hash of the usual cost, whatever stored is; suspect
// lets others go first.
func (p *hashPool) check(ctx context.Context, stored, pass string, even, suspect bool) (ok bool, err error) {
	queue := p.jobs
	if suspect {
		queue = p.suspects
	}
	return pooled(ctx, p, queue, func() (bool, error) {
		if even && password.Cheap(stored) {
			if _, err := p.hasher.Check(password.Decoy, pass); err != nil {
				return false, err
			}
		}
		return p.hasher.Check(stored, pass)
	})
}

// hash makes a new hash of pass.
func (p *hashPool) hash(ctx context.Context, pass string) (string, error) {
	return pooled(ctx, p, p.jobs, func() (string, error) { return p.hasher.Hash(pass) })
}

// pooled runs f on one of the pool's goroutines, which take it from queue. It
// returns early when ctx ends.
func pooled[T any](ctx context.Context, p *hashPool, queue chan<- func(), f func() (T, error)) (v T, err error) {
	p.start.Do(func() {
		for range p.size {
			go p.work()
		}
	})
	type answer struct {
		v   T
		err error
	}
	answers := make(chan answer, 1)
	job := func() {
		if ctx.Err() != nil {
			return // nobody waits any more
		}
		v, err := f()
		answers <- answer{v, err}
	}
	select {
	case queue <- job:
	case <-ctx.Done():
		return v, ctx.Err()
	case <-p.quit:
		return v, errHashClosed
	}
	select {
	case a := <-answers:
		return a.v, a.err
	case <-ctx.Done():
		return v, ctx.Err()
	}
}

func (p *hashPool) work() {
	for {
		select {
		case job := <-p.jobs:
			job()
			continue
		default:
		}
		select {
		case job := <-p.jobs:
			job()
		case job := <-p.suspects:
			job()
		case <-p.quit:
			return
		}
	}
}
