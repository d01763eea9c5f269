package relay

import (
	"slices"
	"strings"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/entry"
	"drawrelay/store/serverlog"
	"drawrelay/store/settings"
)

const (
	// titleUnits is the longest title in UTF-16 units.
	titleUnits = 100
	// minUserLimit and maxUserLimit bound the number of users of a session.
	minUserLimit, maxUserLimit = 2, 254
)

// sessionConf changes the session's settings (commands.md §9).
func (s *session) sessionConf(st *seat, c frame.Command) error {
	s.configure(c.Kwargs, st)
	return nil
}

// configure changes settings on behalf of st, or of a server administrator if
// st is nil. Passwords are hashed off the loop first; requests are applied in
// the order they came.
func (s *session) configure(options map[string]any, st *seat) {
	s.whenReady(func() { s.queueConf(options, st, nil) })
}

// configureThen is configure for a server administrator; then runs on the loop
// once the changes have been made.
func (s *session) configureThen(options map[string]any, then func()) {
	s.whenReady(func() { s.queueConf(options, nil, then) })
}

func (s *session) queueConf(options map[string]any, st *seat, then func()) {
	s.slow(st, func(done func()) {
		var hashes secrets
		var forbidden forbiddenTitles
		check := s.titleCheck(options, st)
		opword, password := frame.Str(options["opword"]), frame.Str(options["password"])
		apply := func() {
			if s.state != stateShutdown {
				s.applyConf(options, st, hashes, forbidden)
				if then != nil {
					then()
				}
			}
			done()
		}
		if opword == "" && password == "" && check == nil {
			apply()
			return
		}
		s.offload(func() {
			hashes.opword, hashes.opwordErr = s.passwords.Hash(opword)
			hashes.password, hashes.passwordErr = s.passwords.Hash(password)
			if check != nil {
				forbidden = check()
			}
		}, apply)
	})
}

// secrets are the stored forms of what a request wants to set.
type secrets struct {
	opword, password       string
	opwordErr, passwordErr error
}

// confChange is one request while it is applied.
type confChange struct {
	s       *session
	set     *settings.Settings
	options map[string]any
	by      *seat // nil: a server administrator
	hashes  secrets
	// forbidden was found out before the request was applied.
	forbidden forbiddenTitles
	done      []string // log fragments, in order

	webDone     bool // allowWeb was in the request, from somebody who may
	password    bool // the password was set
	kickBrowser bool
}

// applyConf applies a request option by option, in the order of commands.md §9.
func (s *session) applyConf(options map[string]any, by *seat, hashes secrets, forbidden forbiddenTitles) {
	c := &confChange{s: s, set: s.settings.Get(), options: options, by: by, hashes: hashes, forbidden: forbidden}
	c.closed()
	c.authOnly()
	c.persistent()
	c.titles()
	c.numbers()
	c.opword()
	c.flags()
	c.unlisted()
	c.allowWeb()
	c.newPassword()
	c.archive()
	c.overrideSize()
	if len(c.done) == 0 {
		return
	}
	s.announceConf()
	if s.state == stateShutdown {
		return
	}
	if c.password {
		s.tellIf(frame.Object{"type": "passwordchange", "password": frame.Str(options["password"])},
			func(st *seat) bool { return st.invite == nil })
	}
	s.event(serverlog.Info, serverlog.Status, by, capital(strings.Join(c.done, ", ")))
	if c.kickBrowser {
		s.removeBrowsers(by)
	}
}

// admin reports whether the request comes from a moderator or a server
// administrator.
func (c *confChange) admin() bool { return c.by == nil || c.by.person.Moderator() }

func (c *confChange) allowed(f entry.Flags) bool { return c.by == nil || c.by.person.Flags.Has(f) }

// has returns an option as a bool.
func (c *confChange) has(key string) (on, present bool) {
	v, ok := c.options[key]
	return frame.Bool(v), ok
}

func (c *confChange) did(fragment string) { c.done = append(c.done, fragment) }

// flag sets a flag from an option and notes which of the two texts applies.
func (c *confChange) flag(key string, f store.Flags, yes, no string) {
	on, ok := c.has(key)
	if !ok {
		return
	}
	c.s.setFlag(f, on)
	if on {
		c.did(yes)
	} else {
		c.did(no)
	}
}

// closed tells clients that closing is not supported any more.
func (c *confChange) closed() {
	if on, _ := c.has("closed"); !on || c.by == nil || c.by.gone {
		return
	}
	c.s.tell(c.by, alert("closeunsupported",
		"Blocking new joins is not supported by this server. Set or change the session password instead.", nil))
	c.s.tell(c.by, partialConf("closed", true))
	c.s.tell(c.by, partialConf("closed", nil))
}

func (c *confChange) authOnly() {
	if on, _ := c.has("authOnly"); on && c.by != nil && c.by.person.AuthID == "" {
		return // they would lock themselves out
	}
	c.flag("authOnly", store.AuthOnly, "blocked guest logins", "permitted guest logins")
}

func (c *confChange) persistent() {
	if c.admin() || c.allowed(entry.FlagPersist) || c.set.Persistence {
		c.flag("persistent", store.Persistent, "made persistent", "made nonpersistent")
	}
}

// titles treats founder, autotitle and title, which depend on each other.
func (c *confChange) titles() {
	s := c.s
	auto, _ := c.has("autotitle")
	if founder, ok := newFounder(c.options, c.by); ok {
		s.hist.SetFounder(founder)
		c.did("changed founder")
		auto = auto || s.flag(store.AutoTitle)
	}
	if auto {
		c.autoTitle("")
		return
	}
	if _, ok := c.options["title"]; !ok {
		return
	}
	title := wantedTitle(c.options)
	if !c.admin() && c.forbidden.title {
		s.event(serverlog.Warn, serverlog.RuleBreak, c.by, "Attempt to set forbidden name '"+title+"'")
		if !s.flag(store.AutoTitle) {
			c.autoTitle(" due to forbidden title")
		}
		return
	}
	had := s.flag(store.AutoTitle)
	s.setFlag(store.AutoTitle, false)
	if title != s.hist.Title() {
		s.hist.SetTitle(title)
		c.did("changed title to '" + s.hist.Title() + "'")
	} else if had {
		c.did("disabled autotitle")
	}
}

// autoTitle makes the title from the founder's name.
func (c *confChange) autoTitle(why string) {
	s := c.s
	title := automaticTitle(s.hist.Founder())
	if c.forbidden.auto {
		title = "Drawpile"
	}
	had := s.flag(store.AutoTitle)
	s.setFlag(store.AutoTitle, true)
	if title != s.hist.Title() {
		s.hist.SetTitle(title)
		c.did("changed autotitle to '" + s.hist.Title() + "'" + why)
	} else if !had {
		c.did("enabled autotitle" + why)
	}
}

func (c *confChange) numbers() {
	s := c.s
	if v, ok := c.options["maxUserCount"]; ok {
		n := min(max(frame.Int(v), minUserLimit), maxUserLimit)
		if before, limit := s.hist.MaxUsers(), c.set.UserLimit(); !c.admin() && n > before && n > limit {
			n = max(before, limit)
		}
		s.hist.SetMaxUsers(n)
		c.did("changed max. user count")
	}
	if v, ok := c.options["resetThreshold"]; ok {
		if n, ok := sizeOption(v); ok {
			s.hist.SetAutoReset(n)
			s.raiseThreshold(c.set)
			c.did("changed autoreset threshold")
		}
	}
}

func (c *confChange) opword() {
	if _, ok := c.options["opword"]; !ok {
		return
	}
	if err := c.hashes.opwordErr; err != nil {
		c.s.record(serverlog.Error, serverlog.Status, c.by, "Cannot hash operator password: "+err.Error())
		return
	}
	c.s.hist.SetOpwordHash(c.hashes.opword)
	c.did("changed opword")
	c.s.ensureOperator() // whoever removed it may have left since
}

func (c *confChange) flags() {
	c.flag("preserveChat", store.PreserveChat, "preserve chat", "don't preserve chat")
	if _, ok := c.has("nsfm"); ok && c.set.ForceNSFM {
		if !c.s.flag(store.NSFM) {
			c.s.setFlag(store.NSFM, true)
			c.did("forced NSFM")
		}
	} else {
		c.flag("nsfm", store.NSFM, "tagged NSFM", "removed NSFM tag")
	}
	c.flag("deputies", store.Deputies, "enabled deputies", "disabled deputies")
	if c.admin() && c.set.AllowIdleOverride {
		c.flag("idleOverride", store.IdleOverride, "enabled idle override", "disabled idle override")
	}
	if c.admin() {
		c.flag("invites", store.Invites, "enabled invites", "disabled invites")
	}
}

func (c *confChange) unlisted() {
	on, ok := c.has("unlisted")
	if !ok || !c.admin() || on == c.s.flag(store.Unlisted) {
		return
	}
	c.s.setFlag(store.Unlisted, on)
	if on {
		c.s.unlist("")
		c.did("unlisted")
	} else {
		c.did("listed")
	}
}

func (c *confChange) allowWeb() {
	on, ok := c.has("allowWeb")
	if !ok || !c.allowed(entry.FlagWebSession) {
		return
	}
	c.webDone = true
	if !on && c.by != nil && c.by.person.Browser {
		return // they would lock themselves out
	}
	c.flag("allowWeb", store.AllowWeb, "enabled browser connections", "disabled browser connections")
}

// newPassword sets the session password. Where browsers are allowed by
// password only, that goes with it (session.md §22.2).
func (c *confChange) newPassword() {
	v, ok := c.options["password"]
	if !ok {
		return
	}
	if err := c.hashes.passwordErr; err != nil {
		c.s.record(serverlog.Error, serverlog.Status, c.by, "Cannot hash session password: "+err.Error())
		return
	}
	if c.set.PasswordDependentWebSession && !c.webDone {
		allowed := c.s.flag(store.AllowWeb)
		switch {
		case frame.Str(v) != "" && !allowed:
			c.s.setFlag(store.AllowWeb, true)
			c.did("enabled browser connections because password is set")
		case frame.Str(v) == "" && allowed && !c.allowed(entry.FlagWebSession):
			if c.by.person.Browser {
				return
			}
			c.s.setFlag(store.AllowWeb, false)
			c.kickBrowser = true
			c.did("disabled browser connections because no password is set")
		}
	}
	c.s.hist.SetPasswordHash(c.hashes.password)
	c.password = true
	c.did("changed password")
}

func (c *confChange) archive() {
	v, ok := c.options["archive"]
	if !ok || !c.admin() || !c.s.hist.HasFiles() {
		return
	}
	switch v {
	case true:
		c.s.hist.SetArchiveMode(store.ArchiveEnabled)
		c.did("set archive mode enabled")
	case false:
		c.s.hist.SetArchiveMode(store.ArchiveDisabled)
		c.did("set archive mode disabled")
	default:
		c.s.hist.SetArchiveMode(store.ArchiveDefault)
		c.did("set archive mode default")
	}
}

func (c *confChange) overrideSize() {
	v, ok := c.options["overrideSize"]
	if !ok || !c.admin() {
		return
	}
	n, _ := sizeOption(v) // anything else means no override
	c.s.hist.SetSizeOverride(n)
	c.did("changed override size limit")
}

// removeBrowsers disconnects browser users after the password has gone.
func (s *session) removeBrowsers(by *seat) {
	name := ""
	who := "a server administrator"
	if by != nil {
		name = by.person.Name
		who = name
	}
	s.tellAll(alert("kickwebusers", "Session password removed by "+who+". This server doesn't allow web browsers in "+
		"public sessions, they will be disconnected.", named("by", name)))
	for _, st := range slices.Clone(s.seats) {
		if st.person.Browser && !st.person.Moderator() && st.invite == nil && st != by {
			s.dismiss(st, frame.ReasonShutdown, "Web browser clients are only allowed on sessions with a password, but "+
				who+" removed it.", "")
		}
	}
}
