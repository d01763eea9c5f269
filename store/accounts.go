package store

// What a session remembers about accounts, by their id (storage.md §12.3):
// who was operator, who was trusted, and their names.

// SetAuthOp remembers or forgets that an account is operator. Guests, who have
// no account id, are not remembered.
func (h *History) SetAuthOp(authID string, on bool) {
	if authID = accountID(authID); setMember(h.authOps, authID, on) {
		h.journal(onOff(on, "OP ", "DEOP ") + authID)
	}
}

// IsAuthOp reports whether an account is remembered as operator.
func (h *History) IsAuthOp(authID string) bool { return isMember(h.authOps, authID) }

// AuthOps reports whether any account is remembered as operator.
func (h *History) AuthOps() bool { return len(h.authOps) > 0 }

// SetAuthTrusted remembers or forgets that an account is trusted.
func (h *History) SetAuthTrusted(authID string, on bool) {
	if authID = accountID(authID); setMember(h.authTrusted, authID, on) {
		h.journal(onOff(on, "TRUST ", "UNTRUST ") + authID)
	}
}

// IsAuthTrusted reports whether an account is remembered as trusted.
func (h *History) IsAuthTrusted(authID string) bool { return isMember(h.authTrusted, authID) }

// SetAuthName remembers the name of an account.
func (h *History) SetAuthName(authID, name string) {
	if authID != "" && name != "" && h.authNames[authID] != name {
		h.authNames[authID] = name
		h.journal(authNameLine(authID, name))
	}
}

// AuthNames returns the names by account. The map must not be changed.
func (h *History) AuthNames() map[string]string { return h.authNames }

// AuthIDs returns the accounts with a remembered role, in no order.
func (h *History) AuthIDs() []string {
	ids := make([]string, 0, len(h.authOps)+len(h.authTrusted))
	for id := range h.authOps {
		ids = append(ids, id)
	}
	for id := range h.authTrusted {
		if _, twice := h.authOps[id]; !twice {
			ids = append(ids, id)
		}
	}
	return ids
}

// accountID brings an id into the form that survives a raw journal field.
func accountID(s string) string { return trim(blank(s)) }

func isMember(set map[string]struct{}, id string) bool {
	_, ok := set[accountID(id)]
	return ok
}

// setMember reports whether it changed set.
func setMember(set map[string]struct{}, id string, on bool) bool {
	if _, is := set[id]; id == "" || is == on {
		return false
	}
	if on {
		set[id] = struct{}{}
	} else {
		delete(set, id)
	}
	return true
}

func onOff(on bool, yes, no string) string {
	if on {
		return yes
	}
	return no
}
