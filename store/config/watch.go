package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

// maxFileSize bounds the file in bytes. Fifty thousand bans fit ten times; more
// is a wrong file given by mistake.
const maxFileSize = 16 << 20

// emptyGrace is how long a file that has become empty may stay so before that
// is believed: editors and scripts truncate first and write afterwards
// (configuration.md §9.4).
const emptyGrace = time.Second

// clockGrain is more than the resolution of modification times: kernels take
// them from a clock that ticks every few milliseconds, and some file systems
// keep only even seconds. A file read so soon after its last change may change
// again, to the same size, without its time moving; so it is read again until
// it is older.
const clockGrain = 3 * time.Second

// Load reads the file. A missing one is an error that wraps fs.ErrNotExist;
// bad lines are in the result's Problems.
func Load(path string) (*File, error) { return load(path, nil) }

func load(path string, previous *File) (*File, error) {
	text, err := read(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, text, previous), nil
}

func read(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read configuration: %w; let the server's user read it", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return "", fmt.Errorf("read configuration: %w", err)
	}
	if len(text) > maxFileSize {
		return "", fmt.Errorf("read configuration: %s is larger than %d MiB; name the right file", path, maxFileSize>>20)
	}
	if notText(text) {
		return "", fmt.Errorf("read configuration: %s is not a text file in UTF-8; save it as that", path)
	}
	return string(text), nil
}

// notText tells text in UTF-16, files full of zeros, as a crash may leave them,
// and other files from a configuration file with a bad line. Every line of them
// would be ignored, and with them all accounts and bans.
func notText(text []byte) bool {
	return bytes.IndexByte(text, 0) >= 0 || bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff"))
}

// Watcher notices changes of a configuration file.
// Ownership: one goroutine at a time.
type Watcher struct {
	path    string
	now     func() time.Time
	current *File

	seen       fs.FileInfo // at the last load, nil = load at the next poll
	emptySince time.Time   // zero unless the file has become empty
	failure    string      // last reported error, so that it is told once
}

// Watch reads the file for the first time. A missing file counts as an empty
// one, which may appear later. now is the clock.
func Watch(path string, now func() time.Time) (*Watcher, error) {
	w := &Watcher{path: path, now: now}
	began := now()
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		w.current = Parse(path, "", nil)
		return w, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if info.IsDir() {
		return nil, fmt.Errorf("read configuration: %s is a folder; name a file", path)
	}
	if w.current, err = Load(path); err != nil {
		return nil, err
	}
	w.remember(info, began)
	if !info.Mode().IsRegular() {
		w.seen = info
	}
	return w, nil
}

// Current returns what is in force.
func (w *Watcher) Current() *File { return w.current }

// Poll looks at the file, through symbolic links, and reads it again if its
// modification time, size or identity differs. changed reports that the
// content in force is another one than before. On an error, which is returned
// once and not again until it changes, and while the file is missing, what was
// in force stays.
func (w *Watcher) Poll() (current *File, changed bool, err error) {
	began := w.now()
	info, err := os.Stat(w.path)
	if errors.Is(err, fs.ErrNotExist) {
		return w.current, false, nil
	}
	if err != nil {
		return w.current, false, w.once(fmt.Errorf("read configuration: %w", err))
	}
	if w.seen != nil && sameState(w.seen, info) {
		return w.current, false, nil
	}
	if !info.Mode().IsRegular() {
		// A pipe may be given at the start, but waiting for a second writer
		// would hold up every login.
		if w.seen != nil && !w.seen.Mode().IsRegular() && os.SameFile(w.seen, info) {
			return w.current, false, nil
		}
		return w.current, false, w.once(fmt.Errorf("read configuration: %s is a folder or a device; name a file", w.path))
	}
	text, err := read(w.path)
	if err != nil {
		return w.current, false, w.once(err)
	}
	if w.halfWritten(text) {
		return w.current, false, nil
	}
	w.failure = ""
	w.remember(info, began)
	if text == w.current.text {
		return w.current, false, nil
	}
	w.current = Parse(w.path, text, w.current)
	return w.current, true, nil
}

// halfWritten reports whether to wait for the rest of a file that has just
// become empty.
func (w *Watcher) halfWritten(text string) bool {
	if strings.TrimSpace(text) != "" || strings.TrimSpace(w.current.text) == "" {
		w.emptySince = time.Time{}
		return false
	}
	if w.emptySince.IsZero() {
		w.emptySince = w.now()
	}
	return w.now().Sub(w.emptySince) < emptyGrace
}

// remember keeps the state of a file that has been read, unless it may change
// without showing: if its last change was not clearly before the time when
// reading began.
func (w *Watcher) remember(info fs.FileInfo, began time.Time) {
	w.seen = info
	if began.Sub(info.ModTime()) < clockGrain {
		w.seen = nil
	}
}

func (w *Watcher) once(err error) error {
	if err.Error() == w.failure {
		return nil
	}
	w.failure = err.Error()
	return err
}

func sameState(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
