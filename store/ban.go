package store

import (
	"net/netip"

	"drawrelay/store/entry"
)

// maxBans bounds the bans of one session (session.md §19).
const maxBans = 1000

// Ban is one entry of a session's ban list (storage.md §12.2). Empty parts
// match nobody.
type Ban struct {
	ID       int // from 1, increasing
	Name     string
	AuthID   string
	SystemID string
	Addr     netip.Addr // in IPv6 form (IPv4 as ::ffff:a.b.c.d), the zero value for none
	By       string     // who banned, may be empty
}

// AddrText returns the address in text form, empty if there is none.
func (b *Ban) AddrText() string {
	if !b.Addr.IsValid() {
		return ""
	}
	return b.Addr.String()
}

// banAddr brings an address into the form of the list: IPv6, IPv4 mapped;
// loopback and invalid addresses become none.
func banAddr(a netip.Addr) netip.Addr {
	if !a.IsValid() || a.Unmap().IsLoopback() {
		return netip.Addr{}
	}
	return netip.AddrFrom16(a.As16())
}

// empty reports whether the ban would match nobody.
func (b *Ban) empty() bool {
	return b.Name == "" && b.AuthID == "" && b.SystemID == "" && !b.Addr.IsValid()
}

// covers reports whether every non-empty part of n equals that of b.
func (b *Ban) covers(n *Ban) bool {
	return (n.Name == "" || entry.EqualNames(n.Name, b.Name)) &&
		(n.AuthID == "" || n.AuthID == b.AuthID) &&
		(n.SystemID == "" || n.SystemID == b.SystemID) &&
		(!n.Addr.IsValid() || n.Addr == b.Addr)
}

// matches reports whether any part is that of somebody. addr is normalised.
func (b *Ban) matches(name, authID, systemID string, addr netip.Addr) bool {
	return b.Name != "" && entry.EqualNames(b.Name, name) ||
		b.AuthID != "" && b.AuthID == authID ||
		b.SystemID != "" && b.SystemID == systemID ||
		b.Addr.IsValid() && b.Addr == addr
}

// BanList is the ban list of a session in order of addition.
// Ownership: the session's owner loop; All and Matcher return what other
// goroutines may use.
type BanList struct {
	// bans is appended to in place and replaced when an entry goes, so that
	// slices handed out stay as they are.
	bans []Ban
	last int // highest number so far
}

// Add puts b on the list and returns it as stored: numbered (unless b.ID says
// which number), its address normalised, and without what also holds for by,
// the banning person, if that is not nil. It is refused if the list is full,
// nothing is left to match, an entry covers it already or its number is used.
func (l *BanList) Add(b Ban, by *entry.Person) (Ban, bool) {
	b.Addr = banAddr(b.Addr)
	if by != nil {
		if entry.EqualNames(b.Name, by.Name) {
			b.Name = ""
		}
		if b.AuthID == by.AuthID {
			b.AuthID = ""
		}
		if b.SystemID == by.SystemID {
			b.SystemID = ""
		}
		if b.Addr == banAddr(by.Addr) {
			b.Addr = netip.Addr{}
		}
	}
	if len(l.bans) >= maxBans || b.empty() || b.ID < 0 {
		return Ban{}, false
	}
	for i := range l.bans {
		if l.bans[i].covers(&b) || l.bans[i].ID == b.ID {
			return Ban{}, false
		}
	}
	if b.ID == 0 {
		b.ID = l.last + 1
	}
	l.last = max(l.last, b.ID)
	l.bans = append(l.bans, b)
	return b, true
}

// Remove takes the ban with this number off the list and returns it.
func (l *BanList) Remove(id int) (Ban, bool) {
	for i := range l.bans {
		if l.bans[i].ID == id {
			b := l.bans[i]
			rest := make([]Ban, 0, len(l.bans)-1)
			l.bans = append(append(rest, l.bans[:i]...), l.bans[i+1:]...)
			return b, true
		}
	}
	return Ban{}, false
}

// Match returns the number of the first ban that any part of somebody matches,
// 0 for none. Empty parts match nothing.
func (l *BanList) Match(name, authID, systemID string, addr netip.Addr) int {
	return match(l.bans, name, authID, systemID, addr)
}

func match(bans []Ban, name, authID, systemID string, addr netip.Addr) int {
	addr = banAddr(addr)
	for i := range bans {
		if bans[i].matches(name, authID, systemID, addr) {
			return bans[i].ID
		}
	}
	return 0
}

// Matcher returns Match over the list as it is now, for any goroutine. It
// copies nothing.
func (l *BanList) Matcher() func(name, authID, systemID string, addr netip.Addr) int {
	bans := l.bans[:len(l.bans):len(l.bans)]
	return func(name, authID, systemID string, addr netip.Addr) int {
		return match(bans, name, authID, systemID, addr)
	}
}

// All returns the bans in order of addition. They must not be changed; the
// slice stays as it is and may be used by any goroutine.
func (l *BanList) All() []Ban { return l.bans[:len(l.bans):len(l.bans)] }

// AddBan adds to h.Bans and journals what was stored.
func (h *History) AddBan(b Ban, by *entry.Person) (Ban, bool) {
	b, ok := h.Bans.Add(b, by)
	if ok {
		h.journal(banLine(&b))
	}
	return b, ok
}

// RemoveBan removes from h.Bans and journals it.
func (h *History) RemoveBan(id int) (Ban, bool) {
	b, ok := h.Bans.Remove(id)
	if ok {
		h.journal(unbanLine(id))
	}
	return b, ok
}
