package relay

import (
	"slices"
	"sync"

	"drawrelay/store/entry"
)

// registry knows the live sessions by id and alias. Any goroutine.
type registry struct {
	mu       sync.RWMutex // held for look-ups and for calling watchers, who must not block
	rooms    map[string]*room
	aliases  map[string]*room
	order    []*room
	reserved int                      // sessions that are being created
	names    map[string]chan struct{} // aliases reserved by them, closed when given back
	watchers map[int]func(string, *entry.Session)
	next     int
}

func newRegistry() *registry {
	return &registry{
		rooms:    make(map[string]*room),
		aliases:  make(map[string]*room),
		names:    make(map[string]chan struct{}),
		watchers: make(map[int]func(string, *entry.Session)),
	}
}

// reserve books a place for a session to be hosted. limit is the most live
// sessions there may be.
func (g *registry) reserve(alias string, limit int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.rooms)+g.reserved >= limit {
		return entry.ErrServerFull
	}
	if alias != "" {
		if _, ok := g.names[alias]; ok || g.findLocked(alias) != nil {
			return entry.ErrIDInUse
		}
		g.names[alias] = make(chan struct{})
	}
	g.reserved++
	return nil
}

// unreserve gives the place back, whether or not the session was added.
func (g *registry) unreserve(alias string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reserved--
	if done := g.names[alias]; done != nil {
		delete(g.names, alias)
		close(done)
	}
}

// reserveName books an alias for a session that may be created whatever the
// limit. If it is live already, the room is returned; if somebody else is about
// to create it, a channel to wait for.
func (g *registry) reserveName(alias string) (live *room, wait <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r := g.findLocked(alias); r != nil {
		return r, nil
	}
	if done := g.names[alias]; done != nil {
		return nil, done
	}
	g.names[alias] = make(chan struct{})
	g.reserved++
	return nil, nil
}

// add makes a room findable. Its description must be set.
func (g *registry) add(r *room) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.findLocked(r.id) != nil || (r.hist.Alias != "" && g.findLocked(r.hist.Alias) != nil) {
		return entry.ErrIDInUse
	}
	g.rooms[r.id] = r
	if r.hist.Alias != "" {
		g.aliases[r.hist.Alias] = r
	}
	g.order = append(g.order, r)
	for _, w := range g.watchers {
		w(r.id, r.desc.Load())
	}
	return nil
}

func (g *registry) findLocked(idOrAlias string) *room {
	if r := g.rooms[idOrAlias]; r != nil {
		return r
	}
	return g.aliases[idOrAlias]
}

func (g *registry) find(idOrAlias string) *room {
	if idOrAlias == "" {
		return nil
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.findLocked(idOrAlias)
}

func (g *registry) changed(r *room, d *entry.Session) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.rooms[r.id] != r {
		return
	}
	for _, w := range g.watchers {
		w(r.id, d)
	}
}

func (g *registry) remove(r *room) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.rooms[r.id] != r {
		return
	}
	delete(g.rooms, r.id)
	if r.hist.Alias != "" {
		delete(g.aliases, r.hist.Alias)
	}
	for i, o := range g.order {
		if o == r {
			g.order = append(g.order[:i:i], g.order[i+1:]...)
			break
		}
	}
	for _, w := range g.watchers {
		w(r.id, nil)
	}
}

func (g *registry) all() []*room {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return slices.Clone(g.order)
}

func (g *registry) watch(w func(string, *entry.Session)) (cancel func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	id := g.next
	g.next++
	g.watchers[id] = w
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.watchers, id)
	}
}
