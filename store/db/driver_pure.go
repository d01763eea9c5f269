//go:build !cgo

package db

import (
	"errors"

	"modernc.org/sqlite"
)

// driver is the name of the SQLite driver: the one in Go only, because there
// was no C compiler.
const driver = "sqlite"

// code returns SQLite's primary result code of an error, 0 if it has none.
func code(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}
