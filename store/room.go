package store

import (
	"errors"
	"fmt"
	"time"

	"drawrelay/store/diskspace"
)

/* When the disk fills up
 *
 * The free space of the session folder is looked at all the time. It comes to
 * three marks, one after the other, and each is left again once there is a
 * quarter more than it asks for:
 *
 *	RoomLow    the log warns, the health check says so
 *	RoomShort  no new sessions
 *	RoomNone   sessions take no more drawing (Err is ErrNoRoom): what is left is kept for the
 *	           journals, for joins and leaves, and for an operator who cleans up
 *
 * A disk that is full all the same, or a quota, makes writes fail (stall.go).
 */

// Room is how much space the session folder has left.
type Room int32

const (
	RoomEnough Room = iota
	RoomLow
	RoomShort
	RoomNone
)

// Marks in bytes, and as parts of the whole disk for small ones: whichever is
// less counts.
const (
	lowRoom, lowPart     = 1 << 30, 10
	shortRoom, shortPart = 256 << 20, 20
	noRoom, noPart       = 64 << 20, 50
)

// spaceEvery is how often the space is looked at: at 30 MB/s of drawing the
// reserve of a large disk lasts longer.
const spaceEvery = 2 * time.Second

// ErrNoRoom says that the session folder is short of space.
var ErrNoRoom = errors.New("the disk of the sessions folder is almost full")

// Room returns how much space there is. RoomEnough if it is not known, and for
// a store in memory. Any goroutine.
func (s *Store) Room() Room { return Room(s.room.Load()) }

// roomFor returns the state that follows was.
func roomFor(was Room, space diskspace.Space) Room {
	marks := [...]uint64{
		RoomLow:   min(lowRoom, space.Total/lowPart),
		RoomShort: min(shortRoom, space.Total/shortPart),
		RoomNone:  min(noRoom, space.Total/noPart),
	}
	now := RoomEnough
	for r := RoomLow; r <= RoomNone; r++ {
		mark := marks[r]
		if r <= was {
			mark += mark / 4
		}
		if space.Free < mark {
			now = r
		}
	}
	return now
}

// watchRoom looks at the space until quit.
func (s *Store) watchRoom(quit <-chan struct{}) {
	tick := time.NewTicker(s.o.SpaceEvery)
	defer tick.Stop()
	for {
		select {
		case <-quit:
			return
		case <-tick.C:
			s.lookAtRoom()
		}
	}
}

// lookAtRoom notices that the state has changed and tells everybody.
func (s *Store) lookAtRoom() {
	space, err := s.o.Space(s.o.Dir)
	if err != nil {
		return // unknown: writes will tell
	}
	was := s.Room()
	now := roomFor(was, space)
	if now == was {
		return
	}
	s.room.Store(int32(now))
	const cure = "free some space; the rest follows by itself"
	free := fmt.Sprintf("%d MiB are free for the sessions folder", space.Free>>20)
	switch now {
	case RoomEnough:
		s.warn("", "%s again", free)
	case RoomLow:
		s.warn("", "Only %s; %s", free, cure)
	case RoomShort:
		s.warn("", "Only %s: nobody can host; %s", free, cure)
	case RoomNone:
		s.warn("", "Only %s: nobody can host and sessions take no more drawing; %s", free, cure)
	}
	if (now == RoomNone) == (was == RoomNone) {
		return
	}
	s.mu.Lock()
	all := make([]*History, 0, len(s.live))
	for h := range s.live {
		all = append(all, h)
	}
	s.mu.Unlock()
	for _, h := range all {
		h.noteRoom(now == RoomNone)
		h.tell()
	}
}

// noteRoom remembers whether there is room for the session to grow.
func (d *Durable) noteRoom(none bool) {
	d.errs.Lock()
	defer d.errs.Unlock()
	if d.noRoom != none {
		d.noRoom = none
		d.publishErr()
	}
}
