package relay

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"drawrelay/frame"
	"drawrelay/store/serverlog"
)

/* Autoreset (session.md §16)
 *
 * 1. checkAutoreset   the history has grown beyond the threshold: operators are asked
 * 2. readyToReset     they answer with what they can do
 * 3. chooseResetter   the best one is asked to reset, by streaming if it can
 * 4. clearAutoreset   it is done, or failed and may be tried again later
 *
 * If the chosen one leaves, loses its rights, fails or falls silent, the next
 * best is asked at once; when there is none, the operators are asked again
 * after a pause. Members who are still catching up are never asked: their
 * clients would ignore it, and could only reset to what they have so far.
 */

const (
	// queryTime is how long operators may take to answer.
	queryTime = 3 * time.Second
	// resetterTime is how long the chosen one may take to begin, and then
	// between two pieces of an image.
	resetterTime = 180 * time.Second
	// autoresetRetry is the pause after a failed attempt.
	autoresetRetry = 30 * time.Second
	// catchupRetry is how often it is looked whether somebody has caught up
	// who can reset.
	catchupRetry = time.Second
)

// autoresetStatus is how far an autoreset is.
type autoresetStatus uint8

const (
	autoresetNone autoresetStatus = iota
	autoresetQueried
	autoresetWaiting // somebody has answered
	autoresetRequested
)

var autoresetNames = [...]string{"not sent", "queried", "queried waiting", "requested"}

func (a autoresetStatus) String() string { return autoresetNames[min(int(a), len(autoresetNames)-1)] }

// autoreset is the state of the negotiation.
type autoreset struct {
	status     autoresetStatus
	payload    string      // identifies the query
	candidates []candidate // in the order of their answers
	chosen     *seat       // was asked to reset
	deadline   time.Time   // when the status is given up; zero: never
	retryAt    time.Time   // no query before
	postponed  bool        // a query is due, but all who could reset are catching up
}

// candidate is an operator that can reset.
type candidate struct {
	st     *seat
	stream bool
	system int     // rating of its operating system
	net    float64 // rating of its network
	ping   float64 // mean, 0 if unknown
}

// autoresetCount numbers the queries of the process.
var autoresetCount atomic.Int64

// threshold returns the size beyond which the session is to be reset, 0 for
// never (session.md §16.1).
func (s *session) threshold() int64 {
	t := s.hist.AutoReset()
	if t == 0 {
		return 0
	}
	t = max(t, s.settings.Get().MinimumAutoResetThreshold) + s.resetBase
	if limit := s.limit(); limit > 0 {
		t = min(t, limit*9/10)
	}
	return t
}

// checkAutoreset follows every regular append.
// Guarantee: no allocation while the threshold is not passed.
func (s *session) checkAutoreset() {
	if s.auto.status != autoresetNone || s.state != stateRunning || s.replacing {
		return
	}
	t := s.threshold()
	if t <= 0 || s.hist.Log().Size() <= t {
		return
	}
	now := s.now()
	switch {
	case now.Before(s.auto.retryAt):
	case s.resettersCatchUp():
		s.auto.postponed, s.auto.retryAt = true, now.Add(catchupRetry)
	default:
		s.queryAutoreset(t)
	}
}

// canReset reports whether the member may be asked to reset, once it has
// caught up (session.md §16.2).
func canReset(st *seat) bool {
	return st.operator() && !st.person.Ghost() && !st.person.Incompatible
}

// resettersCatchUp reports whether all who could reset are still catching up.
func (s *session) resettersCatchUp() bool {
	some := false
	for _, st := range s.seats {
		if canReset(st) {
			if !s.out.catchingUp(st) {
				return false
			}
			some = true
		}
	}
	return some
}

// queryAutoreset asks the operators whether they can reset.
func (s *session) queryAutoreset(threshold int64) {
	now := s.now()
	s.auto.status = autoresetQueried
	s.auto.payload = s.newPayload()
	s.auto.candidates, s.auto.postponed = nil, false
	s.auto.deadline = now.Add(queryTime)
	s.event(serverlog.Info, serverlog.Status, nil, fmt.Sprintf("Autoreset threshold (%s, effectively %s) reached.",
		formatSize(s.hist.AutoReset()), formatSize(threshold)))
	s.tellAll(frame.Object{"type": "sizelimit", "size": s.hist.Log().Size(), "maxSize": threshold})
	for _, st := range s.seats {
		st.reset = 0
		if canReset(st) && !s.out.catchingUp(st) {
			st.reset = resetQueried
			s.tell(st, frame.Object{"type": "autoreset", "maxSize": s.limit(), "query": true, "payload": s.auto.payload})
		}
	}
}

// newPayload returns a text that tells a query or a request from all others.
func (s *session) newPayload() string {
	return fmt.Sprintf("1:%d:%d", autoresetCount.Add(1)-1, s.now().UnixMilli())
}

// readyToReset is an operator's answer to the query.
func (s *session) readyToReset(st *seat, c frame.Command) error {
	if st.person.Incompatible {
		return errors.New("Incompatible client")
	}
	user := "User " + strconv.Itoa(int(st.id)) + " "
	payload := frame.Str(c.Kwargs["payload"])
	switch {
	case st.person.Ghost():
		st.reset = 0
		s.event(serverlog.Warn, serverlog.RuleBreak, nil, user+"is not an operator, but sent ready-to-autoreset")
	case st.reset&resetQueried == 0:
		s.event(serverlog.Warn, serverlog.RuleBreak, nil, user+"responded to an autoreset request without being in query state")
	case s.auto.status != autoresetQueried && s.auto.status != autoresetWaiting:
		st.reset = 0
		s.record(serverlog.Debug, serverlog.Status, nil, user+"responded to an autoreset request too late")
	case payload != "" && payload != s.auto.payload:
		s.event(serverlog.Warn, serverlog.RuleBreak, nil, user+"responded with incorrect autoreset payload")
	default:
		st.reset = resetResponded
		s.auto.candidates = append(s.auto.candidates, newCandidate(st, c.Kwargs))
		s.answered()
	}
	return nil
}

// answered goes on once all who were asked have answered; after the first
// answer the others get some more time.
func (s *session) answered() {
	first := s.auto.status == autoresetQueried
	s.auto.status = autoresetWaiting
	switch {
	case !slices.ContainsFunc(s.seats, func(st *seat) bool { return st.reset&resetQueried != 0 }):
		s.chooseResetter()
	case first:
		s.auto.deadline = s.now().Add(queryTime)
	}
}

func newCandidate(st *seat, kwargs map[string]any) candidate {
	c := candidate{st: st, net: frame.Num(kwargs["net"])}
	caps, _ := kwargs["capabilities"].([]any)
	c.stream = slices.Contains(caps, any("gzip1"))
	if !slices.Contains(caps, any("net")) {
		// Clients without this capability rate the other way round.
		if c.net < 50 {
			c.net = 100
		} else {
			c.net = 0
		}
	}
	switch frame.Str(kwargs["os"]) {
	case "emscripten", "android", "ios":
		c.system = -1
	case "windows", "macos", "linux", "unix":
		c.system = 1
	}
	pings, _ := kwargs["pings"].([]any)
	n := 0
	for _, v := range pings {
		if p := frame.Num(v); p > 0 {
			c.ping += p
			n++
		}
	}
	if n > 0 {
		c.ping /= float64(n)
	}
	return c
}

// better reports whether c is the better choice although d answered earlier.
func (c *candidate) better(d *candidate) bool {
	switch {
	case c.stream != d.stream:
		return c.stream
	case c.system != d.system:
		return c.system > d.system
	case c.net != d.net:
		return c.net > d.net
	case c.ping > 0 && d.ping > 0:
		return c.ping < d.ping
	}
	return false
}

// chooseResetter asks the best candidate that is left to reset.
func (s *session) chooseResetter() {
	for len(s.auto.candidates) > 0 {
		best := 0
		for i := range s.auto.candidates {
			if s.auto.candidates[i].better(&s.auto.candidates[best]) {
				best = i
			}
		}
		c := s.auto.candidates[best]
		s.auto.candidates = slices.Delete(s.auto.candidates, best, best+1)
		switch {
		case c.st.gone:
			s.event(serverlog.Warn, serverlog.Status, nil, fmt.Sprintf("User %d is gone, can't autoreset with them", c.st.id))
		case !c.st.operator() || c.st.person.Ghost():
			s.event(serverlog.Warn, serverlog.Status, nil, fmt.Sprintf("User %d is not an operator, can't autoreset with them", c.st.id))
		default:
			s.requestReset(&c)
			return
		}
	}
	s.event(serverlog.Warn, serverlog.Status, nil, "Autoreset triggered, but no user available to execute it with")
	s.clearAutoreset(autoresetRetry)
}

func (s *session) requestReset(c *candidate) {
	s.auto.status = autoresetRequested
	s.auto.chosen = c.st
	s.auto.deadline = s.now().Add(resetterTime)
	v := frame.Object{"type": "autoreset", "maxSize": s.limit(), "query": false}
	c.st.reset = resetAwaiting
	if c.stream {
		c.st.reset |= resetStreaming
		v["correlator"], v["stream"] = s.auto.payload, "gzip1"
	}
	s.tell(c.st, v)
}

// nextResetter follows the failure of the chosen one: the next best candidate
// is asked at once, under a correlator of its own. With none left the
// operators are asked again after a pause.
func (s *session) nextResetter() {
	candidates := s.auto.candidates
	s.clearAutoreset(autoresetRetry)
	if len(candidates) > 0 {
		s.auto.candidates, s.auto.payload = candidates, s.newPayload()
		s.chooseResetter()
	}
}

// clearAutoreset forgets everything arranged for an autoreset, also an image
// that is being streamed; the next query comes after retry at the earliest.
func (s *session) clearAutoreset(retry time.Duration) {
	s.auto = autoreset{retryAt: s.now().Add(retry)}
	for _, st := range s.seats {
		st.reset = 0
	}
	if s.stream != nil && !s.stream.prepared {
		s.event(serverlog.Warn, serverlog.Status, nil, "Streamed reset aborted by auto reset clear")
		s.dropStream()
	}
}

// leaveResets takes a member who has left out of all resets.
func (s *session) leaveResets(st *seat) { s.withdraw(st, "left") }

// deopResets takes a member who is losing operator status out of all resets.
func (s *session) deopResets(st *seat) { s.withdraw(st, "deopped") }

func (s *session) withdraw(st *seat, how string) {
	s.auto.candidates = slices.DeleteFunc(s.auto.candidates, func(c candidate) bool { return c.st == st })
	switch {
	case s.stream != nil && !s.stream.prepared && s.stream.st == st:
		s.dropStream()
		s.event(serverlog.Warn, serverlog.Status, nil, fmt.Sprintf("User %d %s while streaming autoreset", st.id, how))
		s.progress(st, true)
		s.nextResetter()
	case s.auto.chosen == st:
		s.nextResetter()
	}
	st.reset = 0
}

// tickResets ends waits that have taken too long.
func (s *session) tickResets(now time.Time) {
	if up := s.initSeat; s.state == stateReset && up != nil && now.Unix()-up.lastActive >= int64(resetterTime/time.Second) {
		// What it sends later must not be taken for drawing.
		s.dismiss(up, frame.ReasonError, "Reset took too long", fmt.Sprintf("silent for %v", resetterTime))
		return
	}
	if s.auto.postponed {
		s.checkAutoreset()
	}
	if s.auto.deadline.IsZero() || now.Before(s.auto.deadline) {
		return
	}
	switch s.auto.status {
	case autoresetQueried:
		s.event(serverlog.Warn, serverlog.Status, nil, "Autoreset failed with no candidates to perform it")
		s.clearAutoreset(autoresetRetry)
	case autoresetWaiting:
		s.chooseResetter()
	case autoresetRequested:
		if s.stream != nil && !s.stream.prepared {
			s.progress(s.stream.st, true)
		}
		s.nextResetter()
	}
}
