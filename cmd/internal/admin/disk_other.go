//go:build !linux && !darwin && !freebsd && !windows

package admin

import "errors"

// folderSpace is not known on this platform.
func folderSpace(string) (diskSpace, error) { return diskSpace{}, errors.ErrUnsupported }
