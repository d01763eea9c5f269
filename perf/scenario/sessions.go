//go:build linux

package scenario

import (
	"time"

	"drawrelay/perf/load"
)

const (
	manySessions   = 100
	manyMembers    = 6
	drawingRate    = 20   // messages/s in each session
	sessionsWindow = 3400 // bytes on the way at saturation: 8 messages of the mix
)

// many hosts the sessions and fills them.
func (r *run) many(sessions, members int) ([]*load.Session, []*load.Drawer, error) {
	var ss []*load.Session
	var ds []*load.Drawer
	for range sessions {
		s, d, err := r.host()
		if err != nil {
			return nil, nil, err
		}
		ss, ds = append(ss, s), append(ds, d)
	}
	if members > 1 {
		if _, err := r.join(members-1, ss...); err != nil {
			return nil, nil, err
		}
	}
	return ss, ds, nil
}

// sessions is many small sessions at the rate of drawing.
func (r *run) sessions() error {
	n := or(r.Sessions, manySessions)
	ss, ds, err := r.many(n, or(r.Members, manyMembers))
	if err != nil {
		return err
	}
	sizes, err := r.sizes(0)
	if err != nil {
		return err
	}
	for i := 0; i < n; i += max(1, n/20) {
		r.loop.Sample(ss[i].Members, 1)
	}
	c, err := r.draw(load.Plan{Drawers: ds, Sizes: sizes, Rate: or(r.Rate, float64(drawingRate*n)),
		Duration: or(r.Duration, 5*time.Second), MaxBytes: r.Bytes, Timed: true}, ss...)
	if err != nil {
		return err
	}
	r.reportOpen(c, ss...)
	return nil
}

// sessionsMax is many small sessions at saturation.
func (r *run) sessionsMax() error {
	ss, ds, err := r.many(or(r.Sessions, manySessions), or(r.Members, manyMembers))
	if err != nil {
		return err
	}
	sizes, err := r.sizes(0)
	if err != nil {
		return err
	}
	c, err := r.draw(load.Plan{Drawers: ds, Sizes: sizes, Window: or(r.Window, sessionsWindow),
		Duration: or(r.Duration, 2*time.Second), MaxBytes: or(r.Bytes, fanoutBytes)}, ss...)
	if err != nil {
		return err
	}
	r.reportFanout("", c)
	r.result.lower("peak memory", float64(r.memory().Peak)/mib, "MiB")
	return nil
}
