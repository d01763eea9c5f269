package db

import (
	"strconv"

	"drawrelay/store/config"
)

// Keys of table settings that are no settings (configuration.md §10.3).
const (
	lockPrefix        = "_lock_admin_"
	lockSectionPrefix = "_lock_admin_section_" // and the section's name; the value is 1
	lockHashKey       = "_lock_admin_hash"     // the password that unlocks, hashed; a BLOB
)

// Value returns the text that the table holds for a setting, also for those
// that the server keeps for itself (extBansCache…). ok is false if the default
// is in force for want of a row.
func (s *State) Value(key string) (text string, ok bool) {
	text, ok = s.values[key]
	return text, ok
}

// SetSettings stores new values of settings, in one transaction, under the
// rules of the admin API: keys that do not exist and values that do not parse
// are ignored (config.Accepted). What has changed is published before it
// returns.
func (d *DB) SetSettings(values map[string]string) error {
	values = config.Accepted(values)
	if len(values) == 0 {
		return nil
	}
	return d.failed("change a setting in", d.change(func(q queries) error {
		for key, text := range values {
			if err := q.exec("INSERT OR REPLACE INTO settings (key, value) VALUES (?, ?)", key, text); err != nil {
				return err
			}
		}
		return nil
	}))
}

// Lock marks sections of the admin API read-only, and no others (admin-api.md
// §12). hash is the stored form of the password that unlocks them (package
// password), "" for none. Without sections everything is unlocked.
func (d *DB) Lock(sections []string, hash string) error {
	return d.failed("lock sections in", d.change(func(q queries) error {
		if err := q.exec("DELETE FROM settings WHERE instr(key, ?) = 1", lockPrefix); err != nil || len(sections) == 0 {
			return err
		}
		for _, name := range sections {
			if err := q.exec("INSERT INTO settings (key, value) VALUES (?, 1)", lockSectionPrefix+name); err != nil {
				return err
			}
		}
		if hash == "" {
			return nil
		}
		return q.exec("INSERT INTO settings (key, value) VALUES (?, ?)", lockHashKey, []byte(hash))
	}))
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
