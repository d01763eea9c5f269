package login

import (
	"net/netip"
	"runtime"
	"time"
)

// Limits of the protocol: clients rely on these numbers (login.md §16).
const (
	// passwordAttempts is how many wrong passwords of one kind, account or
	// session, a connection may send; the last of them is fatal.
	passwordAttempts = 10
	// maxNameUnits is the longest user name in UTF-16 units.
	maxNameUnits = 22
	// maxInfoUnits is where client info values are cut, in UTF-16 units.
	maxInfoUnits = 65
	// maxAlias is the longest session alias in characters.
	maxAlias = 32
	// lingerCheck is how often sessionLessClientLingerTime is looked at
	// (wire.md §8).
	lingerCheck = 15 * time.Second
	// severMin and severSpread say when a timer ban cuts the connection:
	// 1000 to 4999 ms after it was triggered (login.md §14.2).
	severMin    = 1000 * time.Millisecond
	severSpread = 4000 // milliseconds
)

// Our own choices: bounds on what somebody who has not proved anything yet can
// make the server hold or do.
const (
	// maxPerAddress is how many connections one IPv4 address or IPv6 /64 may
	// have in login at once. A school behind one address fits.
	maxPerAddress = 64
	// maxPerPrivate is the same for private and link-local addresses, which
	// may be reverse proxies. Loopback and Unix sockets are not limited.
	maxPerPrivate = 1024
	// maxInLogin is how many connections may be in login at once, all
	// addresses together. At 20 KiB each they hold 80 MiB.
	maxInLogin = 4096
	// connectionRate is how many new connections are served per second and
	// processor, in the long run. Greeting somebody and refusing a password
	// takes a tenth of a millisecond: a flood gets a tenth of the machine.
	connectionRate = 1000
	// connectionBurst is how much of that may be used in advance, so that a
	// class that arrives together does not wait. Nothing draws smoothly while
	// it lasts: half a second of it was most of what a flood did to latency.
	connectionBurst = time.Second / 10
	// maxMessages is how many messages other than pings a connection may send
	// during its login. A person needs about ten.
	maxMessages = 1000
	// secureTimeout bounds the time from the hello to the end of the TLS
	// handshake. No human is involved.
	secureTimeout = 60 * time.Second
	// upgradeTimeout bounds the time from accept to the end of the WebSocket
	// handshake, TLS included. No human is involved.
	upgradeTimeout = 30 * time.Second
	// maxRequest is the longest HTTP request in bytes: browsers send about one
	// thousand.
	maxRequest = 8 << 10
	// firstBytesWait is how long a connection that may be anything has for its
	// first byte: clients with TLS or WebSocket send theirs with the last packet
	// that opens the connection, native ones wait for the hello.
	firstBytesWait = 500 * time.Millisecond
	// firstByteTimeout cuts connections that never send a byte although
	// clientTimeout is off. Clients ping after 15 s.
	firstByteTimeout = 120 * time.Second
	// writeTimeout bounds one write to a client that does not read.
	writeTimeout = 60 * time.Second
	// closeTimeout bounds flushing the last words and waiting for the peer to
	// close its side.
	closeTimeout = 5 * time.Second
	// hashTimeout bounds waiting for and computing one password hash.
	hashTimeout = 30 * time.Second
	// authTimeout bounds one question to the external authentication server
	// (login.md §10.3).
	authTimeout = 30 * time.Second
	// seatTimeout bounds creating or entering a session.
	seatTimeout = 30 * time.Second
	// stopGrace replaces writeTimeout and closeTimeout while the server stops:
	// the members of sessions are told only after everybody in login.
	stopGrace = time.Second
	// freeAttempts is how many wrong passwords per address or account cost
	// nothing, forgiveAfter when one of them is forgotten again.
	freeAttempts = 20
	forgiveAfter = 5 * time.Second
	// attemptDelay is how long a password waits after the first attempt too
	// many; it doubles with each further one up to maxAttemptDelay.
	attemptDelay    = 250 * time.Millisecond
	maxAttemptDelay = 5 * time.Second
	// maxTallies is how many addresses and accounts are remembered; beyond it
	// first those are forgotten that have been forgiven, then all.
	maxTallies = 8192
	// maxLogText cuts log entries, in bytes: they quote what clients send.
	maxLogText = 4 << 10
	// maxStray is how many messages that do not belong to a login are logged
	// per connection.
	maxStray = 10
	// maxReports is how many abuse reports a connection may send.
	maxReports = 20
	// outLimit is how many bytes of replies are gathered before they are
	// written although more input waits.
	outLimit = 64 << 10
	// smallBuffer is the first input buffer in bytes; most login messages fit.
	smallBuffer = 512
	// keepBuffer is the largest buffer in bytes that is kept while nothing is
	// in it.
	keepBuffer = 4 << 10
	// acceptBackoff and maxAcceptBackoff are the first and the longest pause
	// after a failed accept: out of descriptors means waiting for some.
	acceptBackoff    = 5 * time.Millisecond
	maxAcceptBackoff = time.Second
	// noticeInterval is the shortest time between two log entries about
	// refused connections or failed accepts.
	noticeInterval = 10 * time.Second
)

// limits are the bounds a server works with; tests lower them.
type limits struct {
	perAddress int
	perPrivate int
	total      int
	messages   int
}

func defaultLimits() limits {
	return limits{perAddress: maxPerAddress, perPrivate: maxPerPrivate, total: maxInLogin, messages: maxMessages}
}

// forAddress returns the limit for one address, 0 for none.
func (l limits) forAddress(a netip.Addr) int {
	switch {
	case !a.IsValid() || a.IsLoopback():
		return 0
	case a.IsPrivate() || a.IsLinkLocalUnicast():
		return l.perPrivate
	}
	return l.perAddress
}

// HashWorkers is how many password hashes may be computed at a time: half the
// cores, at least one. Start-up adds it to GOMAXPROCS (relay-design.md §9).
func HashWorkers() int { return max(1, runtime.NumCPU()/2) }

// handshakeSlots is how many TLS handshakes may compute at once.
func handshakeSlots() int { return max(1, runtime.NumCPU()/2) }
