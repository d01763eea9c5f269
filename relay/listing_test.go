package relay

import (
	"fmt"
	"strings"
	"testing"

	"drawrelay/store/settings"
)

// fakeListings remembers what it was asked.
type fakeListings struct{ calls []string }

func (f *fakeListings) Announce(session, url string, again bool) {
	call := "announce "
	if again {
		call = "announce again "
	}
	f.calls = append(f.calls, call+url)
}
func (f *fakeListings) Unlist(session, url string) { f.calls = append(f.calls, "unlist "+url) }

func (f *fakeListings) take() []string {
	c := append([]string{}, f.calls...)
	f.calls = nil
	return c
}

func listable(t *testing.T) (*world, *fakeListings, *seat) {
	w := open(t)
	l := &fakeListings{}
	w.s.listings = l
	return w, l, w.join(person("bob"))
}

// commands.md §12 items 30 and 31, session.md §26.
func TestRulesListings(t *testing.T) {
	const u, v = "https://list.example:8080/a/", "http://other.example/"
	w, l, b := listable(t)
	refused := func(args []any, kwargs map[string]any) []string {
		from := mark(w.host)
		w.cmd(w.host, "announce-session", args, kwargs)
		return errorsSince(w.host, from)
	}
	equal(t, "arguments", refused(nil, nil), []string{"announce-session: Expected one argument: API URL"})
	for _, bad := range []any{"", "x", "ftp://x/", "http://", 5, "http://[::1"} {
		equal(t, fmt.Sprintf("30: %v", bad), refused([]any{bad}, nil), []string{"announce-session: Invalid API URL"})
	}
	equal(t, "30: private", refused([]any{u}, map[string]any{"private": true}), []string{"announce-session: Private listings are not available on this server"})
	w.s.setFlag(512, true)
	equal(t, "unlisted", refused([]any{u}, nil), []string{"announce-session: This session is hidden from listings, it can't be listed"})
	w.s.setFlag(512, false)
	from := mark(b)
	equal(t, "not allowed", refused([]any{"http://bad.example/x"}, nil), []string{})
	equal(t, "asked for", l.take(), []string{"announce http://bad.example/x"})
	w.s.listingForbidden("http://bad.example/x")
	labelsEqual(t, "not allowed", since(b, from), "log Announcement API URL not allowed: http://bad.example/x", "msg")
	equal(t, "not allowed", since(b, from)[1].json["message"], "Listing on bad.example is not allowed on this server")
	w.s.announce("nonsense")
	equal(t, "not even asked for", l.take(), []string{})

	from = mark(b)
	refused([]any{u}, nil)
	refused([]any{u}, nil)
	equal(t, "once", l.take(), []string{"announce " + u})
	labelsEqual(t, "nothing is said yet", since(b, from))
	equal(t, "wanted", w.s.listed(u, 7, "Hello"), true)
	labelsEqual(t, "success", since(b, from), "msg", "announcements")
	equal(t, "number", w.s.listedAt(), []ListedAt{{7, u}})
	equal(t, "success", since(b, from)[0].json["message"], "This session is now listed at list.example: Hello")
	equal(t, "list", string(since(b, from)[1].Body), `{"config":{"announcements":[{"url":"`+u+`"}]},"type":"sessionconf"}`)
	equal(t, "journaled", w.s.hist.Announcements(), []string{u})
	from = mark(b)
	refused([]any{v}, nil)
	w.s.listingFailed(v, "no", false)
	labelsEqual(t, "failure", since(b, from), "log "+v+": announcement failed: no", "msg")
	equal(t, "failure", since(b, from)[1].json["message"], "Listing on other.example failed: no")
	equal(t, "late success", w.s.listed(v, 8, ""), false)

	c := w.join(person("carol"))
	equal(t, "joiner", len(filter(heardBy(c), func(h heard) bool { return label(h) == "announcements" })), 1)
	l.take()
	from = mark(b)
	w.cmd(w.host, "unlist-session", []any{"http://unknown/"}, nil)
	labelsEqual(t, "unknown", since(b, from))
	refused([]any{v}, nil)
	w.s.listed(v, 8, "")
	l.take()
	from = mark(b)
	w.cmd(w.host, "unlist-session", []any{""}, nil)
	equal(t, "31", l.take(), []string{"unlist " + u, "unlist " + v})
	labelsEqual(t, "31", since(b, from), "announcements")
	equal(t, "31: journal", len(w.s.hist.Announcements()), 0)
	from = mark(w.host)
	w.cmd(w.host, "unlist-session", nil, nil)
	equal(t, "arguments", errorsSince(w.host, from), []string{"unlist-session: Expected one argument: API URL"})
}

func TestRulesDelisted(t *testing.T) {
	const u, v = "https://list.example/", "http://other.example/"
	w, l, b := listable(t)
	for _, x := range []string{u, v} {
		w.s.announce(x)
		w.s.listed(x, 7, "")
	}
	from := mark(b)
	w.s.delisted(u, "")
	labelsEqual(t, "refused refresh", since(b, from), "msg", "announcements")
	equal(t, "text", since(b, from)[0].json["message"], "The session has been delisted from list.example: no reason given")
	equal(t, "forgotten", w.s.hist.Announcements(), []string{v})
	from = mark(b)
	w.s.delisted(u, "again")
	labelsEqual(t, "once", since(b, from))
	w.s.unlist(v)

	// Hiding the session and ending it take it off the lists.
	w.s.announce(u)
	l.take()
	w.s.configure(map[string]any{"unlisted": true}, nil)
	w.turn()
	equal(t, "unlisted", l.take(), []string{"unlist " + u})
	w, l, _ = listable(t)
	w.s.announce(u)
	w.s.listed(u, 7, "")
	l.take()
	w.s.kill("x")
	equal(t, "killed", l.take(), []string{"unlist " + u})
	equal(t, "journal keeps it", w.s.hist.Announcements(), []string{u})
	equal(t, "late", w.s.listed(u, 7, ""), false)
}

// What happens while a listing server does not answer.
func TestRulesListingLost(t *testing.T) {
	const u = "https://list.example/"
	w, l, b := listable(t)
	w.s.announce(u)
	w.s.listed(u, 7, "")
	l.take()
	from := mark(b)
	w.s.listingLost(u)
	w.s.listingLost(u)
	labelsEqual(t, "lost", since(b, from), "announcements")
	equal(t, "lost", len(w.s.listedAt()), 0)
	equal(t, "journal keeps it", w.s.hist.Announcements(), []string{u})
	from = mark(b)
	w.s.listingFailed(u, "still away", true)
	labelsEqual(t, "quiet", since(b, from))
	w.s.announce(u)
	equal(t, "asked for once more", l.take(), []string{"announce again " + u})
	w.s.listed(u, 8, "")
	labelsEqual(t, "back", since(b, from), "msg", "announcements")
	w.s.listingLost(u)
	from = mark(b)
	w.s.listingFailed(u, "no", false)
	labelsEqual(t, "given up", since(b, from), "log "+u+": announcement failed: no", "msg")

	// A remembered list that refuses is told of once.
	w.s.announce(u)
	from = mark(b)
	w.s.listingFailed(u, "Session already listed", true)
	w.s.listingFailed(u, "Session already listed", true)
	labelsEqual(t, "told once", since(b, from), "log "+u+": announcement failed: Session already listed", "msg")
	l.take()
	w.s.unlist(u)
	equal(t, "unlisted while lost", l.take(), []string{"unlist " + u})
	equal(t, "forgotten", len(w.s.hist.Announcements()), 0)
}

func TestRulesListingBounds(t *testing.T) {
	w, l, b := listable(t)
	for i := range maxListings {
		w.s.announce(fmt.Sprintf("http://l%d.example/", i))
	}
	equal(t, "announced", len(l.take()), maxListings)
	from := mark(b)
	w.s.announce("http://more.example/")
	equal(t, "one more", len(l.take()), 0)
	equal(t, "text", since(b, from)[0].json["message"], "Listing on more.example failed: A session can be listed at 16 servers")
	from = mark(w.host)
	w.cmd(w.host, "announce-session", []any{"http://x/" + strings.Repeat("x", maxListingURL)}, nil)
	equal(t, "long", errorsSince(w.host, from), []string{"announce-session: Invalid API URL"})
}

// A loaded session goes back to its lists, once.
func TestRulesListingsResume(t *testing.T) {
	w := newWorld(t, func(c *worldConfig) { c.loaded = true }, withSettings(func(s *settings.Settings) { s.EmptySessionLingerTime = 1e15 }))
	l := &fakeListings{}
	w.s.listings = l
	w.s.hist.AddAnnouncement("https://list.example/")
	w.advance(3e9)
	equal(t, "resumed", l.take(), []string{"announce again https://list.example/"})
	// integrations.md §9 item 17: a hidden one does not.
	w = newWorld(t, func(c *worldConfig) { c.loaded = true }, withSettings(func(s *settings.Settings) { s.EmptySessionLingerTime = 1e15 }))
	w.s.listings = l
	w.s.hist.AddAnnouncement("https://list.example/")
	w.s.setFlag(512, true)
	w.advance(3e9)
	equal(t, "17: hidden", l.take(), []string{})
	// Without lists the commands do not exist.
	w = open(t)
	for _, name := range []string{"announce-session", "unlist-session"} {
		from := mark(w.host)
		w.cmd(w.host, name, []any{"http://x/"}, nil)
		equal(t, name, errorsSince(w.host, from), []string{name + ": Unknown command"})
	}
}
