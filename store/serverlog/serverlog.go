// Package serverlog is the server's log of what happens to sessions and users
// (configuration.md §16): entries with level, topic, user and session, kept in
// memory for the session logs that joiners receive, and written out by a
// goroutine of its own so that no caller ever waits for a terminal or a disk.
package serverlog

import (
	"fmt"
	"net/netip"
	"time"
)

// Level is the severity of an entry. Lower is worse.
type Level uint8

const (
	Error Level = iota
	Warn
	Info
	Debug
)

var levelNames = [...]string{"Error", "Warn", "Info", "Debug"}

func (l Level) String() string { return levelNames[min(int(l), len(levelNames)-1)] }

// Topic says what an entry is about.
type Topic uint8

const (
	Join Topic = iota
	Leave
	Kick
	Ban
	Unban
	Op
	Deop
	Mute
	Unmute
	Trust
	Untrust
	BadData
	RuleBreak
	PubList
	Status
	ClientInfo // sensitive
	ExtBan
	BanImpEx
	AdminChat
	Invite
	Report // sensitive
)

var topicNames = [...]string{"Join", "Leave", "Kick", "Ban", "Unban", "Op", "Deop", "Mute", "Unmute", "Trust",
	"Untrust", "BadData", "RuleBreak", "PubList", "Status", "ClientInfo", "ExtBan", "BanImpEx", "AdminChat",
	"Invite", "Report"}

func (t Topic) String() string { return topicNames[min(int(t), len(topicNames)-1)] }

// Sensitive reports whether entries of this topic are for moderators and the
// admin API only.
func (t Topic) Sensitive() bool { return t == ClientInfo || t == Report }

// User is the user triple of an entry. The zero value means: not about a user.
type User struct {
	ID   uint8 // 0 before a session is entered
	Addr netip.Addr
	Name string
}

// IsZero reports whether u names nobody.
func (u User) IsZero() bool { return u == User{} }

// String returns the triple "ID;IP;NAME", or "" for the zero value.
func (u User) String() string {
	if u.IsZero() {
		return ""
	}
	ip := ""
	if u.Addr.IsValid() {
		ip = u.Addr.String()
	}
	return fmt.Sprintf("%d;%s;%s", u.ID, ip, u.Name)
}

// Entry is one log entry. Immutable once logged.
type Entry struct {
	Time    time.Time // UTC
	Level   Level
	Topic   Topic
	User    User
	Session string // session id, empty if the entry is not about one
	Message string
}
