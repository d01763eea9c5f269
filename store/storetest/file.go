package storetest

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"
)

// inode is a file's content.
type inode struct {
	data     []byte
	durable  []byte
	pending  []contentChange
	modified time.Time
}

// contentChange is one unsynced write or truncation.
type contentChange struct {
	at   int64
	data []byte // nil: cut at at
}

// info is a fs.FileInfo.
type info struct {
	name     string
	size     int64
	modified time.Time
	dir      bool
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) ModTime() time.Time { return i.modified }
func (i info) IsDir() bool        { return i.dir }
func (i info) Sys() any           { return nil }
func (i info) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o700
	}
	return 0o600
}

// file is an open file.
type file struct {
	f      *FS
	n      *inode
	name   string
	closed bool // protected by f.mu
}

func (h *file) check() error {
	switch {
	case h.f.crashed:
		return pathError("use", h.name, ErrCrashed)
	case h.closed:
		return pathError("use", h.name, fs.ErrClosed)
	}
	return nil
}

// ReadAt implements store.File.
func (h *file) ReadAt(b []byte, at int64) (int, error) {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	if err := h.check(); err != nil {
		return 0, err
	}
	if at >= int64(len(h.n.data)) {
		return 0, io.EOF
	}
	n := copy(b, h.n.data[at:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements store.File. A crash or a full disk cuts a write anywhere.
func (h *file) WriteAt(b []byte, at int64) (int, error) {
	last, err := h.f.begin(Write)
	defer h.f.mu.Unlock()
	if err == nil && h.closed {
		err = fs.ErrClosed
	}
	if err != nil {
		return 0, pathError("write", h.name, err)
	}
	full := false
	if last {
		b = b[:h.f.rnd.IntN(len(b)+1)]
	} else if grow := at + int64(len(b)) - int64(len(h.n.data)); h.f.free >= 0 && grow > h.f.free {
		b = b[:max(0, int64(len(b))-(grow-h.f.free))]
		full = true
	}
	if h.f.free >= 0 {
		h.f.free -= max(0, at+int64(len(b))-int64(len(h.n.data)))
	}
	if len(b) > 0 {
		h.n.change(contentChange{at, slices.Clone(b)}, h.f.now)
	}
	if full {
		return len(b), pathError("write", h.name, syscall.ENOSPC)
	}
	return len(b), h.f.lastError("write", h.name, last)
}

// Truncate implements store.File.
func (h *file) Truncate(size int64) error {
	last, err := h.f.begin(Truncate)
	defer h.f.mu.Unlock()
	if err != nil {
		return pathError("truncate", h.name, err)
	}
	if size > int64(len(h.n.data)) {
		return pathError("truncate", h.name, fmt.Errorf("storetest: growing to %d is not supported", size))
	}
	if !last || h.f.rnd.IntN(2) == 0 {
		h.n.change(contentChange{at: size}, h.f.now)
	}
	return h.f.lastError("truncate", h.name, last)
}

// Sync implements store.File. A failed sync drops what was not synced, as
// kernels do.
func (h *file) Sync() error {
	last, err := h.f.begin(Sync)
	defer h.f.mu.Unlock()
	if err != nil {
		if !h.f.crashed {
			h.n.pending = nil
		}
		return pathError("sync", h.name, err)
	}
	if !last {
		h.n.settle(len(h.n.pending))
	}
	return h.f.lastError("sync", h.name, last)
}

// Size implements store.File.
func (h *file) Size() (int64, error) {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	return int64(len(h.n.data)), h.check()
}

// Close implements store.File.
func (h *file) Close() error {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	if h.closed {
		return pathError("close", h.name, fs.ErrClosed)
	}
	h.closed = true
	return nil
}

// OS implements store.File: there is none.
func (h *file) OS() *os.File { return nil }

func (n *inode) change(c contentChange, now time.Time) {
	n.data = c.apply(n.data)
	n.pending = append(n.pending, c)
	n.modified = now
}

// settle makes the first k changes durable.
func (n *inode) settle(k int) {
	for _, c := range n.pending[:k] {
		n.durable = c.apply(n.durable)
	}
	n.pending = n.pending[k:]
}

func (c contentChange) apply(b []byte) []byte {
	if c.data == nil {
		if int64(len(b)) > c.at {
			b = b[:c.at:c.at]
		}
		return b
	}
	if need := c.at + int64(len(c.data)); need > int64(len(b)) {
		b = append(b, make([]byte, need-int64(len(b)))...)
	}
	copy(b[c.at:], c.data)
	return b
}
