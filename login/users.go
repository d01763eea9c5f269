package login

// Account is an internal account (configuration.md §11).
type Account struct {
	// ID is the part of the auth id after "internal:": the row number, or the
	// name for accounts of a config file.
	ID           string
	Name         string
	PasswordHash string // any stored form; "*…" bans the name
	Locked       bool
	Flags        []string // upper-case, exact
}

// Users knows the internal accounts. Called from any goroutine except relay
// loops; may wait for a database.
type Users interface {
	// Find returns the account with exactly this name.
	Find(name string) (Account, bool)
	// Any reports whether there is at least one account.
	Any() bool
}

// Upgrader is implemented by Users that can store a new password hash in place
// of one in an old form.
type Upgrader interface {
	// Upgrade stores hash for the account unless its password has changed
	// meanwhile. Called like Users.
	Upgrade(account Account, hash string) error
}
