package login

import (
	"slices"
	"sync/atomic"
	"time"

	"drawrelay/frame"
	"drawrelay/store/entry"
)

// Client is a connection in login, as administrators see it (admin-api.md §6.2).
type Client struct {
	ID       uint64        // entry.Conn.ID
	Person   *entry.Person // as far as known; Name is empty before the identification
	Accepted time.Time
	Leaving  bool      // was told to go, but has not taken everything yet
	LeftAt   time.Time // when that was
}

// shown is what others than the connection's goroutine may see of it.
type shown struct {
	person atomic.Pointer[entry.Person]
	left   atomic.Pointer[time.Time] // nil: not leaving
	kick   atomic.Pointer[farewell]  // what an administrator ends it with
	over   atomic.Bool               // everything is said, only the peer's end is missing
}

// show publishes the person as known now.
func (c *conn) show() {
	p := c.person
	p.SystemID, p.Addr, p.Browser = c.systemID, c.addr, c.browser
	c.shown.person.Store(&p)
}

func (s *shown) leave(now time.Time) { s.left.Store(&now) }

// kicked is what ends the login of somebody who was kicked.
func (s *shown) kicked() error {
	if f := s.kick.Load(); f != nil {
		return f
	}
	return errPeerGone
}

// Clients returns the connections between accept and seat, in the order of
// their ids, without those that have been told everything and still have to
// hang up. Any goroutine.
func (s *Server) Clients() []Client {
	var list []Client
	s.each(func(c *conn) {
		if c.shown.over.Load() {
			return
		}
		v := Client{ID: c.id, Person: c.shown.person.Load(), Accepted: c.accepted}
		if at := c.shown.left.Load(); at != nil {
			v.Leaving, v.LeftAt = true, *at
		}
		list = append(list, v)
	})
	slices.SortFunc(list, func(a, b Client) int { return int(int64(a.ID) - int64(b.ID)) })
	return list
}

// Kick disconnects the connection in login with this id; text is what it is
// told, details are for the log. One that was already told to go is cut at
// once, which forced says. found is false if there is none. Any goroutine.
func (s *Server) Kick(id uint64, text, details string) (forced, found bool) {
	s.each(func(c *conn) {
		if c.id != id || c.shown.over.Load() {
			return
		}
		if c.shown.left.Load() != nil {
			c.alarm.sever()
			forced, found = true, true
			return
		}
		c.shown.kick.Store(&farewell{reason: frame.ReasonKick, text: text, details: details})
		found = c.alarm.raise(evKick)
	})
	return forced, found
}
