// Package db keeps settings, accounts, bans and the server log in an SQLite
// file that the reference server can take over at any time, and from which it
// can be taken over (configuration.md §10).
//
// What logins need is held in memory as an immutable snapshot, which is read
// again whenever the file has changed. Only the log is asked from the file.
//
//	read     Refresh compares PRAGMA data_version, which tells about the
//	         commits of other programs, and reloads the snapshot if it differs
//	change   one transaction, then the snapshot is reloaded and new settings
//	         are published
//	log      entries wait in a bounded queue for a goroutine that writes them
//	         in batches
//
// Everything here may wait for a disk: nothing of it belongs on an event loop,
// except Put, Current and the methods of State.
package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"drawrelay/store/settings"
)

// Limits of waiting.
const (
	// busyTimeout is how long a change waits for another program's
	// transaction (configuration.md §10.1). SQLite itself never waits, so that
	// the connection is free for others meanwhile.
	busyTimeout = 5 * time.Second
	// busyPause is the time between two tries.
	busyPause = 20 * time.Millisecond
	// lookupPatience is how long a look for changes waits for a change or a
	// batch of the log that is being written. After that the snapshot that is
	// there must do: a slow disk must not keep people from logging in.
	lookupPatience = 100 * time.Millisecond
)

// filePerm keeps password hashes from others.
const filePerm = 0o600

// Errors of changes.
var (
	ErrNotFound = errors.New("not found")
	ErrTaken    = errors.New("the name is taken")
	ErrName     = errors.New("not a valid user name")
)

// Options say how to use a database.
type Options struct {
	Now func() time.Time // nil = time.Now
	// Warn is told once about each thing in the file that is wrong; nil =
	// nobody is. It must not call the database.
	Warn func(text string)
	// Publish is given the settings when they are first read and whenever the
	// value of one has changed, one at a time, from the goroutine that found
	// out. It must not call the database. nil = nobody is told.
	Publish func(s *settings.Settings)
}

// DB is an open database. Safe for any goroutine.
type DB struct {
	path    string
	options Options

	// turn holds a token: whoever has taken it may use what follows.
	turn    chan struct{}
	pool    *sql.DB
	conn    *sql.Conn // reads the snapshot and writes everything
	version *sql.Stmt // PRAGMA data_version
	seen    int64     // version of the snapshot
	hasty   bool      // commits do not wait for the disk
	warned  map[string]bool
	// lastAccount is the highest account number that has been seen.
	lastAccount int64

	looks atomic.Uint64 // looks for changes begun
	state atomic.Pointer[State]

	readers *sql.DB // one connection, for the log only
	log     *logWriter
	closing sync.Once

	opened fs.FileInfo // immutable
}

// Open opens a database, makes it if it is missing, and reads it. A database
// that cannot be written is refused. Close releases it.
func Open(path string, o Options) (*DB, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	if o.Publish == nil {
		o.Publish = func(*settings.Settings) {}
	}
	d := &DB{path: path, options: o, turn: make(chan struct{}, 1), warned: make(map[string]bool)}
	d.turn <- struct{}{}
	if err := d.open(); err != nil {
		d.disconnect()
		return nil, d.failed("open", err)
	}
	d.log = newLogWriter(d)
	go d.log.run()
	return d, nil
}

func (d *DB) open() (err error) {
	// SQLite would make it readable for everybody.
	f, err := os.OpenFile(d.path, os.O_CREATE|os.O_EXCL|os.O_RDWR, filePerm)
	switch {
	case err == nil:
		err = f.Close()
	case errors.Is(err, fs.ErrExist):
		err = nil
	}
	if err != nil {
		return fmt.Errorf("%w; %s", err, cures[codeCantOpen])
	}
	if d.pool, err = sql.Open(driver, source(d.path)); err != nil {
		return err
	}
	ctx := context.Background()
	if d.conn, err = d.pool.Conn(ctx); err != nil {
		return err
	}
	if err := d.prepare(ctx); err != nil {
		return err
	}
	err = d.change(func(q queries) error {
		for _, statement := range schema {
			if err := q.exec(statement); err != nil {
				return err
			}
		}
		return q.touch()
	})
	if err != nil {
		return err
	}
	if d.opened, err = os.Stat(d.path); err != nil {
		return err
	}
	if d.readers, err = sql.Open(driver, source(d.path)); err != nil {
		return err
	}
	d.readers.SetMaxOpenConns(1) // one search through the log at a time
	return nil
}

// prepare sets the connection up.
func (d *DB) prepare(ctx context.Context) (err error) {
	for _, pragma := range []string{"PRAGMA busy_timeout = 0", "PRAGMA foreign_keys = off", "PRAGMA synchronous = FULL"} {
		if _, err := d.conn.ExecContext(ctx, pragma); err != nil {
			return err
		}
	}
	var mode string
	err = retry(func() error { return d.conn.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode) })
	if code(err) == codeNotADB {
		return err
	}
	if err != nil || !strings.EqualFold(mode, "wal") {
		d.warn(fmt.Sprintf("cannot use write-ahead logging (journal mode %q): other programs may have to wait", mode))
	}
	d.version, err = d.conn.PrepareContext(ctx, "PRAGMA data_version")
	return err
}

// source is the driver's name for a file, whatever characters its path has.
func source(path string) string {
	if filepath.IsAbs(path) {
		path = filepath.ToSlash(path)
		if !strings.HasPrefix(path, "/") { // C:/…
			path = "/" + path
		}
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?mode=rw"
}

// Displaced reports whether another file, or none, has taken the place of the
// one that is open: what is changed from then on is lost at the end, and what
// is in the new file does not count.
func (d *DB) Displaced() bool {
	info, err := os.Stat(d.path)
	return errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(info, d.opened)
}

// Path returns the file's path as it was given.
func (d *DB) Path() string { return d.path }

// Close writes what is queued for the log and releases the file. Nothing else
// may be called afterwards, except Close and Put.
func (d *DB) Close() (err error) {
	d.closing.Do(func() {
		d.log.close()
		<-d.turn // for good
		err = d.disconnect()
	})
	return err
}

// disconnect needs the turn, and does not give it back.
func (d *DB) disconnect() error {
	if d.pool == nil {
		return nil
	}
	if d.version != nil {
		_ = d.version.Close() // goes with the connection
	}
	if d.conn != nil {
		_ = d.conn.Close() // returns it to the pool
	}
	err := d.pool.Close()
	if d.readers != nil {
		err = errors.Join(err, d.readers.Close())
	}
	return err
}

// take waits for the turn.
func (d *DB) take(patience time.Duration) bool {
	select {
	case <-d.turn:
		return true
	default:
	}
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case <-d.turn:
		return true
	case <-timeout.C:
		return false
	}
}

func (d *DB) give() { d.turn <- struct{}{} }

// Current returns the snapshot that was read last. It never waits.
func (d *DB) Current() *State { return d.state.Load() }

// Refresh looks for changes that other programs have made and returns the
// snapshot with them. It waits lookupPatience at most for the connection.
func (d *DB) Refresh() *State {
	seen := d.looks.Load()
	if !d.take(lookupPatience) {
		return d.state.Load()
	}
	defer d.give()
	if d.looks.Load() != seen { // somebody has looked since
		return d.state.Load()
	}
	d.looks.Add(1)
	if err := d.look(); err != nil && !busy(err) {
		d.warn(fmt.Sprintf("cannot look for changes: %v", err))
	}
	return d.state.Load()
}

// look reloads the snapshot if another program has committed. Needs the turn.
func (d *DB) look() error {
	var version int64
	if err := d.version.QueryRow().Scan(&version); err != nil {
		return err
	}
	if version == d.seen {
		return nil
	}
	if err := d.load(); err != nil {
		return err
	}
	d.seen = version
	return nil
}

// change runs f in a transaction, waiting for other programs, and reloads the
// snapshot. f may run more than once.
func (d *DB) change(f func(q queries) error) error {
	return d.write(busyTimeout, false, f, d.load)
}

// write runs f in a transaction, and then after with the turn still held. It
// tries for patience while other programs are writing. A hasty commit may be
// lost in a power cut; the file stays whole.
func (d *DB) write(patience time.Duration, hasty bool, f func(q queries) error, after func() error) error {
	deadline := time.Now().Add(patience)
	for {
		if !d.take(time.Until(deadline)) {
			return errBusy
		}
		err := d.transact(hasty, f)
		if err == nil && after != nil {
			err = after()
		}
		d.give()
		if !busy(err) || time.Until(deadline) < busyPause {
			return err
		}
		time.Sleep(busyPause)
	}
}

// errBusy is the error if the connection was not free in time.
var errBusy = errors.New("the database is busy with something else: try again, and look at its disk")

// transact needs the turn.
func (d *DB) transact(hasty bool, f func(q queries) error) error {
	q := queries{d.conn}
	if d.hasty != hasty {
		mode := "FULL"
		if hasty {
			mode = "NORMAL"
		}
		if err := q.exec("PRAGMA synchronous = " + mode); err != nil {
			return err
		}
		d.hasty = hasty
	}
	// Immediately, so that a busy file is noticed before anything is done.
	if err := q.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := f(q)
	if err == nil {
		err = q.exec("COMMIT")
	}
	if err != nil {
		_ = q.exec("ROLLBACK") // the first error tells more
	}
	return err
}

// failed says what could not be done with the file, and what helps.
func (d *DB) failed(what string, err error) error {
	if err == nil || errors.Is(err, ErrNotFound) || errors.Is(err, ErrTaken) || errors.Is(err, ErrName) {
		return err
	}
	if cure := cures[code(err)]; cure != "" {
		return fmt.Errorf("%s the database %s: %w; %s", what, d.path, err, cure)
	}
	return fmt.Errorf("%s the database %s: %w", what, d.path, err)
}

// maxWarnings bounds what is remembered to have been told.
const maxWarnings = 1000

// warn needs the turn.
func (d *DB) warn(text string) {
	if d.warned[text] || len(d.warned) >= maxWarnings {
		return
	}
	d.warned[text] = true
	d.options.Warn(d.path + ": " + text)
}

func busy(err error) bool {
	c := code(err)
	return c == codeBusy || c == codeLocked
}

// retry repeats f while another program is busy, for busyTimeout.
func retry(f func() error) error {
	for deadline := time.Now().Add(busyTimeout); ; time.Sleep(busyPause) {
		if err := f(); !busy(err) || time.Now().After(deadline) {
			return err
		}
	}
}

// queries are statements on one connection. They are not interrupted: each is
// short.
type queries struct{ conn *sql.Conn }

func (q queries) exec(statement string, args ...any) error {
	_, err := q.conn.ExecContext(context.Background(), statement, args...)
	return err
}

// touch writes without changing anything, which fails if the file or its folder
// cannot be written. Everything else that happens at opening may succeed then.
func (q queries) touch() error {
	var version int64
	err := q.conn.QueryRowContext(context.Background(), "PRAGMA user_version").Scan(&version)
	if err != nil {
		return err
	}
	return q.exec(fmt.Sprintf("PRAGMA user_version = %d", version))
}

// affect is exec for statements that must touch a row; else ErrNotFound.
func (q queries) affect(statement string, args ...any) error {
	result, err := q.conn.ExecContext(context.Background(), statement, args...)
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	return err
}

// insert is exec that returns the new row's number.
func (q queries) insert(statement string, args ...any) (int64, error) {
	result, err := q.conn.ExecContext(context.Background(), statement, args...)
	if err != nil {
		return 0, err
	}
	return result.LastInsertId()
}

// each calls row for every row of a query's result.
func (q queries) each(query string, row func(scan func(...any) error) error, args ...any) error {
	rows, err := q.conn.QueryContext(context.Background(), query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}
