package db

import (
	"net/netip"
	"time"

	"drawrelay/store/config"
)

// TimeLayout is the form of the times of bans, in UTC.
const TimeLayout = "2006-01-02 15:04:05"

// IPBan is a row of table ipbans.
type IPBan struct {
	ID      int64
	Addr    string // without prefix length
	Prefix  int    // length in bits; 0 = exactly Addr
	Expires string // see TimeLayout
	Comment string // for administrators only
	Added   string
}

// SystemBan is a row of table systembans.
type SystemBan struct {
	ID       int64
	SystemID string // compared exactly
	Reaction string // see config.Reaction; "" = normal
	Expires  string
	Comment  string
	Reason   string // shown to the banned
	Added    string
}

// UserBan is a row of table userbans.
type UserBan struct {
	ID       int64
	UserID   int64 // of the external authentication
	Reaction string
	Expires  string
	Comment  string
	Reason   string
	Added    string
}

// ParseTime reads the time of a ban in exactly its form (admin-api.md §8).
func ParseTime(text string) (t time.Time, ok bool) {
	t, err := time.Parse(TimeLayout, text)
	return t, err == nil && t.Format(TimeLayout) == text
}

// MatchIP returns the first ban in force that covers addr.
func (s *State) MatchIP(addr netip.Addr) (IPBan, bool) {
	now := s.clock()
	i := s.ipBans.First(addr, func(i int) bool { return s.IPBans[i].Expires > now })
	if i < 0 {
		return IPBan{}, false
	}
	return s.IPBans[i], true
}

// MatchSystem returns the first ban in force on this single system id.
func (s *State) MatchSystem(systemID string) (SystemBan, bool) {
	now := s.clock()
	for _, i := range s.systems[systemID] {
		if s.SystemBans[i].Expires > now {
			return s.SystemBans[i], true
		}
	}
	return SystemBan{}, false
}

// MatchUser returns the first ban in force on this user id of the external
// authentication.
func (s *State) MatchUser(userID int64) (UserBan, bool) {
	now := s.clock()
	for _, i := range s.users[userID] {
		if s.UserBans[i].Expires > now {
			return s.UserBans[i], true
		}
	}
	return UserBan{}, false
}

// clock returns the time to compare with, as text: that is how the reference
// and its scripts compare.
func (s *State) clock() string { return s.now().UTC().Format(TimeLayout) }

// AddIPBan bans an address with a prefix length, 0 for only itself, until
// expires (see ParseTime). If there is a ban of exactly these, even one that
// has ended, it is returned unchanged.
func (d *DB) AddIPBan(addr netip.Addr, prefix int, expires, comment string) (IPBan, error) {
	var b IPBan
	err := d.change(func(q queries) (err error) {
		b = IPBan{Addr: addr.String(), Prefix: prefix, Expires: expires, Comment: comment, Added: d.added()}
		err = q.each(ipBansQuery+" WHERE cast(ip AS TEXT) = ? AND cast(subnet AS INTEGER) = ? ORDER BY rowid LIMIT 1",
			func(scan func(...any) error) error {
				return scan(&b.ID, &b.Addr, &b.Prefix, &b.Expires, &b.Comment, &b.Added)
			}, b.Addr, b.Prefix)
		if err != nil || b.ID != 0 {
			return err
		}
		b.ID, err = q.insert("INSERT INTO ipbans (ip, subnet, expires, comment, added) VALUES (?, ?, ?, ?, ?)",
			b.Addr, b.Prefix, b.Expires, b.Comment, b.Added)
		return err
	})
	return b, d.failed("add a ban to", err)
}

// AddSystemBan adds a ban and returns it with its number and time.
func (d *DB) AddSystemBan(b SystemBan) (SystemBan, error) {
	b.Reaction = reaction(b.Reaction)
	err := d.change(func(q queries) (err error) {
		b.Added = d.added()
		b.ID, err = q.insert("INSERT INTO systembans (sid, reaction, expires, comment, reason, added) VALUES (?, ?, ?, ?, ?, ?)",
			b.SystemID, b.Reaction, b.Expires, b.Comment, b.Reason, b.Added)
		return err
	})
	return b, d.failed("add a ban to", err)
}

// AddUserBan adds a ban and returns it with its number and time.
func (d *DB) AddUserBan(b UserBan) (UserBan, error) {
	b.Reaction = reaction(b.Reaction)
	err := d.change(func(q queries) (err error) {
		b.Added = d.added()
		b.ID, err = q.insert("INSERT INTO userbans (userid, reaction, expires, comment, reason, added) VALUES (?, ?, ?, ?, ?, ?)",
			b.UserID, b.Reaction, b.Expires, b.Comment, b.Reason, b.Added)
		return err
	})
	return b, d.failed("add a ban to", err)
}

// DeleteIPBan removes a ban. Fails with ErrNotFound.
func (d *DB) DeleteIPBan(id int64) error {
	return d.deleteBan("DELETE FROM ipbans WHERE rowid = ?", id)
}

// DeleteSystemBan removes a ban. Fails with ErrNotFound.
func (d *DB) DeleteSystemBan(id int64) error {
	return d.deleteBan("DELETE FROM systembans WHERE id = ?", id)
}

// DeleteUserBan removes a ban. Fails with ErrNotFound.
func (d *DB) DeleteUserBan(id int64) error {
	return d.deleteBan("DELETE FROM userbans WHERE id = ?", id)
}

func (d *DB) deleteBan(statement string, id int64) error {
	return d.failed("delete a ban from", d.change(func(q queries) error { return q.affect(statement, id) }))
}

// ExtBanEnabled reports whether an external ban is not switched off.
func (s *State) ExtBanEnabled(id int64) bool { return !s.disabled[id] }

// EnableExtBan switches the external ban with this number on or off, whether
// or not there is one.
func (d *DB) EnableExtBan(id int64, enabled bool) error {
	statement := "INSERT OR REPLACE INTO disabledextbans (id) VALUES (?)"
	if enabled {
		statement = "DELETE FROM disabledextbans WHERE id = ?"
	}
	return d.failed("switch a ban in", d.change(func(q queries) error { return q.exec(statement, id) }))
}

func (d *DB) added() string { return d.options.Now().UTC().Format(TimeLayout) }

// reaction returns the stored form of a reaction.
func reaction(text string) string {
	r, _ := config.ParseReaction(text)
	return string(r)
}
