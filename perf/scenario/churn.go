//go:build linux

package scenario

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"drawrelay/perf/load"
)

const (
	churnLogins = 2000
	// churnSessions keeps histories short: every login leaves three messages
	// in its session's.
	churnSessions = 10
)

// churn measures logins: connect, log in, join, catch up, leave.
func (r *run) churn() error {
	ss, _, err := r.many(or(r.Sessions, churnSessions), 1)
	if err != nil {
		return err
	}
	logins := int64(or(r.Logins, churnLogins))
	var started atomic.Int64
	var mu sync.Mutex
	var failed error
	latency := &load.Histogram{}
	var wg sync.WaitGroup
	r.resetPeak()
	w := r.watch()
	for range loginsAtOnce {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for n := started.Add(1); n <= logins; n = started.Add(1) {
				start := time.Now()
				err := r.visit(ss[int(n)%len(ss)], n)
				took := time.Since(start)
				mu.Lock()
				latency.Record(int64(took))
				if failed == nil {
					failed = err
				}
				stop := failed != nil
				mu.Unlock()
				if stop {
					return
				}
			}
		}()
	}
	wg.Wait()
	span := w.Stop()
	if failed != nil {
		return failed
	}
	r.result.lower("cpu/login", float64(span.CPU)/float64(logins)/1e6, "ms")
	r.result.higher("logins", float64(logins)/span.Elapsed.Seconds(), "/s")
	r.result.latency(latency)
	r.result.lower("peak memory", float64(r.memory().Peak)/mib, "MiB")
	r.result.span(span)
	return r.loop.Barrier(ss...)
}

// visit is one login.
func (r *run) visit(s *load.Session, n int64) error {
	c, err := r.dialer().Dial(fmt.Sprintf("c%d", n))
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Join(s.ID); err != nil {
		return fmt.Errorf("visitor %s: %w", c.Name, err)
	}
	return c.WaitCaughtUp()
}
