package main

import (
	"fmt"
	"net"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"
)

// passedSockets returns the listening sockets that the service manager has
// passed to this process (configuration.md §5.2), none if LISTEN_PID and
// LISTEN_FDS do not speak of any. Descriptors that are not listening TCP
// sockets are an error.
func passedSockets() ([]passedSocket, error) {
	var list []passedSocket
	for i, file := range activation.Files(true) {
		err := checkSocket(int(file.Fd()))
		var l net.Listener
		if err == nil {
			l, err = net.FileListener(file) // a duplicate
		}
		_ = file.Close()
		if err != nil {
			for _, s := range list {
				_ = s.Close()
			}
			return nil, fmt.Errorf("socket %d (%s) passed by the service manager: %w; use ListenStream= with a port", i+1, file.Name(), err)
		}
		list = append(list, passedSocket{file.Name(), l})
	}
	return list, nil
}

// checkSocket makes sure that a descriptor is a listening TCP socket.
func checkSocket(fd int) error {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return fmt.Errorf("not a socket: %w", err)
	}
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return fmt.Errorf("not a socket: %w", err)
	}
	listening, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return fmt.Errorf("not a socket: %w", err)
	}
	if kind != unix.SOCK_STREAM || domain != unix.AF_INET && domain != unix.AF_INET6 || listening == 0 {
		return fmt.Errorf("not a listening TCP socket")
	}
	return nil
}
