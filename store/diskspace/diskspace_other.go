//go:build !linux && !darwin && !freebsd && !windows

package diskspace

import "errors"

// Of is not known on this platform.
func Of(string) (Space, error) { return Space{}, errors.ErrUnsupported }
