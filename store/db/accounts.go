package db

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf16"
)

// Account is a row of table users.
type Account struct {
	ID   int64 // rowid, never used again while the server runs
	Name string
	// PasswordHash is the stored form of the password (package password).
	PasswordHash string
	Locked       bool   // the name is banned
	Flags        string // separated by commas, as stored
}

// FlagList returns the flags without empty ones.
func (a *Account) FlagList() []string {
	return slices.DeleteFunc(strings.Split(a.Flags, ","), func(f string) bool { return f == "" })
}

// AccountChange says what to change of an account; nil leaves a field as it
// is.
type AccountChange struct {
	Name, PasswordHash, Flags *string
	Locked                    *bool
}

// maxNameLength is the longest user name, in UTF-16 units (configuration.md
// §11).
const maxNameLength = 22

// ValidName reports whether an account may be given this name: 1 to 22 UTF-16
// units without a quotation mark.
func ValidName(name string) bool {
	n := len(utf16.Encode([]rune(name)))
	return n >= 1 && n <= maxNameLength && !strings.Contains(name, `"`)
}

// Account returns the account with exactly this name.
func (s *State) Account(name string) (Account, bool) {
	i, ok := s.accounts[name]
	if !ok {
		return Account{}, false
	}
	return s.Accounts[i], true
}

// AccountByID returns the account with this number.
func (s *State) AccountByID(id int64) (Account, bool) {
	i, ok := slices.BinarySearchFunc(s.Accounts, id, func(a Account, id int64) int { return cmp.Compare(a.ID, id) })
	if !ok {
		return Account{}, false
	}
	return s.Accounts[i], true
}

// AddAccount adds an account and returns it with its number. Fails with
// ErrName, or ErrTaken if there is one of this name.
func (d *DB) AddAccount(a Account) (Account, error) {
	if !ValidName(a.Name) {
		return Account{}, ErrName
	}
	err := d.change(func(q queries) (err error) {
		// SQLite would use the number of the last account again after its
		// deletion. Sessions remember operators by this number.
		if err := q.each("SELECT coalesce(max(rowid), 0) FROM users", func(scan func(...any) error) error {
			return scan(&a.ID)
		}); err != nil {
			return err
		}
		a.ID = max(a.ID, d.lastAccount) + 1
		_, err = q.insert("INSERT INTO users (rowid, username, password, locked, flags) VALUES (?, ?, ?, ?, ?)",
			a.ID, a.Name, []byte(a.PasswordHash), integer(a.Locked), a.Flags)
		return taken(err)
	})
	return a, d.failed("add an account to", err)
}

// ChangeAccount changes an account and returns what it is now. Fails with
// ErrNotFound, ErrName or ErrTaken.
func (d *DB) ChangeAccount(id int64, c AccountChange) (Account, error) {
	if c.Name != nil && !ValidName(*c.Name) {
		return Account{}, ErrName
	}
	var set []string
	var values []any
	add := func(column string, value any) {
		set, values = append(set, column+" = ?"), append(values, value)
	}
	if c.Name != nil {
		add("username", *c.Name)
	}
	if c.PasswordHash != nil {
		add("password", []byte(*c.PasswordHash))
	}
	if c.Locked != nil {
		add("locked", integer(*c.Locked))
	}
	if c.Flags != nil {
		add("flags", *c.Flags)
	}
	if len(set) > 0 {
		err := d.change(func(q queries) error {
			return taken(q.affect("UPDATE users SET "+strings.Join(set, ", ")+" WHERE rowid = ?", append(slices.Clone(values), id)...))
		})
		if err != nil {
			return Account{}, d.failed("change an account in", err)
		}
	}
	a, ok := d.Refresh().AccountByID(id)
	if !ok {
		return Account{}, ErrNotFound
	}
	return a, nil
}

// UpgradeHash replaces the stored password of an account if it still is old.
func (d *DB) UpgradeHash(id int64, old, hash string) error {
	err := d.change(func(q queries) error {
		return q.exec("UPDATE users SET password = ? WHERE rowid = ? AND cast(password AS TEXT) = ?", []byte(hash), id, old)
	})
	return d.failed("renew a password in", err)
}

// DeleteAccount removes an account. Fails with ErrNotFound.
func (d *DB) DeleteAccount(id int64) error {
	return d.failed("delete an account from", d.change(func(q queries) error {
		return q.affect("DELETE FROM users WHERE rowid = ?", id)
	}))
}

// taken tells a name that exists apart from other errors.
func taken(err error) error {
	if code(err) == codeConstraint {
		return ErrTaken
	}
	return err
}

func integer(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
