//go:build !linux

package hasher

// lowerPriority does nothing: only Linux gives threads their own priority.
func lowerPriority(bool) {}
