//go:build linux

package scenario

import (
	"time"

	"drawrelay/perf/load"
)

// uploadBytes is the size of the session that is uploaded and downloaded.
const uploadBytes = 100e6

// upload hosts a session of --bytes and measures until the server has taken
// all of it.
func (r *run) upload() (*load.Session, *load.Drawer, measured, error) {
	s, d, err := r.hostOnly()
	if err != nil {
		return nil, nil, measured{}, err
	}
	sizes, err := r.sizes(0)
	if err != nil {
		return nil, nil, measured{}, err
	}
	r.resetPeak()
	w := r.watch()
	drawn, err := r.loop.Draw(load.Plan{Drawers: []*load.Drawer{d}, Sizes: sizes, MaxBytes: or(r.Bytes, uploadBytes)})
	if err != nil {
		return nil, nil, measured{}, err
	}
	r.loop.Send(d.Member, initComplete())
	err = r.loop.Barrier(s)
	return s, d, measured{w.Stop(), drawn}, err
}

// catchupUpload measures the upload and proves it by one download.
func (r *run) catchupUpload() error {
	before := r.memory()
	s, _, m, err := r.upload()
	if err != nil {
		return err
	}
	r.result.lower("cpu/GB", ratio(m.span.CPU.Seconds(), float64(m.drawn.Bytes)/gb), "s")
	r.result.higher("rate", ratio(float64(m.drawn.Bytes)/gb, m.span.Elapsed.Seconds()), "GB/s")
	r.result.lower("peak memory", float64(r.memory().Peak)/mib, "MiB")
	r.result.info("memory at start", float64(before.RSS)/mib, "MiB")
	r.result.info("uploaded", float64(m.drawn.Messages), "messages")
	r.result.span(m.span)
	if _, err := r.join(1, s); err != nil {
		return err
	}
	return r.loop.Finish(s)
}

// catchup measures n members that join at once.
func (r *run) catchup(n int) error {
	before := r.memory()
	s, _, up, err := r.upload()
	if err != nil {
		return err
	}
	uploaded := r.memory()
	r.resetPeak()
	w := r.watch()
	start := r.loop.Now()
	joined, err := r.join(n, s)
	if err != nil {
		return err
	}
	span := w.Stop()
	var last int64
	for _, m := range joined {
		last = max(last, m.CaughtUpAt())
	}
	delivered := float64(up.drawn.Bytes) * float64(len(joined))
	r.result.lower("cpu/GB", ratio(span.CPU.Seconds(), delivered/gb), "s")
	r.result.higher("rate", ratio(delivered/gb, time.Duration(last-start).Seconds()), "GB/s")
	r.result.lower("peak memory", float64(r.memory().Peak)/mib, "MiB")
	r.result.info("memory with upload", float64(uploaded.RSS)/mib, "MiB")
	r.result.info("memory at start", float64(before.RSS)/mib, "MiB")
	r.result.info("upload cpu/GB", ratio(up.span.CPU.Seconds(), float64(up.drawn.Bytes)/gb), "s")
	r.result.span(span)
	return r.loop.Finish(s)
}
