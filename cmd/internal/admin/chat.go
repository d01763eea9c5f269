package admin

import (
	"context"
	"net/http"
	"strings"
	"time"

	"drawrelay/relay"
)

type chatReply struct {
	Offset   int64 `json:"offset"`
	Messages []any `json:"messages"`
}

type adminMessage struct {
	M string `json:"m"`
}

type userMessage struct {
	I uint8  `json:"i"`
	N string `json:"n"`
	M string `json:"m"`
	F uint8  `json:"f,omitempty"`
}

func chatJSON(said []relay.ChatMessage, offset int64) reply {
	v := chatReply{Offset: offset, Messages: make([]any, len(said))}
	for i := range said {
		if m := &said[i]; m.User == 0 {
			v.Messages[i] = adminMessage{m.Text}
		} else {
			v.Messages[i] = userMessage{m.User, m.Name, m.Text, m.Flags}
		}
	}
	return ok(v)
}

// chat serves the administrator's chat with a session (admin-api.md §4.6).
func (s *Server) chat(ctx context.Context, c *call, id string) reply {
	if len(c.path) > 0 {
		return notFound()
	}
	message := strings.TrimSpace(c.params.text("message"))
	if c.method == http.MethodPost {
		return s.connectChat(ctx, c, id, message)
	}
	// Whether a chat is connected comes before everything else.
	offset := int64(c.params.looseInt("offset", 0, -1))
	var said []relay.ChatMessage
	var at int64
	var err error
	switch c.method {
	case http.MethodGet, http.MethodPut:
		wrong := ""
		switch {
		case c.method == http.MethodGet:
			message = ""
		case message == "":
			wrong = "Missing message"
		}
		if offset < 0 && wrong == "" {
			wrong = "Invalid offset"
		}
		if wrong != "" {
			if _, _, err := s.cfg.Relay.ChatSince(ctx, id, "", 0); err != nil {
				return s.failure(err)
			}
			return badRequest(wrong)
		}
		said, at, err = s.cfg.Relay.ChatSince(ctx, id, message, offset)
	case http.MethodDelete:
		if offset < 0 {
			// The message is said, but the chat stays connected.
			if _, _, err := s.cfg.Relay.ChatSince(ctx, id, message, 0); err != nil {
				return s.failure(err)
			}
			return badRequest("Invalid offset")
		}
		said, at, err = s.cfg.Relay.DisconnectChat(ctx, id, message, offset)
	default:
		return badMethod()
	}
	if err != nil {
		return s.failure(err)
	}
	return chatJSON(said, at)
}

func (s *Server) connectChat(ctx context.Context, c *call, id, message string) reply {
	timeout := time.Duration(c.params.looseInt("timeout", int(relay.DefaultChatTimeout.Milliseconds()), -1)) * time.Millisecond
	wrong := ""
	switch {
	case message == "":
		wrong = "Missing message"
	case timeout < relay.MinChatTimeout:
		wrong = "Timeout too short, must be >= 30000 ms"
	case timeout > relay.MaxChatTimeout:
		wrong = "Timeout too long, must be <= 900000 ms"
	}
	if wrong != "" {
		// A chat that is connected already is what callers are told first.
		switch _, _, err := s.cfg.Relay.ChatSince(ctx, id, "", 0); err {
		case nil:
			return s.failure(relay.ErrChatConnected)
		case relay.ErrChatNotConnected:
			return badRequest(wrong)
		default:
			return s.failure(err)
		}
	}
	said, at, err := s.cfg.Relay.ConnectChat(ctx, id, message, timeout)
	if err != nil {
		return s.failure(err)
	}
	return chatJSON(said, at)
}
