package admin

import (
	"context"
	"net/http"
	"slices"

	"drawrelay/store"
)

type invitesReply struct {
	Invites []inviteEntry `json:"invites"`
}

// invites serves the session's invites (admin-api.md §4.7).
func (s *Server) invites(ctx context.Context, c *call, id string) reply {
	secret := c.next()
	if len(c.path) > 0 {
		return notFound()
	}
	if secret != "" {
		return s.invite(ctx, c, id, secret)
	}
	switch c.method {
	case http.MethodGet:
		list, err := s.cfg.Relay.SessionInvites(ctx, id)
		if err != nil {
			return s.failure(err)
		}
		return ok(invitesReply{entries(list, inviteJSON)})
	case http.MethodPost:
		uses := c.params.looseInt("maxUses", 0, 0)
		if uses < 1 {
			return badRequest("Missing or invalid maxUses")
		}
		v, err := s.cfg.Relay.CreateInvite(ctx, id, uses, c.params.looseBool("trust", false, false), c.params.looseBool("op", false, false))
		if err != nil {
			return s.failure(err)
		}
		return ok(inviteJSON(v))
	}
	return badMethod()
}

func (s *Server) invite(ctx context.Context, c *call, id, secret string) reply {
	switch c.method {
	case http.MethodGet:
		list, err := s.cfg.Relay.SessionInvites(ctx, id)
		if err != nil {
			return s.failure(err)
		}
		i := slices.IndexFunc(list, func(v store.Invite) bool { return v.Secret == secret })
		if i < 0 {
			return notFound()
		}
		return ok(inviteJSON(&list[i]))
	case http.MethodDelete:
		return s.removal(s.cfg.Relay.RemoveInvite(ctx, id, secret))
	}
	return badMethod()
}
