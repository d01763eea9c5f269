// Package diskspace asks how much room a folder's file system has.
package diskspace

// Space is the room of a file system in bytes.
type Space struct {
	Free  uint64 // what the server may use
	Total uint64
}
