package serverlog

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Query says which entries of the log are asked for; empty fields ask for all.
// Comparisons of text do not mind case.
type Query struct {
	Session  string    // id, the whole of it
	User     string    // part of the user triple
	Contains string    // part of the message
	After    time.Time // entries at least one second later than this
	// Level is the least severe one that counts. The zero value means errors
	// only; Debug means all.
	Level Level
	// Offset and Limit select from the result; Limit 0 means all.
	Offset, Limit int
}

// Since returns the time from which on entries count, in whole seconds as
// entries are compared; the zero time for all.
func (q *Query) Since() time.Time {
	if q.After.IsZero() {
		return time.Time{}
	}
	return q.After.Add(time.Second).UTC().Truncate(time.Second)
}

// Record is an entry as it was stored: foreign programs write to databases as
// well, so that its parts are only text.
type Record struct {
	Time    time.Time // UTC, whole seconds; zero if what is stored is no time
	Level   Level
	Topic   string
	User    string // "ID;IP;NAME", or empty
	Session string // or empty
	Message string
}

// Record returns the stored form of e.
func (e *Entry) Record() Record {
	return Record{Time: e.Time.UTC().Truncate(time.Second), Level: e.Level, Topic: e.Topic.String(),
		User: e.User.String(), Session: e.Session, Message: e.Message}
}

// ParseTopic returns the topic with this name, in exactly this spelling.
func ParseTopic(name string) (t Topic, ok bool) {
	i := slices.Index(topicNames[:], name)
	return Topic(max(i, 0)), i >= 0
}

// ParseLevel returns the level with this name, in exactly this spelling.
func ParseLevel(name string) (l Level, ok bool) {
	i := slices.Index(levelNames[:], name)
	return Level(max(i, 0)), i >= 0
}

// parseUser reads the triple "ID;IP;NAME"; what is not of this form means
// nobody.
func parseUser(text string) (u User) {
	id, rest, _ := strings.Cut(text, ";")
	addr, name, ok := strings.Cut(rest, ";")
	n, err := strconv.ParseUint(id, 10, 8)
	if !ok || err != nil {
		return User{}
	}
	u = User{ID: uint8(n), Name: name}
	if a, err := netip.ParseAddr(addr); err == nil {
		u.Addr = a
	}
	return u
}

// Recall adds what was stored about a session in an earlier life of the server
// to what joiners may see of it. Entries are given oldest first, before new
// ones are put. Those with a foreign topic are left out.
func (l *Log) Recall(r Record) {
	topic, ok := ParseTopic(r.Topic)
	if !ok || r.Session == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ofSession(r.Session).push(Entry{Time: r.Time, Level: r.Level, Topic: topic, User: parseUser(r.User), Session: r.Session, Message: r.Message})
}

// Query returns the kept entries that are asked for, newest first.
func (l *Log) Query(q Query) []Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	since, user, text := q.Since(), strings.ToLower(q.User), strings.ToLower(q.Contains)
	list := l.all.filter(q.Level, func(e *Entry) bool {
		return !e.Time.Truncate(time.Second).Before(since) &&
			(q.Session == "" || strings.EqualFold(e.Session, q.Session)) &&
			strings.Contains(strings.ToLower(e.User.String()), user) &&
			strings.Contains(strings.ToLower(e.Message), text)
	})
	slices.Reverse(list)
	list = list[min(max(q.Offset, 0), len(list)):]
	if q.Limit > 0 {
		list = list[:min(q.Limit, len(list))]
	}
	records := make([]Record, len(list))
	for i := range list {
		records[i] = list[i].Record()
	}
	return records
}
