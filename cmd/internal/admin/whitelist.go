package admin

import (
	"context"
	"net/http"

	"drawrelay/frame"
	"drawrelay/store/db"
)

type whitelistReply struct {
	Enabled   bool     `json:"enabled"`
	Whitelist []string `json:"whitelist"`
	Locked    bool     `json:"_locked"`
}

// whitelist serves /listserverwhitelist; all methods but PUT just read
// (admin-api.md §7).
func (s *Server) whitelist(_ context.Context, c *call) reply {
	if len(c.path) > 0 {
		return notFound()
	}
	if c.method == http.MethodPut {
		if refusal := s.changeWhitelist(c.params); refusal != nil {
			return *refusal
		}
	}
	state := s.cfg.Database.Refresh()
	return ok(whitelistReply{state.Settings.AnnounceWhitelist, append([]string{}, state.Whitelist...), c.locked})
}

// changeWhitelist changes everything or nothing.
func (s *Server) changeWhitelist(p params) *reply {
	var change db.WhitelistChange
	if p.has("enabled") {
		change.Enabled = new(frame.Bool(p["enabled"]))
	}
	if p.has("whitelist") {
		given, _ := p["whitelist"].([]any)
		list := []string{}
		for _, v := range given {
			text := frame.Str(v)
			if text == "" {
				continue
			}
			if err := db.CheckPattern(text); err != nil {
				x := badRequest(text + ": " + err.Error())
				return &x
			}
			list = append(list, text)
		}
		change.Expressions = &list
	}
	if err := s.cfg.Database.ChangeWhitelist(change); err != nil {
		x := s.databaseError(err)
		return &x
	}
	return nil
}
