package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"drawrelay/cmd/internal/hasher"
)

// hashPasswords is the sub-command of the processes that compute password
// hashes for the server. It is not for people, so nothing lists it.
const hashPasswords = "hash-passwords"

// hashCommand starts such a process, of this very program also when a newer
// one has taken its place on disk; empty if it cannot be found.
func hashCommand() []string {
	path, err := os.Executable()
	if runtime.GOOS == "linux" {
		path, err = "/proc/self/exe", nil
	}
	if err != nil {
		return nil
	}
	return []string{path, hashPasswords}
}

// runHashPasswords works until the server hangs up. Signals to stop are for the
// server, which still needs its people's passwords checked then.
func runHashPasswords(in io.Reader, out, stderr io.Writer) int {
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	if err := hasher.Work(in, out); err != nil {
		fmt.Fprintf(stderr, "drawpile-srv %s: %v; only the server starts this\n", hashPasswords, err)
		return exitFailed
	}
	return exitOK
}
