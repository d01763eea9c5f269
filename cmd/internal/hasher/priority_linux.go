package hasher

import "golang.org/x/sys/unix"

// hurriedNice is the niceness of processes in a hurry: beside a busy thread of
// the server they get about a tenth of a processor.
const hurriedNice = 10

// lowerPriority makes the calling OS thread, which must be locked, give way to
// all others: also on kernels on which being nice alone lets it finish its turn
// first, and so that others are woken up where it runs as if nothing did.
// Failing changes only how fair the machine is.
func lowerPriority(hurry bool) {
	if hurry {
		_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), hurriedNice)
		return
	}
	_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0)
}
