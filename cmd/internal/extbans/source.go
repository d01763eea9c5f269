// Package extbans fetches a list of server-wide bans that others keep, applies
// it to logins and keeps it for when its source cannot be reached
// (integrations.md §5, configuration.md §14).
package extbans

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"drawrelay/cmd/internal/outbound"
	"drawrelay/login"
	"drawrelay/store/serverlog"
	"drawrelay/store/settings"
)

// Limits of a fetch.
const (
	// fetchTimeout bounds a whole fetch. Nobody waits for it, and it is tried
	// again an interval later.
	fetchTimeout = 30 * time.Second
	// maxList bounds a list in bytes, unpacked: some fifty thousand bans.
	maxList = 8 << 20
	// maxRedirects is how many redirects are followed (integrations.md §1).
	maxRedirects = 50
)

// Cached is what the last good answer of a source was.
type Cached struct {
	URL  string // of the source, as it was asked
	Key  string // its ETag, byte for byte; may be empty
	Body string
}

// Store keeps the list and the switches of single bans across restarts. Called
// from any goroutine but event loops; what Enabled tells must be at hand.
type Store interface {
	Cached() Cached
	SaveCache(c Cached) error
	// Enabled reports whether a ban is not switched off.
	Enabled(id int) bool
	Enable(id int, on bool) error
}

// Options is what a source needs. All but Store are required.
type Options struct {
	Version string // of the program, for the user agent
	Log     *serverlog.Log
	Now     func() time.Time
	Store   Store // nil: in memory
}

// Source is the list in force and what is known about where it comes from.
// Safe for any goroutine.
type Source struct {
	options Options
	client  *outbound.Client
	list    atomic.Pointer[list]
	running sync.WaitGroup // fetches
	// filled says that a list has been put in force. A key that is kept without
	// its list must not be shown to the source: its answer would be that nothing
	// has changed, for ever.
	filled atomic.Bool

	mu       sync.Mutex // held for moments only
	given    string     // the setting, as it was seen last
	url      *url.URL   // nil = none
	interval time.Duration
	clamped  time.Duration // the interval that was warned about
	started  bool
	abort    context.CancelFunc // of the fetch under way, nil = none
	timer    *time.Timer        // of the next fetch, nil = none
	due      time.Time          // when it fires
}

var _ login.Bans = (*Source)(nil)

// New returns a source with the list that the store has kept. It asks nobody
// before Start.
func New(o Options) *Source {
	if o.Store == nil {
		o.Store = new(memory)
	}
	s := &Source{options: o, client: outbound.New(outbound.Options{
		UserAgent: "DrawpileExtBansClient/" + o.Version, Redirects: maxRedirects, Timeout: fetchTimeout, MaxReply: maxList,
	})}
	s.list.Store(newList(nil))
	if body := o.Store.Cached().Body; body != "" {
		s.take([]byte(body), "The bans kept since the last start cannot be read: ")
	}
	return s
}

// take puts a list in force. what precedes the reason if it cannot be read.
func (s *Source) take(body []byte, what string) bool {
	bans, warnings, err := Parse(body)
	if err != nil {
		s.log(serverlog.Error, what+err.Error())
		return false
	}
	for _, w := range warnings {
		s.log(serverlog.Warn, w)
	}
	s.list.Store(newList(bans))
	s.filled.Store(true)
	return true
}

// Start begins to fetch what the settings say. Update must be called when they
// have changed.
func (s *Source) Start(set *settings.Settings) {
	s.mu.Lock()
	s.started = true
	s.mu.Unlock()
	s.Update(set)
}

// Stop ends all fetching. The list stays.
func (s *Source) Stop() {
	s.mu.Lock()
	s.started = false
	s.restLocked()
	s.mu.Unlock()
	s.running.Wait()
}

// Update takes over the settings: the first address is asked at once, another
// one at the next time, and without one nobody is asked any more. It does not
// block.
func (s *Source) Update(set *settings.Settings) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.started {
		return
	}
	s.interval = set.ExtBansInterval()
	if given := set.ExtBansCheckInterval; given != s.interval && given != s.clamped {
		s.log(serverlog.Warn, fmt.Sprintf("Given ExtBans interval %d seconds clamped to %d seconds", given/time.Second, s.interval/time.Second))
	}
	s.clamped = set.ExtBansCheckInterval
	if set.ExtBansURL != s.given {
		s.given = set.ExtBansURL
		var err error
		if s.url, err = parseURL(s.given); err != nil {
			s.log(serverlog.Error, "Invalid URL '"+shown(s.given)+"'")
		}
	}
	switch {
	case s.url == nil:
		s.restLocked()
	case !s.activeLocked():
		s.fetchLocked()
	}
}

// parseURL reads an address, nil for none; without a scheme it is completed.
func parseURL(text string) (*url.URL, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, nil
	}
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, errors.New("not an http or https URL")
	}
	return u, nil
}

// shown hides what may be a password in an address that cannot be read.
func shown(text string) string {
	if i := strings.LastIndexByte(text, '@'); i >= 0 {
		return "…" + text[i:]
	}
	return text
}

// activeLocked reports whether a fetch is under way or planned.
func (s *Source) activeLocked() bool { return s.abort != nil || s.timer != nil }

// restLocked ends the fetch under way and plans none.
func (s *Source) restLocked() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	if s.abort != nil {
		s.abort()
		s.abort = nil
	}
}

// fetchLocked begins a fetch.
func (s *Source) fetchLocked() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.abort = cancel
	address := s.url.String()
	s.running.Go(func() {
		s.fetch(ctx, address)
		s.mu.Lock()
		defer s.mu.Unlock()
		if ctx.Err() != nil {
			return // switched off meanwhile, and perhaps on again
		}
		cancel()
		s.abort = nil
		s.due = time.Now().Add(s.interval)
		s.timer = time.AfterFunc(s.interval, s.tick)
	})
}

// tick is when the interval has passed.
func (s *Source) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil && s.started && s.abort == nil {
		s.fetchLocked()
	}
}

// fetch asks the source once (integrations.md §5.1).
func (s *Source) fetch(ctx context.Context, address string) {
	cached := s.options.Store.Cached()
	header := http.Header{}
	if cached.URL == address && cached.Key != "" && s.filled.Load() {
		header["If-None-Match"] = []string{cached.Key}
	} else {
		cached.Key = ""
	}
	reply, err := s.client.Do(ctx, http.MethodGet, address, header, nil)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		s.log(serverlog.Error, "Network error: "+err.Error())
		return
	case reply.Status >= http.StatusBadRequest:
		s.log(serverlog.Error, fmt.Sprintf("Network error: status %d %s", reply.Status, http.StatusText(reply.Status)))
		return
	}
	key := reply.Header.Get("ETag")
	switch reply.Status {
	case http.StatusOK:
		if !s.take(reply.Body, "The answer cannot be used: ") {
			return
		}
		if err := s.options.Store.SaveCache(Cached{URL: address, Key: key, Body: string(reply.Body)}); err != nil {
			s.log(serverlog.Error, "The list cannot be kept for the next start: "+err.Error())
		}
	case http.StatusNotModified:
		if key != cached.Key {
			s.log(serverlog.Warn, fmt.Sprintf("Response ETag '%s' does not match given If-None-Match '%s'", key, cached.Key))
		}
	default:
		s.log(serverlog.Error, fmt.Sprintf("Unexpected status code %d", reply.Status))
	}
}

// Reasons for Refresh to refuse, with the words of admin-api.md §9.2.
var (
	ErrBusy     = errors.New("refresh already in progress")
	ErrInactive = errors.New("external bans not active")
)

// Refresh asks the source now instead of when the interval has passed. One
// fetch at a time is all there is.
func (s *Source) Refresh() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.abort != nil:
		return ErrBusy
	case s.timer == nil:
		return ErrInactive
	}
	s.fetchLocked()
	return nil
}

// Status is the state of the source, with the JSON keys of admin-api.md §9.1.
type Status struct {
	URL       string `json:"url"` // without password
	Interval  int64  `json:"intervalMsecs"`
	Started   bool   `json:"started"`
	Active    bool   `json:"active"`              // there is an address to ask
	UntilNext int64  `json:"msecsUntilNextCheck"` // -1 = a fetch is under way, or none will be
}

// Status returns the state of the source.
func (s *Source) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Status{Interval: s.interval.Milliseconds(), Started: s.started, Active: s.activeLocked(), UntilNext: -1}
	if s.url != nil {
		u := *s.url
		if u.User != nil {
			u.User = url.User(u.User.Username())
		}
		st.URL = u.String()
	}
	if s.timer != nil {
		st.UntilNext = max(0, time.Until(s.due).Milliseconds())
	}
	return st
}

// Bans returns the list in force.
func (s *Source) Bans() []Ban { return slices.Clip(s.list.Load().bans) }

// Enabled reports whether a ban is not switched off.
func (s *Source) Enabled(id int) bool { return s.options.Store.Enabled(id) }

// Enable switches a ban on or off, now and for as long as the store lasts;
// unknown numbers are remembered for when they appear. It may wait for the
// store.
func (s *Source) Enable(id int, on bool) error { return s.options.Store.Enable(id, on) }

// Cached returns address and ETag of the last good answer.
func (s *Source) Cached() (address, key string) {
	c := s.options.Store.Cached()
	return c.URL, c.Key
}

// Clear drops the list and what the store has kept of it, so that the next
// fetch brings the whole list. It may wait for the store.
func (s *Source) Clear() error {
	s.list.Store(newList(nil))
	return s.options.Store.SaveCache(Cached{})
}

// counts reports whether a ban has not expired and is not switched off.
func (s *Source) counts(b *Ban) bool {
	return b.until.After(s.options.Now()) && s.options.Store.Enabled(b.ID)
}

// Address implements login.Bans.
func (s *Source) Address(a netip.Addr) (login.Ban, bool) { return s.list.Load().address(a, s.counts) }

// System implements login.Bans.
func (s *Source) System(id string) (login.Ban, bool) { return s.list.Load().system(id, s.counts) }

// User implements login.Bans.
func (s *Source) User(id int64) (login.Ban, bool) { return s.list.Load().user(id, s.counts) }

func (s *Source) log(level serverlog.Level, text string) {
	s.options.Log.Put(serverlog.Entry{Level: level, Topic: serverlog.ExtBan, Message: text})
}
