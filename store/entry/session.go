package entry

import (
	"net/netip"
	"sync/atomic"
	"time"
)

// Session is a session seen from outside: what lists, lookups and the checks
// of a join need. Immutable; relay publishes a new one after every change.
type Session struct {
	ID           string
	Alias        string
	Version      string // protocol version text
	Founder      string
	Title        string
	AutoTitle    bool
	PasswordHash string
	MaxUsers     int
	UserCount    int // ghosts included
	Closed       bool
	AuthOnly     bool
	NSFM         bool
	Persistent   bool
	Invites      bool
	Unlisted     bool
	IdleOverride bool
	AllowWeb     bool
	StartTime    time.Time // UTC

	// Size is the history size in bytes; it moves on while the description
	// stays. May be nil in tests.
	Size *atomic.Int64
	// Members are those present, in join order.
	Members []Member
	// Banned returns the number of the first ban that matches, 0 for none
	// (session.md §19).
	Banned func(name, authID, systemID string, addr netip.Addr) int
	// Redeem uses an invite secret for a client on the session's loop; see
	// RedeemResult. May be nil: no invites.
	Redeem func(secret string, p *Person) (*Invite, RedeemResult)
	// CheckInvite says what Redeem would, without using the invite; a client
	// without a system id passes if the secret is known (login.md §9). May be
	// nil: no invites.
	CheckInvite func(secret, systemID string) RedeemResult
}

// RedeemResult is the outcome of redeeming an invite (login.md §13.1 row 7, 8).
type RedeemResult uint8

const (
	RedeemOK RedeemResult = iota
	RedeemUnknown
	RedeemUsedUp
	RedeemNoClientKey
)

// Member is somebody in a session, seen from outside.
type Member struct {
	ID       uint8
	Name     string
	AuthID   string
	SystemID string
	// LastDrawing is the Unix time in seconds of the last message of type
	// >= 128, 0 for none.
	LastDrawing *atomic.Int64
}

// ActiveDrawing counts members who drew within the last 5 minutes
// (login.md §11.2).
func (s *Session) ActiveDrawing(now time.Time) int {
	n := 0
	for _, m := range s.Members {
		if m.LastDrawing != nil && now.Unix()-m.LastDrawing.Load() < 5*60 {
			n++
		}
	}
	return n
}

// Taken reports whether p may not take its name: somebody present has it, case
// ignored, and is not p itself by account or system id (session.md §6.2).
func (s *Session) Taken(p *Person) bool {
	for i := range s.Members {
		m := &s.Members[i]
		if EqualNames(m.Name, p.Name) {
			return !(m.AuthID != "" && m.AuthID == p.AuthID) &&
				!(m.SystemID != "" && m.SystemID == p.SystemID)
		}
	}
	return false
}

// Directory knows the live sessions. Implemented by relay; all methods may be
// called from any goroutine and never block for long.
type Directory interface {
	// All returns the live sessions in order of creation.
	All() []*Session
	// Find returns the live session with this id or alias, exactly.
	Find(idOrAlias string) (*Session, bool)
	// Watch calls w after each change: s is the session's new description, or
	// nil when the session with this id has ended. Calls come from the
	// sessions' loops: w must not block. The returned function ends it.
	Watch(w func(id string, s *Session)) (cancel func())
}
