package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"drawrelay/store/serverlog"
)

/* Recordings of live sessions (--record, storage.md §14)
 *
 * 1. Begin, Restart, Continue  owner loop  notes which parts of which log belong into the recording
 * 2. Finish                    any         the session's files are closed: nothing more will come
 * 3. round                     recorder    every second, copies what the history files have by now; a
 *                                          session in memory is copied from memory
 *
 * So loops and the writers of histories do nothing for a recording. Where the
 * file system can share blocks (Btrfs, XFS), the recording shares those of the
 * history instead of writing them again: recordclone.go.
 */

const (
	// recordEvery is how far a recording lags behind its session.
	recordEvery = time.Second
	// maxPieces bounds the parts of one recording that wait to be copied: a
	// disk that is so many resets behind is stuck.
	maxPieces = 32
	// maxFinishing bounds the ended sessions whose recording is not complete
	// yet, because each keeps its history open.
	maxFinishing = 1000
	// recordChunk is how much is copied at a time, in bytes.
	recordChunk = 256 << 10
)

// Permissions of recordings: unlike session files they hold no password
// hashes, and are made to be looked at by others than the server.
const (
	recordDirPerm  fs.FileMode = 0o750
	recordFilePerm fs.FileMode = 0o640
)

// defaultRecordName is the name inside a folder that was given as the path.
const defaultRecordName = "%d %t session %i.dprec"

// RecorderOptions say where recordings go.
type RecorderOptions struct {
	// Path is a folder, or a file name in which %d, %h, %t, %i and %a stand for
	// date, time, session id and alias.
	Path string
	FS   FS             // nil: OS
	Log  *serverlog.Log // nil: no log
	Now  func() time.Time

	clone cloner // nil: cloneFiles
}

// Recorder writes recordings of sessions.
type Recorder struct {
	o    RecorderOptions
	quit chan struct{}
	done chan struct{}
	buf  []byte // recorder's goroutine

	mu        sync.Mutex // protects what follows and the tracks' queues; never held across I/O
	tracks    []*Track
	finishing int
	closed    bool
}

// NewRecorder starts a recorder. Close ends it.
func NewRecorder(o RecorderOptions) *Recorder {
	r := newRecorder(o)
	go r.run()
	return r
}

func newRecorder(o RecorderOptions) *Recorder {
	if o.FS == nil {
		o.FS = OS
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.clone == nil {
		o.clone = cloneFiles
	}
	return &Recorder{o: o, quit: make(chan struct{}), done: make(chan struct{}), buf: make([]byte, recordChunk)}
}

// piece is a part of a log that belongs into a recording.
type piece struct {
	log   *Log // holds a reference
	from  int64
	to    int64 // -1: there is no end yet
	fresh bool  // begins a new file
}

// Track is the recording of one session.
type Track struct {
	r *Recorder

	// Immutable.
	session, alias, version string
	started                 time.Time

	// Protected by r.mu.
	pieces   []piece
	finished bool
	stuck    bool // pieces were dropped
	told     bool // that it is stuck

	// Recorder's goroutine only.
	path   string // with placeholders replaced
	file   File   // nil: none, or it has failed
	name   string // of file
	end    int64  // of file
	share  share
	failed bool // until the next file
}

// Begin records a session from its first message on. Owner loop; never blocks.
func (r *Recorder) Begin(h *History) *Track {
	t := &Track{r: r, session: h.ID, alias: h.Alias, version: h.Version, started: h.Started}
	if t.alias == "" {
		t.alias = t.session
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tracks = append(r.tracks, t)
	t.addLocked(h.Log(), 0, true)
	return t
}

// Restart goes on with the log of an ordinary reset in a new file. The owner
// loop must have ceased to append to the log before. Owner loop; never blocks.
func (t *Track) Restart(l *Log) { t.next(l, 0, true) }

// Continue goes on with the log of a streamed reset, from offset from on, in
// the same file. Otherwise it is like Restart.
func (t *Track) Continue(l *Log, from int64) { t.next(l, from, false) }

func (t *Track) next(l *Log, from int64, fresh bool) {
	t.r.mu.Lock()
	defer t.r.mu.Unlock()
	if n := len(t.pieces); n > 0 {
		last := &t.pieces[n-1]
		last.to = last.log.Size()
	}
	t.addLocked(l, from, fresh)
}

func (t *Track) addLocked(l *Log, from int64, fresh bool) {
	if t.stuck && !fresh {
		return // in the middle of a file that is not written any more
	}
	if t.stuck = len(t.pieces) >= maxPieces; t.stuck {
		return
	}
	l.Retain()
	t.pieces = append(t.pieces, piece{log: l, from: from, to: -1, fresh: fresh})
}

// Finish completes the recording. The session's files must have been closed or
// removed. Any goroutine; never blocks.
func (t *Track) Finish() {
	t.r.mu.Lock()
	defer t.r.mu.Unlock()
	if n := len(t.pieces); n > 0 && t.pieces[n-1].to < 0 {
		t.pieces[n-1].to = t.pieces[n-1].log.Size()
	}
	t.finished = true
	if t.r.finishing++; t.r.finishing > maxFinishing && len(t.pieces) > 1 {
		t.stuck = true
		for _, p := range t.pieces[1:] { // the first one may be in use
			_ = p.log.Release()
		}
		t.pieces = t.pieces[:1]
	}
}

// Close completes the recordings of all sessions, which must have been
// finished, and ends the recorder. It blocks.
func (r *Recorder) Close() {
	r.mu.Lock()
	first := !r.closed
	r.closed = true
	r.mu.Unlock()
	if first {
		close(r.quit)
	}
	<-r.done
}

func (r *Recorder) run() {
	defer close(r.done)
	tick := time.NewTicker(recordEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.round()
		case <-r.quit:
			r.round()
			for _, t := range r.tracks { // of sessions whose files could not be closed
				t.close()
			}
			return
		}
	}
}

// round copies what there is for every session.
func (r *Recorder) round() {
	r.mu.Lock()
	tracks := slices.Clone(r.tracks)
	r.mu.Unlock()
	for _, t := range tracks {
		t.advance()
	}
}

// advance copies what there is for one session.
func (t *Track) advance() {
	r := t.r
	for {
		r.mu.Lock()
		var p piece
		have, stuck := len(t.pieces) > 0, t.stuck && !t.told
		if have {
			p = t.pieces[0]
			t.pieces[0].fresh = false
		}
		t.told = t.stuck
		last, finished := len(t.pieces) <= 1, t.finished
		r.mu.Unlock()
		if stuck {
			t.warn("The recording of the session lacks parts: the disk of --record is too slow; use a faster one")
		}
		if !have {
			if finished {
				t.close()
				r.forget(t)
			}
			return
		}
		if p.fresh {
			t.close()
			t.open(p)
		}
		from := p.from
		if t.file != nil {
			from = t.copy(p, finished && last)
		}
		over := p.to >= 0 && (t.file == nil || from >= p.to)
		r.mu.Lock()
		t.pieces[0].from = from
		if over {
			t.pieces = t.pieces[1:]
		}
		r.mu.Unlock()
		if !over {
			return
		}
		_ = p.log.Release() // an old history that cannot be closed hurts nobody
	}
}

// forget drops a track that is complete.
func (r *Recorder) forget(t *Track) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.finishing--
	for i, o := range r.tracks {
		if o == t {
			r.tracks = append(r.tracks[:i:i], r.tracks[i+1:]...)
			return
		}
	}
}

// open starts the next file for p.
func (t *Track) open(p piece) {
	t.failed = false
	if t.path == "" {
		t.path = t.r.expand(t)
	}
	file, name, err := t.r.create(t.path)
	if err != nil {
		t.fail(err)
		return
	}
	t.file, t.name = file, name
	if err := t.begin(p); err != nil {
		t.fail(err)
	}
}

// expand replaces the placeholders of the path (storage.md §14.1).
func (r *Recorder) expand(t *Track) string {
	path := r.o.Path
	if st, err := r.o.FS.Stat(path); err == nil && st.IsDir() {
		path = filepath.Join(path, defaultRecordName)
	}
	at := t.started.Local()
	clock := at.Format("15.04.05")
	for _, p := range [...][2]string{{"%d", at.Format("2006-01-02")}, {"%h", clock}, {"%t", clock}, {"%i", t.session}, {"%a", t.alias}} {
		path = strings.ReplaceAll(path, p[0], p[1])
	}
	return path
}

// create makes a new file; if the name is taken, a number is put in front of
// its last .dprec.
func (r *Recorder) create(path string) (File, string, error) {
	if err := r.o.FS.MkdirAll(filepath.Dir(path), recordDirPerm); err != nil {
		return nil, "", err
	}
	base, ext := path, recordingSuffix
	if i := strings.LastIndex(strings.ToLower(path), recordingSuffix); i > strings.LastIndexByte(path, filepath.Separator)+1 {
		base, ext = path[:i], path[i:]
	}
	name := path
	for k := 1; k <= maxNames; k++ {
		f, err := r.o.FS.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, recordFilePerm)
		if err == nil {
			return f, name, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, "", err
		}
		name = base + " (" + strconv.Itoa(k) + ")" + ext
	}
	return nil, "", fmt.Errorf("all names like %s are taken", path)
}

// close ends the current file.
func (t *Track) close() {
	if t.file == nil {
		return
	}
	err := t.file.Sync()
	if cerr := t.file.Close(); err == nil {
		err = cerr
	}
	t.file = nil
	if err != nil {
		t.fail(err)
	}
}

// fail gives the current file up until the next one begins. What has been
// written of it stays.
func (t *Track) fail(err error) {
	if t.file != nil {
		_ = t.file.Close()
		t.file = nil
	}
	if t.failed {
		return
	}
	t.failed = true
	t.warn(fmt.Sprintf("The session is not recorded until its next reset: %v; check the disk of --record and its free space", err))
}

func (t *Track) warn(text string) {
	if log := t.r.o.Log; log != nil {
		log.Put(serverlog.Entry{Level: serverlog.Warn, Topic: serverlog.Status, Session: t.session, Message: text})
	}
}
