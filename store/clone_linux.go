package store

import (
	"os"

	"golang.org/x/sys/unix"
)

// cloneRange lets dst share n bytes of src with the file system's help; n == 0
// means to the end of src. Positions and n must be whole blocks, but for the
// end of src.
func cloneRange(dst, src *os.File, to, from, n int64) error {
	return unix.IoctlFileCloneRange(int(dst.Fd()), &unix.FileCloneRange{
		Src_fd: int64(src.Fd()), Src_offset: uint64(from), Src_length: uint64(n), Dest_offset: uint64(to),
	})
}
