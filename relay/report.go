package relay

import (
	"fmt"
	"net/netip"

	"drawrelay/frame"
	"drawrelay/store/entry"
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
	s.sendReport(st, Report{By: st.reported(), About: max(about, 0), Reason: reason})
	return nil
}

// sendReport completes a report and hands it over. st is the reporter, nil if
// it is no member.
func (s *session) sendReport(st *seat, r Report) {
	switch {
	case s.report == nil:
		s.event(serverlog.Warn, serverlog.Report, nil, "Cannot send abuse report: server URL not configured!")
		return
	case !s.settings.Get().AbuseReport:
		s.event(serverlog.Warn, serverlog.Report, nil, "Cannot send abuse report: not enabled!")
		return
	}
	r.Session, r.Title, r.Size = s.hist.ID, s.hist.Title(), s.hist.Log().Size()
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
}

// ReportSession reports session id for somebody who is not in it. That it was
// asked for is in the log already. Any goroutine. Never blocks.
func (s *Server) ReportSession(id string, by *entry.Person, reason string) {
	r := Report{By: ReportUser{Name: by.Name, Auth: by.AuthID != "", Addr: by.Addr}, Reason: reason}
	s.post(id, func(x *session) { x.sendReport(nil, r) })
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
