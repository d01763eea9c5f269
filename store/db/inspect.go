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
// missing file is an error that wraps fs.ErrNotExist; missing tables are only
// warned about, because a server makes them.
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
	if err := retry(d.standIn); err != nil {
		return nil, warnings, err
	}
	if err := retry(d.load); err != nil {
		return nil, warnings, err
	}
	return d.state.Load(), warnings, nil
}

// standIn makes missing tables, which the file does not notice.
func (d *DB) standIn() error {
	q := queries{d.conn}
	there := make(map[string]bool)
	err := q.each("SELECT name FROM sqlite_master", func(scan func(...any) error) error {
		var name string
		err := scan(&name)
		there[strings.ToLower(name)] = true
		return err
	})
	for _, statement := range schema {
		name := strings.Fields(strings.TrimPrefix(statement, createTable))[0]
		if err == nil && !there[name] {
			d.warn("table " + name + " is missing and will be made")
			err = q.exec("CREATE TEMP TABLE " + strings.TrimPrefix(statement, createTable))
		}
	}
	return err
}
