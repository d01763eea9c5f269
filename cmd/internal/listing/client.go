// Package listing keeps sessions on public listing servers
// (integrations.md §2).
package listing

import (
	"context"
	"sync"
	"time"

	"drawrelay/cmd/internal/outbound"
	"drawrelay/relay"
	"drawrelay/store/entry"
	"drawrelay/store/serverlog"
	"drawrelay/store/settings"
)

/* Life of a listing
 *
 * 1. Announce, Unlist   the session's loop says what is wanted, under the lock
 * 2. stepLocked         brings the listing one request closer to that
 * 3. announce, withdraw the request, on a goroutine of its own; then 2 again
 * 4. tick               every half minute: one refresh per server for all its listings
 *                       that is due, and another try for what has failed
 *
 * Nobody waits for the network, or for a session, while holding the lock.
 */

// Our own choices.
const (
	// tickEvery is how often listings are looked at (integrations.md §2.5).
	tickEvery = 30 * time.Second
	// maxServers bounds listing servers in use: each session may name others.
	maxServers = 1024
	// maxRequests bounds announcements and withdrawals at one server at a time.
	maxRequests = 4
	// firstRetry and maxRetry bound the wait for a server that does not answer;
	// it doubles with every try. Jitter keeps drawing servers from returning
	// to a recovered listing server all at once.
	firstRetry = time.Minute
	maxRetry   = 30 * time.Minute
	jitter     = 0.25 // of the wait, to both sides
	// maxRefused is for how long a listing server may refuse a session it has
	// had before. After a crash of ours it knows the session as listed until
	// that listing expires.
	maxRefused = 15 * time.Minute
	// withdrawals is how often an unanswered withdrawal is sent, and
	// withdrawWait the pause between. The listing expires by itself.
	withdrawals  = 3
	withdrawWait = 5 * time.Second
)

// Sessions are the sessions to be listed. Implemented by relay.Server.
type Sessions interface {
	Find(id string) (*entry.Session, bool)
	Listed(id, url string, number int64, message string) (wanted bool)
	ListingFailed(id, url, reason string, retry bool)
	ListingForbidden(id, url string)
	ListingLost(id, url string)
	Delisted(id, url, reason string)
}

var (
	_ relay.Listings = (*Client)(nil)
	_ Sessions       = (*relay.Server)(nil)
)

// Config is what a client needs. All but Host is required.
type Config struct {
	Settings *settings.Source
	Log      *serverlog.Log
	// Allowed reports whether the whitelist lets sessions be announced at a
	// URL. It may take its time.
	Allowed func(url string) bool
	// Host is the name to announce; empty: the listing server takes the
	// address that the request comes from.
	Host    string
	Version string // of this program
	Now     func() time.Time
}

// Client keeps sessions on lists. It sends nothing before Start.
type Client struct {
	config   Config
	http     *outbound.Client
	sessions Sessions // set by Start
	port     int      // set by Start

	ctx    context.Context // ends with Close; requests end with it
	cancel context.CancelFunc
	stop   chan struct{} // closed when Close begins
	once   sync.Once     // of that
	work   sync.WaitGroup

	mu      sync.Mutex // protects all below; held for moments only
	started bool
	closed  bool
	servers map[string]*server // by URL
}

// server is a listing server.
type server struct {
	url        string
	places     chan struct{} // for requests, capacity maxRequests
	listings   map[string]*listing
	refreshing bool      // a refresh is under way
	failures   int       // tries in a row without an answer
	retryAt    time.Time // no further try for lost listings before
}

// listing is a session at a listing server: what is wanted, and what is.
type listing struct {
	session string
	server  *server

	wanted bool
	wish   int  // grows with every new wish to be listed
	again  bool // it was listed there before: a failure is not final
	busy   bool // a request is under way

	at       *place // nil: not on the list
	atWish   int    // the wish that at fulfils
	interval time.Duration
	sent     description // last told to the server
	sentAt   time.Time

	// lost: the server did not answer. With a place the next refresh tells
	// whether it still holds; without, the announcement is tried again at
	// retryAt.
	lost         bool
	retryAt      time.Time
	refusedSince time.Time // zero: the server's last answer was no refusal
}

// New returns a client.
func New(c Config) *Client {
	ctx, cancel := context.WithCancel(context.Background())
	return &Client{
		config: c,
		http: outbound.New(outbound.Options{
			UserAgent: userAgent + c.Version, Redirects: maxRedirects, Timeout: requestTimeout, MaxReply: maxReply,
		}),
		ctx: ctx, cancel: cancel, stop: make(chan struct{}),
		servers: make(map[string]*server),
	}
}

// Start begins with requests. port is the port to announce: it must be open,
// because listing servers try it.
func (c *Client) Start(s Sessions, port int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sessions, c.port, c.started = s, port, true
	for _, srv := range c.servers {
		for _, l := range srv.listings {
			c.stepLocked(l)
		}
	}
	c.work.Add(1)
	go c.run()
}

func (c *Client) run() {
	defer c.work.Done()
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.tick()
		case <-c.stop:
			return
		}
	}
}

// Close waits until the requests under way have ended, or ctx. The sessions
// must have ended.
func (c *Client) Close(ctx context.Context) error {
	c.once.Do(func() { close(c.stop) })
	done := make(chan struct{})
	go func() {
		c.work.Wait()
		close(done)
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	return err
}

// Announce implements relay.Listings.
func (c *Client) Announce(session, url string, again bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	srv := c.servers[url]
	if srv == nil {
		if c.started && len(c.servers) >= maxServers {
			go c.sessions.ListingFailed(session, url, "This server announces at too many listing servers already", false)
			return
		}
		srv = &server{url: url, places: make(chan struct{}, maxRequests), listings: make(map[string]*listing)}
		c.servers[url] = srv
	}
	l := srv.listings[session]
	if l == nil {
		l = &listing{session: session, server: srv}
		srv.listings[session] = l
	}
	l.again = l.again || again
	if !l.wanted {
		l.wanted = true
		l.wish++
	}
	if l.lost && l.at != nil {
		srv.retryAt = time.Time{}
		c.refreshIfDueLocked(srv)
		return
	}
	if l.lost {
		srv.retryAt = time.Time{}
		l.lost = false
	}
	c.stepLocked(l)
}

// Unlist implements relay.Listings.
func (c *Client) Unlist(session, url string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	srv := c.servers[url]
	if srv == nil {
		return
	}
	if l := srv.listings[session]; l != nil {
		l.wanted = false
		c.stepLocked(l)
	}
}

// stepLocked starts the next request for a listing, if one is needed, and
// forgets the listing when nothing is left to be done.
func (c *Client) stepLocked(l *listing) {
	switch {
	case !c.started || c.closed || l.busy:
	case l.at != nil && !l.lost && (!l.wanted || l.atWish != l.wish):
		l.busy = true
		c.work.Add(1)
		go c.withdraw(l, *l.at)
	case l.wanted && l.at == nil && !l.lost:
		l.busy = true
		c.work.Add(1)
		go c.announce(l, l.wish, l.again)
	case !l.wanted:
		// A place that the server may have lost is left to expire.
		delete(l.server.listings, l.session)
		c.forgetLocked(l.server)
	}
}

// forgetLocked drops a server that is not used any more.
func (c *Client) forgetLocked(srv *server) {
	if len(srv.listings) == 0 && !srv.refreshing {
		delete(c.servers, srv.url)
	}
}

// enter takes a place for a request to a server, and reports false if the
// client is closed meanwhile.
func (c *Client) enter(srv *server) bool {
	select {
	case srv.places <- struct{}{}:
		return true
	case <-c.ctx.Done():
		return false
	}
}

func (srv *server) leave() { <-srv.places }

func (c *Client) log(level serverlog.Level, session, text string) {
	c.config.Log.Put(serverlog.Entry{Level: level, Topic: serverlog.PubList, Session: session, Message: text})
}
