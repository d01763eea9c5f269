package store

// What a session remembers about accounts, by their id (storage.md §12.3):
// who was operator, who was trusted, and their names.

// maxAccountBytes bounds the ids and names of accounts that one of the three
// remembers, bytes: some thousand accounts. Operators can name any account they
// like, and the list is gone through whenever somebody joins.
const maxAccountBytes = 256 << 10

// accountSet is a set of account ids.
type accountSet struct {
	ids   map[string]struct{}
	bytes int // of all ids
}

// has reports whether id is in the set.
func (a *accountSet) has(id string) bool {
	_, is := a.ids[accountID(id)]
	return is
}

// set puts id, which accountID has returned, into the set or takes it out.
// full says that there was no room.
func (a *accountSet) set(id string, on bool) (changed, full bool) {
	switch _, is := a.ids[id]; {
	case id == "" || is == on:
		return false, false
	case !on:
		delete(a.ids, id)
		a.bytes -= len(id)
		return true, false
	case a.bytes+len(id) > maxAccountBytes:
		return false, true
	}
	if a.ids == nil {
		a.ids = make(map[string]struct{})
	}
	a.ids[id] = struct{}{}
	a.bytes += len(id)
	return true, false
}

// SetAuthOp remembers or forgets that an account is operator. Guests, who have
// no account id, are not remembered. It reports false if too many accounts are
// remembered already.
func (h *History) SetAuthOp(authID string, on bool) bool {
	authID = accountID(authID)
	changed, full := h.authOps.set(authID, on)
	if changed {
		h.journal(onOff(on, "OP ", "DEOP ") + authID)
	}
	return !full
}

// IsAuthOp reports whether an account is remembered as operator.
func (h *History) IsAuthOp(authID string) bool { return h.authOps.has(authID) }

// AuthOps reports whether any account is remembered as operator.
func (h *History) AuthOps() bool { return len(h.authOps.ids) > 0 }

// SetAuthTrusted remembers or forgets that an account is trusted. It reports
// false if too many accounts are remembered already.
func (h *History) SetAuthTrusted(authID string, on bool) bool {
	authID = accountID(authID)
	changed, full := h.authTrusted.set(authID, on)
	if changed {
		h.journal(onOff(on, "TRUST ", "UNTRUST ") + authID)
	}
	return !full
}

// IsAuthTrusted reports whether an account is remembered as trusted.
func (h *History) IsAuthTrusted(authID string) bool { return h.authTrusted.has(authID) }

// SetAuthName remembers the name of an account. It reports false if too many
// accounts are remembered already.
func (h *History) SetAuthName(authID, name string) bool {
	changed, full := h.setAuthName(authID, name)
	if changed {
		h.journal(authNameLine(authID, name))
	}
	return !full
}

func (h *History) setAuthName(authID, name string) (changed, full bool) {
	old, known := h.authNames[authID]
	if authID == "" || name == "" || old == name {
		return false, false
	}
	grows := len(name) - len(old)
	if !known {
		grows += len(authID)
	}
	if grows > 0 && h.nameBytes+grows > maxAccountBytes {
		return false, true
	}
	h.authNames[authID] = name
	h.nameBytes += grows
	return true, false
}

// AuthNames returns the names by account. The map must not be changed.
func (h *History) AuthNames() map[string]string { return h.authNames }

// AuthIDs returns the accounts with a remembered role, in no order.
func (h *History) AuthIDs() []string {
	ids := make([]string, 0, len(h.authOps.ids)+len(h.authTrusted.ids))
	for id := range h.authOps.ids {
		ids = append(ids, id)
	}
	for id := range h.authTrusted.ids {
		if _, twice := h.authOps.ids[id]; !twice {
			ids = append(ids, id)
		}
	}
	return ids
}

// accountID brings an id into the form that survives a raw journal field.
func accountID(s string) string { return trim(blank(s)) }

func onOff(on bool, yes, no string) string {
	if on {
		return yes
	}
	return no
}
