package login

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"drawrelay/frame"
	"drawrelay/store/entry"
	"drawrelay/store/settings"
)

// host is the step that creates a session (login.md §12).
func (c *conn) host(cmd frame.Command) error {
	err := c.tryHost(cmd)
	if err != errSeated {
		c.logInfo(c.info, c.person.AuthID)
	}
	return err
}

func (c *conn) tryHost(cmd frame.Command) error {
	cfg := &c.server.cfg
	set := cfg.Settings.Get()
	if err := c.commandInfo(cmd); err != nil {
		return err
	}
	if c.lookupID != "" {
		return errLookupHost
	}
	if set.RedirectHosts != "" {
		if c.redirect(set.RedirectHosts, true) {
			return nil
		}
		return entry.ErrServerFull // it is being drained
	}
	pass := frame.Str(cmd.Kwargs["password"])
	if err := c.mayHost(set, pass != ""); err != nil {
		return err
	}
	if c.person.Flags.Has(entry.FlagGhost) {
		return errGhostHost
	}
	version, ok := frame.ParseVersion(frame.Str(cmd.Kwargs["protocol"]))
	if !ok {
		return errHostProtocol
	}
	if minimum, ok := frame.ParseVersion(set.MinimumProtocolVersion); ok && !c.person.Moderator() {
		if version.Namespace != minimum.Namespace {
			return errNamespace(set.MinimumProtocolVersion)
		}
		if version.Compare(minimum) < 0 {
			return errOldProtocol(set.MinimumProtocolVersion)
		}
	}
	if err := c.checkSystemID(c.info[infoSystemID], version.NeedsSystemID()); err != nil {
		return err
	}
	id := frame.Int(cmd.Kwargs["user_id"])
	if id < 1 || id > 254 {
		return errHostUserID
	}
	alias := frame.Str(cmd.Kwargs["alias"])
	if alias != "" && !validAlias(alias) {
		return errBadAlias
	}
	if fired, err := c.trigger(final); fired {
		return err
	}
	if len(cfg.Directory.All()) >= set.SessionCountLimit {
		return entry.ErrServerFull
	}
	if _, taken := cfg.Directory.Find(alias); taken && alias != "" {
		return entry.ErrIDInUse
	}
	if version.Server != frame.ServerProtocol {
		return entry.ErrBadProtocol
	}

	r := &entry.HostRequest{
		Listing:  c.listing(),
		UserID:   uint8(id),
		Alias:    alias,
		Version:  version,
		AllowWeb: c.hostAllowsWeb(set, cmd.Kwargs["web"], pass != ""),
		Unlisted: strings.Contains(set.UnlistedHostPolicy, "ALL") ||
			c.browser && strings.Contains(set.UnlistedHostPolicy, "WEB"),
	}
	if pass != "" {
		hash, err, ended := await(c, hashTimeout, func(ctx context.Context) (string, error) {
			return c.server.hashes.hash(ctx, pass)
		})
		if ended != nil {
			return ended
		}
		if err != nil {
			return c.failed("hash password", err)
		}
		r.PasswordHash = hash
	}
	return c.seat(cmd, func(ctx context.Context, p *entry.Person, conn *entry.Conn) error {
		r.Person, r.Conn = p, conn
		return cfg.Seater.Host(ctx, r)
	})
}

// mayHost applies the host privilege (login.md §12.1).
func (c *conn) mayHost(set *settings.Settings, password bool) error {
	f := c.person.Flags
	switch {
	case !f.Has(entry.FlagHost), c.browser && !f.Has(entry.FlagWebHost):
		return errUnauthorizedHost
	case c.browser && !f.Has(entry.FlagWebSession) && set.PasswordDependentWebSession && !password:
		return errPasswordedHost
	}
	return nil
}

// hostAllowsWeb says whether browsers may join the new session
// (login.md §12.3 row 3).
func (c *conn) hostAllowsWeb(set *settings.Settings, web any, password bool) bool {
	control := c.person.Flags.Has(entry.FlagWebSession)
	wish, stated := web.(bool)
	switch {
	case c.browser:
		return true
	case control && stated:
		return wish
	case set.PasswordDependentWebSession:
		return password
	}
	return control
}

var (
	aliasForm = regexp.MustCompile(fmt.Sprintf(`^[a-zA-Z0-9-]{1,%d}$`, maxAlias))
	uuidForm  = regexp.MustCompile(`^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	ulidForm  = regexp.MustCompile(`^[0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{26}$`)
)

// validAlias reports whether a client may choose this alias: it must not look
// like a session id (login.md §12.2 row 9).
func validAlias(s string) bool {
	return aliasForm.MatchString(s) && !uuidForm.MatchString(s) &&
		!(ulidForm.MatchString(s) && strings.Trim(s, "0") != "")
}
