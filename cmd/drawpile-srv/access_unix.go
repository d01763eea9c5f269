//go:build unix

package main

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

// mayUse returns an error unless this account may read and write a file, or
// make files in a folder.
func mayUse(path string, folder bool) error {
	mode := uint32(unix.R_OK | unix.W_OK)
	if folder {
		mode |= unix.X_OK
	}
	if err := unix.Access(path, mode); err != nil {
		return &fs.PathError{Op: "use", Path: path, Err: err}
	}
	return nil
}
