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
