package relay

import (
	"context"
	"errors"

	"drawrelay/frame"
	"drawrelay/store"
)

/* Calls of administrators (admin-api.md §4)
 *
 * Each is one event on the loop of the session it is about, so it is atomic to
 * everything else there. What needs long (hashes, files) is done before or
 * after, on the caller's goroutine or through the session's slow commands.
 * Nobody waits for ever: calls end with their context (consult).
 */

// SessionChange is what an administrator does with a session.
type SessionChange struct {
	// Options are those of sessionconf (commands.md §9), as decoded from JSON.
	Options map[string]any
	// Message and Alert are said to all members unless they are nil.
	Message, Alert *string
}

// Configure applies c to the session with this id or alias: the options first,
// then the message, then the alert. It returns ErrMessageTooLong or
// ErrAlertTooLong, with nothing changed, for texts that are empty or do not fit
// into a message.
func (s *Server) Configure(ctx context.Context, idOrAlias string, c SessionChange) error {
	switch {
	case c.Message != nil && !fitsText("msg", *c.Message):
		return ErrMessageTooLong
	case c.Alert != nil && !fitsText("alert", *c.Alert):
		return ErrAlertTooLong
	}
	r := s.registry.find(idOrAlias)
	if r == nil {
		return ErrNoSession
	}
	return r.consult(ctx, func(answer func()) {
		x := r.session
		x.configureThen(c.Options, func() {
			if c.Message != nil {
				x.tellAll(notice("", *c.Message, nil))
				x.sayAsAdmin(*c.Message)
			}
			if c.Alert != nil {
				x.alertAll(*c.Alert)
				x.sayAsAdmin(*c.Alert)
			}
			answer()
		})
	})
}

// fitsText reports whether a text is not empty and fits into a message of this
// kind.
func fitsText(kind, text string) bool {
	_, err := frame.AppendReply(nil, 0, translatable(kind, "", text, nil))
	return text != "" && err == nil
}

// TellEverybody says message and alert to the members of all sessions, each
// unless it is empty or does not fit into a message. Any goroutine. It does not
// wait.
func (s *Server) TellEverybody(message, alertText string) {
	for _, r := range s.registry.all() {
		s.post(r.id, func(x *session) {
			if message != "" && x.tellAll(notice("", message, nil)) {
				x.sayAsAdmin(message)
			}
			if alertText != "" && x.alertAll(alertText) {
				x.sayAsAdmin(alertText)
			}
		})
	}
}

// Terminate ends a session for good. A reason is told to its members first
// unless it is empty.
func (s *Server) Terminate(ctx context.Context, idOrAlias, reason string) error {
	return s.consult(ctx, idOrAlias, func(x *session) {
		if reason != "" {
			x.tellAll(alert("terminatesessionadmin", "Session shut down by administrator: "+reason, named("reason", reason)))
		}
		x.kill("Session terminated by administrator")
	})
}

// TerminateQuietly ends a session for good without its members noticing: they
// stay connected and see only their own drawing.
func (s *Server) TerminateQuietly(ctx context.Context, idOrAlias string) error {
	return s.consult(ctx, idOrAlias, (*session).killQuietly)
}

// Opword returns the stored hash of the session's operator password, empty if
// there is none. That of its password is in its description.
func (s *Server) Opword(ctx context.Context, idOrAlias string) (hash string, err error) {
	var v string
	if err := s.consult(ctx, idOrAlias, func(x *session) { v = x.hist.OpwordHash() }); err != nil {
		return "", err
	}
	return v, nil
}

// ErrTooManyInvites is returned when a session has as many invites as it can.
var ErrTooManyInvites = errors.New("Too many invites")

// CreateInvite makes an invite for a session; uses is brought into 1..50.
func (s *Server) CreateInvite(ctx context.Context, idOrAlias string, uses int, trust, op bool) (*store.Invite, error) {
	var v *store.Invite
	err := s.consult(ctx, idOrAlias, func(x *session) {
		if i := x.createInvite(nil, uses, trust, op); i != nil {
			c := cloneInvite(i)
			v = &c
		}
	})
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, ErrTooManyInvites
	}
	return v, nil
}

// SessionInvites returns the invites of a session, the oldest first.
func (s *Server) SessionInvites(ctx context.Context, idOrAlias string) ([]store.Invite, error) {
	var list []store.Invite
	err := s.consult(ctx, idOrAlias, func(x *session) {
		for _, i := range x.hist.Invites.All() {
			list = append(list, cloneInvite(i))
		}
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// RemoveInvite revokes an invite and reports whether there was one with this
// secret.
func (s *Server) RemoveInvite(ctx context.Context, idOrAlias, secret string) (found bool, err error) {
	var v bool
	if err := s.consult(ctx, idOrAlias, func(x *session) { v = x.removeInvite(nil, secret) }); err != nil {
		return false, err
	}
	return v, nil
}

// Errors of asking for a thumbnail.
var (
	ErrNoThumbnails   = errors.New("Client does not have thumbnail capabilities")
	ErrThumbnailAsked = errors.New("This client is already generating a thumbnail")
	ErrNotAsked       = errors.New("Client is not generating a thumbnail")
)

// ThumbnailOptions say what a picture should be like; zero values leave it to
// the client.
type ThumbnailOptions struct {
	MaxWidth, MaxHeight int // pixels
	Quality             int // of the format's own scale
	Format              string
	Reason              string // for the log
}

// AskThumbnail asks a member for a picture of the canvas and returns what its
// answer will begin with. Somebody else who was asked before need not answer
// any more.
func (s *Server) AskThumbnail(ctx context.Context, idOrAlias string, member uint8, o ThumbnailOptions) (correlator string, err error) {
	var v string
	var refused error
	err = s.onMember(ctx, idOrAlias, member, func(x *session, st *seat) {
		switch {
		case !st.person.Thumbnail:
			refused = ErrNoThumbnails
		case !x.requestThumbnail(st, o):
			refused = ErrThumbnailAsked
		default:
			v = x.thumb.correlator
		}
	})
	if err != nil {
		return "", err
	}
	return v, refused
}

// CancelThumbnail gives up the picture that a member was asked for, or with
// member 0 that anybody was asked for. It returns ErrNotAsked if the member was
// not.
func (s *Server) CancelThumbnail(ctx context.Context, idOrAlias string, member uint8) error {
	if member == 0 {
		return s.consult(ctx, idOrAlias, (*session).cancelThumbnail)
	}
	var refused error
	err := s.onMember(ctx, idOrAlias, member, func(x *session, st *seat) {
		if x.thumb == nil || x.thumb.st != st {
			refused = ErrNotAsked
			return
		}
		x.cancelThumbnail()
	})
	if err != nil {
		return err
	}
	return refused
}

// History returns the stored side of a session, for its thumbnail.
func (s *Server) History(idOrAlias string) (*store.History, bool) {
	r := s.registry.find(idOrAlias)
	if r == nil {
		return nil, false
	}
	return r.hist, true
}
