// Command dprectool converts, inspects and repairs recordings of drawing
// sessions, binary (dprec) and text (dptxt).
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

var version = "development" // set by the linker

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

const usage = `dprectool works on recordings of drawing sessions: binary (dprec) and text (dptxt).

    dprectool convert  [-to text|binary] [-skip] [-o FILE] [FILE]
    dprectool info     [FILE]
    dprectool extract  [-first N] [-last N] [-to text|binary] [-skip] [-o FILE] [FILE]
    dprectool cut      [-in-place | -o FILE] [FILE]
    dprectool template [-title TEXT] [-founder NAME] … [-to text|binary] [-o FILE] [FILE]
    dprectool version

Without FILE, or with -, it reads standard input; without -o it writes standard output. A file given with -o
is replaced only when everything went well. "dprectool COMMAND -h" explains the options of a command.
`

// command is a sub-command. define adds its options and returns what runs it
// on the arguments that are left.
type command struct {
	name, help string
	define     func(*flag.FlagSet) func(*tool, []string) error
}

var commands = []command{
	{"convert", "writes the recording in the other form; both ways give back the same bytes", defineConvert},
	{"info", "prints header, sizes, users and message types", defineInfo},
	{"extract", "writes a range of messages, counted from 1", defineExtract},
	{"cut", "cuts off an incomplete message, and zeros, at the end", defineCut},
	{"template", "makes a session template: without the people, with the given header", defineTemplate},
}

// tool is where a command reads from and writes to.
type tool struct {
	stdin    io.Reader
	stdout   io.Writer
	stderr   io.Writer
	progress *progress
}

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return exitUsage
	}
	switch args[0] {
	case "-h", "-help", "--help", "help":
		fmt.Fprint(stdout, usage)
		return exitOK
	case "version", "-version", "--version":
		fmt.Fprintln(stdout, "dprectool", version)
		return exitOK
	}
	for _, c := range commands {
		if c.name != args[0] {
			continue
		}
		flags := flag.NewFlagSet("dprectool "+c.name, flag.ContinueOnError)
		flags.SetOutput(stderr)
		flags.Usage = func() {
			fmt.Fprintf(stderr, "dprectool %s %s.\n", c.name, c.help)
			flags.PrintDefaults()
		}
		do := c.define(flags)
		switch err := flags.Parse(args[1:]); {
		case errors.Is(err, flag.ErrHelp):
			return exitOK
		case err != nil:
			return exitUsage
		}
		x := &tool{stdin: stdin, stdout: stdout, stderr: stderr, progress: newProgress(stderr)}
		err := do(x, flags.Args())
		x.progress.end()
		if err != nil {
			fmt.Fprintf(stderr, "dprectool: %v\n", err)
			return exitFailed
		}
		return exitOK
	}
	fmt.Fprintf(stderr, "dprectool: there is no command %q; dprectool help lists them\n", args[0])
	return exitUsage
}
