package store

import (
	"io"
	"time"

	"drawrelay/store/entry"
)

// Limits of invites (session.md §22.1).
const (
	maxInvites    = 50 // per session
	minInviteUses = 1
	maxInviteUses = 50
)

// InviteUse is one use of an invite.
type InviteUse struct {
	SystemID string
	Name     string    // may be empty
	At       time.Time // UTC; the time of loading for uses read from a journal
}

// Invite lets somebody into a session without its password (storage.md §12.4).
type Invite struct {
	Secret  string
	Creator string // empty = a server administrator
	At      time.Time
	MaxUses int
	Trust   bool
	Op      bool
	Uses    []InviteUse // in order of first use; by system id, each once
}

// InviteList is the list of a session's invites in order of creation.
// Ownership: the session's owner loop.
type InviteList struct {
	invites []*Invite
	now     func() time.Time
	random  io.Reader
	journal func(line string)
}

// All returns the invites in order of creation, the oldest first. Neither the
// slice nor the invites may be changed.
// Valid until: the next change of the list.
func (l *InviteList) All() []*Invite { return l.invites }

// Find returns the invite with this secret, nil if there is none.
func (l *InviteList) Find(secret string) *Invite {
	for _, v := range l.invites {
		if v.Secret == secret {
			return v
		}
	}
	return nil
}

// Create adds an invite with a new secret and journals it. maxUses is brought
// into 1..50. It returns nil if the session has 50 already.
func (l *InviteList) Create(creator string, maxUses int, trust, op bool) *Invite {
	if len(l.invites) >= maxInvites {
		return nil
	}
	now := l.now().UTC().Truncate(time.Second)
	v := &Invite{Creator: creator, At: now, MaxUses: inviteUses(maxUses), Trust: trust, Op: op}
	for v.Secret == "" || l.Find(v.Secret) != nil {
		var err error
		if v.Secret, err = newSecret(now, l.random); err != nil {
			return nil // no randomness: no secrets
		}
	}
	l.invites = append(l.invites, v)
	l.journal(inviteLine(v))
	return v
}

// Remove deletes an invite, journals that and returns it, or nil if there is
// none with this secret.
func (l *InviteList) Remove(secret string) *Invite {
	v := l.remove(secret)
	if v != nil {
		l.journal(uninviteLine(secret))
	}
	return v
}

func (l *InviteList) remove(secret string) *Invite {
	for i, v := range l.invites {
		if v.Secret == secret {
			l.invites = append(l.invites[:i:i], l.invites[i+1:]...)
			return v
		}
	}
	return nil
}

// Redeem uses an invite for the client with this system id and journals the
// use. A client that used it before does not use it up further; a new name of
// it is recorded. fresh says that something was recorded: a first use or a new
// name.
func (l *InviteList) Redeem(secret, systemID, name string) (v *Invite, fresh bool, result entry.RedeemResult) {
	if systemID == "" {
		return nil, false, entry.RedeemNoClientKey
	}
	if v = l.Find(secret); v == nil {
		return nil, false, entry.RedeemUnknown
	}
	for i := range v.Uses {
		if u := &v.Uses[i]; u.SystemID == systemID {
			if u.Name == name {
				return v, false, entry.RedeemOK
			}
			u.Name, u.At = name, l.now().UTC()
			l.journal(useLine(secret, u))
			return v, true, entry.RedeemOK
		}
	}
	if len(v.Uses) >= v.MaxUses {
		return nil, false, entry.RedeemUsedUp
	}
	v.Uses = append(v.Uses, InviteUse{SystemID: systemID, Name: name, At: l.now().UTC()})
	l.journal(useLine(secret, &v.Uses[len(v.Uses)-1]))
	return v, true, entry.RedeemOK
}

// put is what an INV line does: it creates or replaces.
func (l *InviteList) put(v *Invite) {
	for i, old := range l.invites {
		if old.Secret == v.Secret {
			l.invites[i] = v
			return
		}
	}
	l.invites = append(l.invites, v)
}

// use is what a USV line does.
func (l *InviteList) use(secret, systemID, name string, at time.Time) bool {
	v := l.Find(secret)
	if v == nil {
		return false
	}
	for i := range v.Uses {
		if v.Uses[i].SystemID == systemID {
			v.Uses[i].Name = name
			return true
		}
	}
	v.Uses = append(v.Uses, InviteUse{SystemID: systemID, Name: name, At: at})
	return true
}

func inviteUses(n int) int { return min(max(n, minInviteUses), maxInviteUses) }
