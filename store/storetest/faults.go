package storetest

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"
)

// Loss says what a crash takes.
type Loss uint8

const (
	// ProcessKill loses nothing that was written: the kernel goes on.
	ProcessKill Loss = iota
	// PowerCut loses everything that was not synced.
	PowerCut
	// PartialPowerCut loses some of what was not synced: of each file and
	// folder the last changes, with one write cut or filled with zeros.
	PartialPowerCut
)

// String names the loss for test messages.
func (l Loss) String() string {
	return [...]string{"process kill", "power cut", "partial power cut"}[l]
}

// CrashAt lets the n-th changing operation from now on, counted from 1, crash:
// it is done in part or not at all and fails, as does everything after it.
func (f *FS) CrashAt(n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.crashAt = f.ops + n
}

// Crash crashes now.
func (f *FS) Crash() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.crashed = true
}

// Crashed reports whether the crash has happened.
func (f *FS) Crashed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.crashed
}

// Operations returns the number of changing operations so far.
func (f *FS) Operations() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ops
}

// Reopen crashes f if it has not crashed yet and returns what is found after
// the restart. Files open in f stay unusable. f can be reopened several times.
func (f *FS) Reopen(loss Loss) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.crashed = true
	n := New(f.rnd.Uint64())
	n.now = f.now.Add(time.Minute)
	for path, d := range f.dirs {
		nd := newDir()
		n.dirs[path] = nd
		for name, node := range f.survivors(d, loss) {
			data := f.content(node, loss)
			c := &inode{data: data, durable: slices.Clone(data), modified: node.modified}
			nd.names[name], nd.durable[name] = c, c
		}
	}
	return n
}

// survivors returns the names of a folder after a crash.
func (f *FS) survivors(d *dir, loss Loss) map[string]*inode {
	if loss == ProcessKill {
		return d.names
	}
	after := dir{durable: make(map[string]*inode), pending: d.pending}
	for name, n := range d.durable {
		after.durable[name] = n
	}
	if loss == PartialPowerCut {
		after.settle(f.rnd.IntN(len(d.pending) + 1))
	}
	return after.durable
}

// content returns what is left of a file's content after a crash.
func (f *FS) content(n *inode, loss Loss) []byte {
	if loss == ProcessKill {
		return slices.Clone(n.data)
	}
	after := inode{durable: slices.Clone(n.durable), pending: n.pending}
	if loss == PartialPowerCut && len(n.pending) > 0 {
		k := f.rnd.IntN(len(n.pending) + 1)
		after.settle(k)
		if k < len(n.pending) && n.pending[k].data != nil {
			c := n.pending[k]
			switch f.rnd.IntN(3) {
			case 0: // cut
				c.data = c.data[:f.rnd.IntN(len(c.data))]
			case 1: // the size has grown, the blocks are not written
				c.data = make([]byte, len(c.data))
			default: // nothing of it
				return after.durable
			}
			if len(c.data) > 0 {
				after.durable = c.apply(after.durable)
			}
		}
	}
	return after.durable
}

// SetFree lets the disk be full after n more bytes of growth; negative: never.
func (f *FS) SetFree(n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.free = n
}

// Fail lets all operations of the given kinds fail with err, nil for success.
func (f *FS) Fail(ops Op, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for op := Op(1); op < AnyOp+1; op <<= 1 {
		if ops&op != 0 {
			f.fails[op] = err
		}
	}
}

// SetDelay lets every changing operation take at least d.
func (f *FS) SetDelay(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.delay = d
}

// Hold blocks operations of the given kinds until the returned function is
// called. One Hold at a time.
func (f *FS) Hold(ops Op) (release func()) {
	f.gate.Lock()
	f.mu.Lock()
	f.held = ops
	f.mu.Unlock()
	return func() {
		f.mu.Lock()
		f.held = 0
		f.mu.Unlock()
		f.gate.Unlock()
	}
}

// Deny lets opening a file for writing, or reading a folder, fail for lack of
// permission.
func (f *FS) Deny(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.denied[filepath.Clean(name)] = true
}

// Put makes a durable file with its folder.
func (f *FS) Put(name string, data []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	name = filepath.Clean(name)
	for path := filepath.Dir(name); f.dirs[path] == nil; path = filepath.Dir(path) {
		f.dirs[path] = newDir()
	}
	d := f.dirs[filepath.Dir(name)]
	n := &inode{data: slices.Clone(data), durable: slices.Clone(data), modified: f.now}
	d.names[filepath.Base(name)], d.durable[filepath.Base(name)] = n, n
}

// Get returns a file's content as readers see it, also after the crash.
func (f *FS) Get(name string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, base, err := f.find(name)
	if err != nil || d.names[base] == nil {
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	return slices.Clone(d.names[base].data), nil
}

// Files returns the content of all files of a folder by name.
func (f *FS) Files(folder string) map[string][]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	files := make(map[string][]byte)
	if d := f.dirs[filepath.Clean(folder)]; d != nil {
		for name, n := range d.names {
			files[name] = slices.Clone(n.data)
		}
	}
	return files
}
