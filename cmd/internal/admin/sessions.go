package admin

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"drawrelay/frame"
	"drawrelay/relay"
)

// sessions serves /sessions and everything below it (admin-api.md §4).
func (s *Server) sessions(ctx context.Context, c *call) reply {
	id := c.next()
	if id == "" {
		return s.sessionList(c)
	}
	d, found := s.cfg.Relay.Find(id)
	if !found {
		return notFound()
	}
	id = d.ID // an alias may pass to another session meanwhile
	switch part := c.next(); part {
	case "":
		return s.session(ctx, c, id)
	case "listing":
		return s.listings(ctx, c, id)
	case "auth":
		return s.sessionAuth(ctx, c, id)
	case "chat":
		return s.chat(ctx, c, id)
	case "invites":
		return s.invites(ctx, c, id)
	case "thumbnail":
		return s.thumbnail(ctx, c, id)
	default:
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil || n < 1 || n > 254 {
			return notFound()
		}
		return s.member(ctx, c, id, uint8(n))
	}
}

type sessionListReply struct {
	Sessions []any `json:"sessions"`
	Locked   bool  `json:"_locked"`
}

func (s *Server) sessionList(c *call) reply {
	switch c.method {
	case http.MethodGet:
		list := s.allSessions(c.params.looseBool("listed", false, false))
		if c.params.looseInt("v", 0, 0) >= 2 {
			return ok(sessionListReply{list, c.locked})
		}
		return ok(list)
	case http.MethodPut:
		s.cfg.Relay.TellEverybody(c.params.text("message"), c.params.text("alert"))
		return ok(struct{}{})
	}
	return badMethod()
}

// allSessions returns the live sessions in order of creation and then the
// templates.
func (s *Server) allSessions(listed bool) []any {
	list := []any{}
	for _, d := range s.cfg.Relay.All() {
		if !listed || !d.Unlisted {
			list = append(list, s.brief(d))
		}
	}
	if s.cfg.Templates == nil {
		return list
	}
	templates := s.cfg.Templates.List()
	for i := range templates {
		t := &templates[i]
		if _, live := s.cfg.Relay.Find(t.Alias); !live && (!listed || !t.Unlisted) {
			list = append(list, s.template(t))
		}
	}
	return list
}

// session serves one session.
func (s *Server) session(ctx context.Context, c *call, id string) reply {
	switch c.method {
	case http.MethodGet:
	case http.MethodPut:
		change := relay.SessionChange{Options: c.params}
		if c.params.has("message") {
			change.Message = new(c.params.text("message"))
		}
		if c.params.has("alert") {
			change.Alert = new(c.params.text("alert"))
		}
		if err := s.cfg.Relay.Configure(ctx, id, change); err != nil {
			return s.failure(err)
		}
	case http.MethodDelete:
		var err error
		if c.params.looseBool("quiet", false, false) {
			err = s.cfg.Relay.TerminateQuietly(ctx, id)
		} else {
			err = s.cfg.Relay.Terminate(ctx, id, strings.TrimSpace(c.params.text("reason")))
		}
		if err != nil {
			return s.failure(err)
		}
		return done
	default:
		return badMethod()
	}
	i, err := s.cfg.Relay.Inspect(ctx, id)
	if err != nil {
		return s.failure(err)
	}
	return ok(s.full(i, c.locked))
}

// listings serves the session's public listings (admin-api.md §4.4).
func (s *Server) listings(ctx context.Context, c *call, id string) reply {
	if number := c.next(); number != "" {
		n, err := strconv.ParseInt(number, 10, 64)
		switch {
		case err != nil || len(c.path) > 0:
			return notFound()
		case c.method != http.MethodDelete:
			return badMethod()
		}
		return s.removal(s.cfg.Relay.UnlistSession(ctx, id, n))
	}
	switch c.method {
	case http.MethodGet:
		lists, err := s.cfg.Relay.ListedAt(ctx, id)
		if err != nil {
			return s.failure(err)
		}
		return ok(listingEntries(lists))
	case http.MethodPost:
		if !c.params.has("url") {
			return badRequest("Missing url")
		}
		if err := s.cfg.Relay.AnnounceSession(ctx, id, c.params.text("url")); err != nil {
			return s.failure(err)
		}
		return done
	}
	return badMethod()
}

type authReply struct {
	Status bool `json:"status"`
}

// sessionAuth checks a password of the session (admin-api.md §4.5).
func (s *Server) sessionAuth(ctx context.Context, c *call, id string) reply {
	if c.method != http.MethodPost {
		return badMethod()
	}
	part := c.next()
	if part != "" && part != "op" || len(c.path) > 0 || !c.params.has("password") {
		return notFound()
	}
	var hash string
	if part == "op" {
		var err error
		if hash, err = s.cfg.Relay.Opword(ctx, id); err != nil {
			return s.failure(err)
		}
	} else {
		d, found := s.cfg.Relay.Find(id)
		if !found {
			return notFound()
		}
		hash = d.PasswordHash
	}
	right, err := s.cfg.Passwords.Check(hash, c.params.text("password"))
	if err != nil {
		return s.passwordError(err)
	}
	return ok(authReply{right})
}

// member serves one connected user of a session (admin-api.md §4.9).
func (s *Server) member(ctx context.Context, c *call, id string, member uint8) reply {
	if part := c.next(); part != "" {
		if part != "thumbnail" || len(c.path) > 0 {
			return notFound()
		}
		return s.memberThumbnail(ctx, c, id, member)
	}
	var m relay.Member
	var err error
	switch c.method {
	case http.MethodGet:
		m, err = s.cfg.Relay.Member(ctx, id, member)
	case http.MethodPut:
		change := relay.MemberChange{Message: c.params.text("message"), Alert: c.params.text("alert")}
		if c.params.has("op") {
			change.Op = new(frame.Bool(c.params["op"]))
		}
		if c.params.has("trusted") {
			change.Trusted = new(frame.Bool(c.params["trusted"]))
		}
		m, err = s.cfg.Relay.ChangeMember(ctx, id, member, change)
	case http.MethodDelete:
		message := c.params.text("message")
		if len(message) > maxKickMessage {
			if _, err := s.cfg.Relay.Member(ctx, id, member); err != nil {
				return s.failure(err)
			}
			return kickTooLong
		}
		if err := s.cfg.Relay.KickMember(ctx, id, member, message); err != nil {
			return s.failure(err)
		}
		return ok(kickReply{Status: "ok"})
	default:
		if _, err := s.cfg.Relay.Member(ctx, id, member); err != nil {
			return s.failure(err)
		}
		return badMethod()
	}
	if err != nil {
		return s.failure(err)
	}
	return ok(memberJSON(&m))
}

// maxKickMessage bounds the message of a kick, bytes (admin-api.md §5).
const maxKickMessage = 100

type kickReply struct {
	Status string `json:"status"`
	Force  bool   `json:"force"`
}

// kickTooLong says so under a key of its own.
var kickTooLong = reply{status: http.StatusBadRequest, body: struct {
	Error  string `json:"error"`
	Status string `json:"status"`
}{"message too long", "error"}}
