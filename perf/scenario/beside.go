//go:build linux

package scenario

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"drawrelay/perf/load"
)

const (
	besideMembers = 50
	// besideDrawing is how many messages the members draw per second, all
	// together: 20 each.
	besideDrawing = 1000
	// besideRounds is how often a part without the other work and one with it
	// take turns, so that what else the machine does hits both.
	besideRounds = 3
)

// beside draws with and without other work for the server, in turns, and
// measures latency in both. disturb begins that work and returns what ends it.
func (r *run) beside(disturb func() (stop func() error, err error)) error {
	s, d, err := r.host()
	if err != nil {
		return err
	}
	members, err := r.join(or(r.Members, besideMembers)-1, s)
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
	plan := load.Plan{Drawers: drawers, Sizes: sizes, Rate: or(r.Rate, besideDrawing),
		Duration: or(r.Duration, 4*time.Second), MaxBytes: r.Bytes, Timed: true}
	quiet, disturbed := &load.Histogram{}, &load.Histogram{}
	var late [2]load.Histogram // of the generator, alone and disturbed
	before := r.memory()
	var peak int64
	// What the other work leaves behind is collected between the parts, not
	// while something is measured.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for range besideRounds {
		runtime.GC()
		r.loop.Sample(s.Members, r.Sample)
		c, err := r.draw(plan, s)
		if err != nil {
			return fmt.Errorf("alone: %w", err)
		}
		quiet.Merge(r.loop.Latency(s.Members))
		late[0].Merge(c.drawn.Lateness)
		r.result.Others = max(r.result.Others, c.span.Others)

		r.loop.Sample(s.Members, r.Sample)
		runtime.GC()
		stop, err := disturb()
		if err != nil {
			return err
		}
		c, err = r.draw(plan, s)
		if err2 := stop(); err == nil {
			err = err2
		}
		if err != nil {
			return fmt.Errorf("beside other work: %w", err)
		}
		disturbed.Merge(r.loop.Latency(s.Members))
		late[1].Merge(c.drawn.Lateness)
		peak = max(peak, r.memory().Peak)
		r.result.info("server busy", 100*ratio(c.span.CPU, c.span.Elapsed), "%")
		r.result.Others = max(r.result.Others, c.span.Others)
	}
	with, without := disturbed.Quantile(0.99), quiet.Quantile(0.99)
	r.result.latency(disturbed)
	r.result.lower("p50 alone", float64(quiet.Quantile(0.5))/1e6, "ms")
	r.result.lower("p99 alone", float64(without)/1e6, "ms")
	r.result.lower("times p99 alone", ratio(with, without), "")
	r.result.info("generator late p99", float64(late[1].Quantile(0.99))/1e6, "ms")
	r.result.info("generator late p99 alone", float64(late[0].Quantile(0.99))/1e6, "ms")
	r.result.lower("peak memory", float64(peak)/mib, "MiB")
	r.result.info("memory before", float64(before.RSS)/mib, "MiB")
	return nil
}
