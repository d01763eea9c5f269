//go:build unix

package main

import (
	"os"
	"syscall"
)

// harmlessSignals must not end the server.
var harmlessSignals = []os.Signal{syscall.SIGHUP, syscall.SIGUSR1}
