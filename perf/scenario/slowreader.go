//go:build linux

package scenario

import (
	"fmt"
	"time"

	"drawrelay/perf/load"
)

const (
	slowMembers = 5
	slowReaders = 10    // members that do read
	slowBytes   = 100e6 // drawn
)

// slowSettling is how long memory may settle before it is read.
var slowSettling = time.Second

// slowReader draws beside members that do not read and then lets them catch
// up. Before that it does the same without them.
func (r *run) slowReader() error {
	alone, err := r.drawBeside(0)
	if err != nil {
		return fmt.Errorf("without slow members: %w", err)
	}
	if err := r.restart(); err != nil {
		return err
	}
	beside, err := r.drawBeside(or(r.Slow, slowMembers))
	if err != nil {
		return fmt.Errorf("with slow members: %w", err)
	}
	r.reportFanout("", beside.cost)
	r.result.latency(beside.latency)
	r.result.lower("memory growth", float64(beside.growth)/mib, "MiB")
	r.result.lower("growth after catching up", float64(beside.after)/mib, "MiB")
	r.reportFanout(" alone", alone.cost)
	r.result.lower("p99 alone", float64(alone.latency.Quantile(0.99))/1e6, "ms")
	r.result.lower("memory growth alone", float64(alone.growth)/mib, "MiB")
	return nil
}

type slowOutcome struct {
	cost          fanoutCost
	latency       *load.Histogram
	growth, after int64 // of the server's memory, bytes
}

func (r *run) drawBeside(slow int) (slowOutcome, error) {
	var out slowOutcome
	s, d, err := r.host()
	if err != nil {
		return out, err
	}
	if _, err := r.join(or(r.Members, slowReaders)-1, s); err != nil {
		return out, err
	}
	r.loop.Sample(s.Members, r.Sample)
	var stuck []*load.Member
	if slow > 0 {
		if stuck, err = r.join(slow, s); err != nil {
			return out, err
		}
		r.loop.Ignore(stuck...)
	}
	sizes, err := r.sizes(0)
	if err != nil {
		return out, err
	}
	before := r.memory()
	out.cost, err = r.draw(load.Plan{Drawers: []*load.Drawer{d}, Sizes: sizes, Rate: r.Rate,
		Window: or(r.Window, fanoutWindow), MaxBytes: or(r.Bytes, slowBytes), Timed: true}, s)
	if err != nil {
		return out, err
	}
	out.latency = r.loop.Latency(s.Members)
	time.Sleep(slowSettling)
	out.growth = r.memory().RSS - before.RSS
	if slow == 0 {
		return out, nil
	}
	// The slow ones wake up: they too must get everything, in order.
	r.loop.Attend(stuck...)
	if err := r.loop.Finish(s); err != nil {
		return out, fmt.Errorf("after reading again: %w", err)
	}
	time.Sleep(slowSettling)
	out.after = r.memory().RSS - before.RSS
	return out, nil
}
