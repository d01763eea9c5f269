package hasher

import (
	"strconv"

	"golang.org/x/sys/unix"

	"drawrelay/store"
)

// hurriedNice is the niceness of processes in a hurry, that of the server's
// threads other than loops: beside a busy loop, or another program's thread, they
// get about a quarter of a processor.
const hurriedNice = 5

// lowerPriority makes this process give way to all others: also on kernels on
// which being nice alone lets a thread finish its turn first, and so that others
// are woken up where it runs as if nothing did. It does so thread by thread, as
// Linux counts priorities; threads that come later take after these. Failing
// changes only how fair the machine is.
func lowerPriority(hurry bool) {
	lowerThreads(hurry)
	lowerThreads(hurry) // those that were started by the last ones
}

func lowerThreads(hurry bool) {
	threads, err := store.OS.ReadDir("/proc/self/task")
	if err != nil {
		return
	}
	for _, thread := range threads {
		id, err := strconv.Atoi(thread.Name())
		switch {
		case err != nil:
		case hurry:
			if raw, err := unix.Getpriority(unix.PRIO_PROCESS, id); err == nil && 20-raw < hurriedNice {
				_ = unix.Setpriority(unix.PRIO_PROCESS, id, hurriedNice)
			}
		default:
			_ = unix.SchedSetAttr(id, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0)
		}
	}
}
