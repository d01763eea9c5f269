//go:build linux

// Package scenario has the workloads by name, starts the servers they run
// against and reports what they cost.
package scenario

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"drawrelay/frame"
	"drawrelay/perf/load"
	"drawrelay/perf/machine"
	"drawrelay/perf/proto"
)

// Options change what scenarios do. Zero numbers stand for each scenario's own
// default.
type Options struct {
	TLS   bool // encrypt all connections
	Files bool // the server stores sessions
	Web   bool // all connections are WebSocket ones
	Admin bool // the server has an admin API; set by scenarios that call it

	Verify   load.Verify
	Duration time.Duration // of the measured part
	Bytes    int64         // drawn or uploaded at most
	Rate     float64       // messages/s; makes fan-outs open loops
	Window   int           // bytes on the way in closed loops
	Size     int           // bytes of each message, instead of a mix
	Members  int           // per session
	Sessions int
	Idle     int // idle connections
	Slow     int // members that do not read
	Logins   int
	Sample   int // members per session that measure latency

	MSS  int           // TCP segment size of all connections, bytes; 0 = the kernel's own
	Ping time.Duration // interval of every member's pings
	Spin bool          // the generator never sleeps

	Pin          bool
	ServerCPU    int
	GeneratorCPU int
	MaxOthers    float64 // processors that others may use before a run counts as disturbed
	Retries      int     // of disturbed runs
	TempDir      string  // for session files; empty = the system's
}

// Defaults returns the options without any flag.
func Defaults() Options {
	return Options{
		Verify: load.Headers,
		Sample: 3,
		// A network's segment size: with the loopback's own 64 KB Nagle's
		// algorithm holds back nearly everything the reference writes.
		MSS:       1448,
		Ping:      15 * time.Second, // as all clients do
		Pin:       runtime.NumCPU() >= 2,
		ServerCPU: 0, GeneratorCPU: 1,
		MaxOthers: 0.25,
		Retries:   2,
	}
}

// run is one run of a scenario against one server.
type run struct {
	Options
	spec   Spec
	result *Result

	srv     *Server
	loop    *load.Loop
	members atomic.Int64 // names are numbered
}

// Run runs a scenario. The error is nil even if the run failed; see
// Result.Error.
func Run(s Scenario, spec Spec, o Options) Result {
	s.apply(&o)
	if o.Web && o.Verify == load.Bytes {
		return Result{Scenario: s.Name, Server: spec.Name, Error: "--verify bytes cannot look into WebSocket frames"}
	}
	var res Result
	for try := 0; ; try++ {
		res = Result{Scenario: s.Name, Server: spec.Name}
		err := once(s, spec, o, &res)
		switch {
		case errors.Is(err, ErrNotApplicable):
			res.Skipped = true
		case err != nil:
			res.Error = err.Error()
		}
		res.Disturbed = res.Others > o.MaxOthers
		if err != nil || !res.Disturbed || try >= o.Retries {
			return res
		}
	}
}

func once(s Scenario, spec Spec, o Options, res *Result) (err error) {
	r := &run{Options: o, spec: spec, result: res}
	defer func() { err = errors.Join(err, r.stop()) }()
	if err := r.start(); err != nil {
		return err
	}
	if err := s.run(r); err != nil {
		if r.srv.proc != nil {
			// A crash closes connections before the process is gone.
			if ended, why := r.srv.proc.Ended(time.Second); ended {
				err = errors.Join(err, why)
			}
		}
		return err
	}
	return nil
}

// start starts a fresh server and a fresh loop.
func (r *run) start() (err error) {
	if r.srv, err = r.spec.start(&r.Options); err != nil {
		return err
	}
	r.loop, err = load.New(r.Verify, r.Ping, r.Spin)
	return err
}

func (r *run) stop() (err error) {
	if r.loop != nil {
		r.loop.Close()
	}
	if r.srv != nil {
		err = r.srv.Stop()
	}
	r.loop, r.srv = nil, nil
	return err
}

// restart starts over with a fresh server.
func (r *run) restart() error {
	if err := r.stop(); err != nil {
		return err
	}
	return r.start()
}

func (r *run) memory() machine.Memory {
	if r.srv.Target == nil {
		return machine.Memory{}
	}
	return r.srv.Target.Memory()
}

func (r *run) resetPeak() {
	if r.srv.Target != nil {
		r.srv.Target.ResetPeak()
	}
}

func (r *run) watch() *machine.Watch { return machine.NewWatch(r.srv.Target) }

func (r *run) dialer() proto.Dialer {
	return proto.Dialer{Addr: r.srv.Addr, TLS: r.TLS, Web: r.Web, MSS: r.MSS, Timeout: 60 * time.Second}
}

func (r *run) name() string { return fmt.Sprintf("p%d", r.members.Add(1)) }

// sizes returns the sizes of drawn messages: a fixed one if def or the option
// says so, else the mix.
func (r *run) sizes(def int) (load.Sizes, error) {
	if r.Size > 0 {
		def = r.Size
	}
	if def > 0 {
		return load.FixedSize(def)
	}
	return load.DrawingMix(), nil
}

// or returns v unless it is 0.
func or[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// canvas is a small initial canvas: resize and undo depth.
func canvas(user uint8) []byte {
	b := frame.Append(nil, frame.Msg{Type: 129, User: user, Body: []byte{0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 3, 0, 0, 0, 0, 0}})
	return frame.Append(b, frame.Msg{Type: frame.TypeUndoDepth, User: user, Body: []byte{30}})
}

// initComplete is the command that ends an upload.
func initComplete() []byte {
	return frame.Append(nil, frame.Msg{Body: []byte(`{"cmd":"init-complete"}`)})
}

// hostOnly starts a session and leaves it uploading.
func (r *run) hostOnly() (*load.Session, *load.Drawer, error) {
	c, err := r.dialer().Dial(r.name())
	if err != nil {
		return nil, nil, err
	}
	if err := c.Host(); err != nil {
		c.Close()
		return nil, nil, err
	}
	s := &load.Session{ID: c.Session}
	m, err := r.loop.Add(c, s)
	if err != nil {
		return nil, nil, err
	}
	r.loop.SetPartial(m)
	r.loop.Send(m, canvas(m.User))
	return s, r.loop.NewDrawer(m), nil
}

// host starts a session that is ready to be joined.
func (r *run) host() (*load.Session, *load.Drawer, error) {
	s, d, err := r.hostOnly()
	if err == nil {
		r.loop.Send(d.Member, initComplete())
		err = r.loop.Barrier(s)
	}
	return s, d, err
}

// loginsAtOnce is how many logins are under way at a time.
const loginsAtOnce = 8

// join adds n members to each session and waits until all have caught up.
func (r *run) join(n int, sessions ...*load.Session) ([]*load.Member, error) {
	todo := make(chan *load.Session)
	var mu sync.Mutex
	var joined []*load.Member
	var failed error
	var wg sync.WaitGroup
	for range min(loginsAtOnce, n*len(sessions)) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for s := range todo {
				m, err := r.joinOne(s)
				mu.Lock()
				if failed == nil {
					failed = err
				}
				if err == nil {
					joined = append(joined, m)
				}
				mu.Unlock()
			}
		}()
	}
	for i := 0; i < n; i++ {
		for _, s := range sessions {
			mu.Lock()
			stop := failed != nil
			mu.Unlock()
			if !stop {
				todo <- s
			}
		}
	}
	close(todo)
	wg.Wait()
	if failed != nil {
		return nil, failed
	}
	return joined, r.loop.AwaitCaughtUp(catchUpTimeout, joined...)
}

// catchUpTimeout is how long a history may take.
const catchUpTimeout = 5 * time.Minute

func (r *run) joinOne(s *load.Session) (*load.Member, error) {
	c, err := r.dialer().Dial(r.name())
	if err != nil {
		return nil, err
	}
	if err := c.Join(s.ID); err != nil {
		c.Close()
		return nil, fmt.Errorf("member %s: %w", c.Name, err)
	}
	return r.loop.Add(c, s)
}
