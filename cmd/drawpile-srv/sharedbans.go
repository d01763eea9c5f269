package main

import (
	"net/netip"

	"drawrelay/cmd/internal/extbans"
	"drawrelay/login"
	"drawrelay/store/db"
	"drawrelay/store/settings"
)

// allBans are the server's own bans and, after them, those of the list that
// others keep (configuration.md §13.1).
type allBans struct {
	own      login.Bans
	external login.Bans
}

// Address implements login.Bans.
func (b allBans) Address(a netip.Addr) (login.Ban, bool) {
	if ban, ok := b.own.Address(a); ok {
		return ban, true
	}
	return b.external.Address(a)
}

// System implements login.Bans.
func (b allBans) System(id string) (login.Ban, bool) {
	if ban, ok := b.own.System(id); ok {
		return ban, true
	}
	return b.external.System(id)
}

// User implements login.Bans.
func (b allBans) User(id int64) (login.Ban, bool) {
	if ban, ok := b.own.User(id); ok {
		return ban, true
	}
	return b.external.User(id)
}

// fetchBans begins to fetch the shared list, and again when the settings about
// it change.
func (p *process) fetchBans() {
	p.reloader.settings.Watch(func(_, now *settings.Settings) { p.external.Update(now) })
	p.external.Start(p.reloader.settings.Get())
}

// newExternalBans returns the shared list as it was kept.
func (p *process) newExternalBans() *extbans.Source {
	o := extbans.Options{Version: version, Log: p.log, Now: p.reloader.now}
	if p.reloader.db != nil {
		o.Store = keptBans{p.reloader.db}
	}
	return extbans.New(o)
}

// Settings in which the database keeps the list (configuration.md §14).
const (
	keyCacheURL  = "extBansCacheUrl"
	keyCacheKey  = "extBansCacheKey"
	keyCacheBody = "extBansCacheResponse"
)

// keptBans is the shared list as the database keeps it.
type keptBans struct{ *db.DB }

// Cached implements extbans.Store.
func (k keptBans) Cached() (c extbans.Cached) {
	state := k.Refresh()
	c.URL, _ = state.Value(keyCacheURL)
	c.Key, _ = state.Value(keyCacheKey)
	c.Body, _ = state.Value(keyCacheBody)
	return c
}

// SaveCache implements extbans.Store.
func (k keptBans) SaveCache(c extbans.Cached) error {
	return k.SetSettings(map[string]string{keyCacheURL: c.URL, keyCacheKey: c.Key, keyCacheBody: c.Body})
}

// Enabled implements extbans.Store.
func (k keptBans) Enabled(id int) bool { return k.Current().ExtBanEnabled(int64(id)) }

// Enable implements extbans.Store.
func (k keptBans) Enable(id int, on bool) error { return k.EnableExtBan(int64(id), on) }
