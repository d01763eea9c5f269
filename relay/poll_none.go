//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package relay

import (
	"errors"
	"syscall"

	"drawrelay/store/entry"
)

// havePoller says that this platform has no poll transport.
const havePoller = false

var errNoPoller = errors.New("this platform has no poller: use the goroutine transport")

func newPollDriver(*loop) (driver, error) { return nil, errNoPoller }

func newSocketLink(*entry.Conn) (*link, error) { return nil, errNoPoller }

func lowerPriority() {}

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
