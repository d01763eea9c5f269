//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package login

import (
	"net"
	"syscall"
)

// readable reports whether bytes have arrived on the socket that nobody has
// read. It does not block and takes nothing.
func readable(socket net.Conn) bool {
	s, ok := socket.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return false
	}
	var found bool
	var b [1]byte
	err = raw.Control(func(fd uintptr) {
		// The descriptor is in non-blocking mode, as all of package net's.
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
		found = err == nil && n > 0
	})
	return err == nil && found
}
