package db

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"drawrelay/store/serverlog"
)

// Limits of the log.
const (
	// logQueue bounds the entries that wait to be written, in number; beyond
	// it they are dropped and counted, because a stuck disk must not use up
	// the memory.
	logQueue = 8192
	// logBatch is how many entries at most are written in one transaction, so
	// that the connection is free again soon.
	logBatch = 500
	// logDelay is how long an entry waits for others to be written with it.
	logDelay = 100 * time.Millisecond
	// logPatience is how long one try to write waits for other programs; the
	// next one follows at once.
	logPatience = time.Second
	// closePatience is how long entries may take to be written at the end.
	closePatience = 2 * time.Second
	// purgeInterval is the time between two purges (configuration.md §16.3).
	purgeInterval = 24 * time.Hour
	// purgeBatch is how many entries are deleted in one transaction.
	purgeBatch = 2000
)

// logWriter writes entries of the server log from a goroutine of its own.
type logWriter struct {
	db      *DB
	queue   chan serverlog.Entry
	flush   chan chan struct{}
	stop    chan struct{}
	done    chan struct{}
	closing sync.Once
	dropped atomic.Int64

	// By the goroutine:
	batch  []serverlog.Entry
	told   int64 // dropped entries that the log itself tells of
	failed bool  // the last try did
}

func newLogWriter(d *DB) *logWriter {
	return &logWriter{db: d, queue: make(chan serverlog.Entry, logQueue), flush: make(chan chan struct{}),
		stop: make(chan struct{}), done: make(chan struct{})}
}

// Put stores an entry of the log, soon. It never waits: entries that the disk
// is too slow for are dropped and counted. It implements serverlog.Sink.
func (d *DB) Put(e serverlog.Entry) {
	select {
	case d.log.queue <- e:
	default:
		d.log.dropped.Add(1)
	}
}

// DroppedEntries returns how many entries of the log were not stored.
func (d *DB) DroppedEntries() int64 { return d.log.dropped.Load() }

func (w *logWriter) run() {
	defer close(w.done)
	w.purge()
	purge := time.NewTicker(purgeInterval)
	defer purge.Stop()
	var due <-chan time.Time // when the batch is written; nil = it is empty
	for {
		var asked chan struct{}
		select {
		case e := <-w.queue:
			w.batch = append(w.batch, e)
			if due == nil {
				due = time.After(logDelay)
			}
			if len(w.batch) < logBatch {
				continue
			}
		case <-due:
		case asked = <-w.flush:
		case <-purge.C:
			w.purge()
			continue
		case <-w.stop:
			w.finish()
			return
		}
		w.write(w.stop)
		if asked != nil {
			for len(w.queue) > 0 && w.take() {
				w.write(w.stop)
			}
			close(asked)
		}
		due = nil
		if len(w.batch) > 0 {
			due = time.After(logDelay)
		}
	}
}

// take fills the batch from the queue; it returns false if nothing is in it.
func (w *logWriter) take() bool {
	for len(w.batch) < logBatch {
		select {
		case e := <-w.queue:
			w.batch = append(w.batch, e)
		default:
			return len(w.batch) > 0
		}
	}
	return true
}

// finish writes what is left.
func (w *logWriter) finish() {
	enough := make(chan struct{})
	defer time.AfterFunc(closePatience, func() { close(enough) }).Stop()
	for w.take() {
		w.write(enough)
		if len(w.batch) > 0 { // too late
			w.dropped.Add(int64(len(w.batch) + len(w.queue)))
			return
		}
	}
}

// write stores the batch. While another program keeps the file busy it tries
// again until stop is closed; entries that cannot be stored are dropped.
func (w *logWriter) write(stop <-chan struct{}) {
	if missing := w.dropped.Load() - w.told; missing > 0 && len(w.batch) < logBatch {
		w.batch = append(w.batch, serverlog.Entry{Time: w.db.options.Now().UTC(), Level: serverlog.Warn, Topic: serverlog.Status,
			Message: fmt.Sprintf("%d entries of the log are missing here, because the database was not written fast enough", missing)})
		w.told += missing
	}
	for len(w.batch) > 0 {
		err := w.db.write(logPatience, true, w.insert, nil)
		switch {
		case err == nil:
			w.failed = false
		case busy(err) || err == errBusy:
			select {
			case <-stop:
				return
			default:
				continue
			}
		default:
			w.dropped.Add(int64(len(w.batch)))
			if !w.failed {
				w.db.options.Warn(w.db.failed("write the log to", err).Error())
			}
			w.failed = true
		}
		clear(w.batch)
		w.batch = w.batch[:0]
	}
}

// insert stores the batch within a transaction. A power cut may cost the last
// few entries, but not the file: the log is not worth a sync of each batch.
func (w *logWriter) insert(q queries) error {
	for i := range w.batch {
		e := w.batch[i].Record()
		if err := q.exec("INSERT INTO serverlog (timestamp, level, topic, user, session, message) VALUES (?, ?, ?, ?, ?, ?)",
			e.Time.Format(time.RFC3339), int64(e.Level), e.Topic, e.User, e.Session, e.Message); err != nil {
			return err
		}
	}
	return nil
}

func (w *logWriter) close() {
	w.closing.Do(func() { close(w.stop) })
	<-w.done
}

// purge deletes entries that are older than logpurgedays.
func (w *logWriter) purge() {
	days := w.db.Refresh().Settings.LogPurgeDays
	n, err := w.db.purge(days)
	if n > 0 {
		w.db.Put(serverlog.Entry{Time: w.db.options.Now().UTC(), Level: serverlog.Info, Topic: serverlog.Status,
			Message: fmt.Sprintf("Purged %d old log entries", n)})
	}
	if err != nil {
		w.db.options.Warn(w.db.failed("purge the log in", err).Error())
	}
}
