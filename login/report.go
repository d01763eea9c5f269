package login

import (
	"drawrelay/frame"
	"drawrelay/store/entry"
	"drawrelay/store/serverlog"
)

// Report is an abuse report of somebody who has not entered a session
// (login.md §15, integrations.md §4).
type Report struct {
	Session  *entry.Session
	Reporter *entry.Person
	Reason   string
}

// Reports takes abuse reports. Submit must not block; it is called from login
// goroutines.
type Reports interface {
	Submit(r Report)
}

// report is the step that reports a session. It never answers, so that nobody
// learns from it what exists or who is banned.
func (c *conn) report(cmd frame.Command) {
	id := frame.Str(cmd.Kwargs["session"])
	if c.ban != nil || id == "" {
		return
	}
	s, ok := c.server.cfg.Directory.Find(id)
	if !ok {
		return
	}
	if c.reports++; c.reports > maxReports {
		return
	}
	reason := frame.Str(cmd.Kwargs["reason"])
	c.logSession(s.ID, serverlog.Info, serverlog.Report, "Abuse report about user 0 received: "+reason)
	switch {
	case c.server.cfg.Reports == nil:
		c.logSession(s.ID, serverlog.Warn, serverlog.Report, "Cannot send abuse report: server URL not configured!")
	case !c.server.cfg.Settings.Get().AbuseReport:
		c.logSession(s.ID, serverlog.Warn, serverlog.Report, "Cannot send abuse report: not enabled!")
	default:
		c.server.cfg.Reports.Submit(Report{Session: s, Reporter: c.candidate(), Reason: reason})
	}
}
