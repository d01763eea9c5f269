package main

import (
	"context"
	"fmt"
	"time"

	"drawrelay/cmd/internal/listing"
	"drawrelay/cmd/internal/report"
	"drawrelay/login"
	"drawrelay/relay"
	"drawrelay/store/serverlog"
)

// withdrawTimeout is how long a stop waits for listing servers and the
// receiver of reports, after everything else is done. Listings that could not
// be withdrawn expire there.
const withdrawTimeout = 1500 * time.Millisecond

// outside are the services that the server tells about its sessions.
type outside struct {
	listings *listing.Client
	reports  *report.Client // nil = nobody to report to
}

// newOutside connects the relay to be made from c with listing servers and the
// receiver of reports.
func newOutside(o *options, r *reloader, c *relay.Config) *outside {
	out := &outside{listings: listing.New(listing.Config{
		Settings: c.Settings, Log: c.Log, Allowed: r.announceable,
		Host: o.localHost, Version: version, Now: c.Now,
	})}
	c.Listings = out.listings
	if o.reportURL != "" {
		out.reports = report.New(o.reportURL, c.Settings)
		c.Reporter = out.reports
	}
	return out
}

// startOutside begins to announce sessions. The ports must be open: listing
// servers try them.
func (p *process) startOutside(o *options) {
	port := o.announcePort
	if port == 0 {
		_, port = listenerAddress(p.sockets.tcp)
	}
	p.outside.listings.Start(p.relay, port)
}

// stop waits for what is under way, withdrawals above all.
func (out *outside) stop(log *serverlog.Log) {
	if out == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), withdrawTimeout)
	defer cancel()
	err := out.listings.Close(ctx)
	if out.reports != nil {
		if e := out.reports.Close(ctx); err == nil {
			err = e
		}
	}
	if err != nil {
		log.Put(serverlog.Entry{Level: serverlog.Warn, Topic: serverlog.Status,
			Message: fmt.Sprintf("Some listing servers or the receiver of abuse reports did not answer in time: %v", err)})
	}
}

// announceable reports whether the whitelist lets sessions be announced at
// this URL. Any goroutine but a loop's: an expression may take a while.
func (r *reloader) announceable(url string) bool {
	if r.db != nil {
		return r.db.Current().Announceable(url)
	}
	return r.file.Load().Announceable(url)
}

// loginReports takes the abuse reports of people who are not in a session.
type loginReports struct{ relay *relay.Server }

var _ login.Reports = loginReports{}

// Submit implements login.Reports.
func (s loginReports) Submit(r login.Report) {
	s.relay.ReportSession(r.Session.ID, r.Reporter, r.Reason)
}
