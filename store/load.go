package store

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"

	"drawrelay/frame"
)

/* Loading (storage.md §10)
 *
 * 1. List    names of journals, ordered without regard to case
 * 2. Read    several at a time: journal, then the headers of its recording; nothing is changed
 * 3. Choose  in order: refuse what cannot be used or is there twice
 * 4. Repair  several at a time: cut torn ends, append leaves, settle the start stamp, sync
 *
 * Until step 4 no file is changed, so a refused session is as it was.
 */

const (
	// repairers is how many sessions are synced at a time: syncs of one disk
	// join.
	repairers = 16
)

// refusal is why a session was not loaded, and what to do.
type refusal struct {
	err  error
	cure string
}

func (r *refusal) Error() string { return r.err.Error() + "; " + r.cure }
func (r *refusal) Unwrap() error { return r.err }

func refuse(cure, format string, args ...any) *refusal {
	return &refusal{fmt.Errorf(format, args...), cure}
}

// candidate is one journal on its way to a session.
type candidate struct {
	name    string // of the journal
	h       *History
	journal File
	text    *journalText
	cut     bool   // the journal's last line is dropped
	rec     string // name of the recording
	file    File
	found   *scanned
	err     error
}

func (c *candidate) close() {
	if c.journal != nil {
		_ = c.journal.Close()
	}
	if c.file != nil {
		_ = c.file.Close()
	}
}

// Load returns all sessions of the folder that can be used, repaired, in order
// of their names without regard to case. Each one that cannot is logged with
// the reason and a cure, and its files stay as they are. The error is that of
// reading the folder. It blocks; call it once, before anything is created.
func (s *Store) Load() ([]*History, error) {
	if s.o.Dir == "" {
		return nil, nil
	}
	names, err := s.journals()
	if err != nil {
		return nil, fmt.Errorf("load sessions: %w", err)
	}
	all := make([]*candidate, len(names))
	each(min(max(2, runtime.GOMAXPROCS(0)), 8), len(all), func(i int) {
		all[i] = s.read(names[i])
	})
	s.choose(all)
	each(repairers, len(all), func(i int) {
		if c := all[i]; c.err == nil {
			c.err = s.repair(c)
		}
	})
	var loaded []*History
	for _, c := range all {
		if c.err != nil {
			c.close()
			s.warn("", "Session %s was not loaded: %v", c.name, c.err)
			continue
		}
		for _, w := range c.text.warnings {
			s.warn(c.h.ID, "Journal %s, %s", c.name, w)
		}
		if c.text.dropped > 0 {
			s.warn(c.h.ID, "Journal %s: %d more doubtful lines", c.name, c.text.dropped)
		}
		loaded = append(loaded, c.h)
	}
	s.mu.Lock()
	for _, h := range loaded {
		s.live[h] = struct{}{}
	}
	s.mu.Unlock()
	for _, h := range loaded {
		h.noteRoom(s.Room() == RoomNone)
	}
	return loaded, nil
}

// each calls do for 0..n-1 from several goroutines.
func each(workers, n int, do func(int)) {
	work := make(chan int, n)
	for i := range n {
		work <- i
	}
	close(work)
	var wg sync.WaitGroup
	for range min(workers, n) {
		wg.Go(func() {
			for i := range work {
				do(i)
			}
		})
	}
	wg.Wait()
}

// journals lists the names of regular files *.session that are not hidden.
func (s *Store) journals() ([]string, error) {
	entries, err := s.o.FS.ReadDir(s.o.Dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		name := e.Name()
		if !strings.HasSuffix(name, journalSuffix) || strings.HasPrefix(name, ".") {
			continue
		}
		mode := e.Type()
		if mode&fs.ModeSymlink != 0 {
			st, err := s.o.FS.Stat(s.path(name))
			if err != nil {
				continue
			}
			mode = st.Mode()
		}
		if mode.IsRegular() {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(strings.ToLower(a), strings.ToLower(b)), cmp.Compare(a, b))
	})
	return names, nil
}

// read reads a journal and scans its recording.
func (s *Store) read(name string) *candidate {
	id, _, _ := strings.Cut(name, ".")
	c := &candidate{name: name, h: newHistory(s, id, s.o.Now())}
	c.h.journalFile = name
	c.err = s.readInto(c)
	return c
}

func (s *Store) readInto(c *candidate) error {
	var err error
	if c.journal, err = s.o.FS.OpenFile(s.path(c.name), os.O_RDWR, 0); err != nil {
		return refuse("let the server's user read and write the file", "open journal: %w", err)
	}
	if c.text, err = c.h.readJournalFile(c.journal, c.h.Started); err != nil {
		return refuse("check the disk, or restore the file from a backup", "read journal: %w", err)
	}
	if err := s.openRecording(c); err != nil {
		return err
	}
	if c.found, err = scanRecording(c.file); err != nil {
		return refuse("restore the file from a backup, or move the session's files away", "scan recording %s: %w", c.rec, err)
	}
	v, ok := frame.ParseVersion(c.found.version)
	switch {
	case !ok:
		return refuse("restore the file from a backup", "recording %s has the protocol version %q", c.rec, c.found.version)
	case v.Server != frame.ServerProtocol:
		return refuse("use a server for that version", "recording %s has the protocol version %q, this server can only do server version %d",
			c.rec, c.found.version, frame.ServerProtocol)
	case c.found.count == 0:
		return refuse("delete the session's files if it is not needed", "recording %s: %w", c.rec, errBlank)
	}
	c.h.Version = c.found.version
	c.h.current, c.h.started = c.rec, len(c.text.files)
	for _, id := range c.found.left {
		c.h.IDs.Release(id)
	}
	for _, id := range c.found.inside {
		c.h.IDs.Release(id)
	}
	return nil
}

// openRecording opens what the last FILE line names. If that line was torn by
// an interrupted write and names nothing, the reset it belongs to has not
// happened and the one before it counts.
func (s *Store) openRecording(c *candidate) error {
	files := c.text.files
	if len(files) == 0 {
		return refuse("restore the journal from a backup, or move it away", "the journal names no recording")
	}
	for {
		err := s.openNamed(c, files[len(files)-1])
		if err == nil {
			c.text.files = files
			return nil
		}
		if c.cut || c.text.complete || !c.text.lastIsFile || len(files) < 2 || errors.Is(err, fs.ErrPermission) {
			return err
		}
		c.cut, files = true, files[:len(files)-1]
	}
}

func (s *Store) openNamed(c *candidate, name string) (err error) {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\\\x00") {
		return refuse("name a file inside the session folder in the journal's last FILE line", "the journal names the recording %q", name)
	}
	if c.file, err = s.o.FS.OpenFile(s.path(name), os.O_RDWR, 0); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return refuse("restore the file from a backup, or move the session's files away", "open recording: %w", err)
		}
		return refuse("let the server's user read and write the file", "open recording: %w", err)
	}
	c.rec = name
	return nil
}

// choose refuses sessions that are there twice. Those before it in order win.
func (s *Store) choose(all []*candidate) {
	names := make(map[string]string)      // id or alias to journal
	recordings := make(map[string]string) // recording to journal
	for _, c := range all {
		if c.err != nil {
			continue
		}
		if other, twice := names[c.h.ID]; twice {
			c.err = refuse("rename or remove one of them", "%s has the same id or alias", other)
			continue
		}
		if other, twice := recordings[c.rec]; twice {
			c.err = refuse("remove one of them", "%s has the same recording %s", other, c.rec)
			continue
		}
		recordings[c.rec] = c.name
		names[c.h.ID] = c.name
		if c.h.Alias != "" {
			names[c.h.Alias] = c.name
		}
	}
}

// repair makes the files whole and the session ready. Everything it writes is
// synced before it returns.
func (s *Store) repair(c *candidate) error {
	const cure = "check the disk and its free space, and that the server's user may write"
	h, found := c.h, c.found
	end, count := found.size, found.count
	if found.torn > 0 {
		if err := c.file.Truncate(found.head + found.size); err != nil {
			return refuse(cure, "cut recording %s after its last whole message: %w", c.rec, err)
		}
		s.warn(h.ID, "Recording %s: %d bytes of an incomplete message at the end were cut off", c.rec, found.torn)
	}
	if len(found.inside) > 0 {
		var leaves []byte
		for _, id := range found.inside {
			leaves = frame.AppendLeave(leaves, id)
		}
		if _, err := c.file.WriteAt(leaves, found.head+end); err != nil {
			return refuse(cure, "append leave messages to %s: %w", c.rec, err)
		}
		end += int64(len(leaves))
		count += int64(len(found.inside))
	}
	if found.torn > 0 || len(found.inside) > 0 {
		if err := c.file.Sync(); err != nil {
			return refuse(cure, "sync recording %s: %w", c.rec, err)
		}
	}
	position, err := s.repairJournal(c)
	if err != nil {
		return refuse(cure, "repair journal: %w", err)
	}
	if clean := c.text.clean; c.text.isClean && found.torn == 0 && clean.size == found.size && clean.count == found.count {
		h.StartStamp, h.FirstIndex = clean.stamp, clean.first
		s.mu.Lock()
		s.lastStamp = max(s.lastStamp, clean.stamp)
		s.mu.Unlock()
	} else {
		h.StartStamp = s.stamp()
	}
	rec := &Recording{name: c.rec, file: c.file, head: found.head}
	h.Durable = s.c.NewDurable(rec.OpenLog(end, found.marks, count), c.journal, position)
	return nil
}

// repairJournal cuts what an interrupted write left, takes back the note of a
// stop in order, and returns where the next line goes.
func (s *Store) repairJournal(c *candidate) (position int64, err error) {
	t := c.text
	position, whole := t.end, t.complete
	if c.cut {
		position, whole = t.lastStart, true
		s.warn(c.h.ID, "Journal %s: an incomplete FILE line at the end was cut off", c.name)
	}
	if c.cut || t.zeros {
		if err := c.journal.Truncate(position); err != nil {
			return 0, err
		}
	}
	if !t.stopped || c.cut {
		c.h.unterminated = !whole
		return position, nil
	}
	line := openComment + "\n"
	if !whole {
		line = "\n" + line
	}
	if _, err := c.journal.WriteAt([]byte(line), position); err != nil {
		return 0, err
	}
	return position + int64(len(line)), c.journal.Sync()
}
