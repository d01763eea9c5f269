//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package login

import "net"

// readable cannot tell here: plaintext that arrives right behind startTls then
// fails the handshake instead.
func readable(net.Conn) bool { return false }
