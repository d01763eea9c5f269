//go:build !linux

package store

import (
	"errors"
	"os"
)

// cloneRange is for Linux only.
func cloneRange(_, _ *os.File, _, _, _ int64) error { return errors.ErrUnsupported }
