package relay

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"drawrelay/store"
)

const (
	// othersNice is the niceness of the process's threads other than loops: a
	// loop weighs as much as three of them. On a busy processor it would else
	// get no more than each of the threads that log people in.
	othersNice = 5 // on top of what the process has
	// loopSlice is how long a loop wants to run at a time. Who wants less than
	// others, which is 1.4 ms on two processors, is served sooner: without it
	// Linux 6.6 and later let a thread finish its turn before a loop that wakes
	// up. A turn of a loop fits in, so that it is seldom interrupted.
	loopSlice = 500 * time.Microsecond
)

// FavourLoops makes all threads of the process give way to those of the loops,
// also threads that are started later, which take after those that start them.
// Called once, while no loop has much to do. An error means that threads are
// served alike.
func (s *Server) FavourLoops() error {
	own, err := niceness(0)
	if err != nil {
		return fmt.Errorf("let threads give way to those that relay: %w", err)
	}
	loops := make([]int, len(s.loops))
	told := make(chan struct{}, len(loops))
	for i, l := range s.loops {
		l.do(func() {
			loops[i] = unix.Gettid()
			if a, err := unix.SchedGetAttr(0, 0); err == nil {
				a.Runtime = uint64(loopSlice)
				_ = unix.SchedSetAttr(0, a, 0) // kernels before 6.12 know no such wish
			}
			told <- struct{}{}
		})
	}
	for range loops {
		<-told
	}
	for range 2 { // the second time for threads that were started meanwhile
		threads, err := store.OS.ReadDir("/proc/self/task")
		if err != nil {
			return fmt.Errorf("let threads give way to those that relay: %w", err)
		}
		for _, thread := range threads {
			id, err := strconv.Atoi(thread.Name())
			if err != nil || slices.Contains(loops, id) {
				continue
			}
			if n, err := niceness(id); err == nil && n < own+othersNice {
				_ = unix.Setpriority(unix.PRIO_PROCESS, id, own+othersNice) // it may have ended
			}
		}
	}
	return nil
}

// niceness returns that of a thread, 0 = the calling one.
func niceness(thread int) (int, error) {
	raw, err := unix.Getpriority(unix.PRIO_PROCESS, thread)
	return 20 - raw, err // the system call's own form
}
