// Package dirlock keeps two server processes from working on the same session
// folder: recovery at the start repairs files, which would damage those that
// another process is writing.
//
// The lock lies on the folder itself, so it adds no file to it, and it ends
// with the process, however that ends.
package dirlock

import "errors"

// ErrHeld means that another process holds the folder.
var ErrHeld = errors.New("another server process is using this folder")

// Lock is a held folder.
type Lock struct {
	release func() error
}

// Acquire takes the folder, which must exist. It fails with ErrHeld if another
// process has it. On systems without such locks, and on file systems that
// refuse them, it succeeds without an effect. It does not block.
func Acquire(dir string) (*Lock, error) { return acquire(dir) }

// Release gives the folder back.
func (l *Lock) Release() error {
	if l.release == nil {
		return nil
	}
	release := l.release
	l.release = nil
	return release()
}
