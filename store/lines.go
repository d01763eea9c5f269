package store

import (
	"strconv"
	"strings"
	"time"
)

// Lines of the journal (storage.md §4.2), without their line break. Raw fields
// must have gone through blank before.

// inviteTime is the form of times in INV lines, UTC.
const inviteTime = "2006-01-02T15:04:05Z"

func numberLine(keyword string, n int64) string {
	return keyword + " " + strconv.FormatInt(n, 10)
}

func userLine(id uint8, name string) string {
	return "USER " + strconv.Itoa(int(id)) + " " + encode(name)
}

func authNameLine(authID, name string) string {
	return "AUTHNAME " + encode(authID) + " " + encode(name)
}

func archiveLine(m ArchiveMode) string {
	switch m {
	case ArchiveDisabled:
		return "ARCHIVE 0"
	case ArchiveEnabled:
		return "ARCHIVE 1"
	}
	return "ARCHIVE"
}

func banLine(b *Ban) string {
	return strings.Join([]string{"BAN", strconv.Itoa(b.ID), encode(b.Name), b.AddrText(), encode(b.AuthID),
		encode(b.By), encode(b.SystemID)}, " ")
}

func unbanLine(id int) string { return "UNBAN " + strconv.Itoa(id) }

func inviteLine(v *Invite) string {
	s := "INV " + v.Secret + " " + v.At.UTC().Format(inviteTime) + " " + strconv.Itoa(v.MaxUses)
	if v.Trust {
		s += ",trust"
	}
	if v.Op {
		s += ",op"
	}
	if v.Creator != "" {
		s += " " + encode(v.Creator)
	}
	return s
}

func uninviteLine(secret string) string { return "UNV " + secret }

// useLine writes an empty name as "?".
func useLine(secret string, u *InviteUse) string {
	name := encode(u.Name)
	if name == "" {
		name = "?"
	}
	return "USV " + secret + " " + encode(u.SystemID) + " " + name
}

// parseInviteTime reads the time of an INV line; ok is false for anything that
// is not an ISO 8601 date and time.
func parseInviteTime(s string) (at time.Time, ok bool) {
	at, err := time.Parse(time.RFC3339, s)
	return at.UTC(), err == nil
}
