//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package dirlock

func acquire(string) (*Lock, error) { return &Lock{}, nil }
