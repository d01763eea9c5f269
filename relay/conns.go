package relay

import (
	"sync"

	"drawrelay/store/entry"
)

// ConnKind is how a member is connected.
type ConnKind uint8

const (
	ConnPlain     ConnKind = iota // TCP
	ConnTLS                       // TCP with TLS
	ConnWebSocket                 // WebSocket from a program
	ConnBrowser                   // WebSocket from a browser
	connKinds
)

var connKindNames = [...]string{"tcp", "tls", "websocket", "browser"}

func (k ConnKind) String() string { return connKindNames[min(int(k), len(connKindNames)-1)] }

// ConnKinds returns all kinds.
func ConnKinds() []ConnKind { return []ConnKind{ConnPlain, ConnTLS, ConnWebSocket, ConnBrowser} }

func connKind(p *entry.Person, framing entry.Framing) ConnKind {
	switch {
	case p.Browser:
		return ConnBrowser
	case framing == entry.FramingWebSocket:
		return ConnWebSocket
	case p.TLS:
		return ConnTLS
	}
	return ConnPlain
}

// conns are the members' connections by id, from their attachment until they
// are closed, or have taken the last that they are sent: also of those that are
// about to be disconnected. Any goroutine.
type conns struct {
	mu    sync.Mutex // protects what follows; held for look-ups and copies only
	links map[uint64]*link
	kinds [connKinds]int
}

func newConns() *conns { return &conns{links: make(map[uint64]*link)} }

func (c *conns) add(k *link) {
	c.mu.Lock()
	c.links[k.id] = k
	c.kinds[k.kind]++
	c.mu.Unlock()
}

func (c *conns) remove(k *link) {
	c.mu.Lock()
	if c.links[k.id] == k {
		delete(c.links, k.id)
		c.kinds[k.kind]--
	}
	c.mu.Unlock()
}

func (c *conns) find(id uint64) *link {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.links[id]
}

func (c *conns) all() []*link {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]*link, 0, len(c.links))
	for _, k := range c.links {
		list = append(list, k)
	}
	return list
}

// Connections returns how many connections members and former members have.
// Any goroutine.
func (s *Server) Connections() int {
	s.conns.mu.Lock()
	defer s.conns.mu.Unlock()
	return len(s.conns.links)
}

// ConnectionsOf returns how many of them are of a kind. Any goroutine.
func (s *Server) ConnectionsOf(kind ConnKind) int {
	s.conns.mu.Lock()
	defer s.conns.mu.Unlock()
	return s.conns.kinds[kind]
}
