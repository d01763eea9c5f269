package relay

import (
	"fmt"
	"net/netip"

	"drawrelay/frame"
	"drawrelay/store/serverlog"
)

// maxReports is how many abuse reports a member may make.
const maxReports = 20

// Report is an abuse report from within a session (integrations.md §4.3).
// Immutable.
type Report struct {
	Session string // id
	Title   string
	By      ReportUser
	About   int // user id, 0: about the session
	Reason  string
	Size    int64 // of the history, bytes
	Users   []ReportUser
}

// ReportUser is a member named in a report.
type ReportUser struct {
	ID   uint8
	Name string
	Auth bool // has an account
	Op   bool
	Addr netip.Addr
}

// Reporter sends abuse reports. Report is called on loops: it never blocks,
// and calls done from anywhere, once.
type Reporter interface {
	Report(r Report, done func(error))
}

// reportAbuse is report: always a success for its sender.
func (s *session) reportAbuse(st *seat, c frame.Command) error {
	if st.reports++; st.reports > maxReports {
		return nil
	}
	about, reason := frame.Int(c.Kwargs["user"]), frame.Str(c.Kwargs["reason"])
	s.event(serverlog.Info, serverlog.Report, st, fmt.Sprintf("Abuse report about user %d received: %s", about, reason))
	switch {
	case s.report == nil:
		s.event(serverlog.Warn, serverlog.Report, st, "Cannot send abuse report: server URL not configured!")
		return nil
	case !s.settings.Get().AbuseReport:
		s.event(serverlog.Warn, serverlog.Report, st, "Cannot send abuse report: not enabled!")
		return nil
	}
	r := Report{
		Session: s.hist.ID, Title: s.hist.Title(), By: st.reported(), About: max(about, 0), Reason: reason,
		Size: s.hist.Log().Size(),
	}
	for _, member := range s.seats {
		r.Users = append(r.Users, member.reported())
	}
	s.report(r, func(err error) {
		if err != nil {
			s.event(serverlog.Warn, serverlog.Report, nil, "Unable to send abuse report: "+err.Error())
			return
		}
		s.event(serverlog.Info, serverlog.Status, nil, "Session was reported.")
	})
	return nil
}

func (st *seat) reported() ReportUser {
	p := st.person
	return ReportUser{ID: st.id, Name: p.Name, Auth: p.AuthID != "", Op: st.operator(), Addr: p.Addr}
}

// report hands a report to the configured reporter and brings the answer back
// to the session's loop.
func (r *room) report(x Report, done func(error)) {
	r.srv.config.Reporter.Report(x, func(err error) {
		r.srv.post(r.id, func(*session) { done(err) })
	})
}
