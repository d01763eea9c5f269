package login

import (
	"context"
	"fmt"

	"drawrelay/frame"
	"drawrelay/store/entry"
	"drawrelay/store/serverlog"
)

// join is the step that enters a session (login.md §13).
func (c *conn) join(cmd frame.Command) error {
	err := c.tryJoin(cmd)
	if err != errSeated {
		c.logInfo(c.info, c.person.AuthID)
	}
	return err
}

func (c *conn) tryJoin(cmd frame.Command) error {
	if err := c.commandInfo(cmd); err != nil {
		return err
	}
	if len(cmd.Args) != 1 {
		return errJoinSyntax
	}
	if c.onlyLookup && c.lookupID == "" {
		return errLookupJoin
	}
	if c.redirect(c.server.cfg.Settings.Get().RedirectSession(frame.Str(cmd.Args[0])), true) {
		return nil
	}
	s, ended := c.findSession(frame.Str(cmd.Args[0]))
	if ended != nil {
		return ended
	}
	if c.lookupID != "" && s.ID != c.lookupID {
		return errLookupMismatch
	}
	version, _ := frame.ParseVersion(s.Version) // an unreadable one needs nothing
	if err := c.checkSystemID(c.info[infoSystemID], version.NeedsSystemID()); err != nil {
		return err
	}
	pass := frame.Str(cmd.Kwargs["password"])
	invite, err := c.redeem(s, pass)
	if err != nil {
		return err
	}
	if c.browser && invite == nil && !s.AllowWeb {
		return errNoWebJoin
	}
	if !c.person.Moderator() {
		if right, err := c.mayJoin(s, pass, invite != nil); !right || err != nil {
			return err
		}
	}
	if s.Taken(c.candidate()) {
		return entry.ErrNameInUse
	}
	if fired, err := c.trigger(final); fired {
		return err
	}

	r := &entry.JoinRequest{Session: s.ID, Invited: invite}
	r.Index, _ = frame.ParseHistoryIndex(frame.Str(cmd.Kwargs["hidx"])) // the zero index means from the start
	for try := 1; ; try++ {
		r.PasswordHash = s.PasswordHash
		err := c.seat(cmd, func(ctx context.Context, p *entry.Person, conn *entry.Conn) error {
			r.Person, r.Conn = p, conn
			return c.server.cfg.Seater.Join(ctx, r)
		})
		if err != entry.ErrPasswordChanged || try == passwordChanges {
			return err
		}
		// It was changed while the old one was checked.
		var ok bool
		if s, ok = c.server.cfg.Directory.Find(s.ID); !ok {
			return entry.ErrNotFound
		}
		if right, err := c.mayJoin(s, pass, invite != nil); !right || err != nil {
			return err
		}
	}
}

// passwordChanges is how many changes of the session password a join outlasts.
const passwordChanges = 5

// findSession returns the live session with this id or alias, or starts it
// from its template.
func (c *conn) findSession(id string) (*entry.Session, error) {
	if id == "" { // the reference would take the first session without an alias
		return nil, entry.ErrNotFound
	}
	if s, ok := c.server.cfg.Directory.Find(id); ok {
		return s, nil
	}
	if _, _, ok := c.server.lookupTemplate(id); !ok {
		return nil, entry.ErrNotFound
	}
	s, err, ended := await(c, seatTimeout, func(ctx context.Context) (*entry.Session, error) {
		return c.server.cfg.Templates.Instantiate(ctx, id)
	})
	if ended != nil {
		return nil, ended
	}
	if err != nil {
		c.log(serverlog.Error, serverlog.Status, "Starting template "+id+" failed: "+err.Error())
		return nil, entry.ErrNotFound
	}
	return s, nil
}

// redeem uses the invite of the lookup, or else tries the password as one
// (login.md §13.1 rows 7 and 8). A use counts even if the join fails later.
func (c *conn) redeem(s *entry.Session, pass string) (*entry.Invite, error) {
	secret, fromLookup := c.lookupSecret, c.lookupSecret != ""
	if !fromLookup {
		if secret = pass; secret == "" || s.Redeem == nil || c.systemID == "" {
			return nil, nil
		}
	}
	if c.systemID == "" {
		return nil, errInviteNoClient
	}
	if s.Redeem == nil {
		return nil, errInviteNotFound
	}
	invite, result := s.Redeem(secret, c.candidate())
	switch result {
	case entry.RedeemOK:
		return invite, nil
	case entry.RedeemUsedUp:
		return nil, errInviteLimit
	}
	if !fromLookup {
		return nil, nil
	}
	if result == entry.RedeemNoClientKey {
		return nil, errInviteNoClient
	}
	return nil, errInviteNotFound
}

// mayJoin applies the checks moderators are exempt from (login.md §13.1 rows
// 10 to 13). Not right without an error means that the client may try again.
func (c *conn) mayJoin(s *entry.Session, pass string, invited bool) (right bool, err error) {
	if s.Banned != nil {
		if n := s.Banned(c.person.Name, c.person.AuthID, c.systemID, c.addr); n != 0 {
			c.logSession(s.ID, serverlog.Info, serverlog.Ban, fmt.Sprintf("Join prevented by ban %d", n))
			return false, errBanned(n)
		}
	}
	switch {
	case invited:
		return true, nil
	case full(s):
		return false, entry.ErrClosed
	case s.AuthOnly && c.guest:
		return false, entry.ErrAuthOnly
	case s.PasswordHash == "":
		return true, nil
	}
	if pass != "" {
		ok, err, ended := c.checkPassword(s.PasswordHash, pass, "", false)
		switch {
		case ended != nil:
			return false, ended
		case err != nil:
			return false, c.failed("check session password", err)
		case ok:
			return true, nil
		}
	}
	c.joinFail++
	c.log(serverlog.Warn, serverlog.RuleBreak,
		fmt.Sprintf("Incorrect password for session %s (attempt %d/%d)", s.ID, c.joinFail, passwordAttempts))
	if c.joinFail >= passwordAttempts {
		return false, errBadPassword
	}
	c.refuse(errBadPassword)
	return false, nil
}
