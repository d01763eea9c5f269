// Command drawpile-srv is a server for shared drawing sessions that takes the
// place of the Drawpile dedicated server: same options, files and protocol.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Exit statuses (configuration.md §2.4).
const (
	exitOK     = 0
	exitFailed = 1
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program; it returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && subcommands[args[0]] != nil {
		return subcommands[args[0]](args[1:], stdout, stderr)
	}
	if len(args) == 1 && args[0] == hashPasswords {
		return runHashPasswords(os.Stdin, stdout, stderr)
	}
	ignoreSignals() // before anything is written to a standard error that may be closed
	o, err := parseOptions(args)
	if isRoot() && (err != nil || o.user == "") {
		fmt.Fprintln(stderr, "drawpile-srv: warning: this program should not be run as root; --user NAME gives the rights up once the ports are open")
	}
	if err != nil {
		return fail(stderr, err)
	}
	switch {
	case o.help:
		printHelp(stdout)
		return exitOK
	case o.version:
		printVersion(stdout)
		return exitOK
	case o.generateKey:
		if err := generateCryptKey(stdout, rand.Reader); err != nil {
			return fail(stderr, err)
		}
		return exitOK
	}

	if err := o.chooseGraphical(len(args) == 0, surroundings()); err != nil {
		return o.failGraphical(err, stdout, stderr)
	}
	stop := make(chan os.Signal, 2)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	if o.graphical.remote != nil {
		return runRemote(o, stop, stdout, stderr)
	}
	reload := make(chan os.Signal, 1)
	if len(reloadSignals) > 0 {
		signal.Notify(reload, reloadSignals...)
	}
	o.hashCommand = hashCommand()
	p, err := start(o, stderr, time.Now)
	if err != nil {
		return o.failGraphical(err, stdout, stderr)
	}
	if p.front != nil {
		fmt.Fprintf(stdout, "The admin page is at %s, for the browser that opens now.\n", p.front.door.Address())
		go p.front.show(context.Background(), surroundings(), stdout)
	}
	return p.serve(stop, reload)
}

func fail(stderr io.Writer, err error) int {
	fmt.Fprintf(stderr, "drawpile-srv: %v\n", err)
	return exitFailed
}
