package db

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"strings"
	"time"

	"drawrelay/store/settings"
)

// Inspect reads a database without changing it, also one that a server is
// using, and returns what it holds with warnings about what in it is wrong. A
// missing file is an error that wraps fs.ErrNotExist; missing tables are one
// too, because a server would make them.
func Inspect(path string) (s *State, warnings []string, err error) {
	if _, err := os.Stat(path); err != nil {
		return nil, nil, fmt.Errorf("read the database: %w", err)
	}
	d := &DB{path: path, turn: make(chan struct{}, 1), warned: make(map[string]bool), options: Options{
		Now: time.Now, Publish: func(*settings.Settings) {}, Warn: func(text string) { warnings = append(warnings, text) },
	}}
	defer func() {
		if cerr := d.disconnect(); err == nil {
			err = cerr
		}
		err = d.failed("read", err)
	}()
	if d.pool, err = sql.Open(driver, strings.Replace(source(path), "mode=rw", "mode=ro", 1)); err != nil {
		return nil, nil, err
	}
	if d.conn, err = d.pool.Conn(context.Background()); err != nil {
		return nil, nil, err
	}
	if err := retry(d.load); err != nil {
		return nil, warnings, err
	}
	return d.state.Load(), warnings, nil
}
