package store

import (
	"errors"
	"io/fs"
)

// archives decides for a session what becomes of its files, at this moment
// (storage.md §11.2).
func (s *Store) archives(m ArchiveMode) bool {
	switch m {
	case ArchiveEnabled:
		return true
	case ArchiveDisabled:
		return false
	}
	return s.o.Archive()
}

// Remove ends a session: its files are deleted, or renamed to *.archived if it
// is to be archived. The journal goes first, so that an interruption never
// leaves one without its recording. Failures are logged and not retried. It
// closes the session if that has not been done; it blocks: never on a loop.
func (h *History) Remove() {
	h.closing.Do(func() { h.closed = h.close(false) })
	if !h.HasFiles() {
		return
	}
	h.remove(h.store.archives(h.archive))
}

// Discard deletes a session that has not come to be, whatever the archive mode
// says. Otherwise it is like Remove.
func (h *History) Discard() {
	h.closing.Do(func() { h.closed = h.close(false) })
	if h.HasFiles() {
		h.remove(false)
	}
}

func (h *History) remove(archive bool) {
	h.files.Lock()
	defer h.files.Unlock()
	if !h.store.retire(h.ID, h.journalFile, archive) {
		// The journal still names the recording: keep what it names.
		return
	}
	if err := h.store.o.FS.SyncDir(h.store.o.Dir); err != nil {
		h.store.warn(h.ID, "Could not sync the session folder: %v; check the disk", err)
	}
	h.store.retire(h.ID, h.current, archive)
	h.store.retire(h.ID, h.thumbnailName(), archive)
}

// retire deletes or archives one file. A file that is not there is fine. An
// archived file of the same name is not overwritten.
func (s *Store) retire(session, name string, archive bool) bool {
	path := s.path(name)
	var err error
	if archive {
		if _, serr := s.o.FS.Stat(path + archivedSuffix); serr == nil {
			err = &fs.PathError{Op: "rename", Path: path + archivedSuffix, Err: fs.ErrExist}
		} else {
			err = s.o.FS.Rename(path, path+archivedSuffix)
		}
	} else {
		err = s.o.FS.Remove(path)
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		s.removeSums(name)
		return true
	}
	if archive {
		s.warn(session, "Could not archive %s: %v; move the file away by hand", name, err)
	} else {
		s.warn(session, "Could not delete %s: %v; delete the file by hand", name, err)
	}
	return false
}
