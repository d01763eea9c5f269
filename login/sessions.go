package login

import (
	"sync"
	"time"

	"drawrelay/frame"
	"drawrelay/store/entry"
	"drawrelay/store/settings"
)

/* Session list
 *
 * 1. changed  session's loop  notes which session changed; never waits
 * 2. show     connection      queues the list as of now
 * 3. update   own goroutine   writes one message per changed session
 *
 * A session that changes again before 3 got to it is written once. So a client
 * that does not read costs one note per session, whatever happens.
 */

// watcher keeps the session list of one client up to date while it chooses.
type watcher struct {
	c         *conn
	moderator bool
	cancel    func() // ends the notes, may be called again
	wake      chan struct{}
	quit      chan struct{}
	done      chan struct{}

	mu       sync.Mutex // protects what follows; held for a look-up or a note only
	starting bool       // the list is being made: keep every note
	dirty    map[string]*entry.Session
	listed   map[string]struct{} // unique ids the client has been shown
}

// showSessions queues the session list and starts the updates (login.md §11).
func (c *conn) showSessions() error {
	cfg := &c.server.cfg
	set := cfg.Settings.Get()
	sessions := frame.Array{}
	if !c.onlyLookup {
		w := &watcher{
			c: c, moderator: c.person.Moderator(),
			wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
			starting: true, dirty: make(map[string]*entry.Session), listed: make(map[string]struct{}),
		}
		cancel := cfg.Directory.Watch(w.changed)
		w.cancel = sync.OnceFunc(cancel)
		c.watcher = w
		if c.lookupID == "" {
			sessions = w.list()
		}
		w.started()
		defer func() { go w.update() }()
	}
	welcome := frame.Object{"type": "login", "message": "Welcome", "sessions": sessions}
	if set.ServerTitle != "" {
		welcome["title"] = set.ServerTitle
	}
	if _, err := frame.AppendReply(nil, 0, welcome); err == nil {
		c.send(welcome)
		return nil
	}
	if set.ServerTitle != "" {
		c.send(frame.Object{"type": "login", "message": "Welcome", "title": set.ServerTitle})
	}
	for _, s := range sessions {
		c.send(frame.Object{"type": "login", "message": "Welcome", "sessions": frame.Array{s}})
		if err := c.flushFull(); err != nil {
			return err
		}
	}
	if len(sessions) == 0 { // clients wait for a list
		c.send(frame.Object{"type": "login", "message": "Welcome", "sessions": sessions})
	}
	return nil
}

// listing returns what tells a host about its own session: it is the last one
// to be listed for it (session.md §4). It returns nil if the client is told
// about no sessions.
func (c *conn) listing() func(*entry.Session) []byte {
	if c.onlyLookup {
		return nil
	}
	cfg, moderator := &c.server.cfg, c.person.Moderator()
	return func(s *entry.Session) []byte {
		if s.Unlisted && !moderator {
			return nil
		}
		b, err := frame.AppendReply(nil, 0, newSession(s, cfg.Settings.Get(), cfg.Now()))
		if err != nil {
			return nil // as any other one that is too long
		}
		return b
	}
}

// newSession is the message about a session that is new or has changed.
func newSession(s *entry.Session, set *settings.Settings, now time.Time) frame.Object {
	return frame.Object{"type": "login", "message": "New session", "sessions": frame.Array{describe(s, set, now)}}
}

// flushFull writes what is queued if it is a lot.
func (c *conn) flushFull() error {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	if len(c.out) < outLimit {
		return nil
	}
	return c.flushLocked(writeTimeout)
}

// endWatch stops the updates and waits until none is being written.
func (c *conn) endWatch() {
	if w := c.watcher; w != nil {
		c.watcher = nil
		w.cancel()
		close(w.quit)
		<-w.done
	}
}

// list describes the sessions and templates the client may see and notes
// which were shown.
func (w *watcher) list() frame.Array {
	cfg := &w.c.server.cfg
	set, now := cfg.Settings.Get(), cfg.Now()
	sessions := frame.Array{}
	aliases := make(map[string]bool)
	for _, s := range cfg.Directory.All() {
		aliases[s.Alias] = true
		if w.visible(s) {
			sessions = append(sessions, describe(s, set, now))
			w.mu.Lock()
			w.listed[s.ID] = struct{}{}
			w.mu.Unlock()
		}
	}
	if cfg.Templates != nil {
		for _, t := range cfg.Templates.List() {
			if !aliases[t.Alias] && (w.moderator || !t.Unlisted) {
				sessions = append(sessions, describeTemplate(&t, "", set))
			}
		}
	}
	return sessions
}

func (w *watcher) visible(s *entry.Session) bool {
	return s != nil && (w.moderator || !s.Unlisted)
}

// changed notes a change. It runs on sessions' loops.
func (w *watcher) changed(id string, s *entry.Session) {
	w.mu.Lock()
	_, shown := w.listed[id]
	if w.starting || shown || w.visible(s) {
		w.dirty[id] = s
	} else {
		delete(w.dirty, id) // it came and went unseen
	}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// started ends the phase in which every note is kept.
func (w *watcher) started() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.starting = false
	for id, s := range w.dirty {
		if _, shown := w.listed[id]; !shown && !w.visible(s) {
			delete(w.dirty, id)
		}
	}
}

// update writes messages about changed sessions until quit.
func (w *watcher) update() {
	defer close(w.done)
	for {
		select {
		case <-w.quit:
			return
		case <-w.wake:
		}
		w.mu.Lock()
		ids := sortedKeys(w.dirty) // unique ids sort by age
		w.mu.Unlock()
		for _, id := range ids {
			select {
			case <-w.quit:
				return
			default:
			}
			if !w.write(id) {
				w.c.alarm.raise(evBroken)
				return
			}
		}
	}
}

// write sends the message about one session, if it is still due.
func (w *watcher) write(id string) bool {
	w.mu.Lock()
	s, due := w.dirty[id]
	if !due {
		w.mu.Unlock()
		return true
	}
	delete(w.dirty, id)
	_, shown := w.listed[id]
	visible := w.visible(s)
	if visible {
		w.listed[id] = struct{}{}
	} else {
		delete(w.listed, id)
	}
	w.mu.Unlock()
	cfg := &w.c.server.cfg
	switch {
	case visible:
		w.c.send(newSession(s, cfg.Settings.Get(), cfg.Now()))
	case shown:
		w.c.send(frame.Object{"type": "login", "message": "Session ended", "remove": frame.Array{id}})
	default:
		return true
	}
	return w.c.flush() == nil
}
