package main

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"drawrelay/login"
	"drawrelay/store/config"
	"drawrelay/store/db"
	"drawrelay/store/serverlog"
)

// openDatabase makes the database at path, if there is one, the place of
// settings, accounts, bans and the log.
func (r *reloader) openDatabase(path string) error {
	if path == "" {
		return nil
	}
	d, err := db.Open(path, db.Options{
		Now:     r.now,
		Warn:    func(text string) { r.put(serverlog.Warn, text) },
		Publish: r.settings.Set,
	})
	if err != nil {
		return err
	}
	r.db = d
	r.log.Attach(d)
	for _, problem := range withoutEffect(r.configured(), r.options) {
		r.put(serverlog.Warn, problem.Error())
	}
	for _, text := range idleOptions(r.options, r.settings.Get()) {
		r.put(serverlog.Warn, text)
	}
	return nil
}

// close releases the database.
func (r *reloader) close() error {
	if r.db == nil {
		return nil
	}
	return r.db.Close()
}

// dbAccounts are the users of the database, as login asks for them.
type dbAccounts struct{ *db.DB }

// Find implements login.Users.
func (a dbAccounts) Find(name string) (login.Account, bool) {
	u, ok := a.Refresh().Account(name)
	if !ok {
		return login.Account{}, false
	}
	return login.Account{ID: strconv.FormatInt(u.ID, 10), Name: u.Name, PasswordHash: u.PasswordHash, Locked: u.Locked, Flags: u.FlagList()}, true
}

// Any implements login.Users.
func (a dbAccounts) Any() bool { return len(a.Refresh().Accounts) > 0 }

// Upgrade implements login.Upgrader.
func (a dbAccounts) Upgrade(account login.Account, hash string) error {
	id, err := strconv.ParseInt(account.ID, 10, 64)
	if err != nil {
		return fmt.Errorf("account number: %w", err)
	}
	return a.UpgradeHash(id, account.PasswordHash, hash)
}

// dbBans are the server-wide bans of the database, as login asks for them.
type dbBans struct{ *db.DB }

// Address implements login.Bans.
func (b dbBans) Address(a netip.Addr) (login.Ban, bool) {
	ban, ok := b.Refresh().MatchIP(a)
	return databaseBan(ban.ID, string(config.Normal), ban.Expires, ""), ok
}

// System implements login.Bans.
func (b dbBans) System(id string) (login.Ban, bool) {
	ban, ok := b.Refresh().MatchSystem(id)
	return databaseBan(ban.ID, ban.Reaction, ban.Expires, ban.Reason), ok
}

// User implements login.Bans.
func (b dbBans) User(id int64) (login.Ban, bool) {
	ban, ok := b.Refresh().MatchUser(id)
	return databaseBan(ban.ID, ban.Reaction, ban.Expires, ban.Reason), ok
}

func databaseBan(id int64, reaction, expires, reason string) login.Ban {
	until, _ := db.ParseTime(expires) // what is no time is beyond all of them
	return login.Ban{Source: "database", ID: int(id), Reaction: login.ParseReaction(reaction), Expires: until, Reason: reason}
}

// recallTimeout bounds reading what the log says about stored sessions: with
// millions of entries the start must not wait for it.
const recallTimeout = 5 * time.Second

// recall gives the logs of stored sessions back to those who will join them
// (configuration.md §16.3).
func (r *reloader) recall(sessions []string) {
	if r.db == nil || len(sessions) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), recallTimeout)
	defer cancel()
	if err := r.db.SessionLogs(ctx, sessions, r.log.Recall); err != nil {
		r.put(serverlog.Warn, fmt.Sprintf("Those who join stored sessions see only a part of their logs: %v", err))
	}
}
