package password

import "strings"

// Hasher checks and makes hashes, in this process or elsewhere. Both calls are
// for any goroutine but those of loops: they can take long.
type Hasher interface {
	// Check does what the function of that name does. An error means that the
	// answer could not be found; it is for the log and tells no secrets.
	Check(stored, password string) (bool, error)
	// Hash does what the function of that name does.
	Hash(password string) (string, error)
}

// Here is the Hasher that works in the calling goroutine.
type Here struct{}

// Check implements Hasher.
func (Here) Check(stored, password string) (bool, error) { return Check(stored, password), nil }

// Hash implements Hasher.
func (Here) Hash(password string) (string, error) { return Hash(password) }

// Quick reports whether checking stored takes no longer than looking at it.
func Quick(stored string) bool {
	method, _, _ := strings.Cut(stored, ";")
	return method != "pbkdf2" && method != "sodium"
}
