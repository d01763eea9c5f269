package admin

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"drawrelay/cmd/internal/extbans"
	"drawrelay/store/serverlog"
)

type extBansReply struct {
	Config extBansConfig  `json:"config"`
	Bans   []extBanEntry  `json:"bans"`
	Status extbans.Status `json:"status"`
	Locked bool           `json:"_locked"`
}

type extBansConfig struct {
	URL           string `json:"extBansUrl"`
	CheckInterval int64  `json:"extBansCheckInterval"` // s
	CacheURL      string `json:"extBansCacheUrl"`
	CacheKey      string `json:"extBansCacheKey"`
}

type extBanEntry struct {
	extbans.Ban
	Enabled bool `json:"enabled"`
}

type msgBody struct {
	Msg string `json:"msg"`
}

// extBans serves /extbans (admin-api.md §9).
func (s *Server) extBans(_ context.Context, c *call) reply {
	part := c.next()
	switch {
	case len(c.path) > 0:
		return notFound()
	case part == "refresh":
		return s.refreshExtBans(c)
	case part != "":
		return s.switchExtBan(c, part)
	}
	switch c.method {
	case http.MethodGet:
	case http.MethodDelete:
		if err := s.cfg.ExtBans.Clear(); err != nil {
			return s.databaseError(err)
		}
		s.audit("List of external bans cleared")
	default:
		return badMethod()
	}
	s.cfg.Settings.Look()
	set, source := s.cfg.Settings.Get(), s.cfg.ExtBans
	v := extBansReply{Bans: []extBanEntry{}, Status: source.Status(), Locked: c.locked}
	v.Config = extBansConfig{URL: set.ExtBansURL, CheckInterval: int64(set.ExtBansCheckInterval / time.Second)}
	v.Config.CacheURL, v.Config.CacheKey = source.Cached()
	for _, b := range source.Bans() {
		v.Bans = append(v.Bans, extBanEntry{b, source.Enabled(b.ID)})
	}
	return ok(v)
}

// refreshExtBans asks the source now. It works while the section is locked.
func (s *Server) refreshExtBans(c *call) reply {
	if c.method != http.MethodPost {
		return badMethod()
	}
	switch err := s.cfg.ExtBans.Refresh(); {
	case errors.Is(err, extbans.ErrBusy), errors.Is(err, extbans.ErrInactive):
		return reply{status: http.StatusBadRequest, body: msgBody{err.Error()}}
	case err != nil:
		s.put(serverlog.Error, serverlog.ExtBan, err.Error())
		return reply{status: http.StatusInternalServerError, body: msgBody{"internal error"}}
	}
	return ok(msgBody{"refresh triggered"})
}

// switchExtBan switches one ban on or off. Unknown ones are remembered for when
// they appear.
func (s *Server) switchExtBan(c *call, part string) reply {
	id, err := strconv.ParseInt(part, 10, 32)
	if err != nil {
		return notFound()
	}
	if c.method != http.MethodPut {
		return badMethod()
	}
	enabled, isBool := c.params["enabled"].(bool)
	if !c.params.has("enabled") {
		return badRequest("Missing 'enabled' in request")
	}
	if err := s.cfg.ExtBans.Enable(int(id), isBool && enabled); err != nil {
		return s.databaseError(err)
	}
	what := "External ban " + part + " switched off"
	if enabled {
		what = "External ban " + part + " switched on"
	}
	s.audit(what)
	return reply{status: http.StatusOK, empty: true}
}
