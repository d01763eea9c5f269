package main

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"drawrelay/store/config"
	"drawrelay/store/db"
	"drawrelay/store/keypair"
	"drawrelay/store/serverlog"
	"drawrelay/store/settings"
	"drawrelay/store/template"
)

// pollInterval is how often files are looked at when nobody asks
// (configuration.md §9.4 wants at least every 5 s).
const pollInterval = time.Second

// reloader keeps what the configuration file or database and the TLS files say
// up to date. Safe for
// any goroutine except relay loops: it may read files.
type reloader struct {
	log      *serverlog.Log
	settings *settings.Source
	pair     *keypair.Pair // nil = no TLS
	options  *options      // immutable
	now      func() time.Time
	// templates are set before run, nil = none.
	templates *template.Folder

	file atomic.Pointer[config.File] // in force, never nil; empty without a file
	db   *db.DB                      // nil = no database
	// displaced says that another file is in the database's place.
	displaced atomic.Bool

	mu      sync.Mutex      // one look at a time
	watcher *config.Watcher // nil = no file
}

// newReloader reads the configuration file for the first time. Mistakes in it
// are returned as the error; what is only odd is returned as warnings.
func newReloader(o *options, now func() time.Time) (r *reloader, warnings []string, err error) {
	r = &reloader{now: now, options: o}
	file := config.Parse("", "", nil)
	if o.config != "" {
		if r.watcher, err = config.Watch(o.config, now); err != nil {
			return nil, nil, fmt.Errorf("--config %s: %w", o.config, err)
		}
		file = r.watcher.Current()
	}
	idle := withoutEffect(inFile(file), o)
	if err := errors.Join(file.Check(), stops(idle)); err != nil {
		return nil, nil, err
	}
	r.file.Store(file)
	r.settings = settings.NewSource(file.Settings)
	for i := range file.Problems {
		warnings = append(warnings, file.Problems[i].Error())
	}
	for i := range idle {
		warnings = append(warnings, idle[i].Error())
	}
	if o.database == "" {
		warnings = append(warnings, idleOptions(o, file.Settings)...)
	}
	return r, warnings, nil
}

// check looks at the configuration file or database and puts changes in force.
// It costs one system call or so if there are none.
func (r *reloader) check() {
	if r.db != nil {
		r.db.Refresh()
		return
	}
	if r.watcher == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	file, changed, err := r.watcher.Poll()
	if err != nil {
		r.put(serverlog.Error, fmt.Sprintf("The settings stay as they were: %v", err))
		return
	}
	if !changed {
		return
	}
	r.file.Store(file)
	r.settings.Set(file.Settings)
	r.put(serverlog.Info, "Reloaded "+file.Path)
	for i := range file.Problems {
		r.put(serverlog.Warn, file.Problems[i].Error())
	}
	for _, problem := range withoutEffect(inFile(file), r.options) {
		r.put(serverlog.Warn, problem.Error())
	}
}

// SetSettings changes settings where they are stored, under the rules of the
// admin API (config.Accepted), and puts them in force. What a file says cannot
// be changed, as in the reference (configuration.md §1); without any store the
// change lasts until the end.
func (r *reloader) SetSettings(values map[string]string) error {
	switch {
	case r.db != nil:
		return r.db.SetSettings(values)
	case r.watcher != nil:
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.settings.Get()
	for key, text := range config.Accepted(values) {
		if changed, err := config.With(s, key, text); err == nil {
			s = changed
		}
	}
	r.settings.Set(s)
	return nil
}

// checkAll looks at all files at once, as SIGHUP asks for.
func (r *reloader) checkAll() {
	r.check()
	r.checkPair()
	r.checkPlace()
	if r.templates != nil {
		r.templates.Look()
	}
}

func (r *reloader) checkPair() {
	if r.pair == nil {
		return
	}
	tried, err := r.pair.ReloadIfChanged()
	switch {
	case err != nil:
		r.put(serverlog.Error, fmt.Sprintf("The TLS certificate stays as it was: %v", err))
	case tried:
		r.put(serverlog.Info, fmt.Sprintf("Reloaded the TLS certificate, valid for %d days", r.pair.DaysLeft(r.now())))
	}
}

// checkPlace complains if the database is no longer where it was: SQLite goes on
// with the file that nobody else sees.
func (r *reloader) checkPlace() {
	displaced := r.db != nil && r.db.Displaced()
	if displaced == r.displaced.Swap(displaced) {
		return
	}
	if displaced {
		r.put(serverlog.Error, fmt.Sprintf("The database %s was moved, removed or replaced while the server uses it: what changes from now on will be lost; "+
			"restart the server to use what is there now, or move the file back", r.db.Path()))
		return
	}
	r.put(serverlog.Info, fmt.Sprintf("The database %s is back", r.db.Path()))
}

// run looks at the files until stop is closed.
func (r *reloader) run(stop <-chan struct{}) {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.checkAll()
		case <-stop:
			return
		}
	}
}

func (r *reloader) put(level serverlog.Level, text string) {
	r.log.Put(serverlog.Entry{Level: level, Topic: serverlog.Status, Message: strings.ReplaceAll(text, "\n", "; ")})
}
