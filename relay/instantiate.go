package relay

import (
	"context"
	"fmt"

	"drawrelay/store"
	"drawrelay/store/entry"
	"drawrelay/store/serverlog"
)

// Instantiate makes the session of a template live and returns its description
// (storage.md §16.5); if one with its alias lives already, that one's. c needs
// an alias. fill puts the messages of the template into the new session, off
// the loops. The limit of sessions does not apply. Calls for the same alias
// wait for each other. It blocks for the creation of the files: any goroutine
// but a loop's. On an error no files are left.
func (s *Server) Instantiate(ctx context.Context, c store.Create, fill func(*store.History) error) (*entry.Session, error) {
	for {
		if s.stopping.Load() {
			return nil, entry.ErrNotFound
		}
		live, wait := s.registry.reserveName(c.Alias)
		if live != nil {
			return live.desc.Load(), nil
		}
		if wait == nil {
			break
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	defer s.registry.unreserve(c.Alias)
	set := s.settings.Get()
	c.ForceNSFM, c.AutoReset = set.ForceNSFM, set.AutoResetThreshold
	h, err := s.store.Create(c)
	if err != nil {
		return nil, fmt.Errorf("create the session of template %s: %w", c.Alias, err)
	}
	err = fill(h)
	var r *room
	if err == nil {
		r, err = s.open(h, true, nil, func(r *room) error {
			r.session.event(serverlog.Info, serverlog.Status, nil, "Session instantiated from template "+c.Alias)
			return nil
		})
	}
	if err != nil {
		h.Discard()
		return nil, err
	}
	return r.desc.Load(), nil
}
