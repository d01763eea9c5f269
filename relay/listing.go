package relay

import (
	"errors"
	"net/url"
	"slices"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/serverlog"
)

// Listings puts sessions on public listing servers (integrations.md §2).
// Its methods are called on loops: they never block.
type Listings interface {
	// Allowed reports whether sessions may be announced at url, which is valid.
	Allowed(url string) bool
	// Announce puts a session on a list. It answers with Server.Listed or
	// Server.ListingFailed.
	Announce(session, url string)
	// Unlist takes a session off a list, or gives up announcing it there.
	Unlist(session, url string)
}

// listing is a listing server the session is announced at.
type listing struct {
	url  string
	done bool // it has accepted
}

// announceSession is announce-session.
func (s *session) announceSession(st *seat, c frame.Command) error {
	if len(c.Args) != 1 {
		return errors.New("Expected one argument: API URL")
	}
	u := frame.Str(c.Args[0])
	switch {
	case listingHost(u) == "":
		return errors.New("Invalid API URL")
	case frame.Bool(c.Kwargs["private"]):
		return errors.New("Private listings are not available on this server")
	case s.flag(store.Unlisted):
		return errors.New("This session is hidden from listings, it can't be listed")
	}
	s.announce(u)
	return nil
}

// listingHost returns the host of a listing server's URL, "" if the URL is not
// usable.
func listingHost(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	return u.Hostname()
}

// announce puts the session on a list, unless it is on it already.
func (s *session) announce(u string) {
	if !s.listings.Allowed(u) {
		s.event(serverlog.Warn, serverlog.PubList, nil, "Announcement API URL not allowed: "+u)
		s.tellAll(notice("", "Listing on "+listingHost(u)+" is not allowed on this server", nil))
		return
	}
	if s.findListing(u) >= 0 {
		return
	}
	s.lists = append(s.lists, listing{url: u})
	s.record(serverlog.Info, serverlog.PubList, nil, "Announcing session at at "+u)
	s.listings.Announce(s.hist.ID, u)
}

func (s *session) findListing(u string) int {
	return slices.IndexFunc(s.lists, func(l listing) bool { return l.url == u })
}

// listed follows the success of an announcement. It reports false if the
// listing is not wanted any more.
func (s *session) listed(u, message string) bool {
	i := s.findListing(u)
	if i < 0 || s.state == stateShutdown || s.stopping {
		return false
	}
	s.lists[i].done = true
	s.hist.AddAnnouncement(u)
	text := "This session is now listed at " + listingHost(u)
	if message != "" {
		text += ": " + message
	}
	s.tellAll(notice("", text, nil))
	s.sendAnnouncements()
	return true
}

// listingFailed follows the failure of an announcement.
func (s *session) listingFailed(u, reason string) {
	if !s.dropListing(u) {
		return
	}
	s.event(serverlog.Warn, serverlog.PubList, nil, u+": announcement failed: "+reason)
	s.tellAll(notice("", "Listing on "+listingHost(u)+" failed: "+reason, nil))
}

// delisted follows the end of a listing that the listing server, or the
// failure to reach it, has caused. Members are told why unless silent.
func (s *session) delisted(u, reason string, silent bool) {
	if !s.dropListing(u) {
		return
	}
	if reason == "" {
		reason = "no reason given"
	}
	s.record(serverlog.Warn, serverlog.PubList, nil, u+": delisted: "+reason)
	if !silent {
		s.tellAll(notice("", "The session has been delisted from "+listingHost(u)+": "+reason, nil))
	}
	s.sendAnnouncements()
}

func (s *session) dropListing(u string) bool {
	i := s.findListing(u)
	if i < 0 {
		return false
	}
	s.lists = slices.Delete(s.lists, i, i+1)
	return true
}

// unlistSession is unlist-session.
func (s *session) unlistSession(_ *seat, c frame.Command) error {
	if len(c.Args) != 1 {
		return errors.New("Expected one argument: API URL")
	}
	s.unlist(frame.Str(c.Args[0]))
	return nil
}

// unlist takes the session off a list for good, off all of them if u is empty.
func (s *session) unlist(u string) {
	changed := false
	for _, l := range slices.Clone(s.lists) {
		if u == "" || l.url == u {
			changed = true
			s.dropListing(l.url)
			s.record(serverlog.Info, serverlog.PubList, nil, "Unlisting from "+l.url)
			s.listings.Unlist(s.hist.ID, l.url)
			s.hist.RemoveAnnouncement(l.url)
		}
	}
	if changed {
		s.sendAnnouncements()
	}
}

// leaveListings takes a session that ends off all lists; the journal keeps
// them for the next start.
func (s *session) leaveListings() {
	for _, l := range s.lists {
		s.listings.Unlist(s.hist.ID, l.url)
	}
	s.lists = nil
}

// resumeListings announces a loaded session where it was announced before. It
// waits for the first tick, when the session can be found.
func (s *session) resumeListings() {
	if s.resumed || s.listings == nil {
		return
	}
	s.resumed = true
	if s.flag(store.Unlisted) {
		return
	}
	for _, u := range slices.Clone(s.hist.Announcements()) {
		if listingHost(u) != "" {
			s.announce(u)
		}
	}
}

// sendAnnouncements tells everybody where the session is listed.
func (s *session) sendAnnouncements() {
	list := frame.Array{}
	for _, l := range s.lists {
		if l.done {
			list = append(list, frame.Object{"url": l.url})
		}
	}
	s.tellAll(partialConf("announcements", list))
}

// Listed says that session id is on a list now; message is what the listing
// server wants its members to know. It reports false if the listing is not
// wanted any more and must be undone. It waits for the session's loop: any
// goroutine but a loop's.
func (s *Server) Listed(id, url, message string) (wanted bool) {
	if r := s.registry.find(id); r != nil {
		r.ask(func() { wanted = r.session.listed(url, message) })
	}
	return wanted
}

// ListingFailed says that session id could not be put on a list. Any
// goroutine. Never blocks.
func (s *Server) ListingFailed(id, url, reason string) {
	s.post(id, func(x *session) { x.listingFailed(url, reason) })
}

// Delisted says that session id is not on a list any more; silent keeps that
// from its members' chat. Any goroutine. Never blocks.
func (s *Server) Delisted(id, url, reason string, silent bool) {
	s.post(id, func(x *session) { x.delisted(url, reason, silent) })
}

// post runs f on a session's loop as soon as the session is ready, if it still
// lives. Any goroutine. Never blocks.
func (s *Server) post(id string, f func(*session)) {
	r := s.registry.find(id)
	if r == nil {
		return
	}
	r.loop.do(func() {
		defer r.rescue()
		if !r.over {
			r.session.whenReady(func() { f(r.session) })
		}
	})
}
