//go:build linux

package scenario

import (
	"errors"
	"fmt"
	"time"

	"drawrelay/frame"
	"drawrelay/perf/load"
	"drawrelay/perf/machine"
)

const (
	storedSessions = 50
	storedBytes    = 250e6 // in all
	listTimeout    = time.Minute
)

// comeBack stores sessions, ends the server and starts it again over the same
// files: how long until it lists all of them?
func (r *run) comeBack() error {
	if !r.Files || r.srv.proc == nil {
		return ErrNotApplicable
	}
	n := or(r.Sessions, storedSessions)
	total := or(r.Bytes, storedBytes)
	sizes, err := r.sizes(0)
	if err != nil {
		return err
	}
	for range n {
		s, d, err := r.hostOnly()
		if err != nil {
			return err
		}
		if _, err := r.loop.Draw(load.Plan{Drawers: []*load.Drawer{d}, Sizes: sizes, MaxBytes: total / int64(n)}); err != nil {
			return err
		}
		// The reference ends sessions with its clients unless they are persistent.
		r.loop.Send(d.Member, append(initComplete(), persistent()...))
		if err := r.loop.Barrier(s); err != nil {
			return err
		}
	}
	start := time.Now()
	if err := r.srv.proc.Stop(); err != nil {
		return err
	}
	stopping := time.Since(start)
	w := machine.NewWatch(nil)
	start = time.Now()
	if err := r.srv.begin(&r.Options); err != nil {
		return fmt.Errorf("start again: %w", err)
	}
	greeting := time.Since(start)
	if err := r.awaitListed(n); err != nil {
		return err
	}
	listed := time.Since(start)
	cpu := r.srv.Target.CPU() // since it was started
	span := w.Stop()
	span.CPU = cpu
	r.result.lower("cpu", float64(cpu)/1e6, "ms")
	r.result.lower("until listed", float64(listed)/1e6, "ms")
	r.result.lower("until greeting", float64(greeting)/1e6, "ms")
	r.result.lower("peak memory", float64(r.memory().Peak)/mib, "MiB")
	r.result.lower("stopping", float64(stopping)/1e6, "ms")
	r.result.Others = max(r.result.Others, span.Others)
	return nil
}

// persistent is the command that keeps a session without members.
func persistent() []byte {
	return frame.Append(nil, frame.Msg{Body: []byte(`{"cmd":"sessionconf","kwargs":{"persistent":true}}`)})
}

// awaitListed logs in until the list of sessions has n of them.
func (r *run) awaitListed(n int) error {
	for deadline := time.Now().Add(listTimeout); ; {
		c, err := r.dialer().Dial(r.name())
		if err != nil {
			return err
		}
		err = c.Login()
		c.Close()
		if err != nil {
			return err
		}
		if c.Listed == n {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("the server lists %d sessions instead of %d", c.Listed, n), load.ErrTimeout)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
