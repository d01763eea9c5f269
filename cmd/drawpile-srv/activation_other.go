//go:build !linux

package main

// passedSockets returns none: socket activation is systemd's.
func passedSockets() ([]passedSocket, error) { return nil, nil }
