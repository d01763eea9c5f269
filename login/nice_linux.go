package login

import (
	"golang.org/x/sys/unix"
)

// hashNice is what is added to the niceness of hashing threads.
const hashNice = 10

// lowerPriority makes the calling OS thread, which must be locked, give way to
// all others. Failing changes only how fair the machine is.
func lowerPriority() {
	tid := unix.Gettid()
	// The system call's own form: 20 minus the niceness.
	if raw, err := unix.Getpriority(unix.PRIO_PROCESS, tid); err == nil {
		_ = unix.Setpriority(unix.PRIO_PROCESS, tid, 20-raw+hashNice)
	}
}
