// Package report sends abuse reports to their receiver over HTTP
// (integrations.md §4).
package report

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"drawrelay/cmd/internal/outbound"
	"drawrelay/relay"
	"drawrelay/store/settings"
)

// Facts of the protocol (integrations.md §1).
const (
	maxRedirects = 50
	// userAgent is what the reference sends; receivers may expect it.
	userAgent = "Mozilla/5.0"
)

// Our own choices. There is no retry: the reporter is told nothing either way,
// moderators see the failure in the log.
const (
	// requestTimeout bounds a report, redirects included.
	requestTimeout = 30 * time.Second
	// maxReply bounds a reply in bytes; nobody reads it.
	maxReply = 64 << 10
	// maxRequests is how many reports are sent at a time.
	maxRequests = 2
	// maxWaiting bounds the reports that wait for that. Each holds up to 64 KiB
	// of text and names the members of a session.
	maxWaiting = 64
)

var errBusy = fmt.Errorf("%d reports are waiting already", maxWaiting)

// Client sends reports to one receiver. Safe for concurrent use.
type Client struct {
	url      string
	settings *settings.Source // for the token
	http     *outbound.Client
	ctx      context.Context
	cancel   context.CancelFunc
	waiting  chan struct{} // a token for each report not yet sent
	sending  chan struct{}
	work     sync.WaitGroup
}

var _ relay.Reporter = (*Client)(nil)

// New returns a client of the receiver at url, an http or https URL. The
// setting reporttoken is read when a report is sent.
func New(url string, s *settings.Source) *Client {
	ctx, cancel := context.WithCancel(context.Background())
	return &Client{
		url: url, settings: s, ctx: ctx, cancel: cancel,
		http: outbound.New(outbound.Options{
			UserAgent: userAgent, Redirects: maxRedirects, Timeout: requestTimeout, MaxReply: maxReply,
		}),
		waiting: make(chan struct{}, maxWaiting),
		sending: make(chan struct{}, maxRequests),
	}
}

// message is the body of a request; the keys are those of §4.3.
type message struct {
	Session string `json:"session"`
	Title   string `json:"sessionTitle"`
	User    string `json:"user"`
	Auth    bool   `json:"auth"`
	IP      string `json:"ip"`
	About   int    `json:"perp,omitempty"`
	Reason  string `json:"message"`
	Offset  int64  `json:"offset"`
	Users   []user `json:"users"`
}

type user struct {
	Name string `json:"name"`
	Auth bool   `json:"auth"`
	Op   bool   `json:"op"`
	IP   string `json:"ip"`
	ID   uint8  `json:"id"`
}

func newMessage(r *relay.Report) message {
	m := message{
		Session: r.Session, Title: r.Title, User: r.By.Name, Auth: r.By.Auth, IP: ip(r.By.Addr),
		About: r.About, Reason: r.Reason, Offset: r.Size, Users: make([]user, 0, len(r.Users)),
	}
	for _, u := range r.Users {
		m.Users = append(m.Users, user{u.Name, u.Auth, u.Op, ip(u.Addr), u.ID})
	}
	return m
}

func ip(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.Unmap().WithZone("").String()
}

// Report implements relay.Reporter.
func (c *Client) Report(r relay.Report, done func(error)) {
	select {
	case c.waiting <- struct{}{}:
	default:
		done(errBusy)
		return
	}
	c.work.Add(1)
	go func() {
		defer c.work.Done()
		err := c.send(newMessage(&r))
		<-c.waiting
		done(err)
	}()
}

func (c *Client) send(m message) error {
	select {
	case c.sending <- struct{}{}:
	case <-c.ctx.Done():
		return errors.New("the server stops")
	}
	defer func() { <-c.sending }()
	header := http.Header{}
	if token := c.settings.Get().ReportToken; token != "" {
		header.Set("Authorization", "Token "+token)
	}
	reply, err := c.http.Do(c.ctx, http.MethodPost, c.url, header, m)
	switch {
	case errors.Is(err, outbound.ErrTooLong):
		return nil // it has answered
	case err != nil:
		return err
	case reply.Status >= http.StatusBadRequest:
		return fmt.Errorf("the receiver replied %d %s", reply.Status, http.StatusText(reply.Status))
	}
	return nil
}

// Close waits until all reports are sent, or ctx. No report may follow.
func (c *Client) Close(ctx context.Context) error {
	defer c.cancel()
	done := make(chan struct{})
	go func() {
		c.work.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
