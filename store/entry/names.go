package entry

import "strings"

// EqualNames compares two user names without regard to case (session.md §6.2).
func EqualNames(a, b string) bool { return strings.EqualFold(a, b) }
