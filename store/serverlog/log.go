package serverlog

import (
	"bufio"
	"encoding/json"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Limits of the log.
const (
	// queueLimit bounds the entries waiting to be written; beyond it entries
	// are dropped and counted, because a stuck terminal must not stop drawing.
	queueLimit = 8192
	// keepPerSession is how many entries of a session joiners may see
	// (session.md §6.3 row 13).
	keepPerSession = 1000
	// keepAll is how many entries of the whole server are kept for queries
	// (configuration.md §16.3).
	keepAll = 1000
)

// Format is the form of written entries.
type Format uint8

const (
	FormatText Format = iota // the reference's line (configuration.md §16.2)
	FormatJSON               // one JSON object per line
)

// Log takes entries from any goroutine. Put never blocks on output.
type Log struct {
	now     func() time.Time
	format  Format
	queue   chan item
	done    chan struct{}
	closing sync.Once
	closed  chan struct{} // ends with Close
	dropped atomic.Int64

	sink atomic.Pointer[Sink]

	mu       sync.Mutex // protects the rings; held for appends and copies only
	all      ring
	sessions map[string]*ring
}

// New returns a log that writes to w from its own goroutine until Close.
// now is the clock, time.Now if nil.
func New(w io.Writer, format Format, now func() time.Time) *Log {
	if now == nil {
		now = time.Now
	}
	l := &Log{
		now:      now,
		format:   format,
		queue:    make(chan item, queueLimit),
		done:     make(chan struct{}),
		closed:   make(chan struct{}),
		sessions: make(map[string]*ring),
		all:      ring{limit: keepAll},
	}
	go l.write(w)
	return l
}

// Sink takes entries elsewhere, for instance into a database. Put must not
// wait, nor log.
type Sink interface{ Put(e Entry) }

// Attach hands all further entries to sink as well.
func (l *Log) Attach(sink Sink) { l.sink.Store(&sink) }

// Put logs e and returns it with its time set. A zero e.Time means now.
func (l *Log) Put(e Entry) Entry {
	if e.Time.IsZero() {
		e.Time = l.now().UTC()
	}
	l.mu.Lock()
	l.all.push(e)
	if e.Session != "" {
		l.ofSession(e.Session).push(e)
	}
	l.mu.Unlock()
	if sink := l.sink.Load(); sink != nil {
		(*sink).Put(e)
	}
	select {
	case l.queue <- item{Entry: e}:
	default:
		l.dropped.Add(1)
	}
	return e
}

// item is what is to be written: an entry, or a line if there is one.
type item struct {
	Entry
	line string
}

// Line writes a line about something that is not an event of the server, such
// as a request to its admin API; it is not kept. Like Put it never blocks.
func (l *Log) Line(text string) {
	select {
	case l.queue <- item{Entry: Entry{Time: l.now().UTC()}, line: text}:
	default:
		l.dropped.Add(1)
	}
}

// ofSession returns what is kept for a session. Needs the lock.
func (l *Log) ofSession(id string) *ring {
	r := l.sessions[id]
	if r == nil {
		r = &ring{limit: keepPerSession}
		l.sessions[id] = r
	}
	return r
}

// Session returns the kept entries of a session at least as severe as level,
// oldest first, for which keep returns true (nil keeps all).
func (l *Log) Session(id string, level Level, keep func(*Entry) bool) []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.sessions[id]
	if r == nil {
		return nil
	}
	return r.filter(level, keep)
}

// SessionSince returns the kept entries of a session from number from on,
// oldest first, and the number of the next one to come. Entries are numbered
// from 0 in the order they were logged.
func (l *Log) SessionSince(id string, from uint64) (list []Entry, next uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.sessions[id]
	if r == nil {
		return nil, 0
	}
	first := r.pushed - uint64(len(r.entries))
	for i := max(from, first); i < r.pushed; i++ {
		list = append(list, r.entries[(r.first+int(i-first))%len(r.entries)])
	}
	return list, r.pushed
}

// Recent returns the kept entries of the whole server, oldest first, under the
// same conditions as Session.
func (l *Log) Recent(level Level, keep func(*Entry) bool) []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.filter(level, keep)
}

// Forget drops what is kept for a session that has ended.
func (l *Log) Forget(session string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.sessions, session)
}

// Dropped returns how many entries were not written because the queue was full.
func (l *Log) Dropped() int64 { return l.dropped.Load() }

// Close writes what is queued and ends the goroutine. What is put later is not
// written. It waits at most for timeout.
func (l *Log) Close(timeout time.Duration) {
	l.closing.Do(func() { close(l.closed) })
	select {
	case <-l.done:
	case <-time.After(timeout):
	}
}

func (l *Log) write(w io.Writer) {
	defer close(l.done)
	out := bufio.NewWriter(w)
	var line []byte
	put := func(i item) {
		if i.line == "" {
			line = l.append(line[:0], &i.Entry)
		} else {
			line = l.appendLine(line[:0], &i)
		}
		_, _ = out.Write(line) // a broken stderr has nobody to be told
		if len(l.queue) == 0 {
			_ = out.Flush()
		}
	}
	for {
		select {
		case i := <-l.queue:
			put(i)
		case <-l.closed:
			for range len(l.queue) {
				put(<-l.queue)
			}
			_ = out.Flush()
			return
		}
	}
}

func (l *Log) append(b []byte, e *Entry) []byte {
	if l.format == FormatJSON {
		return appendJSON(b, e)
	}
	b = e.Time.AppendFormat(b, "2006-01-02T15:04:05Z ")
	b = append(b, e.Level.String()...)
	b = append(b, '/')
	b = append(b, e.Abridged()...)
	return append(b, '\n')
}

func (l *Log) appendLine(b []byte, i *item) []byte {
	if l.format == FormatText {
		return append(append(b, oneLine(i.line)...), '\n')
	}
	text, err := json.Marshal(struct {
		Time    string `json:"time"`
		Message string `json:"message"`
	}{i.Time.Format(time.RFC3339), i.line})
	if err != nil {
		return b
	}
	return append(append(b, text...), '\n')
}

// Abridged returns the text form without time and level
// (configuration.md §16.2). Line breaks and other control characters in
// foreign text are replaced so that nobody can forge log lines.
func (e *Entry) Abridged() string {
	var b strings.Builder
	b.WriteString(e.Topic.String())
	b.WriteByte(' ')
	user := e.User.String()
	b.WriteString(oneLine(user))
	if user != "" && e.Session != "" {
		b.WriteByte('@')
	}
	b.WriteString(e.Session)
	if user != "" || e.Session != "" {
		b.WriteString(": ")
	}
	b.WriteString(oneLine(e.Message))
	return b.String()
}

func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

func appendJSON(b []byte, e *Entry) []byte {
	doc := struct {
		Time    string `json:"time"`
		Level   string `json:"level"`
		Topic   string `json:"topic"`
		Session string `json:"session,omitempty"`
		User    uint8  `json:"user,omitempty"`
		IP      string `json:"ip,omitempty"`
		Name    string `json:"name,omitempty"`
		Message string `json:"message"`
	}{
		Time: e.Time.Format(time.RFC3339), Level: e.Level.String(), Topic: e.Topic.String(),
		Session: e.Session, User: e.User.ID, Name: e.User.Name, Message: e.Message,
	}
	if e.User.Addr.IsValid() {
		doc.IP = e.User.Addr.String()
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return b
	}
	return append(append(b, text...), '\n')
}

// ring keeps the newest limit entries.
type ring struct {
	limit   int
	entries []Entry
	first   int    // index of the oldest once full
	pushed  uint64 // entries ever
}

func (r *ring) push(e Entry) {
	r.pushed++
	if len(r.entries) < r.limit {
		r.entries = append(r.entries, e)
		return
	}
	r.entries[r.first] = e
	r.first = (r.first + 1) % r.limit
}

func (r *ring) filter(level Level, keep func(*Entry) bool) []Entry {
	var out []Entry
	for i := range r.entries {
		e := &r.entries[(r.first+i)%len(r.entries)]
		if e.Level <= level && (keep == nil || keep(e)) {
			out = append(out, *e)
		}
	}
	return out
}
