//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// reloadSignals ask for another look at the configuration and TLS files.
var reloadSignals = []os.Signal{syscall.SIGHUP}

// adminSignals ask for the admin listener to be opened anew.
var adminSignals = []os.Signal{syscall.SIGUSR1}

// ignoreSignals makes signals harmless whose default is to end the process: a
// closed standard error, and the restart of an admin listener that may not
// exist (configuration.md §4).
func ignoreSignals() { signal.Ignore(syscall.SIGPIPE, syscall.SIGUSR1) }

// isRoot reports whether the process may do everything.
func isRoot() bool { return os.Geteuid() == 0 }
