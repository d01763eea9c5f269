//go:build unix

package main

import "syscall"

// socketMask leaves a new socket to the own account only (mode 0600).
const socketMask = 0o177

// private makes what is created until restore is called belong to the own
// account only. It concerns the whole process; what others create meanwhile is
// for that account alone as well.
func private() (restore func()) {
	before := syscall.Umask(socketMask)
	return func() { syscall.Umask(before) }
}
