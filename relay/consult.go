package relay

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"
)

// slowAnswer is how much longer than its context the caller of consult waits
// for an answer that has been begun, because by then something may have
// changed: long enough for a password hash on a busy machine.
const slowAnswer = 10 * time.Second

var (
	// ErrNoSession is returned when there is no session with the id or alias
	// that was asked for, or when it ended before it could answer.
	ErrNoSession = errors.New("no such session")
	// ErrBusy is returned when a session did not answer in time. Nothing has
	// been changed, unless it also is ErrUnfinished.
	ErrBusy = errors.New("the session did not answer in time; try again")
	// ErrUnfinished is returned when a session has begun to do what it was
	// asked for, and may still complete it.
	ErrUnfinished = errors.New("the session is still busy with it; look later")
)

// question is somebody who waits for the owner loop.
// Ownership: the owner loop until done is closed, but for taken.
type question struct {
	done     chan struct{}
	taken    atomic.Int32 // questionOpen until either side decides
	answered bool
	over     bool
}

const (
	questionOpen    int32 = iota
	questionBegun         // the loop runs it
	questionDropped       // the caller waits no more
)

// consult runs f on the owner loop once the session is ready for it, and waits
// until f, or what f has set off, calls answer on that loop. It returns
// ErrNoSession if the session ends before; what answers in the event in which
// it ends the session has been in time. When ctx ends before f has begun, f
// never runs. What f writes may be read if the result is nil. Any goroutine but
// a loop's.
func (r *room) consult(ctx context.Context, f func(answer func())) error {
	q := &question{done: make(chan struct{})}
	r.loop.do(func() {
		defer r.rescue()
		if r.over {
			close(q.done)
			return
		}
		r.questions = append(r.questions, q)
		r.session.whenReady(func() {
			switch {
			case q.over, r.over:
			case !q.taken.CompareAndSwap(questionOpen, questionBegun):
				r.answer(q)
			default:
				f(func() {
					if !q.over {
						q.answered = true
						r.answer(q)
					}
				})
			}
		})
	})
	select {
	case <-q.done:
	case <-ctx.Done():
		if q.taken.CompareAndSwap(questionOpen, questionDropped) {
			return ErrBusy
		}
		late := time.NewTimer(slowAnswer)
		defer late.Stop()
		select {
		case <-q.done:
		case <-late.C:
			return ErrUnfinished
		}
	}
	if !q.answered {
		return ErrNoSession
	}
	return nil
}

// ask runs f on the owner loop once the session is ready for it, and waits. It
// reports false if the session has ended instead. Any goroutine but a loop's.
func (r *room) ask(f func()) bool {
	return r.consult(context.Background(), func(answer func()) {
		f()
		answer()
	}) == nil
}

// endQuestions tells all who still wait that the session has ended. Owner loop,
// after the event in which it did: who asked for the end is answered in that.
func (r *room) endQuestions() {
	for len(r.questions) > 0 {
		r.answer(r.questions[0])
	}
}

func (r *room) answer(q *question) {
	q.over = true
	r.questions = slices.DeleteFunc(r.questions, func(o *question) bool { return o == q })
	close(q.done)
}

// consult is that of the room with this id or alias, with f answering at once.
func (s *Server) consult(ctx context.Context, idOrAlias string, f func(*session)) error {
	r := s.registry.find(idOrAlias)
	if r == nil {
		return ErrNoSession
	}
	return r.consult(ctx, func(answer func()) {
		f(r.session)
		answer()
	})
}
