// Package config reads the text configuration file (configuration.md §9):
// settings, accounts, bans and the announcement whitelist, as plain data.
//
// Reading never fails because of a bad line: the line is recorded as a Problem
// and has no effect. Problems that decision 6 of the specification's index
// counts as mistakes stop the start (File.Check); when the file is reloaded
// while the server runs they are only reported.
package config

import (
	"net/netip"
	"net/url"

	"drawrelay/store/settings"
)

// File is what a configuration file says. Immutable once returned.
type File struct {
	Path string

	// Settings is the snapshot that results from the defaults and the file.
	Settings *settings.Settings

	Accounts   []Account // in file order, names unique
	IPBans     []IPBan   // in file order; number = index + 1
	SystemBans []SystemBan
	UserBans   []UserBan
	Whitelist  []*url.URL

	// Problems are the lines without effect, in file order.
	Problems []Problem

	accounts map[string]int   // index in Accounts by name
	ipBans   IPIndex          // of IPBans, by index
	set      map[string]Value // in force, by canonical key
	text     string           // whole content, to tell changes from touches
}

// Value is a setting as written in the file.
type Value struct {
	Key  string // canonical spelling
	Text string
	Line int // 1-based
}

// Account is a line of [users].
type Account struct {
	Name     string
	Password string   // stored hash, package password; a leading '*' bans the account
	Flags    []string // as written, without empty parts
	Line     int
}

// ID returns the account's stable identifier (configuration.md §11).
func (a *Account) ID() string { return "internal:" + a.Name }

// IPBan is a line of [ipbans].
type IPBan struct {
	Addr   netip.Addr
	Prefix int // as written; 0 = exactly Addr
	Line   int
}

// SystemBan is a line of [systembans].
type SystemBan struct {
	SystemID string // compared exactly
	Reaction Reaction
	Line     int
}

// UserBan is a line of [userbans].
type UserBan struct {
	UserID   int64
	Reaction Reaction
	Line     int
}

// Reaction is what a ban does (configuration.md §13.3).
type Reaction string

// The reactions. Anything else in a file acts like Normal.
const (
	Normal       Reaction = "normal"
	NetworkError Reaction = "neterror"
	Garbage      Reaction = "garbage"
	Hang         Reaction = "hang"
	Timer        Reaction = "timer"
)

// ParseReaction returns the reaction that text stands for; known is false if
// it merely acts like Normal.
func ParseReaction(text string) (r Reaction, known bool) {
	switch r := Reaction(text); r {
	case Normal, NetworkError, Garbage, Hang, Timer:
		return r, true
	case "":
		return Normal, true
	}
	return Normal, false
}

// Account returns the account with exactly this name.
func (f *File) Account(name string) (*Account, bool) {
	i, ok := f.accounts[name]
	if !ok {
		return nil, false
	}
	return &f.Accounts[i], true
}

// Value returns the text in force for a canonical key, if the file sets it.
func (f *File) Value(key string) (Value, bool) {
	v, ok := f.set[key]
	return v, ok
}

// MatchIP returns the 1-based number of the first IP ban that covers addr, or
// 0 (configuration.md §13.1). IPv4 and IPv4-mapped IPv6 addresses are the
// same.
func (f *File) MatchIP(addr netip.Addr) int { return f.ipBans.First(addr, nil) + 1 }

// MatchSystem returns the number and reaction of the first system ban on this
// single system id, or 0.
func (f *File) MatchSystem(systemID string) (int, Reaction) {
	for i := range f.SystemBans {
		if f.SystemBans[i].SystemID == systemID {
			return i + 1, f.SystemBans[i].Reaction
		}
	}
	return 0, Normal
}

// MatchUser returns the number and reaction of the first ban on this user id
// of the external authentication, or 0.
func (f *File) MatchUser(userID int64) (int, Reaction) {
	for i := range f.UserBans {
		if f.UserBans[i].UserID == userID {
			return i + 1, f.UserBans[i].Reaction
		}
	}
	return 0, Normal
}

// Announceable reports whether the whitelist lets sessions be announced at
// this URL (configuration.md §15): always if announceWhitelist is off, else
// only if it equals a listed one component by component.
func (f *File) Announceable(text string) bool {
	if !f.Settings.AnnounceWhitelist {
		return true
	}
	u, err := url.Parse(text)
	if err != nil {
		return false
	}
	for _, w := range f.Whitelist {
		if sameURL(u, w) {
			return true
		}
	}
	return false
}
