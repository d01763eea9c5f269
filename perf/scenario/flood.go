//go:build linux

package scenario

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"drawrelay/perf/load"
	"drawrelay/perf/proto"
)

const (
	floodRate = 5000 // wrong passwords per second
	// floodAccounts is how many accounts are attacked.
	floodAccounts = 64
)

// flood draws with and without thousands of wrong passwords per second from as
// many addresses, in turns, and measures latency in both; and how long guests
// and the owner of another account take to log in meanwhile.
func (r *run) flood() error {
	if r.spec.Baseline {
		return ErrNotApplicable
	}
	guests, owners := &load.Histogram{}, &load.Histogram{}
	var attempts, failed int
	var took time.Duration
	err := r.beside(func() (func() error, error) {
		f, err := load.NewFlood(r.srv.Addr, or(r.Logins, floodRate), floodAccounts)
		if err != nil {
			return nil, err
		}
		leave := r.visitors(guests, owners)
		return func() error {
			out := f.Stop()
			attempts, failed, took = attempts+out.Attempts, failed+out.Failed, took+out.Elapsed
			return leave()
		}, nil
	})
	if err != nil {
		return err
	}
	r.result.info("attempts", float64(attempts)/took.Seconds(), "/s")
	r.result.info("attempts not taken", float64(failed)/took.Seconds(), "/s")
	r.result.lower("guest login p50", float64(guests.Quantile(0.5))/1e6, "ms")
	r.result.lower("guest login max", float64(guests.Quantile(1))/1e6, "ms")
	r.result.lower("account login p50", float64(owners.Quantile(0.5))/1e6, "ms")
	r.result.lower("account login max", float64(owners.Quantile(1))/1e6, "ms")
	return nil
}

// visitors lets guests log in, one after the other, and beside them the owner
// of an account, until the returned function is called.
func (r *run) visitors(guests, owners *load.Histogram) (stop func() error) {
	quit := make(chan struct{})
	errs := make([]error, 2)
	var done sync.WaitGroup
	for i, login := range []func() error{
		func() error { return r.login(r.name(), (*proto.Client).Login) },
		func() error {
			return r.login(memberName, func(c *proto.Client) error { return c.LoginAs(memberPassword) })
		},
	} {
		took := []*load.Histogram{guests, owners}[i]
		done.Go(func() {
			for errs[i] == nil {
				select {
				case <-quit:
					return
				case <-time.After(50 * time.Millisecond):
				}
				start := time.Now()
				errs[i] = login()
				took.Record(int64(time.Since(start)))
			}
		})
	}
	return func() error {
		close(quit)
		done.Wait()
		return errors.Join(errs...)
	}
}

// login connects, logs in and leaves.
func (r *run) login(name string, in func(*proto.Client) error) error {
	c, err := r.dialer().Dial(name)
	if err == nil {
		err = in(c)
		c.Close()
	}
	if err != nil {
		return fmt.Errorf("login of %s: %w", name, err)
	}
	return nil
}
