package relay

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/serverlog"
)

// Listings puts sessions on public listing servers (integrations.md §2).
// Its methods are called on loops: they never block.
type Listings interface {
	// Announce puts a session on a list, at once even if it is waiting for
	// another try. It answers with Server.Listed, Server.ListingFailed or
	// Server.ListingForbidden.
	// again says that the session has been on it before: a failure is not
	// final then.
	Announce(session, url string, again bool)
	// Unlist takes a session off a list, or gives up announcing it there.
	Unlist(session, url string)
}

// Bounds of what operators may ask for.
const (
	// maxListings is at how many listing servers a session may be: each costs
	// requests for as long as the session lives.
	maxListings = 16
	// maxListingURL bounds a listing server's URL in bytes.
	maxListingURL = 2000
)

// listing is a listing server the session is announced at.
type listing struct {
	url    string
	state  listingState
	number int64 // given by the listing server
}

type listingState uint8

const (
	listingAsked listingState = iota // no answer yet
	listingDone                      // the session is on the list
	listingLost                      // it was, and shall be again
)

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
	if len(text) > maxListingURL {
		return ""
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	return u.Hostname()
}

// announce puts the session on a list, unless it is on it already.
func (s *session) announce(u string) {
	if listingHost(u) == "" {
		s.listingForbidden(u)
		return
	}
	switch i := s.findListing(u); {
	case i >= 0 && s.lists[i].state != listingLost:
		return
	case i >= 0: // do not wait for the next try
	case len(s.lists) >= maxListings:
		s.tellAll(notice("", fmt.Sprintf("Listing on %s failed: A session can be listed at %d servers", listingHost(u), maxListings), nil))
		return
	default:
		s.lists = append(s.lists, listing{url: u})
	}
	s.listings.Announce(s.hist.ID, u, slices.Contains(s.hist.Announcements(), u))
}

// listingForbidden refuses a list that is not on the whitelist, or no list at
// all.
func (s *session) listingForbidden(u string) {
	s.dropListing(u)
	s.event(serverlog.Warn, serverlog.PubList, nil, "Announcement API URL not allowed: "+u)
	s.tellAll(notice("", "Listing on "+listingHost(u)+" is not allowed on this server", nil))
}

func (s *session) findListing(u string) int {
	return slices.IndexFunc(s.lists, func(l listing) bool { return l.url == u })
}

// listed follows the success of an announcement. It reports false if the
// listing is not wanted any more.
func (s *session) listed(u string, number int64, message string) bool {
	i := s.findListing(u)
	if i < 0 || s.state == stateShutdown || s.stopping {
		return false
	}
	s.lists[i].state, s.lists[i].number = listingDone, number
	s.hist.AddAnnouncement(u)
	s.record(serverlog.Info, serverlog.PubList, nil, "Announced at: "+u)
	text := "This session is now listed at " + listingHost(u)
	if message != "" {
		text += ": " + message
	}
	s.tellAll(notice("", text, nil))
	s.sendAnnouncements()
	return true
}

// listingFailed follows the failure of an announcement; retry says that it
// will be tried again. Members are told of the first failure.
func (s *session) listingFailed(u, reason string, retry bool) {
	i := s.findListing(u)
	if i < 0 {
		return
	}
	told := s.lists[i].state == listingLost
	if retry {
		s.lists[i].state = listingLost
	} else {
		s.dropListing(u)
	}
	if told && retry {
		return
	}
	s.event(serverlog.Warn, serverlog.PubList, nil, u+": announcement failed: "+reason)
	s.tellAll(notice("", "Listing on "+listingHost(u)+" failed: "+reason, nil))
}

// listingLost follows the failure to reach a listing server the session is
// on: it is not listed for now, which members see in the list only.
func (s *session) listingLost(u string) {
	if i := s.findListing(u); i >= 0 && s.lists[i].state == listingDone {
		s.lists[i].state = listingLost
		s.sendAnnouncements()
	}
}

// delisted follows the removal of the session by a listing server.
func (s *session) delisted(u, reason string) {
	if !s.dropListing(u) {
		return
	}
	s.hist.RemoveAnnouncement(u)
	if reason == "" {
		reason = "no reason given"
	}
	s.record(serverlog.Warn, serverlog.PubList, nil, u+": delisted: "+reason)
	s.tellAll(notice("", "The session has been delisted from "+listingHost(u)+": "+reason, nil))
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
		s.announce(u)
	}
}

// sendAnnouncements tells everybody where the session is listed.
func (s *session) sendAnnouncements() {
	list := frame.Array{}
	for _, l := range s.lists {
		if l.state == listingDone {
			list = append(list, frame.Object{"url": l.url})
		}
	}
	s.tellAll(partialConf("announcements", list))
}

// Listed says that session id is on a list now, with a number there; message
// is what the listing server wants its members to know. It reports false if
// the listing is not wanted any more and must be undone. It waits for the
// session's loop: any goroutine but a loop's.
func (s *Server) Listed(id, url string, number int64, message string) (wanted bool) {
	if r := s.registry.find(id); r != nil {
		r.ask(func() { wanted = r.session.listed(url, number, message) })
	}
	return wanted
}

// ListingFailed says that session id could not be put on a list; retry says
// that it will be tried again. Any goroutine. Never blocks.
func (s *Server) ListingFailed(id, url, reason string, retry bool) {
	s.post(id, func(x *session) { x.listingFailed(url, reason, retry) })
}

// ListingForbidden says that session id may not be put on a list. Any
// goroutine. Never blocks.
func (s *Server) ListingForbidden(id, url string) {
	s.post(id, func(x *session) {
		if x.findListing(url) >= 0 {
			x.listingForbidden(url)
		}
	})
}

// ListingLost says that a listing server does not answer and session id does
// not count as listed until Listed is called again. Any goroutine. Never
// blocks.
func (s *Server) ListingLost(id, url string) {
	s.post(id, func(x *session) { x.listingLost(url) })
}

// Delisted says that a listing server has removed session id, and why. Any
// goroutine. Never blocks.
func (s *Server) Delisted(id, url, reason string) {
	s.post(id, func(x *session) { x.delisted(url, reason) })
}

// ErrUnlisted is returned for announcements of sessions that are hidden from
// lists.
var ErrUnlisted = errors.New("Can't list an unlisted session")

// ListedAt is a list that a session is on.
type ListedAt struct {
	Number int64 // unique at one listing server only
	URL    string
}

// ListedAt returns the lists that a session is on, those under way left out.
// Any goroutine but a loop's, as the following.
func (s *Server) ListedAt(ctx context.Context, idOrAlias string) ([]ListedAt, error) {
	var lists []ListedAt
	if err := s.consult(ctx, idOrAlias, func(x *session) { lists = x.listedAt() }); err != nil {
		return nil, err
	}
	return lists, nil
}

func (s *session) listedAt() []ListedAt {
	lists := []ListedAt{}
	for _, l := range s.lists {
		if l.state == listingDone {
			lists = append(lists, ListedAt{l.number, l.url})
		}
	}
	return lists
}

// AnnounceSession announces a session at url for an administrator. How that
// ends is told in the session only. The error may be ErrUnlisted.
func (s *Server) AnnounceSession(ctx context.Context, idOrAlias, url string) error {
	var refused error
	err := s.consult(ctx, idOrAlias, func(x *session) {
		switch {
		case x.flag(store.Unlisted):
			refused = ErrUnlisted
		case x.listings != nil:
			x.announce(url)
		}
	})
	if err != nil {
		return err
	}
	return refused
}

// UnlistSession takes a session off the list where it has this number, and
// reports whether there was one.
func (s *Server) UnlistSession(ctx context.Context, idOrAlias string, number int64) (bool, error) {
	var found bool
	err := s.consult(ctx, idOrAlias, func(x *session) {
		for _, l := range x.listedAt() {
			if l.Number == number {
				found = true
				x.unlist(l.URL)
				return
			}
		}
	})
	if err != nil {
		return false, err
	}
	return found, nil
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
