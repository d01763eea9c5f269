// Package storetest has a file system in memory for tests of the store: it
// knows what is synced and what is not, and can crash at any operation, be
// slow, hold operations back, be full, deny access or fail to sync.
package storetest

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"drawrelay/store"
)

// ErrCrashed is what every operation returns after the crash.
var ErrCrashed = errors.New("storetest: the machine has crashed")

// Op is a kind of operation that changes something. Several are a set.
type Op uint16

const (
	Create Op = 1 << iota
	Write
	Truncate
	Sync // of a file's content
	Rename
	Remove
	Mkdir
	SyncDir // of a folder's names

	AnyOp = Create | Write | Truncate | Sync | Rename | Remove | Mkdir | SyncDir
)

// FS implements store.FS. All methods may be called from any goroutine.
//
// Content survives a power cut once its file was synced, names once their
// folder was. Of what is not synced a part may survive: for every file some
// first operations, and for every folder some first changes of names.
type FS struct {
	gate sync.RWMutex // held for writing while operations are held back

	mu      sync.Mutex // protects what follows
	rnd     *rand.Rand
	dirs    map[string]*dir
	ops     int64
	crashAt int64 // number of the operation that crashes; 0: none
	crashed bool
	free    int64 // bytes until the disk is full; negative: never
	fails   map[Op]error
	denied  map[string]bool
	delay   time.Duration
	held    Op
	now     time.Time
}

// dir is a folder: names as they are and as they are on the disk.
type dir struct {
	names   map[string]*inode
	durable map[string]*inode
	pending []nameChange
}

// nameChange sets names, or removes those that are set to nil. All of it
// happens or nothing.
type nameChange map[string]*inode

var _ store.FS = (*FS)(nil)

// New returns an empty file system that decides with seed what survives.
func New(seed uint64) *FS {
	return &FS{
		rnd:    rand.New(rand.NewPCG(seed, 0x5eed)),
		dirs:   map[string]*dir{".": newDir(), "/": newDir()},
		free:   -1,
		fails:  make(map[Op]error),
		denied: make(map[string]bool),
		now:    time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
	}
}

func newDir() *dir {
	return &dir{names: make(map[string]*inode), durable: make(map[string]*inode)}
}

// begin is called at the start of every operation that changes something. It
// returns with f.mu held and whether this is the operation that the crash
// interrupts: it may be done in part and then fails.
func (f *FS) begin(op Op) (last bool, err error) {
	f.mu.Lock()
	delay, held := f.delay, f.held&op != 0
	f.mu.Unlock()
	if delay > 0 {
		time.Sleep(delay)
	}
	if held {
		f.gate.RLock()
		defer f.gate.RUnlock()
	}
	f.mu.Lock()
	if f.crashed {
		return false, ErrCrashed
	}
	f.ops++
	f.now = f.now.Add(time.Millisecond)
	if f.ops == f.crashAt {
		f.crashed = true
		return true, nil
	}
	return false, f.fails[op]
}

func pathError(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: err}
}

func (f *FS) find(name string) (*dir, string, error) {
	name = filepath.Clean(name)
	d := f.dirs[filepath.Dir(name)]
	if d == nil {
		return nil, "", fs.ErrNotExist
	}
	return d, filepath.Base(name), nil
}

func (d *dir) change(c nameChange) {
	for name, n := range c {
		if n == nil {
			delete(d.names, name)
		} else {
			d.names[name] = n
		}
	}
	d.pending = append(d.pending, c)
}

// OpenFile implements store.FS. Permissions are ignored; see Deny.
func (f *FS) OpenFile(name string, flag int, _ fs.FileMode) (store.File, error) {
	f.mu.Lock()
	d, base, err := f.find(name)
	exists := err == nil && d.names[base] != nil
	f.mu.Unlock()
	var last bool
	changes := flag&os.O_TRUNC != 0 || flag&os.O_CREATE != 0 && !exists
	if changes {
		last, err = f.begin(Create)
	} else {
		f.mu.Lock()
		if err = nil; f.crashed {
			err = ErrCrashed
		}
	}
	defer f.mu.Unlock()
	if err != nil {
		return nil, pathError("open", name, err)
	}
	if d, base, err = f.find(name); err != nil {
		return nil, pathError("open", name, err)
	}
	n := d.names[base]
	switch {
	case last && f.rnd.IntN(2) == 0:
		return nil, pathError("open", name, ErrCrashed)
	case f.denied[filepath.Clean(name)] && flag&(os.O_RDWR|os.O_WRONLY) != 0:
		return nil, pathError("open", name, fs.ErrPermission)
	case f.dirs[filepath.Clean(name)] != nil:
		return nil, pathError("open", name, syscall.EISDIR)
	case n == nil && flag&os.O_CREATE == 0:
		return nil, pathError("open", name, fs.ErrNotExist)
	case n != nil && flag&os.O_CREATE != 0 && flag&os.O_EXCL != 0:
		return nil, pathError("open", name, fs.ErrExist)
	case n == nil:
		n = &inode{modified: f.now}
		d.change(nameChange{base: n})
	case flag&os.O_TRUNC != 0:
		n.change(contentChange{at: 0}, f.now)
	}
	if last {
		return nil, pathError("open", name, ErrCrashed)
	}
	return &file{f: f, n: n, name: name}, nil
}

// Rename implements store.FS, within one folder.
func (f *FS) Rename(from, to string) error {
	last, err := f.begin(Rename)
	defer f.mu.Unlock()
	if err != nil {
		return pathError("rename", from, err)
	}
	a, base, err := f.find(from)
	b, target, err2 := f.find(to)
	if err != nil || err2 != nil || a != b || a.names[base] == nil {
		return pathError("rename", from, fs.ErrNotExist)
	}
	if !last || f.rnd.IntN(2) == 0 {
		a.change(nameChange{base: nil, target: a.names[base]})
	}
	return f.lastError("rename", from, last)
}

// Remove implements store.FS, for files.
func (f *FS) Remove(name string) error {
	last, err := f.begin(Remove)
	defer f.mu.Unlock()
	if err != nil {
		return pathError("remove", name, err)
	}
	d, base, err := f.find(name)
	if err != nil || d.names[base] == nil {
		return pathError("remove", name, fs.ErrNotExist)
	}
	if !last || f.rnd.IntN(2) == 0 {
		d.change(nameChange{base: nil})
	}
	return f.lastError("remove", name, last)
}

func (f *FS) lastError(op, name string, last bool) error {
	if last {
		return pathError(op, name, ErrCrashed)
	}
	return nil
}

// MkdirAll implements store.FS. Folders survive every crash.
func (f *FS) MkdirAll(name string, _ fs.FileMode) error {
	last, err := f.begin(Mkdir)
	defer f.mu.Unlock()
	if err != nil {
		return pathError("mkdir", name, err)
	}
	for name = filepath.Clean(name); f.dirs[name] == nil; name = filepath.Dir(name) {
		f.dirs[name] = newDir()
	}
	return f.lastError("mkdir", name, last)
}

// SyncDir implements store.FS.
func (f *FS) SyncDir(name string) error {
	last, err := f.begin(SyncDir)
	defer f.mu.Unlock()
	if err != nil {
		return pathError("sync", name, err)
	}
	d := f.dirs[filepath.Clean(name)]
	if d == nil {
		return pathError("sync", name, fs.ErrNotExist)
	}
	if !last {
		d.settle(len(d.pending))
	}
	return f.lastError("sync", name, last)
}

// settle makes the first n changes of names durable.
func (d *dir) settle(n int) {
	for _, c := range d.pending[:n] {
		for name, n := range c {
			if n == nil {
				delete(d.durable, name)
			} else {
				d.durable[name] = n
			}
		}
	}
	d.pending = d.pending[n:]
}

// ReadDir implements store.FS.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	name = filepath.Clean(name)
	d := f.dirs[name]
	switch {
	case f.crashed:
		return nil, pathError("open", name, ErrCrashed)
	case d == nil:
		return nil, pathError("open", name, fs.ErrNotExist)
	case f.denied[name]:
		return nil, pathError("open", name, fs.ErrPermission)
	}
	var entries []fs.DirEntry
	for base, n := range d.names {
		entries = append(entries, fs.FileInfoToDirEntry(info{base, int64(len(n.data)), n.modified, false}))
	}
	for path := range f.dirs {
		if filepath.Dir(path) == name && path != name {
			entries = append(entries, fs.FileInfoToDirEntry(info{filepath.Base(path), 0, f.now, true}))
		}
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// Stat implements store.FS.
func (f *FS) Stat(name string) (fs.FileInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.crashed {
		return nil, pathError("stat", name, ErrCrashed)
	}
	if f.dirs[filepath.Clean(name)] != nil {
		return info{filepath.Base(name), 0, f.now, true}, nil
	}
	d, base, err := f.find(name)
	if err != nil || d.names[base] == nil {
		return nil, pathError("stat", name, fs.ErrNotExist)
	}
	n := d.names[base]
	return info{base, int64(len(n.data)), n.modified, false}, nil
}
