package login

import (
	"strings"

	"drawrelay/frame"
	"drawrelay/store/entry"
)

// lookup is the step in which the client says early what it wants
// (login.md §9).
func (c *conn) lookup(cmd frame.Command) error {
	if c.lookedUp {
		return errLookupDone
	}
	c.noteRedirect(cmd)
	set := c.server.cfg.Settings.Get()
	switch len(cmd.Args) {
	case 0:
		c.lookupDone()
		if c.redirect(set.RedirectHosts, false) {
			return nil
		}
		c.result("Host lookup OK!", frame.Object{"lookup": "host"})
		return nil
	case 1:
	default:
		return errLookupSyntax
	}
	id, secret := frame.Str(cmd.Args[0]), ""
	if i := strings.LastIndexByte(id, ':'); i >= 0 {
		id, secret = id[:i], id[i+1:]
	}
	if id == "" {
		if c.onlyLookup {
			return errLookupRequired
		}
		c.lookupDone()
		c.result("Empty join lookup OK!", frame.Object{"lookup": "join"})
		return nil
	}
	if c.redirect(set.RedirectSession(id), false) {
		c.lookedUp = true
		return nil
	}
	desc, unique, err := c.resolve(id, secret)
	if err != nil {
		return err
	}
	c.lookupDone()
	c.lookupID, c.lookupSecret = unique, secret
	c.result("Join lookup OK!", frame.Object{"lookup": "join", "session": desc})
	return nil
}

func (c *conn) lookupDone() {
	c.lookedUp = true
	c.state = waitForIdent
}

// resolve finds a live session or template and returns its description and
// unique id. Invites are looked at, not used.
func (c *conn) resolve(id, secret string) (desc frame.Object, unique string, err error) {
	set := c.server.cfg.Settings.Get()
	s, ok := c.server.cfg.Directory.Find(id)
	if !ok {
		t, unique, ok := c.server.lookupTemplate(id)
		switch {
		case !ok:
			return nil, "", errLookupFailed
		case secret != "":
			return nil, "", errInviteNotFound
		}
		return describeTemplate(&t, unique, set), unique, nil
	}
	desc = describe(s, set, c.server.cfg.Now())
	if secret != "" {
		if s.CheckInvite == nil {
			return nil, "", errInviteNotFound
		}
		switch s.CheckInvite(secret, c.systemID) {
		case entry.RedeemOK, entry.RedeemNoClientKey:
		case entry.RedeemUsedUp:
			return nil, "", errInviteLimit
		default:
			return nil, "", errInviteNotFound
		}
		desc["hasPassword"], desc["authOnly"] = false, false
		if set.WebSockets {
			desc["allowWeb"] = true
		}
	}
	return desc, s.ID, nil
}
