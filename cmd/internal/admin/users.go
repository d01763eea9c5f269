package admin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"drawrelay/relay"
)

type userListReply struct {
	Users  []userEntry `json:"users"`
	Locked bool        `json:"_locked"`
}

type userReply struct {
	userEntry
	Locked bool `json:"_locked"`
}

// users serves /users: all connections, in sessions or not (admin-api.md §6).
func (s *Server) users(ctx context.Context, c *call) reply {
	uid := c.next()
	switch {
	case c.method != http.MethodGet && c.method != http.MethodDelete:
		return badMethod()
	case len(c.path) > 0, c.method == http.MethodDelete && uid == "":
		return notFound()
	case uid == "":
		list := s.everybody(ctx)
		if c.params.looseInt("v", 0, 0) >= 2 {
			return ok(userListReply{list, c.locked})
		}
		return ok(list)
	}
	id, valid := parseUID(uid)
	if !valid {
		return notFound()
	}
	message := c.params.text("message")
	if c.method == http.MethodDelete && len(message) <= maxKickMessage {
		return s.kick(ctx, id, message)
	}
	list := s.everybody(ctx)
	i := slices.IndexFunc(list, func(u userEntry) bool { return u.UID == uid })
	switch {
	case i < 0:
		return notFound()
	case c.method == http.MethodDelete:
		return kickTooLong
	}
	return ok(userReply{list[i], c.locked})
}

// everybody returns all connections in the order they came. One that moves
// from login to a session meanwhile is seen once.
func (s *Server) everybody(ctx context.Context) []userEntry {
	type numbered struct {
		id uint64
		u  userEntry
	}
	clients := s.cfg.Login.Clients()
	members := s.cfg.Relay.Everybody(ctx)
	all := make([]numbered, 0, len(clients)+len(members))
	seated := make(map[uint64]struct{}, len(members))
	for i := range members {
		seated[members[i].Conn] = struct{}{}
		all = append(all, numbered{members[i].Conn, memberJSON(&members[i])})
	}
	for i := range clients {
		if _, twice := seated[clients[i].ID]; !twice {
			all = append(all, numbered{clients[i].ID, clientJSON(&clients[i])})
		}
	}
	slices.SortFunc(all, func(a, b numbered) int { return int(int64(a.id) - int64(b.id)) })
	list := make([]userEntry, len(all))
	for i := range all {
		list[i] = all[i].u
	}
	return list
}

// kick disconnects a connection, wherever it is (admin-api.md §5).
func (s *Server) kick(ctx context.Context, id uint64, message string) reply {
	// A client in login may take its seat between the looks.
	for range 2 {
		forced, err := s.cfg.Relay.KickConn(ctx, id, message)
		if err == nil {
			return ok(kickReply{"ok", forced})
		}
		if !errors.Is(err, relay.ErrNoMember) {
			return s.failure(err)
		}
		if forced, found := s.cfg.Login.Kick(id, relay.KickText(message), relay.KickDetails); found {
			return ok(kickReply{"ok", forced})
		}
	}
	return notFound()
}

func formatUID(id uint64) string { return strconv.FormatUint(id, 16) }

func parseUID(text string) (id uint64, valid bool) {
	id, err := strconv.ParseUint(text, 16, 64)
	return id, err == nil && formatUID(id) == text
}
