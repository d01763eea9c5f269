//go:build linux

package load

import (
	"fmt"
	"net"
	"runtime"

	"golang.org/x/sys/unix"
)

// standAside gives the calling goroutine a thread of its own, for good, that
// runs when nothing else wants to: what it does must not hold up a loop that
// measures beside it.
func standAside() {
	runtime.LockOSThread() // and never unlocked: the priority goes with the thread
	_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0)
}

// loopback returns the address of a server of this machine, IPv4 only: nobody
// else is to be bothered with load.
func loopback(addr string) (to unix.SockaddrInet4, err error) {
	a, err := net.ResolveTCPAddr("tcp4", addr)
	if err != nil {
		return to, fmt.Errorf("load for %s: %w", addr, err)
	}
	if !a.IP.IsLoopback() {
		return to, fmt.Errorf("load for %s: only servers on this machine get any", addr)
	}
	to.Port = a.Port
	copy(to.Addr[:], a.IP.To4())
	return to, nil
}
