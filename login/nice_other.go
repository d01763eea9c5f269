//go:build !linux

package login

// lowerPriority does nothing: only Linux gives threads their own priority.
func lowerPriority() {}
