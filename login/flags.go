package login

import (
	"slices"

	"drawrelay/store/entry"
	"drawrelay/store/settings"
)

// knownFlags are the login flags the server acts upon (login.md §10.5).
var knownFlags = map[string]entry.Flags{
	"MOD":        entry.FlagMod,
	"GHOST":      entry.FlagGhost,
	"HOST":       entry.FlagHost,
	"BANEXEMPT":  entry.FlagBanExempt,
	"WEB":        entry.FlagWeb,
	"WEBHOST":    entry.FlagWebHost,
	"WEBSESSION": entry.FlagWebSession,
	"PERSIST":    entry.FlagPersist,
	"TRUSTED":    entry.FlagTrusted,
}

// honoured reports whether a flag of an account counts. External accounts may
// claim what the settings allow; flags without a rule always count.
func honoured(flag string, external bool, set *settings.Settings) bool {
	if flag == "GHOST" {
		return set.EnableGhosts && (!external || set.ExtAuthGhosts)
	}
	if !external {
		return true
	}
	switch flag {
	case "MOD":
		return set.ExtAuthMod
	case "HOST":
		return set.ExtAuthHost
	case "BANEXEMPT":
		return set.ExtAuthBanExempt
	case "WEB":
		return set.ExtAuthWeb
	case "WEBHOST":
		return set.ExtAuthWebHost
	case "WEBSESSION":
		return set.ExtAuthWebSession
	case "PERSIST":
		return set.ExtAuthPersist
	}
	return true
}

// effectiveFlags filters the flags of an account (nil for guests), adds the
// implicit ones and returns them sorted, together with their meaning.
func effectiveFlags(supplied []string, external bool, set *settings.Settings) ([]string, entry.Flags) {
	names := []string{}
	add := func(name string, on bool) {
		if on && name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range supplied {
		add(name, honoured(name, external, set))
	}
	add("HOST", set.AllowGuestHosts)
	add("WEB", set.AllowGuestWeb)
	add("WEBSESSION", set.AllowGuestWebSession)
	add("WEBHOST", set.AllowGuestWebHosts)
	add("PERSIST", slices.Contains(names, "MOD"))
	slices.Sort(names)
	var bits entry.Flags
	for _, name := range names {
		bits |= knownFlags[name]
	}
	return names, bits
}
