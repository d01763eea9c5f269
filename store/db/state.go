package db

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"drawrelay/store/config"
	"drawrelay/store/settings"
)

// State is what a database said at one moment. Immutable. Its methods neither
// wait nor fail; bans that have ended never match.
type State struct {
	// Settings is the snapshot of all settings.
	Settings *settings.Settings
	// Accounts, IPBans, SystemBans and UserBans are the rows in the order of
	// their numbers.
	Accounts   []Account
	IPBans     []IPBan
	SystemBans []SystemBan
	UserBans   []UserBan
	// Whitelist are the expressions for URLs of listing servers, see
	// Announceable.
	Whitelist []string
	// LockedSections are the sections of the admin API that are locked,
	// sorted, and LockHash is the password that unlocks them; "" = none.
	LockedSections []string
	LockHash       string

	now      func() time.Time
	values   map[string]string // as text, by key
	accounts map[string]int    // index by name
	ipBans   config.IPIndex    // index of IPBans
	systems  map[string][]int  // indexes by system id
	users    map[int64][]int   // indexes by user id
	patterns []*pattern        // the valid ones
	disabled map[int64]bool    // switched-off external bans
}

// Queries of the snapshot. Columns are cast, because columns without a type
// hold whatever a hand or a script has put there.
const (
	settingsQuery = `SELECT cast(key AS TEXT), coalesce(cast(value AS TEXT), '') FROM settings WHERE key IS NOT NULL`
	usersQuery    = `SELECT rowid, coalesce(cast(username AS TEXT), ''), coalesce(cast(password AS TEXT), ''),
		coalesce(cast(locked AS INTEGER), 0) <> 0, coalesce(cast(flags AS TEXT), '') FROM users ORDER BY rowid`
	ipBansQuery = `SELECT rowid, coalesce(cast(ip AS TEXT), ''), coalesce(cast(subnet AS INTEGER), 0),
		coalesce(cast(expires AS TEXT), ''), coalesce(cast(comment AS TEXT), ''), coalesce(cast(added AS TEXT), '') FROM ipbans`
	systemBansQuery = `SELECT id, coalesce(cast(sid AS TEXT), ''), coalesce(cast(reaction AS TEXT), ''), coalesce(cast(expires AS TEXT), ''),
		coalesce(cast(comment AS TEXT), ''), coalesce(cast(reason AS TEXT), ''), coalesce(cast(added AS TEXT), '') FROM systembans ORDER BY id`
	userBansQuery = `SELECT id, coalesce(cast(userid AS INTEGER), 0), coalesce(cast(reaction AS TEXT), ''), coalesce(cast(expires AS TEXT), ''),
		coalesce(cast(comment AS TEXT), ''), coalesce(cast(reason AS TEXT), ''), coalesce(cast(added AS TEXT), '') FROM userbans ORDER BY id`
	whitelistQuery = `SELECT cast(url AS TEXT) FROM listingservers WHERE url IS NOT NULL ORDER BY rowid`
	disabledQuery  = `SELECT id FROM disabledextbans`
)

// load reads the snapshot and publishes settings that have changed. Needs the
// turn.
func (d *DB) load() error {
	s := &State{now: d.options.Now, values: make(map[string]string), accounts: make(map[string]int),
		systems: make(map[string][]int), users: make(map[int64][]int), disabled: make(map[int64]bool)}
	q := queries{d.conn}
	// In one transaction, so that the tables fit together.
	if err := q.exec("BEGIN"); err != nil {
		return err
	}
	err := s.read(q)
	if end := q.exec("COMMIT"); err == nil {
		err = end
	}
	if err != nil {
		_ = q.exec("ROLLBACK") // reading leaves nothing behind
		return err
	}
	d.interpret(s)
	old := d.state.Load()
	if old != nil && *old.Settings == *s.Settings {
		s.Settings = old.Settings
	}
	d.state.Store(s)
	if old == nil || old.Settings != s.Settings {
		d.options.Publish(s.Settings)
	}
	return nil
}

func (s *State) read(q queries) error {
	for _, part := range []struct {
		query string
		row   func(scan func(...any) error) error
	}{
		{settingsQuery, func(scan func(...any) error) error {
			var key, value string
			err := scan(&key, &value)
			s.values[key] = value
			return err
		}},
		{usersQuery, func(scan func(...any) error) error {
			var a Account
			err := scan(&a.ID, &a.Name, &a.PasswordHash, &a.Locked, &a.Flags)
			s.Accounts = append(s.Accounts, a)
			return err
		}},
		{ipBansQuery + " ORDER BY rowid", func(scan func(...any) error) error {
			var b IPBan
			err := scan(&b.ID, &b.Addr, &b.Prefix, &b.Expires, &b.Comment, &b.Added)
			s.IPBans = append(s.IPBans, b)
			return err
		}},
		{systemBansQuery, func(scan func(...any) error) error {
			var b SystemBan
			err := scan(&b.ID, &b.SystemID, &b.Reaction, &b.Expires, &b.Comment, &b.Reason, &b.Added)
			s.SystemBans = append(s.SystemBans, b)
			return err
		}},
		{userBansQuery, func(scan func(...any) error) error {
			var b UserBan
			err := scan(&b.ID, &b.UserID, &b.Reaction, &b.Expires, &b.Comment, &b.Reason, &b.Added)
			s.UserBans = append(s.UserBans, b)
			return err
		}},
		{whitelistQuery, func(scan func(...any) error) error {
			var url string
			err := scan(&url)
			s.Whitelist = append(s.Whitelist, url)
			return err
		}},
		{disabledQuery, func(scan func(...any) error) error {
			var id int64
			err := scan(&id)
			s.disabled[id] = true
			return err
		}},
	} {
		if err := q.each(part.query, part.row); err != nil {
			return err
		}
	}
	return nil
}

// interpret makes sense of the rows; what makes none is warned about. Needs
// the turn.
func (d *DB) interpret(s *State) {
	maps.DeleteFunc(s.values, func(key, value string) bool {
		name, section := strings.CutPrefix(key, lockSectionPrefix)
		switch {
		case section:
			s.LockedSections = append(s.LockedSections, name)
		case key == lockHashKey:
			s.LockHash = value
		}
		return strings.HasPrefix(key, lockPrefix)
	})
	slices.Sort(s.LockedSections)
	var problems []config.Problem
	s.Settings, problems = config.FromValues(s.values)
	for i := range problems {
		d.warn(problems[i].Error())
	}
	for i, a := range s.Accounts {
		d.lastAccount = max(d.lastAccount, a.ID)
		if _, ok := s.accounts[a.Name]; !ok {
			s.accounts[a.Name] = i
		}
	}
	for _, b := range s.IPBans {
		addr, err := config.ParseBanAddress(b.Addr)
		if err != nil || b.Prefix < 0 || b.Prefix > addr.BitLen() {
			d.warn("IP ban " + b.Addr + "/" + itoa(int64(b.Prefix)) + " is not an address with a prefix length, so it bans nobody; correct row " +
				itoa(b.ID) + " of ipbans")
			addr = netip.Addr{}
		}
		s.ipBans.Add(addr, b.Prefix)
	}
	for i, b := range s.SystemBans {
		s.systems[b.SystemID] = append(s.systems[b.SystemID], i)
	}
	for i, b := range s.UserBans {
		s.users[b.UserID] = append(s.users[b.UserID], i)
	}
	for _, text := range s.Whitelist {
		p, err := compile(text)
		if err != nil {
			d.warn("whitelist expression " + text + " is not valid and matches nothing: " + err.Error())
			continue
		}
		s.patterns = append(s.patterns, p)
	}
}
