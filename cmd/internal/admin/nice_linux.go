package admin

import "golang.org/x/sys/unix"

// lowerPriority makes the calling thread yield to the loops. Failing costs only
// that.
func lowerPriority() { _ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), 10) }
