//go:build linux

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"

	"drawrelay/perf/load"
	"drawrelay/perf/machine"
	"drawrelay/perf/scenario"
)

// options are those of run, compare and bench.
type options struct {
	scenario.Options
	scenarios []scenario.Scenario
	servers   []scenario.Spec
	adjust    func(name string, o *scenario.Options) // of single scenarios; may be nil
	repeat    int
	json      string
	verbose   bool
}

// byteSize is a flag in bytes with an optional unit kb, mb or gb (powers of
// 1000).
type byteSize int64

func (b *byteSize) String() string { return strconv.FormatInt(int64(*b), 10) }

func (b *byteSize) Set(s string) error {
	factor := 1.0
	low := strings.ToLower(s)
	for unit, f := range map[string]float64{"kb": 1e3, "mb": 1e6, "gb": 1e9} {
		if rest, ok := strings.CutSuffix(low, unit); ok {
			low, factor = rest, f
		}
	}
	v, err := strconv.ParseFloat(low, 64)
	if err != nil || v < 0 || v*factor > math.MaxInt32*1000 {
		return errors.New("must be a number of bytes, or one with kb, mb or gb")
	}
	*b = byteSize(v * factor)
	return nil
}

// newFlagSet makes a flag set that prints only on --help, see parseFlags.
func newFlagSet(name, args, more string) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {
		fmt.Fprintf(fs.Output(), "usage: perf %s %s\n\nOptions:\n", name, args)
		fs.PrintDefaults()
		fmt.Fprint(fs.Output(), more)
	}
	return fs
}

// parseFlags parses; --help prints the usage to out and is flag.ErrHelp.
func parseFlags(fs *flag.FlagSet, args []string, out io.Writer) error {
	err := fs.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fs.SetOutput(out)
		fs.Usage()
	}
	return err
}

// newFlags defines the options on a flag set. finish is to be called after
// parsing.
func newFlags(name, args string, o *options) (*flag.FlagSet, func() error) {
	o.Options = scenario.Defaults()
	fs := newFlagSet(name, args, "\nScenarios:\n"+scenario.Help+"\n")
	fs.Func("server", "server `SPEC`; may be given more than once", func(s string) error {
		spec, err := scenario.ParseSpec(s)
		o.servers = append(o.servers, spec)
		return err
	})
	fs.BoolVar(&o.TLS, "tls", false, "encrypt all connections")
	fs.BoolVar(&o.Web, "ws", false, "connect by WebSocket")
	fs.BoolVar(&o.Files, "file", false, "let the server store sessions in files")
	fs.DurationVar(&o.Duration, "duration", 0, "length of the measured part; 0 = the scenario's own")
	bytes, window := byteSize(0), byteSize(0)
	fs.Var(&bytes, "bytes", "`bytes` drawn or uploaded at most; 0 = the scenario's own")
	fs.Var(&window, "window", "`bytes` on the way to the slowest member of a saturated session; 0 = the scenario's own")
	fs.Float64Var(&o.Rate, "rate", 0, "messages/s in all, open loop; 0 = the scenario's own")
	fs.IntVar(&o.Size, "size", 0, "bytes of each message with header; 0 = the scenario's own, mostly a mix")
	fs.IntVar(&o.Members, "members", 0, "members per session; 0 = the scenario's own")
	fs.IntVar(&o.Sessions, "sessions", 0, "number of sessions; 0 = the scenario's own")
	fs.IntVar(&o.Idle, "idle", 0, "idle connections; 0 = 2000")
	fs.IntVar(&o.Slow, "slow", 0, "members that do not read; 0 = 5")
	fs.IntVar(&o.Logins, "logins", 0, "logins of churn; 0 = 2000")
	fs.IntVar(&o.Sample, "sample", o.Sample, "members per session that measure latency")
	fs.IntVar(&o.MSS, "mss", o.MSS, "TCP segment size in bytes; 0 = the interface's own")
	fs.DurationVar(&o.Ping, "ping", o.Ping, "interval of every member's pings; 0 = none")
	fs.BoolVar(&o.Spin, "spin", false, "never let the generator sleep: the server is spared waking it, as over a network; needs a processor of its own")
	fs.IntVar(&o.ServerCPU, "server-cpu", o.ServerCPU, "processor the server is pinned to")
	fs.IntVar(&o.GeneratorCPU, "generator-cpu", o.GeneratorCPU, "processor this process is pinned to")
	fs.Float64Var(&o.MaxOthers, "max-others", o.MaxOthers, "processors that other processes may use before a run counts as disturbed")
	fs.IntVar(&o.Retries, "retries", o.Retries, "how often a disturbed run is repeated")
	fs.StringVar(&o.TempDir, "dir", "", "folder for session files; empty = the system's temporary folder")
	fs.StringVar(&o.json, "json", "", "write all results to this `file`")
	fs.BoolVar(&o.verbose, "v", false, "print every run as it ends")
	fs.IntVar(&o.repeat, "repeat", 1, "runs of each scenario and server")
	noPin := fs.Bool("no-pin", !o.Pin, "let the kernel choose processors")
	verify := fs.String("verify", "headers", "what every member checks: headers, full or bytes")
	return fs, func() (err error) {
		o.Bytes, o.Window, o.Pin = int64(bytes), int(window), !*noPin
		if o.Verify, err = load.ParseVerify(*verify); err != nil {
			return err
		}
		return o.check()
	}
}

func (o *options) check() error {
	switch {
	case o.repeat < 1:
		return errors.New("--repeat must be at least 1")
	case o.Pin && (o.ServerCPU < 0 || o.GeneratorCPU < 0 || max(o.ServerCPU, o.GeneratorCPU) >= runtime.NumCPU()):
		return fmt.Errorf("processors must be 0 to %d (or --no-pin)", runtime.NumCPU()-1)
	case o.Rate < 0 || o.Duration < 0 || o.Ping < 0 || o.Retries < 0:
		return errors.New("numbers must not be negative")
	case min(o.Members, o.Sessions, o.Idle, o.Slow, o.Logins, o.Size, o.Sample) < 0:
		return errors.New("numbers must not be negative")
	case o.Members > 254:
		return errors.New("--members: a session has 254 at most")
	case o.MSS != 0 && (o.MSS < 88 || o.MSS > 32767):
		return errors.New("--mss must be 0 or 88 to 32767")
	}
	if o.Size != 0 {
		if _, err := load.FixedSize(o.Size); err != nil {
			return fmt.Errorf("--size: %w", err)
		}
	}
	return nil
}

// parse reads options and the list of scenarios, in any order.
func (o *options) parse(fs *flag.FlagSet, finish func() error, args []string, out io.Writer) error {
	var words []string
	for {
		if err := parseFlags(fs, args, out); err != nil {
			return err
		}
		if args = fs.Args(); len(args) == 0 {
			break
		}
		words = append(words, args[0])
		args = args[1:]
	}
	if err := finish(); err != nil {
		return err
	}
	for _, w := range words {
		for _, name := range strings.Split(w, ",") {
			s, err := scenario.Find(name)
			if err != nil {
				return err
			}
			o.scenarios = append(o.scenarios, s)
		}
	}
	return nil
}

// pin moves this process to its processor and gives it enough Ps that the
// event loop never waits for one.
func (o *options) pin() error {
	runtime.GOMAXPROCS(runtime.NumCPU() + 3)
	if !o.Pin {
		return nil
	}
	if err := machine.Pin(o.GeneratorCPU); err != nil {
		fmt.Fprintln(os.Stderr, "perf: not pinned:", err)
		o.Pin = false
	}
	return nil
}
