package main

import (
	"net/netip"

	"drawrelay/login"
	"drawrelay/store/config"
	"drawrelay/store/password"
)

// users returns the internal accounts, wherever they are stored.
func (r *reloader) users() login.Users {
	if r.db != nil {
		return dbAccounts{r.db}
	}
	return accounts{r}
}

// bans returns the server-wide bans, wherever they are stored.
func (r *reloader) bans() login.Bans {
	if r.db != nil {
		return dbBans{r.db}
	}
	return bans{r}
}

// accounts are the users of the configuration file, as login asks for them.
type accounts struct{ *reloader }

// Find implements login.Users.
func (a accounts) Find(name string) (login.Account, bool) {
	a.check()
	u, ok := a.file.Load().Account(name)
	if !ok {
		return login.Account{}, false
	}
	return login.Account{ID: u.Name, Name: u.Name, PasswordHash: u.Password, Locked: password.Disabled(u.Password), Flags: u.Flags}, true
}

// Any implements login.Users.
func (a accounts) Any() bool {
	a.check()
	return len(a.file.Load().Accounts) > 0
}

// bans are the server-wide bans of the configuration file, as login asks for
// them. They never end.
type bans struct{ *reloader }

// banSource names the configuration file in the log (login.md §14).
const banSource = "configfile"

// Address implements login.Bans.
func (b bans) Address(a netip.Addr) (login.Ban, bool) {
	b.check()
	return found(b.file.Load().MatchIP(a), config.Normal)
}

// System implements login.Bans.
func (b bans) System(id string) (login.Ban, bool) {
	b.check()
	return found(b.file.Load().MatchSystem(id))
}

// User implements login.Bans.
func (b bans) User(id int64) (login.Ban, bool) {
	b.check()
	return found(b.file.Load().MatchUser(id))
}

func found(n int, r config.Reaction) (login.Ban, bool) {
	return login.Ban{Source: banSource, ID: n, Reaction: login.ParseReaction(string(r))}, n > 0
}
