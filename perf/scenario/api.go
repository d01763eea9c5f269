//go:build linux

package scenario

import (
	"errors"

	"drawrelay/perf/load"
)

// apiRate is how many calls of the admin API are made per second.
const apiRate = 50

// apiPaths are the calls with the longest answers, of those that every Drawpile
// server knows (admin-api.md).
var apiPaths = []string{"/api/users/", "/api/sessions/", "/api/server/", "/api/status/"}

// api draws with and without somebody calling the admin API, in turns, and
// measures latency in both.
func (r *run) api() error {
	if r.srv.Admin == "" {
		return ErrNotApplicable
	}
	all := load.Called{Took: &load.Histogram{}}
	err := r.beside(func() (func() error, error) {
		c, err := load.NewCalls(r.srv.Admin, apiRate, apiPaths)
		if err != nil {
			return nil, err
		}
		return func() error {
			out := c.Stop()
			all.Answered, all.Failed, all.Bytes, all.Elapsed = all.Answered+out.Answered, all.Failed+out.Failed, all.Bytes+out.Bytes, all.Elapsed+out.Elapsed
			all.Took.Merge(out.Took)
			if out.Failed > 0 {
				return errors.New("calls of the admin API failed")
			}
			return nil
		}, nil
	})
	if err != nil {
		return err
	}
	r.result.info("calls", float64(all.Answered)/all.Elapsed.Seconds(), "/s")
	r.result.lower("call p50", float64(all.Took.Quantile(0.5))/1e6, "ms")
	r.result.lower("call p99", float64(all.Took.Quantile(0.99))/1e6, "ms")
	r.result.info("size of answers", float64(all.Bytes)/float64(max(1, all.Answered))/1024, "KiB")
	return nil
}
