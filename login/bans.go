package login

import (
	"net/netip"
	"time"
)

// Reaction is what happens to a banned client that tries to enter a session
// (login.md §14.2).
type Reaction uint8

const (
	ReactNormal   Reaction = iota // it is told
	ReactNetError                 // it is told of a network error
	ReactGarbage                  // it gets a senseless reply, then silence
	ReactHang                     // it gets silence
	ReactTimer                    // it is cut off some seconds later
)

// ParseReaction reads the name of a reaction; unknown ones are normal.
func ParseReaction(s string) Reaction {
	switch s {
	case "neterror":
		return ReactNetError
	case "garbage":
		return ReactGarbage
	case "hang":
		return ReactHang
	case "timer":
		return ReactTimer
	}
	return ReactNormal
}

// Ban is a server-wide ban that matched.
type Ban struct {
	Source   string // "database", "configfile" or "extban"
	ID       int    // row, position or external number
	Reaction Reaction
	Expires  time.Time // zero = never
	Reason   string    // shown to the banned if the reaction is normal
}

// Bans looks up server-wide bans (login.md §14.1). Called from login
// goroutines; expired and disabled bans never match.
type Bans interface {
	// Address returns the first ban of an address. IPv4-mapped addresses are
	// given as IPv4.
	Address(a netip.Addr) (Ban, bool)
	// System returns the first ban of a system id, 32 hex digits.
	System(id string) (Ban, bool)
	// User returns the first ban of an external user number.
	User(id int64) (Ban, bool)
}

// AddressBan bans the addresses of a prefix; a prefix length of 0 means the
// single address.
type AddressBan struct {
	Prefix netip.Prefix
	Ban    Ban
}

// SystemBan bans a system id.
type SystemBan struct {
	ID  string
	Ban Ban
}

// UserBan bans an external user number.
type UserBan struct {
	ID  int64
	Ban Ban
}

// MemoryBans are bans in memory, as read from a config file; in each list the
// first match counts. Immutable.
type MemoryBans struct {
	Addresses []AddressBan
	Systems   []SystemBan
	Users     []UserBan
	Now       func() time.Time // clock for expiry, nil = time.Now
}

// Address implements Bans.
func (m *MemoryBans) Address(a netip.Addr) (Ban, bool) {
	for i := range m.Addresses {
		if b := &m.Addresses[i]; m.counts(b.Ban) && covers(b.Prefix, a) {
			return b.Ban, true
		}
	}
	return Ban{}, false
}

// System implements Bans.
func (m *MemoryBans) System(id string) (Ban, bool) {
	for i := range m.Systems {
		if b := &m.Systems[i]; b.ID == id && m.counts(b.Ban) {
			return b.Ban, true
		}
	}
	return Ban{}, false
}

// User implements Bans.
func (m *MemoryBans) User(id int64) (Ban, bool) {
	for i := range m.Users {
		if b := &m.Users[i]; b.ID == id && m.counts(b.Ban) {
			return b.Ban, true
		}
	}
	return Ban{}, false
}

func (m *MemoryBans) counts(b Ban) bool {
	if b.Expires.IsZero() {
		return true
	}
	now := time.Now
	if m.Now != nil {
		now = m.Now
	}
	return b.Expires.After(now())
}

// covers reports whether a ban entry covers an address (configuration.md
// §13.1): IPv4 entries also in the mapped notation, IPv6 entries see IPv4
// addresses as mapped ones, and a length of 0 means the address itself.
func covers(p netip.Prefix, a netip.Addr) bool {
	if !p.IsValid() || !a.IsValid() {
		return false
	}
	net := p.Addr().WithZone("")
	bits := p.Bits()
	if bits == 0 {
		bits = net.BitLen()
	}
	a = a.WithZone("")
	if net.Is4() {
		a = a.Unmap()
	} else if a.Is4() {
		a = netip.AddrFrom16(a.As16())
	}
	if net.BitLen() != a.BitLen() {
		return false
	}
	// Prefix.Contains never matches mapped addresses, so bits are compared.
	x, y := net.AsSlice(), a.AsSlice()
	for i := range x {
		if bits <= 0 {
			break
		}
		mask := byte(0xff)
		if bits < 8 {
			mask <<= 8 - bits
		}
		if (x[i]^y[i])&mask != 0 {
			return false
		}
		bits -= 8
	}
	return true
}
