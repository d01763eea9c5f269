//go:build cgo

package db

import (
	"errors"

	"github.com/mattn/go-sqlite3"
)

// driver is the name of the SQLite driver: the one in C, because a C compiler
// was there.
const driver = "sqlite3"

// code returns SQLite's primary result code of an error, 0 if it has none.
func code(err error) int {
	var e sqlite3.Error
	if errors.As(err, &e) {
		return int(e.Code)
	}
	return 0
}
