package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"drawrelay/frame"
)

// Suffixes of a session's files (storage.md §2.4).
const (
	journalSuffix   = ".session"
	recordingSuffix = ".dprec"
	thumbnailSuffix = ".thumbnail"
	archivedSuffix  = ".archived"
)

// maxNames bounds the search for a file name that is not taken.
const maxNames = 1000

// Recording is a recording file that has been started and is not the session's
// current one yet.
// Ownership: whoever started it, until CommitRecording or DropRecording; after
// a successful commit the file belongs to the log that is opened over it.
type Recording struct {
	name string
	file File
	head int64
}

// File returns the file and the position of its first message. Messages are
// written there without a gap.
func (r *Recording) File() (f File, head int64) { return r.file, r.head }

// OpenLog is OpenLog over the recording, once it is committed.
func (r *Recording) OpenLog(size int64, marks []Mark, count int64) *Log {
	l := OpenLog(r.file, r.head, size, marks, count)
	l.name = r.name
	return l
}

// Name returns the file's name inside the folder.
func (r *Recording) Name() string { return r.name }

// NewRecording starts the recording of the next reset, with its head written.
// fork is the byte position in the current recording at which a streamed reset
// forks, negative for an ordinary reset. The journal does not know the file
// before CommitRecording. It blocks: never on a loop.
func (h *History) NewRecording(fork int64) (*Recording, error) {
	h.files.Lock()
	defer h.files.Unlock()
	return h.newRecording(fork)
}

func (h *History) newRecording(fork int64) (*Recording, error) {
	stem := h.ID
	if n := h.started + 1; n > 1 {
		stem += "_r" + strconv.Itoa(n)
	}
	for k := range maxNames {
		name := stem + recordingSuffix
		if k > 0 {
			name = fmt.Sprintf("%s (%d)%s", stem, k, recordingSuffix)
		}
		f, err := h.store.o.FS.OpenFile(h.store.path(name), os.O_RDWR|os.O_CREATE|os.O_EXCL, filePerm)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("create recording: %w", err)
		}
		h.started++
		r := &Recording{name: name, file: f}
		head, err := frame.AppendRecordingHead(nil, frame.SessionMeta(h.Version, fork))
		if err == nil {
			_, err = f.WriteAt(head, 0)
		}
		if err != nil {
			h.dropRecording(r)
			return nil, fmt.Errorf("write recording: %w", err)
		}
		r.head = int64(len(head))
		return r, nil
	}
	return nil, fmt.Errorf("create recording: all names like %q are taken", stem+recordingSuffix)
}

// DropRecording closes and deletes a recording that was not committed. Its
// number is used again. It blocks: never on a loop.
func (h *History) DropRecording(r *Recording) {
	h.files.Lock()
	defer h.files.Unlock()
	h.dropRecording(r)
}

func (h *History) dropRecording(r *Recording) {
	h.started--
	_ = r.file.Close()
	if err := h.store.o.FS.Remove(h.store.path(r.name)); err != nil {
		h.store.warn(h.ID, "Could not remove the unused recording %s: %v; remove it by hand", r.name, err)
	}
}

// CommitRecording makes r the session's recording for good: its content is
// synced, then its name, then the journal says so and is synced. r's file must
// hold all messages of the new history. It returns the name of the superseded
// recording for RetireRecording.
//
// Guarantee: when it returns nil, a crash at any moment loads the new
// recording. When it returns an error the old recording stays the session's,
// r is closed and must not be used, not even dropped; if the journal could not
// be written or synced, the session's Err says so and nothing is accepted
// until the journal names the old recording for certain.
//
// It blocks: never on a loop; the owner loop must append and journal nothing
// meanwhile.
func (h *History) CommitRecording(r *Recording) (old string, err error) {
	h.files.Lock()
	defer h.files.Unlock()
	if err := r.file.Sync(); err != nil {
		h.dropRecording(r)
		return "", fmt.Errorf("sync recording: %w", err)
	}
	if err := h.store.o.FS.SyncDir(h.store.o.Dir); err != nil {
		h.dropRecording(r)
		return "", fmt.Errorf("sync the session folder: %w", err)
	}
	h.journal("FILE " + r.name)
	if err := h.Flush(); err != nil {
		// The line may be in the file, and will be once writing succeeds
		// again. So it is taken back by another one behind it, and the new
		// recording stays for a crash in between.
		h.journal("FILE " + h.current)
		h.started++
		_ = r.file.Close()
		h.store.warn(h.ID, "The unused recording %s stays: %v; delete it by hand once the disk is well", r.name, err)
		return "", fmt.Errorf("commit recording: %w", err)
	}
	old, h.current = h.current, r.name
	return old, nil
}

// RetireRecording deletes or archives a recording that CommitRecording has
// superseded. It blocks: never on a loop.
func (h *History) RetireRecording(name string, mode ArchiveMode) {
	h.store.retire(h.ID, name, h.store.archives(mode))
}
