package login

import "golang.org/x/sys/unix"

// hashNice is what is added to the niceness of hashing threads.
const hashNice = 10

// lowerPriority makes the calling OS thread, which must be locked, give way to
// all others. Failing changes only how fair the machine is.
func lowerPriority() {
	_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), hashNice)
}
