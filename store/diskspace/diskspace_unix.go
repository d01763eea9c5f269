//go:build linux || darwin || freebsd

package diskspace

import "golang.org/x/sys/unix"

// Of asks the file system of a folder. It blocks: never on a loop.
func Of(folder string) (Space, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(folder, &s); err != nil {
		return Space{}, err
	}
	block := uint64(s.Bsize)
	return Space{Free: uint64(s.Bavail) * block, Total: uint64(s.Blocks) * block}, nil
}
