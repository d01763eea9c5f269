package login

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"drawrelay/frame"
	"drawrelay/store/serverlog"
	"drawrelay/store/settings"
)

// AuthServer asks the external authentication server about names
// (login.md §10.3, integrations.md §3.3). Called from goroutines of login.
type AuthServer interface {
	// Query returns the "status" of the server's answer, "" if there is none.
	// An answer that is no JSON object or list is an error that wraps ErrAuthReply;
	// everything else that fails, error statuses included, is any other error.
	// It gives up when ctx ends.
	Query(ctx context.Context, name, group string) (status string, err error)
}

// ErrAuthReply says that the authentication server's answer is not JSON.
var ErrAuthReply = errors.New("answer of the authentication server cannot be read")

// extAuth reports whether external authentication is active.
func (s *Server) extAuth(set *settings.Settings) bool {
	return s.cfg.AuthServer != nil && s.cfg.AuthURL != "" && set.ExtAuth
}

// identAsk asks the authentication server what kind of login a name needs.
func (c *conn) identAsk(name, intent string) error {
	group := c.server.cfg.Settings.Get().ExtAuthGroup
	c.log(serverlog.Info, serverlog.Status, "Querying auth server for "+name+"...")
	status, err, ended := await(c, authTimeout, func(ctx context.Context) (string, error) {
		return c.server.cfg.AuthServer.Query(ctx, name, group)
	})
	if ended != nil {
		return ended
	}
	if err != nil {
		if c.server.ctx.Err() != nil {
			return byeShutdown
		}
		what := "Auth server error: "
		if errors.Is(err, ErrAuthReply) {
			what = "Auth server JSON parse error: "
		}
		c.log(serverlog.Warn, serverlog.Status, what+err.Error())
		if c.server.cfg.Settings.Get().ExtAuthFallback {
			return c.identGuest(name, intent, true)
		}
		return errAuthDown
	}
	switch status {
	case "auth":
		return c.requestExtAuth(intent)
	case "guest":
		return c.identGuest(name, intent, false)
	case "outgroup":
		return errAuthOutgroup
	case "banned":
		return errAuthLocked
	}
	return errAuthStatus(status)
}

// requestExtAuth sends the client to the authentication server, unless it
// meant another method.
func (c *conn) requestExtAuth(intent string) error {
	if intent != "" && intent != intentExtAuth {
		c.intentMismatch(intent, intentExtAuth, false)
		return nil
	}
	for c.nonce = 0; c.nonce == 0; {
		c.nonce = c.random()
	}
	set := c.server.cfg.Settings.Get()
	c.result("External authentication needed", frame.Object{
		"state":      "needExtAuth",
		"extauthurl": c.server.cfg.AuthURL,
		"nonce":      strconv.FormatUint(c.nonce, 16),
		"group":      set.ExtAuthGroup,
		"avatar":     len(c.avatar) == 0 && set.ExtAuthAvatars,
	})
	return nil
}

// identToken logs in with a token of the authentication server
// (login.md §10.4).
func (c *conn) identToken(text string) error {
	if c.nonce == 0 {
		return errAuthUnasked
	}
	set := c.server.cfg.Settings.Get()
	t, err := openToken(text, lenientBase64(set.ExtAuthKey))
	if err != nil {
		return errAuthSignature
	}
	claims, ok := t.claims(c.nonce, set.ExtAuthGroup)
	if !ok {
		return errAuthToken
	}
	if err := c.checkName(claims.name); err != nil {
		return err
	}
	if set.ExtAuthMod && slices.Contains(claims.flags, "MOD") ||
		set.ExtAuthBanExempt && slices.Contains(claims.flags, "BANEXEMPT") {
		c.exempt()
	}
	if claims.numeric {
		c.lookupUserBan(claims.number)
	}
	if len(t.avatar) > 0 && set.ExtAuthAvatars {
		c.avatar = t.avatar
	}
	host := ""
	if u, err := url.Parse(c.server.cfg.AuthURL); err == nil {
		host = strings.ToLower(u.Hostname())
	}
	return c.authenticated(claims.name, host+":"+claims.uid, claims.flags, true)
}
