//go:build linux

package scenario

import (
	"time"

	"drawrelay/perf/load"
	"drawrelay/perf/machine"
)

// fanoutWindow is how many bytes may be on the way in a saturated session:
// about 300 messages of the mix.
const fanoutWindow = 128 << 10

// fanoutBytes bounds what is drawn in one run, because servers may keep all of
// it in memory.
const fanoutBytes = 400e6

// fanout is one session at saturation, or at --rate.
func (r *run) fanout(n int) error {
	before := r.memory()
	s, d, err := r.host()
	if err != nil {
		return err
	}
	if _, err := r.join(or(r.Members, n)-1, s); err != nil {
		return err
	}
	cost, err := r.drawMeasured(s, d)
	if err != nil {
		return err
	}
	r.reportFanout("", cost)
	r.result.latency(r.loop.Latency(s.Members))
	after := r.memory()
	r.result.lower("peak memory", float64(after.Peak)/mib, "MiB")
	r.result.info("memory at start", float64(before.RSS)/mib, "MiB")
	return nil
}

// measured is one measured part of a run.
type measured struct {
	span  machine.Span
	drawn load.Drawn
}

// fanoutCost is what one measured fan-out brought.
type fanoutCost struct {
	measured
	deliveries uint64
	bytes      uint64 // delivered
}

// drawMeasured saturates a session, or draws at --rate, and checks that
// everybody received everything.
func (r *run) drawMeasured(s *load.Session, d *load.Drawer) (fanoutCost, error) {
	sizes, err := r.sizes(0)
	if err != nil {
		return fanoutCost{}, err
	}
	if r.Rate > 0 {
		r.loop.Sample(s.Members, r.Sample)
	}
	return r.draw(load.Plan{
		Drawers: []*load.Drawer{d}, Sizes: sizes, Rate: r.Rate, Window: or(r.Window, fanoutWindow),
		Duration: or(r.Duration, 2*time.Second), MaxBytes: or(r.Bytes, fanoutBytes), Timed: r.Rate > 0,
	}, s)
}

// draw carries out a plan between a start and an end mark.
func (r *run) draw(p load.Plan, sessions ...*load.Session) (fanoutCost, error) {
	if err := r.loop.Start(sessions...); err != nil {
		return fanoutCost{}, err
	}
	r.resetPeak()
	w := r.watch()
	drawn, err := r.loop.Draw(p)
	if err != nil {
		return fanoutCost{}, err
	}
	if err := r.loop.Barrier(sessions...); err != nil {
		return fanoutCost{}, err
	}
	c := fanoutCost{measured: measured{span: w.Stop(), drawn: drawn}}
	readers := 0
	for _, s := range sessions {
		readers += s.Readers()
	}
	// All sessions are of one size and drawn in by turns.
	share := float64(readers) / float64(len(sessions))
	c.deliveries = uint64(float64(drawn.Messages) * share)
	c.bytes = uint64(float64(drawn.Bytes) * share)
	return c, r.loop.Finish(sessions...)
}

// reportFanout adds the figures of a fan-out, their names with a suffix.
func (r *run) reportFanout(suffix string, c fanoutCost) {
	r.result.lower("cpu/delivery"+suffix, micros(c.span.CPU, c.deliveries), "us")
	r.result.higher("deliveries"+suffix, ratio(c.deliveries, c.span.Elapsed)*1e9, "/s")
	r.result.higher("bytes"+suffix, ratio(c.bytes, c.span.Elapsed)*1e9/mb, "MB/s")
	if suffix == "" {
		r.result.info("drawn", float64(c.drawn.Messages), "messages")
		r.result.span(c.span)
	}
	r.result.Others = max(r.result.Others, c.span.Others)
}

// openLoop draws at a fixed rate and measures latency from the scheduled time
// of each message.
func (r *run) openLoop(members int, rate float64) error {
	s, d, err := r.host()
	if err != nil {
		return err
	}
	if _, err := r.join(or(r.Members, members)-1, s); err != nil {
		return err
	}
	sizes, err := r.sizes(200)
	if err != nil {
		return err
	}
	r.loop.Sample(s.Members, r.Sample)
	c, err := r.draw(load.Plan{Drawers: []*load.Drawer{d}, Sizes: sizes, Rate: or(r.Rate, rate),
		Duration: or(r.Duration, 5*time.Second), MaxBytes: r.Bytes, Timed: true}, s)
	if err != nil {
		return err
	}
	r.reportOpen(c, s)
	return nil
}

// reportOpen adds the figures of an open loop.
func (r *run) reportOpen(c fanoutCost, sessions ...*load.Session) {
	r.result.lower("cpu/delivery", micros(c.span.CPU, c.deliveries), "us")
	h := &load.Histogram{}
	for _, s := range sessions {
		h.Merge(r.loop.Latency(s.Members))
	}
	r.result.latency(h)
	r.result.info("deliveries", ratio(c.deliveries, c.span.Elapsed)*1e9, "/s")
	r.result.info("generator late", float64(c.drawn.Late)/1e6, "ms")
	r.result.span(c.span)
	r.result.lower("peak memory", float64(r.memory().Peak)/mib, "MiB")
}
