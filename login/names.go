package login

import (
	"regexp"
	"strings"
	"sync"

	"drawrelay/store/serverlog"
	"drawrelay/store/settings"
)

// validName reports whether a user name is acceptable at all: 1 to 22 UTF-16
// units without a quotation mark (login.md §10.1 row 2).
func validName(name string) bool {
	n := units(name)
	return n >= 1 && n <= maxNameUnits && !strings.Contains(name, `"`)
}

// nameFilter applies forbiddenNameRegex and filterNameRegex. The expressions
// are compiled when they are first used and again after a change. Safe for any
// goroutine.
type nameFilter struct {
	mu                sync.Mutex
	forbidden, filter string // as configured
	compiled          bool
	deny, strip       *regexp.Regexp // nil = off
}

// forbids reports whether the settings forbid name. Bad expressions are
// logged once and count as empty.
func (f *nameFilter) forbids(set *settings.Settings, log func(string), name string) bool {
	f.mu.Lock()
	if !f.compiled || f.forbidden != set.ForbiddenNameRegex || f.filter != set.FilterNameRegex {
		f.forbidden, f.filter, f.compiled = set.ForbiddenNameRegex, set.FilterNameRegex, true
		f.deny, f.strip = compileName("forbiddenNameRegex", f.forbidden, log), nil
		if f.deny != nil {
			f.strip = compileName("filterNameRegex", f.filter, log)
		}
	}
	deny, strip := f.deny, f.strip
	f.mu.Unlock()
	if deny == nil {
		return false
	}
	if strip != nil {
		name = strip.ReplaceAllLiteralString(name, "")
	}
	return deny.MatchString(name)
}

// compileName compiles a setting: case-insensitive, dot matches line breaks,
// unanchored. It returns nil for empty and bad ones.
func compileName(key, pattern string, log func(string)) *regexp.Regexp {
	pattern = strings.TrimSpace(pattern)
	if pattern == "" {
		return nil
	}
	re, err := regexp.Compile("(?is)" + pattern)
	if err != nil {
		log(key + " is off because it cannot be used: " + err.Error())
		return nil
	}
	return re
}

// checkName applies both rules for user names and logs a breach.
func (c *conn) checkName(name string) error {
	if !validName(name) {
		c.log(serverlog.Warn, serverlog.RuleBreak, "Attempt to use invalid username '"+name+"'")
		return errBadUsername
	}
	report := func(text string) { c.server.log(serverlog.Error, serverlog.Status, text) }
	if c.server.names.forbids(c.server.cfg.Settings.Get(), report, name) {
		c.log(serverlog.Warn, serverlog.RuleBreak, "Attempt to use forbidden username '"+name+"'")
		return errForbiddenName
	}
	return nil
}
