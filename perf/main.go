//go:build linux

// Command perf measures Drawpile servers from outside: it starts them, speaks
// the protocol to them, checks that every member receives everything in the
// same order and reports what that cost.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"drawrelay/perf/machine"
	"drawrelay/perf/scenario"
)

const usage = `usage: perf COMMAND …

  run SCENARIO[,SCENARIO…] --server SPEC     run workloads against one server
  compare SCENARIO[,SCENARIO…] --server SPEC --server SPEC …
                                             run them against several by turns
  bench [--ours PATH]                        short comparison with twin and floor
  diff OLD.json NEW.json                     compare two results of --json
  serve-twin --port N, serve-floor --port N  the built-in baseline servers

Every command explains its options with --help.

SPEC:
  twin              built in: goroutine pair and channel per member
  floor             built in: an event loop that only reads and writes
  ours=PATH         our server's binary; ref=PATH the reference's. The usual
                    options are added
  NAME=COMMAND      a command with variables: {port} {dir} {config} {sessions}
                    {cert} {key}, {file} (--sessions DIR with --file), {tls}
                    (--ssl-cert and --ssl-key with --tls), {plain} (--no-tls
                    without --tls)
  NAME=HOST:PORT    a server that runs already; HOST:PORT#PID also reads what
                    process PID uses

Scenarios:
` + scenario.Help + "\n"

func main() {
	err := dispatch(os.Args[1:], os.Stdout)
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
	default:
		fmt.Fprintln(os.Stderr, "perf:", err)
		os.Exit(1)
	}
}

func dispatch(args []string, out io.Writer) error {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return errors.New("no command")
	}
	switch cmd, rest := args[0], args[1:]; cmd {
	case "run":
		return runCommand(rest, out)
	case "compare":
		return compareCommand(rest, out)
	case "bench":
		return benchCommand(rest, out)
	case "diff":
		return diffCommand(rest, out)
	case "serve-twin", "serve-floor":
		return serveCommand(cmd, rest, out)
	case machine.ExecOn:
		return machine.RunExecOn(rest)
	case "help", "-h", "-help", "--help":
		fmt.Fprint(out, usage)
		return nil
	default:
		return fmt.Errorf("unknown command %q; see perf --help", cmd)
	}
}
