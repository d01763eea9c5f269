package store

import (
	"bytes"
)

// Numbers of users (session.md §5).
const (
	minUser = 1
	maxUser = 254
)

// maxRemembered bounds the names whose ids are remembered. Beyond it those are
// forgotten whose id somebody else has had since: sessions live for years.
const maxRemembered = 10000

// IDQueue hands out user ids so that they are used again as late as possible,
// and remembers which id a name had.
// Ownership: the session's owner loop.
type IDQueue struct {
	order   []uint8             // least recently used first
	names   map[string]uint8    // exact name to the id it had last
	holders [maxUser + 1]string // by id, the name that had it last
}

// NewIDQueue returns the queue of a fresh session: all ids in ascending order.
func NewIDQueue() *IDQueue {
	q := &IDQueue{order: make([]uint8, 0, maxUser), names: make(map[string]uint8)}
	for id := minUser; id <= maxUser; id++ {
		q.order = append(q.order, uint8(id))
	}
	return q
}

// NextFor returns the id for a joining user: the one its name had before if
// that is free, else the least recently used free one, which moves to the end
// of the queue. used says which ids are taken by people present. ok is false
// if all 254 are.
func (q *IDQueue) NextFor(name string, used func(uint8) bool) (id uint8, ok bool) {
	if id := q.names[name]; id != 0 && !used(id) {
		return id, true
	}
	for range maxUser {
		if id := q.next(); !used(id) {
			return id, true
		}
	}
	return 0, false
}

// next takes the front and moves it to the back.
func (q *IDQueue) next() uint8 {
	id := q.order[0]
	q.Release(id)
	return id
}

// Release moves id to the end of the queue, when its user leaves. Ids that
// users cannot have are ignored.
func (q *IDQueue) Release(id uint8) {
	i := bytes.IndexByte(q.order, id)
	if i < 0 {
		return
	}
	copy(q.order[i:], q.order[i+1:])
	q.order[len(q.order)-1] = id
}

// Last returns the id that name had last, 0 for none.
func (q *IDQueue) Last(name string) uint8 { return q.names[name] }

// remember maps name to id and moves id to the end.
func (q *IDQueue) remember(id uint8, name string) {
	if len(q.names) >= maxRemembered {
		clear(q.names)
		for id, name := range q.holders {
			if name != "" {
				q.names[name] = uint8(id)
			}
		}
	}
	q.names[name] = id
	if validUser(int(id)) {
		q.holders[id] = name
	}
	q.Release(id)
}

// RememberUser records at the end of a join that name has id (journal USER).
func (h *History) RememberUser(id uint8, name string) {
	h.IDs.remember(id, name)
	h.journal(userLine(id, name))
}

// validUser reports whether a user may have id.
func validUser(id int) bool { return id >= minUser && id <= maxUser }
