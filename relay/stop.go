package relay

import (
	"context"
	"slices"
	"time"

	"drawrelay/frame"
)

// hangUpWait is how long a stopping server waits for members who have been told
// everything to hang up.
const hangUpWait = 500 * time.Millisecond

// Stop tells everybody that the server shuts down, waits until the members
// have hung up or ctx ends, closes all sessions' files and ends the loops.
// Sessions and their files stay. Login must have been stopped before. The
// error is that of ctx if members had to be cut off.
func (s *Server) Stop(ctx context.Context) (err error) {
	s.stopOnce.Do(func() { err = s.stop(ctx) })
	return err
}

func (s *Server) stop(ctx context.Context) error {
	s.stopping.Store(true)
	for _, r := range s.registry.all() {
		_ = r.loop.call(func() error {
			defer r.rescue()
			if !r.over {
				r.session.stop()
			}
			return nil
		})
	}
	bye := frame.AppendDisconnect(nil, frame.ReasonShutdown, "Server shutting down")
	for _, l := range s.loops {
		_ = l.call(func() error {
			for _, k := range slices.Clone(l.links) {
				if k.quiet {
					k.bye(k.lastWords(bye))
				}
			}
			return nil
		})
	}
	err := s.drain(ctx)
	taken := make(chan struct{})
	go func() {
		s.steps.Wait()
		close(taken)
	}()
	select {
	case <-taken: // nothing half-built is left behind
	case <-ctx.Done():
	}
	for _, l := range s.loops {
		_ = l.call(func() error {
			for _, k := range slices.Clone(l.links) {
				k.fail(errAborted)
			}
			l.sweep()
			return nil
		})
	}
	s.workers.close()
	for _, l := range s.loops {
		l.do(func() { l.closing = true })
	}
	s.running.Wait()
	// Only now does no loop begin to close another session's files.
	s.finished.Wait()
	// What closed those files woke loops until now: their descriptors must not
	// have gone to anybody else.
	for _, l := range s.loops {
		l.drv.close()
	}
	return err
}

// drain waits until all members have been sent everything and have hung up. A
// member that has everything and stays gets hangUpWait.
func (s *Server) drain(ctx context.Context) error {
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	var told time.Time // when the last member had everything
	for {
		open, busy := s.connections()
		if open == 0 {
			return nil
		}
		now := time.Now()
		switch {
		case busy > 0:
			told = time.Time{}
		case told.IsZero():
			told = now
		case now.Sub(told) > hangUpWait:
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-poll.C:
		}
	}
}

// connections counts the members' connections, and those that have not been
// sent everything.
func (s *Server) connections() (open, busy int) {
	for _, l := range s.loops {
		_ = l.call(func() error {
			open += len(l.links)
			for _, k := range l.links {
				if !k.shut {
					busy++
				}
			}
			return nil
		})
	}
	return open, busy
}
