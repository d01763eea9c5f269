package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// maxThumbnail bounds a thumbnail in bytes: one protocol payload.
const maxThumbnail = 65535

// thumbnail is what is known of a session's thumbnail; sessions in memory keep
// it here. Protected by History.files.
type thumbnail struct {
	data []byte
	at   time.Time
}

func (h *History) thumbnailName() string { return h.ID + thumbnailSuffix }

// SetThumbnail keeps an image as the session's thumbnail, written as a whole
// or not at all; an empty image deletes it (storage.md §12.6). data is not
// kept by a session with files and must not be changed otherwise. Any
// goroutine; it blocks: never on a loop.
func (h *History) SetThumbnail(data []byte) error {
	if len(data) > maxThumbnail {
		return fmt.Errorf("store thumbnail: %d bytes are more than %d", len(data), maxThumbnail)
	}
	h.files.Lock()
	defer h.files.Unlock()
	if !h.HasFiles() {
		h.thumb = thumbnail{data, h.store.o.Now().UTC()}
		return nil
	}
	fsys, path := h.store.o.FS, h.store.path(h.thumbnailName())
	if len(data) == 0 {
		if err := fsys.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("delete thumbnail: %w", err)
		}
		return nil
	}
	temporary := path + ".new"
	err := h.store.writeFile(temporary, data)
	if err == nil {
		err = fsys.Rename(temporary, path)
	}
	if err != nil {
		_ = fsys.Remove(temporary)
		return fmt.Errorf("store thumbnail: %w", err)
	}
	return nil
}

func (s *Store) writeFile(path string, data []byte) error {
	f, err := s.o.FS.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, filePerm)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, 0)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// Thumbnail returns the session's thumbnail and when it was made (UTC), or nil
// if there is none. Any goroutine; it blocks: never on a loop.
func (h *History) Thumbnail() (data []byte, at time.Time, err error) {
	h.files.Lock()
	defer h.files.Unlock()
	if !h.HasFiles() {
		return h.thumb.data, h.thumb.at, nil
	}
	path := h.store.path(h.thumbnailName())
	st, err := h.store.o.FS.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, time.Time{}, nil
	}
	if err == nil {
		data, err = h.store.readFile(path, maxThumbnail)
	}
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("read thumbnail: %w", err)
	}
	return data, st.ModTime().UTC(), nil
}

// ThumbnailTime returns when the session's thumbnail was made (UTC), the zero
// time if there is none. Like Thumbnail it blocks.
func (h *History) ThumbnailTime() (time.Time, error) {
	h.files.Lock()
	defer h.files.Unlock()
	if !h.HasFiles() {
		if len(h.thumb.data) == 0 {
			return time.Time{}, nil
		}
		return h.thumb.at, nil
	}
	st, err := h.store.o.FS.Stat(h.store.path(h.thumbnailName()))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return time.Time{}, nil
	case err != nil:
		return time.Time{}, fmt.Errorf("look at thumbnail: %w", err)
	}
	return st.ModTime().UTC(), nil
}

// readFile reads a whole file of at most limit bytes.
func (s *Store) readFile(path string, limit int64) ([]byte, error) {
	f, err := s.o.FS.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, limit)
}

func readAll(f File, limit int64) ([]byte, error) {
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, fmt.Errorf("the file has %d bytes, more than %d", size, limit)
	}
	b := make([]byte, size)
	n, err := f.ReadAt(b, 0)
	if n < len(b) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return b, nil
}
