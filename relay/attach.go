package relay

import (
	"fmt"

	"drawrelay/store"
	"drawrelay/store/entry"
	"drawrelay/store/serverlog"
)

// attach gives a seat its connection: it is taken out of the login's hands and
// put on a loop. It cannot fail; a connection that cannot be taken over is
// closed right after, as if the peer had left.
func (r *room) attach(st *seat, c *entry.Conn) {
	k, err := r.newLink(c)
	if c.Framing == entry.FramingWebSocket {
		k.web = new(webState)
	}
	k.room, k.seat, k.person, k.user = r, st, st.person, st.id
	k.pending, k.idle, k.sever = c.Pending, c.IdleTimeout, c.Sever
	if k.id = c.ID; k.id == 0 {
		k.id = entry.NextConnID()
	}
	k.kind = connKind(st.person, c.Framing)
	st.conn = k.id
	k.log = r.log()
	k.log.Retain()
	r.place(k, st.skip)
	st.link = k
	if err != nil {
		k.failed = fmt.Errorf("take over connection: %w", err)
		k.logf(serverlog.Error, serverlog.Status, "Cannot take over the connection: %v", err)
	}
	k.shard = r.shardFor(k)
	k.loop = k.shard.loop
	k.loop.load.Add(1)
	r.members++
	r.srv.conns.add(k)
	if k.loop == r.loop {
		k.loop.attach(k)
	} else {
		k.loop.post(event{kind: evAttach, link: k})
	}
}

func (r *room) newLink(c *entry.Conn) (*link, error) {
	if r.srv.portable {
		return newPairLink(c), nil
	}
	return newSocketLink(c)
}

// place sets the cursor after the first skip messages of the log.
func (r *room) place(k *link, skip int64) {
	if skip <= 0 {
		return
	}
	if skip >= k.log.Count() {
		k.cursor = k.log.Size()
	} else {
		m := k.log.MarkBefore(skip)
		k.cursor, k.skip = m.Offset, skip-m.Index
	}
	k.target = k.cursor
}

// shardFor chooses the loop of a new member: the session's own, until it has
// enough there, then the one with the least to do.
func (r *room) shardFor(k *link) *shard {
	limit := plainPerLoop
	if k.pipe != nil {
		limit = sealedPerLoop
	}
	shards := *r.shards.Load()
	if r.members < limit || len(r.srv.loops) == 1 {
		return shards[0]
	}
	l := r.srv.leastLoaded()
	for _, s := range shards {
		if s.loop == l {
			return s
		}
	}
	s := &shard{loop: l, room: r}
	more := append(append([]*shard(nil), shards...), s)
	r.shards.Store(&more)
	return s
}

// current reports whether a direct message queued for the member now would
// reach it after the newest message of the history.
func (r *room) current(st *seat) bool {
	k, ok := st.link.(*link)
	return ok && k.loop == r.loop && k.output == outputLive && k.cursor == k.target && k.cursor == k.log.Size()
}

// catchUp has the member count as catching up until it has been sent the
// history as it is now.
func (r *room) catchUp(st *seat) {
	k, ok := st.link.(*link)
	if !ok {
		return
	}
	k.behind.Store(true)
	l, end := r.log(), r.log().Size()
	if k.loop == r.loop {
		k.setGoal(l, end)
	} else {
		k.loop.do(func() { k.setGoal(l, end) })
	}
}

func (r *room) catchingUp(st *seat) bool {
	k, ok := st.link.(*link)
	return ok && k.behind.Load()
}

// setGoal says what the member must have been sent to be done catching up.
// Loop only.
func (k *link) setGoal(l *store.Log, end int64) {
	k.goalLog, k.goalEnd = l, end
	if k.output == outputLive {
		k.checkGoal()
	}
}

// checkGoal notices that the member has caught up. The owner of the output
// calls it.
func (k *link) checkGoal() {
	if k.goalLog == k.log && k.cursor >= k.goalEnd {
		k.goalLog = nil
		k.behind.Store(false)
	}
}

// offload runs work off the loop and done on it.
func (r *room) offload(work, done func()) {
	r.srv.finished.Go(func() {
		r.srv.slow <- struct{}{}
		defer func() { <-r.srv.slow }()
		if broken := attempt(work); broken != "" {
			r.broken(broken)
			return
		}
		r.loop.do(func() {
			defer r.rescue()
			if !r.over {
				done()
			}
		})
	})
}
