package login

import (
	"strings"

	"drawrelay/store/serverlog"
)

// validName reports whether a user name is acceptable at all: 1 to 22 UTF-16
// units without a quotation mark (login.md §10.1 row 2).
func validName(name string) bool {
	n := units(name)
	return n >= 1 && n <= maxNameUnits && !strings.Contains(name, `"`)
}

// checkName applies both rules for user names and logs a breach.
func (c *conn) checkName(name string) error {
	if !validName(name) {
		c.log(serverlog.Warn, serverlog.RuleBreak, "Attempt to use invalid username '"+name+"'")
		return errBadUsername
	}
	report := func(text string) { c.server.log(serverlog.Error, serverlog.Status, text) }
	set := c.server.cfg.Settings.Get()
	if c.server.names.Forbids(set.ForbiddenNameRegex, set.FilterNameRegex, name, report) {
		c.log(serverlog.Warn, serverlog.RuleBreak, "Attempt to use forbidden username '"+name+"'")
		return errForbiddenName
	}
	return nil
}
