package admin

import (
	"context"
	"encoding/base64"
	"net/http"

	"drawrelay/frame"
	"drawrelay/relay"
	"drawrelay/store/serverlog"
)

type thumbnailReply struct {
	Data string `json:"data"` // base64
	At   string `json:"at"`
}

type purgeReply struct {
	Status     string `json:"status"`
	Thumbnail  bool   `json:"thumbnail"`
	Generation bool   `json:"generation"`
}

// thumbnail serves the session's picture (admin-api.md §4.8).
func (s *Server) thumbnail(ctx context.Context, c *call, id string) reply {
	if len(c.path) > 0 {
		return notFound()
	}
	h, found := s.cfg.Relay.History(id)
	if !found {
		return notFound()
	}
	switch c.method {
	case http.MethodGet:
		data, at, err := h.Thumbnail()
		switch {
		case err != nil:
			s.put(serverlog.Error, serverlog.Status, "Admin API: "+err.Error())
			return fail(http.StatusInternalServerError, "The thumbnail cannot be read")
		case len(data) == 0:
			return fail(http.StatusNotFound, "No thumbnail available")
		}
		return ok(thumbnailReply{base64.StdEncoding.EncodeToString(data), isoTime(at)})
	case http.MethodDelete:
		r := purgeReply{"ok", c.params.looseBool("thumbnail", true, true), c.params.looseBool("generation", true, true)}
		if r.Thumbnail {
			if err := h.SetThumbnail(nil); err != nil {
				s.put(serverlog.Error, serverlog.Status, "Admin API: "+err.Error())
				return fail(http.StatusInternalServerError, "The thumbnail cannot be deleted")
			}
		}
		if r.Generation {
			if err := s.cfg.Relay.CancelThumbnail(ctx, id, 0); err != nil {
				return s.failure(err)
			}
		}
		return ok(r)
	}
	return badMethod()
}

type correlatorReply struct {
	Correlator string `json:"correlator"`
}

// memberThumbnail asks a member for a picture, or does so no more.
func (s *Server) memberThumbnail(ctx context.Context, c *call, id string, member uint8) reply {
	switch c.method {
	case http.MethodPost:
		o := relay.ThumbnailOptions{Format: c.params.text("format"), Reason: c.params.text("reason")}
		if _, err := s.cfg.Relay.Member(ctx, id, member); err != nil {
			return s.failure(err)
		}
		for _, n := range []struct {
			key   string
			value *int
		}{{"maxWidth", &o.MaxWidth}, {"maxHeight", &o.MaxHeight}, {"quality", &o.Quality}} {
			if v, given := c.params[n.key]; given {
				if _, isNumber := v.(float64); !isNumber {
					return badRequest(n.key + " must be a number")
				}
				*n.value = frame.Int(v)
			}
		}
		correlator, err := s.cfg.Relay.AskThumbnail(ctx, id, member, o)
		if err != nil {
			return s.failure(err)
		}
		return reply{status: http.StatusAccepted, body: correlatorReply{correlator}}
	case http.MethodDelete:
		if err := s.cfg.Relay.CancelThumbnail(ctx, id, member); err != nil {
			return s.failure(err)
		}
		return done
	}
	return badMethod()
}
