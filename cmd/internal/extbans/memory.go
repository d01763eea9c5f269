package extbans

import (
	"fmt"
	"sync"
)

// memory is a store that forgets everything at the end of the process.
type memory struct {
	mu     sync.Mutex
	cached Cached
	off    map[int]bool
}

func (m *memory) Cached() Cached {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cached
}

func (m *memory) SaveCache(c Cached) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cached = c
	return nil
}

func (m *memory) Enabled(id int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.off[id]
}

// maxSwitched bounds the switches kept in memory; only administrators set
// them.
const maxSwitched = 100000

func (m *memory) Enable(id int, on bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case on:
		delete(m.off, id)
	case len(m.off) >= maxSwitched:
		return fmt.Errorf("more than %d bans are switched off", maxSwitched)
	case m.off == nil:
		m.off = map[int]bool{id: true}
	default:
		m.off[id] = true
	}
	return nil
}
