//go:build linux || darwin || freebsd

package admin

import "golang.org/x/sys/unix"

// folderSpace asks the file system of a folder; free is what the server may use.
func folderSpace(folder string) (diskSpace, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(folder, &s); err != nil {
		return diskSpace{}, err
	}
	block := uint64(s.Bsize)
	return diskSpace{free: uint64(s.Bavail) * block, size: uint64(s.Blocks) * block}, nil
}
