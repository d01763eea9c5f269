package login

import (
	"fmt"
	"slices"
	"strings"

	"drawrelay/frame"
	"drawrelay/store/password"
	"drawrelay/store/serverlog"
	"drawrelay/store/settings"
)

// Intents a client may state in ident, and the methods of a mismatch reply
// (login.md §10).
const (
	intentGuest   = "guest"
	intentAuth    = "auth"
	intentExtAuth = "extauth"
)

// ident is the identification step (login.md §10.1).
func (c *conn) ident(cmd frame.Command) error {
	if n := len(cmd.Args); n != 1 && n != 2 {
		return errIdentSyntax
	}
	name, pass := frame.Str(cmd.Arg(0)), frame.Str(cmd.Arg(1))
	if err := c.checkName(name); err != nil {
		return err
	}
	intent := frame.Str(cmd.Kwargs["intent"])
	switch intent {
	case "", intentGuest, intentAuth, intentExtAuth:
	default:
		return errIdentIntent
	}
	set := c.server.cfg.Settings.Get()
	token, hasToken := cmd.Kwargs["extauth"]

	var account Account
	known := false
	if users := c.server.cfg.Users; users != nil {
		account, known = users.Find(name)
	}
	if known && hasToken {
		return errAuthInternal
	}
	if known && (intent == intentGuest || intent == intentExtAuth) {
		c.intentMismatch(intent, intentAuth, false)
		return nil
	}
	if avatar, ok := cmd.Kwargs["avatar"]; ok && set.CustomAvatars {
		c.avatar = lenientBase64(frame.Str(avatar))
	}
	switch {
	case known:
		return c.identAccount(account, pass, c.server.namesHidden(set))
	case c.server.extAuth(set) && hasToken:
		return c.identToken(frame.Str(token))
	case c.server.extAuth(set) && set.AllowGuests:
		return c.identAsk(name, intent)
	case c.server.extAuth(set):
		return c.requestExtAuth(intent)
	case set.AllowGuests:
		return c.identGuest(name, intent, false)
	}
	return c.identUnknown(name, pass)
}

// identUnknown answers where only accounts may log in: like an account with
// another password, and as slowly.
func (c *conn) identUnknown(name, pass string) error {
	if pass != "" {
		if _, err, ended := c.checkPassword(password.Decoy, pass, name, true); ended != nil {
			return ended
		} else if err != nil {
			return c.failed("check password", err)
		}
	}
	return c.passwordFailed(name, pass)
}

// namesHidden reports whether unknown names are asked for a password, so that
// nobody can tell them from accounts (login.md §10.1).
func (s *Server) namesHidden(set *settings.Settings) bool { return !set.AllowGuests && !s.extAuth(set) }

// identAccount logs in with an internal account. With even nobody can tell from
// the time it takes whether there is one.
func (c *conn) identAccount(a Account, pass string, even bool) error {
	if a.Locked || password.Disabled(a.PasswordHash) {
		return errBannedName
	}
	ok := a.PasswordHash == "" && pass == ""
	if !ok && pass != "" {
		var err, ended error
		ok, err, ended = c.checkPassword(a.PasswordHash, pass, a.Name, even)
		if ended != nil {
			return ended
		}
		if err != nil {
			return c.failed("check password", err)
		}
	}
	if !ok {
		return c.passwordFailed(a.Name, pass)
	}
	c.server.upgrade(a, pass)
	if slices.Contains(a.Flags, "MOD") || slices.Contains(a.Flags, "BANEXEMPT") {
		c.exempt()
	}
	return c.authenticated(a.Name, "internal:"+a.ID, a.Flags, false)
}

// passwordFailed asks for a password or counts a wrong one.
func (c *conn) passwordFailed(name, pass string) error {
	if pass == "" {
		c.result("Password needed", frame.Object{"state": "needPassword"})
		return nil
	}
	c.identFail++
	c.log(serverlog.Warn, serverlog.RuleBreak,
		fmt.Sprintf("Incorrect password for account %s (attempt %d/%d)", name, c.identFail, passwordAttempts))
	if c.identFail >= passwordAttempts {
		return errBadPassword
	}
	c.refuse(errBadPassword)
	return nil
}

// intentMismatch tells the client that another method applies to its name.
func (c *conn) intentMismatch(intent, method string, fallback bool) {
	v := frame.Object{"state": "intentMismatch", "intent": intent, "method": method}
	if fallback {
		v["extauthfallback"] = true
	}
	c.result("Intent mismatch", v)
}

// authenticated completes the login of an account (login.md §10.5).
func (c *conn) authenticated(name, authID string, supplied []string, external bool) error {
	set := c.server.cfg.Settings.Get()
	names, bits := effectiveFlags(supplied, external, set)
	if c.browser && !slices.Contains(names, "WEB") {
		return errWebNotAllowed
	}
	if slices.Contains(supplied, "GHOST") {
		if !slices.Contains(names, "GHOST") {
			return errGhostsNotAllowed
		}
		if !slices.Contains(names, "MOD") {
			return errGhostWithoutMod
		}
	}
	c.person.Name, c.person.AuthID, c.person.Flags = name, authID, bits
	c.flagNames = names
	return c.identified("Authenticated login OK!")
}

// identGuest logs in as a guest (login.md §10.6).
func (c *conn) identGuest(name, intent string, fallback bool) error {
	if intent == intentAuth || intent == intentExtAuth {
		c.intentMismatch(intent, intentGuest, fallback)
		return nil
	}
	set := c.server.cfg.Settings.Get()
	if !set.AllowGuests {
		return errNoGuest
	}
	names, bits := effectiveFlags(nil, false, set)
	// The reference lets browsers in that ignore NOGUEST.
	if c.browser && !slices.Contains(names, "WEB") {
		return errWebNotAllowed
	}
	c.guest = true
	c.person.Name, c.person.Flags = name, bits
	c.flagNames = names
	return c.identified("Guest login OK!")
}

// identified ends the identification: from here on sessions can be seen.
func (c *conn) identified(message string) error {
	if fired, err := c.trigger(early); fired {
		return err
	}
	c.state = waitForLogin
	c.show()
	c.result(message, frame.Object{
		"state": "identOk", "flags": c.flagNames, "ident": c.person.Name, "guest": c.guest,
	})
	return c.showSessions()
}

// failed logs a failure of our own and returns what the client is told.
func (c *conn) failed(step string, err error) error {
	if c.server.ctx.Err() != nil {
		return byeShutdown
	}
	c.log(serverlog.Error, serverlog.Status, strings.ToUpper(step[:1])+step[1:]+" failed: "+err.Error())
	return errInternal
}
