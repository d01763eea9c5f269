package store

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"drawrelay/frame"
	"drawrelay/store/diskspace"
	"drawrelay/store/serverlog"
)

// Permissions of what the store creates. Journals hold password hashes, so
// nobody else may look.
const (
	dirPerm  fs.FileMode = 0o700
	filePerm fs.FileMode = 0o600
)

// closers is how many sessions are closed at a time: syncs of one disk join.
const closers = 16

// Options say where and how sessions are kept.
type Options struct {
	Dir string // folder of the session files; empty: memory only
	// Checksums is the folder of the checksums of recordings; empty: none are
	// kept. It must not be Dir, whose content others read.
	Checksums string
	FS        FS             // nil: OS
	Log       *serverlog.Log // nil: no log
	Now       func() time.Time
	// Rand is read for session ids and invite secrets, by one goroutine at a
	// time. nil: the system's.
	Rand io.Reader
	// SyncInterval bounds what a power cut may lose, 0 syncs before delivery;
	// Grace is how long delivery waits for the disk (decision 4).
	SyncInterval, Grace time.Duration
	// Retry is the pause before a failed write is tried again, 0: DefaultRetry.
	Retry time.Duration
	// Archive returns the setting `archive` at this moment, any goroutine.
	// nil: files of ended sessions are deleted.
	Archive func() bool
	// Space asks for the room of the session folder's disk. nil: the system
	// is asked if FS is OS, else there is enough.
	Space func(dir string) (diskspace.Space, error)
	// SpaceEvery is how often, 0: every 2 s.
	SpaceEvery time.Duration
}

// Store keeps sessions in a folder, or in memory.
type Store struct {
	o    Options
	c    *Committer // nil: memory only
	rand lockedReader

	room     atomic.Int32 // a Room
	quit     chan struct{}
	quitOnce sync.Once

	mu        sync.Mutex // protects what follows; never held across I/O
	lastStamp int64
	live      map[*History]struct{}
}

// Open prepares the folder, creating it with its parents if it is missing, and
// starts the writers. The error of a folder that cannot be used names a cure.
func Open(o Options) (*Store, error) {
	if o.FS == nil {
		o.FS = OS
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Archive == nil {
		o.Archive = func() bool { return false }
	}
	if o.Space == nil && o.FS == OS {
		o.Space = diskspace.Of
	}
	if o.Retry == 0 {
		o.Retry = DefaultRetry
	}
	if o.SpaceEvery == 0 {
		o.SpaceEvery = spaceEvery
	}
	s := &Store{o: o, quit: make(chan struct{}), rand: lockedReader{r: o.Rand}, live: make(map[*History]struct{})}
	if o.Dir == "" {
		return s, nil
	}
	if err := o.FS.MkdirAll(o.Dir, dirPerm); err != nil {
		return nil, fmt.Errorf("create the session folder: %w; create it for the server's user or name another one", err)
	}
	if _, err := o.FS.ReadDir(o.Dir); err != nil {
		return nil, fmt.Errorf("read the session folder: %w; let the server's user read it or name another one", err)
	}
	s.c = NewCommitter(o.SyncInterval, o.Grace, o.Retry)
	if o.Checksums != "" {
		if err := o.FS.MkdirAll(o.Checksums, dirPerm); err != nil {
			s.c.Close()
			return nil, fmt.Errorf("create the folder of checksums: %w; create it for the server's user or name another one", err)
		}
		s.c.sumsDir, s.c.fs, s.c.warn = o.Checksums, o.FS, func(format string, args ...any) { s.warn("", format, args...) }
		s.tidySums()
	}
	if o.Space != nil {
		s.lookAtRoom()
		go s.watchRoom(s.quit)
	}
	return s, nil
}

// Committer returns the writers, nil for a store in memory.
func (s *Store) Committer() *Committer { return s.c }

// Close writes, syncs and closes all sessions and keeps their files. Sessions
// must not be used any more. It returns all errors.
func (s *Store) Close() error {
	s.quitOnce.Do(func() { close(s.quit) })
	s.mu.Lock()
	todo := make(chan *History, len(s.live))
	for h := range s.live {
		todo <- h
	}
	s.mu.Unlock()
	close(todo)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	for range min(closers, len(todo)) {
		wg.Go(func() {
			for h := range todo {
				if err := h.Close(); err != nil {
					mu.Lock()
					errs = append(errs, fmt.Errorf("session %s: %w", h.ID, err))
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if s.c != nil {
		s.c.Close()
	}
	return errors.Join(errs...)
}

// Create describes a new session.
type Create struct {
	ID           string // of NewID; empty: a new one
	Alias        string // may be empty
	Founder      string
	Version      frame.Version
	MaxUsers     int   // brought into 1..254
	ForceNSFM    bool  // setting forceNsfm
	AutoReset    int64 // threshold in bytes, raised to the minimum already
	PasswordHash string
	Flags        Flags // of hosting; NSFM is added with ForceNSFM
}

// NewID makes an id for a session. Any goroutine.
func (s *Store) NewID() (string, error) {
	id, err := newULID(s.o.Now(), &s.rand)
	if err != nil {
		return "", err
	}
	return id.String(), nil
}

// Create makes a session and, with a folder, its files. It
// blocks on the disk; any goroutine. On an error nothing is left behind.
func (s *Store) Create(c Create) (*History, error) {
	if c.ID == "" {
		var err error
		if c.ID, err = s.NewID(); err != nil {
			return nil, err
		}
	}
	if s.Room() >= RoomShort {
		return nil, ErrNoRoom
	}
	h := newHistory(s, c.ID, s.o.Now())
	h.Alias = trim(blank(c.Alias))
	h.Version = c.Version.String()
	h.StartStamp = s.stamp()
	lines := h.initialise(c)
	if s.o.Dir == "" {
		h.Durable = s.c.NewDurable(NewLog(), nil, 0)
	} else if err := h.createFiles(lines); err != nil {
		return nil, fmt.Errorf("create session %s: %w", h.ID, err)
	}
	s.mu.Lock()
	s.live[h] = struct{}{}
	s.mu.Unlock()
	h.noteRoom(s.Room() == RoomNone)
	return h, nil
}

// initialise sets the state of a new session and returns the journal lines
// after FILE, in the order of storage.md §4.6.
func (h *History) initialise(c Create) []string {
	var lines []string
	if h.Alias != "" {
		lines = append(lines, "ALIAS "+h.Alias)
	}
	h.founder = blank(c.Founder)
	lines = append(lines, "FOUNDER "+h.founder)
	if h.maxUsers = clamp(c.MaxUsers, minUsers, maxUsers); h.maxUsers < maxUsers {
		lines = append(lines, numberLine("MAXUSERS", int64(h.maxUsers)))
	}
	if c.ForceNSFM {
		h.flags = NSFM
		lines = append(lines, "FLAGS "+h.flags.String())
	}
	// Also "off" is written: without the line the next start would take what
	// is configured then.
	h.autoResetSet = true
	h.autoReset = clamp(c.AutoReset, 0, maxBytes)
	lines = append(lines, numberLine("AUTORESET", h.autoReset))
	if h.passwordHash = blank(c.PasswordHash); h.passwordHash != "" {
		lines = append(lines, "PASSWORD "+h.passwordHash)
	}
	if f := h.flags | c.Flags; f != h.flags {
		h.flags = f
		lines = append(lines, "FLAGS "+f.String())
	}
	return lines
}

// createFiles writes the recording's head, then the journal, and makes both
// names durable. What it has created is removed if a step fails.
func (h *History) createFiles(lines []string) (err error) {
	rec, err := h.newRecording(-1)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			h.dropRecording(rec)
		}
	}()
	name := h.journalFile
	journal, err := h.store.o.FS.OpenFile(h.store.path(name), os.O_RDWR|os.O_CREATE|os.O_EXCL, filePerm)
	if err != nil {
		return fmt.Errorf("create journal: %w", err)
	}
	text := "FILE " + rec.name + "\n"
	for _, l := range lines {
		text += l + "\n"
	}
	if _, err = journal.WriteAt([]byte(text), 0); err != nil {
		err = fmt.Errorf("write journal: %w", err)
	} else if err = journal.Sync(); err != nil {
		// All of it or nothing: half of it could be a session without its
		// password.
		err = fmt.Errorf("sync journal: %w", err)
	} else if err = h.store.o.FS.SyncDir(h.store.o.Dir); err != nil {
		err = fmt.Errorf("sync the session folder: %w", err)
	}
	if err != nil {
		_ = journal.Close()
		_ = h.store.o.FS.Remove(h.store.path(name))
		return err
	}
	h.current = rec.name
	h.Durable = h.store.c.NewDurable(rec.OpenLog(0, nil, 0), journal, int64(len(text)))
	return nil
}

// Close writes and syncs what the session has, notes in the journal that it
// was stopped in order, and closes its files. It blocks: never on a loop. The
// session must not be used any more. Later calls return the same error.
func (h *History) Close() error {
	h.closing.Do(func() { h.closed = h.close(true) })
	return h.closed
}

func (h *History) close(keep bool) error {
	if h.HasFiles() && keep {
		if err := h.Flush(); err == nil {
			l := h.Log()
			h.journal(cleanStopLine(cleanStop{h.StartStamp, h.FirstIndex, l.Size(), l.Count()}, h.ID))
		}
	}
	err := h.Durable.Close()
	h.store.mu.Lock()
	delete(h.store.live, h)
	h.store.mu.Unlock()
	return err
}

// stamp returns a StartStamp that no other history of this folder has had: the
// time in microseconds, moved on if needed, with random lowest digits so that
// a clock that was set back does not repeat it.
func (s *Store) stamp() int64 {
	var b [2]byte
	_, _ = io.ReadFull(&s.rand, b[:])
	now := s.o.Now().UnixMilli()*1000 + (int64(b[0])<<8|int64(b[1]))%1000
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastStamp = max(now, s.lastStamp+1)
	return s.lastStamp
}

func (s *Store) path(name string) string { return filepath.Join(s.o.Dir, name) }

// warn logs a warning about a session.
func (s *Store) warn(session, format string, args ...any) {
	if s.o.Log != nil {
		s.o.Log.Put(serverlog.Entry{Level: serverlog.Warn, Topic: serverlog.Status, Session: session,
			Message: fmt.Sprintf(format, args...)})
	}
}

// lockedReader lets goroutines share a source of randomness.
type lockedReader struct {
	mu sync.Mutex
	r  io.Reader
}

func (l *lockedReader) Read(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.Read(b)
}
