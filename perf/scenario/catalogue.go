//go:build linux

package scenario

import (
	"fmt"
	"strconv"
	"strings"
)

// Scenario is a workload by name.
type Scenario struct {
	Name string // with the prefixes that are in force
	tls  bool
	file bool
	web  bool
	// admin says that the scenario calls the admin API.
	admin bool
	run   func(*run) error
}

// Prefixes of names that switch a variant on.
const (
	prefixTLS  = "tls-"
	prefixFile = "file-"
	prefixWeb  = "ws-"
)

func (s Scenario) apply(o *Options) {
	o.TLS = o.TLS || s.tls
	o.Files = o.Files || s.file
	o.Web = o.Web || s.web
	o.Admin = o.Admin || s.admin
}

// Help describes the scenarios, one a line.
const Help = `  fanout-N        one session of N members, one of them draws as fast as the slowest receives
                  (--rate R: R messages/s instead)
  latency         50 members, 2,000 messages/s of 200 B, open loop
  trickle-R       10 members, R messages/s of 200 B, open loop
  sessions        100 sessions of 6 members, 20 messages/s in each, open loop
  sessions-max    the same at saturation, 8 messages on the way in each session
  catchup-upload  a host uploads 100 MB
  catchup-N       N members join at once and download 100 MB each
  slowreader      10 members of whom one draws 100 MB, beside 5 that do not read; and without those
  idle            2,000 connections in 20 sessions that are silent, then only ping
  idle+fanout-N   fanout-N beside 2,000 idle connections, and alone
  churn           2,000 logins that join, catch up and leave, 8 at a time
  flood           50 members who draw 1,000 messages/s, with and without 5,000 wrong passwords/s
                  from as many addresses (--logins R: R attempts/s)
  api             50 members who draw 1,000 messages/s, with and without 50 calls/s of the admin API
  restart         50 sessions of 5 MB are stored; the time until a new process lists them
                  (needs file-)
Any name may start with tls-, file- or ws-, which is the same as --tls, --file or --ws.`

// Find returns the scenario of that name.
func Find(name string) (Scenario, error) {
	s := Scenario{Name: name}
	base := name
	for {
		if rest, ok := strings.CutPrefix(base, prefixTLS); ok {
			s.tls, base = true, rest
		} else if rest, ok := strings.CutPrefix(base, prefixFile); ok {
			s.file, base = true, rest
		} else if rest, ok := strings.CutPrefix(base, prefixWeb); ok {
			s.web, base = true, rest
		} else {
			break
		}
	}
	switch base {
	case "latency":
		s.run = func(r *run) error { return r.openLoop(50, 2000) }
	case "sessions":
		s.run = (*run).sessions
	case "sessions-max":
		s.run = (*run).sessionsMax
	case "catchup-upload":
		s.run = (*run).catchupUpload
	case "slowreader":
		s.run = (*run).slowReader
	case "idle":
		s.run = (*run).idle
	case "restart":
		s.run = (*run).comeBack
	case "churn":
		s.run = (*run).churn
	case "flood":
		s.run = (*run).flood
	case "api":
		s.admin, s.run = true, (*run).api
	default:
		stem, number, _ := cutLast(base, "-")
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || n > 1000000 {
			return Scenario{}, fmt.Errorf("unknown scenario %q", name)
		}
		switch {
		case stem == "fanout" && n <= maxMembers:
			s.run = func(r *run) error { return r.fanout(n) }
		case stem == "trickle":
			s.run = func(r *run) error { return r.openLoop(10, float64(n)) }
		case stem == "catchup" && n < maxMembers:
			s.run = func(r *run) error { return r.catchup(n) }
		case stem == "idle+fanout" && n <= maxMembers:
			s.run = func(r *run) error { return r.idleFanout(n) }
		default:
			return Scenario{}, fmt.Errorf("unknown scenario %q", name)
		}
	}
	return s, nil
}

// maxMembers is the protocol's limit per session.
const maxMembers = 254

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
