//go:build !linux

package admin

// lowerPriority needs priorities of threads, which only Linux has in this form.
func lowerPriority() {}
