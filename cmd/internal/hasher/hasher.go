// Package hasher computes password hashes in processes of their own.
//
// A hash takes 64 MiB and tens of milliseconds. Inside the server that memory
// makes Go collect garbage again and again; its threads cannot be given a lower
// priority without the collector waiting for one that gets no processor; and a
// system short of memory ends the process with everybody's drawings. None of
// that reaches a server whose hashes are computed elsewhere: who draws does not
// notice who logs in (relay-design.md §9).
package hasher

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"drawrelay/store/password"
)

const (
	// idleAfter is how long a process stays for the next password. It keeps the
	// memory of its last hash.
	idleAfter = 10 * time.Second
	// leisure is how long a hash may take in a process that runs only when
	// nothing else wants to. On a machine that is busy for longer it begins
	// anew in one that gets a share of the time.
	leisure = 2 * time.Second
	// jobTime is how long one hash may take then: the dearest that is accepted,
	// 4 passes over 1 GiB, on a small board beside a flood of others.
	jobTime = 2 * time.Minute
)

var errClosed = errors.New("hash password: the server stops")

// Options of a Hasher.
type Options struct {
	// Command is the program that calls Work, with its arguments. Empty: hashes
	// are computed in this process.
	Command []string
	// Processes is how many hashes are computed at a time; 0 = 1.
	Processes int
	// Warn is told, once, that hashes are computed in this process because no
	// other can be started; nil = nobody is.
	Warn func(error)
}

// Hasher is a password.Hasher that starts processes when they are needed and
// ends them when they no longer are. Its methods are for any goroutine.
type Hasher struct {
	options Options
	// slots has one entry for each process there may be, nil for one that does
	// not run. Who takes an entry owns it and puts one back.
	slots chan *process
	ctx   context.Context // ends with Close, and every process with it
	end   context.CancelFunc
	once  sync.Once
	warn  sync.Once
	// leisure is the constant, but in tests.
	leisure time.Duration
}

// New returns a Hasher without processes.
func New(o Options) *Hasher {
	n := max(1, o.Processes)
	h := &Hasher{options: o, slots: make(chan *process, n), leisure: leisure}
	h.ctx, h.end = context.WithCancel(context.Background())
	for range n {
		h.slots <- nil
	}
	return h
}

// Check implements password.Hasher. It waits until a process is free.
func (h *Hasher) Check(stored, pass string) (bool, error) {
	if password.Quick(stored) {
		return password.Check(stored, pass), nil
	}
	a, err := h.ask(request{Stored: []byte(stored), Password: []byte(pass)})
	return a.Right, err
}

// Hash implements password.Hasher. It waits until a process is free.
func (h *Hasher) Hash(pass string) (string, error) {
	if pass == "" {
		return "", nil
	}
	a, err := h.ask(request{Password: []byte(pass)})
	return a.Hash, err
}

// Close ends the processes. Work in progress fails, and whatever comes later.
func (h *Hasher) Close() {
	h.once.Do(func() {
		h.end()
		for range cap(h.slots) {
			if p := <-h.slots; p != nil {
				p.end()
			}
		}
	})
}

func (h *Hasher) ask(q request) (answer, error) {
	var p *process
	select {
	case p = <-h.slots:
	case <-h.ctx.Done():
		return answer{}, errClosed
	}
	defer func() { h.slots <- p }()
	// The second time is for a hash that took too long, or whose process was
	// ended by a system short of memory.
	var err error
	for _, hurry := range [...]bool{false, true} {
		if h.ctx.Err() != nil {
			return answer{}, errClosed
		}
		if p == nil {
			if p, err = h.start(hurry); err != nil {
				return h.here(q, err)
			}
		}
		var a answer
		if a, err = p.ask(q); err == nil {
			p.used = time.Now()
			time.AfterFunc(idleAfter, h.retire)
			return a, a.failed()
		}
		p.end()
		p = nil
	}
	return answer{}, fmt.Errorf("hash password: the process for it ended, for lack of memory perhaps: %w", err)
}

// here computes a hash in this process, since err keeps others from starting.
func (h *Hasher) here(q request, err error) (answer, error) {
	if len(h.options.Command) > 0 && h.options.Warn != nil {
		h.warn.Do(func() {
			h.options.Warn(fmt.Errorf("password hashes are computed inside the server, which slows drawing down while many log in, because no process can be started for them: %w", err))
		})
	}
	a := q.work()
	return a, a.failed()
}

// start starts a process, which lowers its own priority: until it runs its own
// program it keeps a thread of this one waiting, and Go's collector with it.
func (h *Hasher) start(hurry bool) (*process, error) {
	if len(h.options.Command) == 0 {
		return nil, errors.ErrUnsupported
	}
	p, err := startProcess(h.ctx, h.options.Command)
	if err != nil {
		return nil, err
	}
	p.patience, p.hurry = h.leisure, hurry
	if hurry {
		p.patience = jobTime
	}
	return p, nil
}

// retire ends processes that have been idle for long.
func (h *Hasher) retire() {
	for range cap(h.slots) {
		select {
		case p := <-h.slots:
			if p != nil && time.Since(p.used) >= idleAfter {
				p.end()
				p = nil
			}
			h.slots <- p
		default:
			return
		}
	}
}
