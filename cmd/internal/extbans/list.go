package extbans

import (
	"cmp"
	"net/netip"
	"slices"
	"sort"
	"time"

	"drawrelay/login"
)

// TimeLayout is the form of Ban.Expires, in UTC.
const TimeLayout = "2006-01-02 15:04:05"

// Ban is one ban of the list (integrations.md §5.2), with the JSON keys of the
// admin API (admin-api.md §9.1). Immutable.
type Ban struct {
	ID       int      `json:"id"`
	IPs      []Range  `json:"ips"`
	Excluded []Except `json:"ipsexcluded"`
	System   []System `json:"system"`
	Users    []Users  `json:"users"`
	Expires  string   `json:"expires"`
	Comment  string   `json:"comment"` // for administrators only
	Reason   string   `json:"reason"`  // shown to the banned

	until time.Time
}

// Range are banned addresses, both ends included.
type Range struct {
	From     netip.Addr `json:"from"`
	To       netip.Addr `json:"to"`
	Reaction string     `json:"reaction"` // as in configuration.md §13.2, or "unknown", which acts like "normal"
}

// Except are addresses that the ranges of the same ban do not ban.
type Except struct {
	From netip.Addr `json:"from"`
	To   netip.Addr `json:"to"`
}

// System are banned system ids, compared exactly.
type System struct {
	IDs      []string `json:"sids"`
	Reaction string   `json:"reaction"`
}

// Users are banned user numbers of the external authentication.
type Users struct {
	IDs      []int64 `json:"ids"`
	Reaction string  `json:"reaction"`
}

// list is a whole list, indexed. Immutable.
type list struct {
	bans    []Ban
	ranges  []span       // by from
	reach   []netip.Addr // highest to of ranges[:i+1]
	systems map[string][]entry
	users   map[int64][]entry
}

// span is a banned range in IPv6 form, so that IPv4 and IPv4-mapped addresses
// are the same (integrations.md §5.3).
type span struct {
	from, to netip.Addr
	entry
}

// entry is a part of a ban, by its place in the list: the first one counts.
type entry struct {
	ban, part int
	reaction  string
}

func newList(bans []Ban) *list {
	l := &list{bans: bans, systems: make(map[string][]entry), users: make(map[int64][]entry)}
	for i := range bans {
		b := &bans[i]
		for part, r := range b.IPs {
			l.ranges = append(l.ranges, span{sixteen(r.From), sixteen(r.To), entry{i, part, r.Reaction}})
		}
		for part, s := range b.System {
			for _, id := range s.IDs {
				l.systems[id] = append(l.systems[id], entry{i, part, s.Reaction})
			}
		}
		for part, u := range b.Users {
			for _, id := range u.IDs {
				l.users[id] = append(l.users[id], entry{i, part, u.Reaction})
			}
		}
	}
	slices.SortStableFunc(l.ranges, func(a, b span) int { return a.from.Compare(b.from) })
	l.reach = make([]netip.Addr, len(l.ranges))
	for i, r := range l.ranges {
		l.reach[i] = r.to
		if i > 0 && l.reach[i-1].Compare(r.to) > 0 {
			l.reach[i] = l.reach[i-1]
		}
	}
	return l
}

// sixteen returns an address in IPv6 form, IPv4 mapped.
func sixteen(a netip.Addr) netip.Addr { return netip.AddrFrom16(a.As16()) }

// counting says which bans count now.
type counting func(b *Ban) bool

// address returns the first ban in list order that covers a.
func (l *list) address(a netip.Addr, counts counting) (login.Ban, bool) {
	if !a.IsValid() {
		return login.Ban{}, false
	}
	a = sixteen(a.WithZone(""))
	var hits []entry
	// All ranges that begin at or before a, from the nearest back to where
	// none reaches a any more.
	n := sort.Search(len(l.ranges), func(i int) bool { return l.ranges[i].from.Compare(a) > 0 })
	for i := n - 1; i >= 0 && l.reach[i].Compare(a) >= 0; i-- {
		if l.ranges[i].to.Compare(a) >= 0 {
			hits = append(hits, l.ranges[i].entry)
		}
	}
	slices.SortFunc(hits, func(x, y entry) int { return cmp.Or(x.ban-y.ban, x.part-y.part) })
	return l.first(hits, func(b *Ban) bool { return counts(b) && !b.excludes(a) })
}

// excludes reports whether an address in IPv6 form is exempt from b.
func (b *Ban) excludes(a netip.Addr) bool {
	for _, r := range b.Excluded {
		if sixteen(r.From).Compare(a) <= 0 && sixteen(r.To).Compare(a) >= 0 {
			return true
		}
	}
	return false
}

func (l *list) system(id string, counts counting) (login.Ban, bool) {
	return l.first(l.systems[id], counts)
}

func (l *list) user(id int64, counts counting) (login.Ban, bool) {
	return l.first(l.users[id], counts)
}

// source names external bans in the log (login.md §14.1).
const source = "extban"

func (l *list) first(hits []entry, counts counting) (login.Ban, bool) {
	for _, h := range hits {
		if b := &l.bans[h.ban]; counts(b) {
			return login.Ban{Source: source, ID: b.ID, Reaction: login.ParseReaction(h.reaction), Expires: b.until, Reason: b.Reason}, true
		}
	}
	return login.Ban{}, false
}
