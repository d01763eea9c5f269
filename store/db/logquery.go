package db

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"drawrelay/store/serverlog"
)

// flushPatience is how long a query waits for the entries that were put before
// it.
const flushPatience = time.Second

const logColumns = `SELECT coalesce(cast(timestamp AS TEXT), ''), coalesce(cast(level AS INTEGER), 0), coalesce(cast(topic AS TEXT), ''),
	coalesce(cast(user AS TEXT), ''), coalesce(cast(session AS TEXT), ''), coalesce(cast(message AS TEXT), '') FROM serverlog`

// Log returns the stored entries that are asked for, newest first, also those
// that were put just before. It reads the whole table, on a connection of its
// own; ctx ends it.
func (d *DB) Log(ctx context.Context, query serverlog.Query) ([]serverlog.Record, error) {
	d.flushLog(ctx)
	var text strings.Builder
	text.WriteString(logColumns + " WHERE 1")
	var values []any
	where := func(condition string, value any) {
		text.WriteString(" AND " + condition)
		values = append(values, value)
	}
	if query.Session != "" {
		where("lower(session) = lower(?)", query.Session)
	}
	if query.User != "" {
		where("instr(lower(user), lower(?))", query.User)
	}
	if query.Contains != "" {
		where("instr(lower(message), lower(?))", query.Contains)
	}
	if since := query.Since(); !since.IsZero() {
		where("timestamp >= ?", since.Format(time.RFC3339))
	}
	if query.Level < serverlog.Debug {
		where("level <= ?", int64(query.Level))
	}
	limit := int64(-1) // all
	if query.Limit > 0 {
		limit = int64(query.Limit)
	}
	text.WriteString(" ORDER BY timestamp DESC, rowid DESC LIMIT ? OFFSET ?")
	values = append(values, limit, int64(max(query.Offset, 0)))

	var records []serverlog.Record
	err := d.records(ctx, text.String(), values, func(r serverlog.Record) { records = append(records, r) })
	return records, d.failed("read the log in", err)
}

// SessionLogs calls f with all stored entries about these sessions that are at
// least as severe as Info, in the order in which they were stored.
func (d *DB) SessionLogs(ctx context.Context, sessions []string, f func(r serverlog.Record)) error {
	ids, err := json.Marshal(sessions)
	if err == nil {
		err = d.records(ctx, logColumns+" WHERE session IN (SELECT value FROM json_each(?)) AND level <= ? ORDER BY rowid",
			[]any{string(ids), int64(serverlog.Info)}, f)
	}
	return d.failed("read the log in", err)
}

// records calls f with the results of a query. It is not asked again after the
// first one.
func (d *DB) records(ctx context.Context, query string, values []any, f func(r serverlog.Record)) error {
	var rows *sql.Rows
	err := retry(func() (err error) {
		rows, err = d.readers.QueryContext(ctx, query, values...)
		return err
	})
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		r, err := scanRecord(rows)
		if err != nil {
			return err
		}
		f(r)
	}
	return rows.Err()
}

func scanRecord(rows *sql.Rows) (r serverlog.Record, err error) {
	var at string
	var level int64
	err = rows.Scan(&at, &level, &r.Topic, &r.User, &r.Session, &r.Message)
	r.Level = serverlog.Level(min(max(level, 0), int64(serverlog.Debug)))
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", TimeLayout} {
		if t, bad := time.Parse(layout, at); bad == nil {
			r.Time = t.UTC()
			break
		}
	}
	return r, err
}

// flushLog waits until what has been put is written.
func (d *DB) flushLog(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, flushPatience)
	defer cancel()
	written := make(chan struct{})
	select {
	case d.log.flush <- written:
	case <-d.log.done:
		return
	case <-ctx.Done():
		return
	}
	select {
	case <-written:
	case <-d.log.done:
	case <-ctx.Done():
	}
}

// purge deletes the entries of days before the midnight, UTC, that was days
// ago, and returns how many these were. Nothing is too old for days <= 0.
func (d *DB) purge(days int) (deleted int64, err error) {
	if days <= 0 {
		return 0, nil
	}
	before := d.options.Now().UTC().AddDate(0, 0, -days).Format(time.DateOnly)
	for last := int64(-1 << 63); ; {
		// Looked for on the other connection: nobody waits for the search.
		var first, end sql.NullInt64
		err := retry(func() error {
			return d.readers.QueryRow(`SELECT min(rowid), max(rowid) FROM
				(SELECT rowid FROM serverlog WHERE timestamp < ? AND rowid > ? ORDER BY rowid LIMIT ?)`, before, last, purgeBatch).Scan(&first, &end)
		})
		if err != nil || !end.Valid {
			return deleted, err
		}
		var n int64
		err = d.write(busyTimeout, true, func(q queries) error {
			result, err := q.conn.ExecContext(context.Background(),
				"DELETE FROM serverlog WHERE rowid BETWEEN ? AND ? AND timestamp < ?", first.Int64, end.Int64, before)
			if err == nil {
				n, err = result.RowsAffected()
			}
			return err
		}, nil)
		if err != nil {
			return deleted, fmt.Errorf("delete old entries: %w", err)
		}
		deleted, last = deleted+n, end.Int64
	}
}
