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
	floodMembers = 50
	floodRate    = 5000 // wrong passwords per second
	// floodDrawing is how many messages the members draw per second, all
	// together: 20 each.
	floodDrawing = 1000
	// floodRounds is how often a part without the flood and one with it take
	// turns, so that what else the machine does hits both.
	floodRounds = 3
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
	s, d, err := r.host()
	if err != nil {
		return err
	}
	members, err := r.join(or(r.Members, floodMembers)-1, s)
	if err != nil {
		return err
	}
	drawers := []*load.Drawer{d}
	for _, m := range members {
		drawers = append(drawers, r.loop.NewDrawer(m))
	}
	sizes, err := r.sizes(0)
	if err != nil {
		return err
	}
	plan := load.Plan{Drawers: drawers, Sizes: sizes, Rate: or(r.Rate, floodDrawing),
		Duration: or(r.Duration, 4*time.Second), MaxBytes: r.Bytes, Timed: true}
	quiet, flooded := &load.Histogram{}, &load.Histogram{}
	guests, owners := &load.Histogram{}, &load.Histogram{}
	before := r.memory()
	var peak int64
	var attempts, failed int
	var took time.Duration
	for range floodRounds {
		r.loop.Sample(s.Members, r.Sample)
		c, err := r.draw(plan, s)
		if err != nil {
			return fmt.Errorf("without the flood: %w", err)
		}
		quiet.Merge(r.loop.Latency(s.Members))
		r.result.Others = max(r.result.Others, c.span.Others)

		r.loop.Sample(s.Members, r.Sample)
		f, err := load.NewFlood(r.srv.Addr, or(r.Logins, floodRate), floodAccounts)
		if err != nil {
			return err
		}
		stop := r.visitors(guests, owners)
		c, err = r.draw(plan, s)
		out := f.Stop()
		err2 := stop()
		if err == nil {
			err = err2
		}
		if err != nil {
			return fmt.Errorf("with the flood: %w", err)
		}
		flooded.Merge(r.loop.Latency(s.Members))
		peak = max(peak, r.memory().Peak)
		attempts, failed, took = attempts+out.Attempts, failed+out.Failed, took+out.Elapsed
		r.result.info("server busy", 100*ratio(c.span.CPU, c.span.Elapsed), "%")
		r.result.Others = max(r.result.Others, c.span.Others)
	}
	q, f := flooded.Quantile(0.99), quiet.Quantile(0.99)
	r.result.latency(flooded)
	r.result.lower("p50 alone", float64(quiet.Quantile(0.5))/1e6, "ms")
	r.result.lower("p99 alone", float64(f)/1e6, "ms")
	r.result.lower("times p99 alone", ratio(q, f), "")
	r.result.lower("peak memory", float64(peak)/mib, "MiB")
	r.result.info("memory before", float64(before.RSS)/mib, "MiB")
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
