package store

import (
	"io"
	"math"
	"sync"
	"time"
)

// Bounds of what a journal keeps (storage.md §1, §4.2).
const (
	minUsers        = 1
	maxUsers        = 254
	maxBytes        = math.MaxInt32 // of limits and thresholds
	firstCatchupKey = 1000000
	maxCatchupKey   = 999999999 // then 1 again
)

// ArchiveMode says what becomes of a session's files when it ends or resets.
type ArchiveMode uint8

const (
	ArchiveDefault  ArchiveMode = iota // as the setting `archive` says
	ArchiveDisabled                    // files are deleted
	ArchiveEnabled                     // files are renamed to *.archived
)

// History is a session as the store keeps it: its log and its metadata, with
// the journal that remembers both.
//
// Ownership: the session's owner loop, but for what is said to be immutable
// and the methods of Durable and Log that say otherwise. Setters change memory
// at once and queue a journal line when the value is another than before; they
// never block.
type History struct {
	*Durable // Log, Deliverable, Kick, Err, Flush …

	// Immutable.
	ID      string
	Alias   string    // may be empty
	Version string    // protocol version as in the recording's head
	Started time.Time // creation or load, UTC

	// StartStamp tells this history from others with the same id
	// (session.md §11): new at every load and ordinary reset, kept across a
	// clean restart. Set by Restamp only.
	StartStamp int64
	// FirstIndex is the history index of the first message of the current
	// log; the last one is FirstIndex + Log().Count() - 1. Set by resets.
	FirstIndex int64

	IDs     *IDQueue
	Bans    *BanList    // changed with AddBan and RemoveBan
	Invites *InviteList // journals its changes itself

	store         *Store
	journalFile   string // name of the journal
	founder       string
	title         string
	passwordHash  string
	opwordHash    string
	maxUsers      int
	autoReset     int64
	autoResetSet  bool // by the journal or a setter
	sizeOverride  int64
	archive       ArchiveMode
	flags         Flags
	catchupKey    int
	authOps       accountSet
	authTrusted   accountSet
	authNames     map[string]string
	nameBytes     int // of authNames, ids included
	announcements []string
	unterminated  bool // the journal's last line lacks its line break

	files   sync.Mutex // protects what follows; never taken on a loop
	current string     // name of the recording
	started int        // FILE lines read and recordings started since
	thumb   thumbnail
	closing sync.Once
	closed  error
}

// newHistory returns the state of storage.md §1 without a log.
func newHistory(s *Store, id string, now time.Time) *History {
	h := &History{
		ID: id, Started: now.UTC(),
		IDs:  NewIDQueue(),
		Bans: new(BanList),

		store:       s,
		journalFile: id + journalSuffix,
		maxUsers:    maxUsers,
		catchupKey:  firstCatchupKey,
		authNames:   make(map[string]string),
	}
	h.Invites = &InviteList{now: s.o.Now, random: s.random(), journal: h.journal}
	return h
}

// journal queues one line.
func (h *History) journal(line string) {
	if h.Durable == nil || !h.HasFiles() {
		return
	}
	if h.unterminated {
		h.unterminated = false
		line = "\n" + line
	}
	h.Durable.Journal(line)
}

// fullJournal is from which size in bytes on a journal takes no more changes that
// members ask for without an end: half a million titles. What they cannot make up
// at will, as joins, goes on.
const fullJournal = 64 << 20

// JournalFull reports whether the session has been changed so often that its
// journal, which is never rewritten, takes too much of the disk. Sessions in
// memory never have. Any goroutine.
func (h *History) JournalFull() bool {
	return h.Durable != nil && h.Durable.journaled.Load() >= fullJournal
}

// HasFiles reports whether the session is kept in files. Immutable.
func (h *History) HasFiles() bool { return h.store.o.Dir != "" }

// LastIndex returns the history index of the last message, FirstIndex - 1 if
// there is none.
func (h *History) LastIndex() int64 { return h.FirstIndex + h.Log().Count() - 1 }

// Restamp gives the history a new StartStamp, after an ordinary reset.
func (h *History) Restamp() { h.StartStamp = h.store.stamp() }

// Founder returns the founder's name.
func (h *History) Founder() string { return h.founder }

// SetFounder changes the founder's name.
func (h *History) SetFounder(name string) {
	if name = blank(name); name != h.founder {
		h.founder = name
		h.journal("FOUNDER " + name)
	}
}

// Title returns the title.
func (h *History) Title() string { return h.title }

// SetTitle changes the title. Callers limit its length.
func (h *History) SetTitle(title string) {
	if title = blank(title); title != h.title {
		h.title = title
		h.journal("TITLE " + title)
	}
}

// PasswordHash returns the stored form of the session password, empty for none.
func (h *History) PasswordHash() string { return h.passwordHash }

// SetPasswordHash changes the session password: a form of store/password, or
// empty for none.
func (h *History) SetPasswordHash(hash string) {
	if hash = blank(hash); hash != h.passwordHash {
		h.passwordHash = hash
		h.journal("PASSWORD " + hash)
	}
}

// OpwordHash returns the stored form of the operator password, empty for none.
func (h *History) OpwordHash() string { return h.opwordHash }

// SetOpwordHash changes the operator password. Every call is journaled, as the
// reference does.
func (h *History) SetOpwordHash(hash string) {
	h.opwordHash = blank(hash)
	h.journal("OPWORD " + h.opwordHash)
}

// MaxUsers returns how many users may be present, 1..254.
func (h *History) MaxUsers() int { return h.maxUsers }

// SetMaxUsers changes the number of users, brought into 1..254.
func (h *History) SetMaxUsers(n int) {
	if n = clamp(n, minUsers, maxUsers); n != h.maxUsers {
		h.maxUsers = n
		h.journal(numberLine("MAXUSERS", int64(n)))
	}
}

// AutoReset returns the autoreset threshold in bytes, 0 for never.
func (h *History) AutoReset() int64 { return h.autoReset }

// AutoResetSet reports whether the session has a threshold of its own: one was
// set, or its journal has one. Otherwise the configured default is to be set
// after a load (storage.md §6.3).
func (h *History) AutoResetSet() bool { return h.autoResetSet }

// SetAutoReset changes the threshold. Callers raise it to the configured
// minimum.
func (h *History) SetAutoReset(n int64) {
	h.autoResetSet = true
	if n = clamp(n, 0, maxBytes); n != h.autoReset {
		h.autoReset = n
		h.journal(numberLine("AUTORESET", n))
	}
}

// SizeOverride returns the session's own size limit in bytes, 0 for none.
func (h *History) SizeOverride() int64 { return h.sizeOverride }

// SetSizeOverride changes the session's own size limit, brought into
// 0..2147483647.
func (h *History) SetSizeOverride(n int64) {
	if n = clamp(n, 0, maxBytes); n != h.sizeOverride {
		h.sizeOverride = n
		h.journal(numberLine("LIMIT", n))
	}
}

// ArchiveMode returns the archive mode. Sessions in memory have none; ask
// HasFiles.
func (h *History) ArchiveMode() ArchiveMode { return h.archive }

// SetArchiveMode changes the archive mode. It is ignored for sessions in
// memory.
func (h *History) SetArchiveMode(m ArchiveMode) {
	if h.HasFiles() && m != h.archive && m <= ArchiveEnabled {
		h.archive = m
		h.journal(archiveLine(m))
	}
}

// Flags returns the switches.
func (h *History) Flags() Flags { return h.flags }

// SetFlags replaces all switches.
func (h *History) SetFlags(f Flags) {
	if f != h.flags {
		h.flags = f
		h.journal("FLAGS " + f.String())
	}
}

// NextCatchupKey consumes a key of a join and returns it (1..999999999).
func (h *History) NextCatchupKey() int {
	key := h.catchupKey
	h.catchupKey++
	if h.catchupKey > maxCatchupKey {
		h.catchupKey = 1
	}
	h.journal(numberLine("CATCHUP", int64(h.catchupKey)))
	return key
}

// Announcements returns the listing servers the session is announced at, in
// the order they were added. The slice must not be changed.
// Valid until: the next change.
func (h *History) Announcements() []string { return h.announcements }

// AddAnnouncement remembers a listing server's URL. It reports false if it was
// remembered already.
func (h *History) AddAnnouncement(url string) bool {
	url = trim(blank(url))
	if !h.addAnnouncement(url) {
		return false
	}
	h.journal("ANNOUNCE " + url)
	return true
}

func (h *History) addAnnouncement(url string) bool {
	if url == "" {
		return false
	}
	for _, u := range h.announcements {
		if u == url {
			return false
		}
	}
	h.announcements = append(h.announcements, url)
	return true
}

// RemoveAnnouncement forgets a listing server's URL, when the session is taken
// off its list on purpose; not when the session ends or the server stops. It
// reports false if it was not remembered.
func (h *History) RemoveAnnouncement(url string) bool {
	url = trim(blank(url))
	if !h.removeAnnouncement(url) {
		return false
	}
	h.journal("UNANNOUNCE " + url)
	return true
}

func (h *History) removeAnnouncement(url string) bool {
	for i, u := range h.announcements {
		if u == url {
			h.announcements = append(h.announcements[:i:i], h.announcements[i+1:]...)
			return true
		}
	}
	return false
}

// clamp brings n into lo..hi.
func clamp[T int | int64](n, lo, hi T) T { return min(max(n, lo), hi) }

// random returns the source of randomness, for one goroutine at a time.
func (s *Store) random() io.Reader { return &s.rand }
