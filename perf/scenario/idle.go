//go:build linux

package scenario

import (
	"fmt"
	"time"

	"drawrelay/perf/load"
)

const (
	idleConnections = 2000
	idleSessions    = 20
	idleDuration    = 15 * time.Second // of each part
)

// idleSettling is how long memory may settle before it is read.
var idleSettling = 2 * time.Second

// crowd makes idle connections, spread over sessions.
func (r *run) crowd() ([]*load.Session, int, error) {
	n, k := or(r.Idle, idleConnections), or(r.Sessions, idleSessions)
	if n < k || n > k*maxMembers {
		return nil, 0, fmt.Errorf("%d idle connections do not fit into %d sessions", n, k)
	}
	ss, _, err := r.many(k, n/k)
	return ss, n / k * k, err
}

// idle measures what connections cost that only ping.
func (r *run) idle() error {
	// One session comes first, so that what a server sets up once is not
	// counted per connection.
	warm, _, err := r.host()
	if err != nil {
		return err
	}
	before := r.memory()
	w := r.watch()
	ss, n, err := r.crowd()
	if err != nil {
		return err
	}
	logins := w.Stop()
	// Silent first, then with a ping of every client in each 15 s: the second
	// is what clients do, the first is what the connections alone cost.
	r.loop.SetPing(0)
	time.Sleep(idleSettling)
	w = r.watch()
	time.Sleep(or(r.Duration, idleDuration))
	silent := w.Stop()
	r.loop.SetPing(r.Ping)
	w = r.watch()
	time.Sleep(or(r.Duration, idleDuration))
	span := w.Stop()
	after := r.memory()
	r.result.lower("memory/connection", ratio(float64(after.RSS-before.RSS)/1024, float64(n)), "KiB")
	r.result.lower("cpu/minute silent", ratio(silent.CPU.Seconds(), silent.Elapsed.Minutes()), "s")
	r.result.lower("cpu/minute pinging", ratio(span.CPU.Seconds(), span.Elapsed.Minutes()), "s")
	r.result.lower("cpu/login", float64(logins.CPU)/float64(n)/1e6, "ms")
	r.result.lower("peak memory", float64(after.Peak)/mib, "MiB")
	r.result.info("connections", float64(n), "")
	r.result.span(span)
	if err := r.loop.Barrier(warm); err != nil {
		return err
	}
	return r.loop.Finish(ss...)
}

// idleFanout measures a busy session beside idle connections, and before they
// come.
func (r *run) idleFanout(n int) error {
	s, d, err := r.host()
	if err != nil {
		return err
	}
	if _, err := r.join(n-1, s); err != nil {
		return err
	}
	alone, err := r.drawMeasured(s, d)
	if err != nil {
		return err
	}
	idle, count, err := r.crowd()
	if err != nil {
		return err
	}
	beside, err := r.drawMeasured(s, d)
	if err != nil {
		return err
	}
	r.reportFanout("", beside)
	r.reportFanout(" alone", alone)
	r.result.lower("times as dear", ratio(micros(beside.span.CPU, beside.deliveries), micros(alone.span.CPU, alone.deliveries)), "")
	r.result.info("connections", float64(count), "")
	return r.loop.Finish(idle...)
}
