// Package outbound makes HTTP requests to other services with the rules that
// they share (integrations.md §1): JSON bodies, redirects never from https to
// http, and a bound on time and size of every exchange.
package outbound

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// maxReplyHeader bounds the header of a reply in bytes.
const maxReplyHeader = 64 << 10

// Reasons for a request to fail.
var (
	ErrDowngrade = errors.New("redirect from https to http refused")
	ErrRedirects = errors.New("too many redirects")
	ErrTooLong   = errors.New("the reply is too long")
)

// Options say how a service is talked to. All are required.
type Options struct {
	UserAgent string
	Redirects int           // followed at most
	Timeout   time.Duration // for a whole exchange, redirects and body included
	MaxReply  int           // body of a reply in bytes, unpacked
}

// Client talks to services of one kind. Safe for concurrent use.
//
// Connections are not kept: requests are minutes apart, and the failure of a
// kept connection that the other side has just closed is not told apart from
// a request that may have had its effect.
type Client struct {
	options Options
	http    http.Client
}

// New returns a client. The system's trust store decides about certificates.
// Proxies named in the environment are not used, as in the reference.
func New(o Options) *Client {
	return &Client{options: o, http: http.Client{
		Transport: &http.Transport{
			DisableKeepAlives:      true,
			MaxResponseHeaderBytes: maxReplyHeader,
			ForceAttemptHTTP2:      true,
		},
		CheckRedirect: func(next *http.Request, via []*http.Request) error {
			switch {
			case len(via) > o.Redirects:
				return fmt.Errorf("%w: more than %d", ErrRedirects, o.Redirects)
			case via[len(via)-1].URL.Scheme == "https" && next.URL.Scheme != "https":
				return ErrDowngrade
			}
			return nil
		},
	}}
}

// Reply is the answer to a request.
type Reply struct {
	Status int // as sent, redirects followed
	Header http.Header
	Body   []byte
}

// Do sends a request, with body as JSON unless it is nil, and reads the reply.
// Every status that arrives is a reply. The error does not repeat the URL: it
// may be shown to people.
func (c *Client) Do(ctx context.Context, method, address string, header http.Header, body any) (*Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	var text io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("write the request: %w", err)
		}
		text = bytes.NewReader(b)
	}
	q, err := http.NewRequestWithContext(ctx, method, address, text)
	if err != nil {
		return nil, bare(err)
	}
	for key, values := range header {
		q.Header[key] = values
	}
	q.Header.Set("User-Agent", c.options.UserAgent)
	if body != nil {
		q.Header.Set("Content-Type", "application/json")
	}
	r, err := c.http.Do(q)
	if err != nil {
		return nil, c.explain(err)
	}
	defer r.Body.Close()
	reply := &Reply{Status: r.StatusCode, Header: r.Header}
	reply.Body, err = io.ReadAll(io.LimitReader(r.Body, int64(c.options.MaxReply)+1))
	if err != nil {
		return nil, c.explain(err)
	}
	if len(reply.Body) > c.options.MaxReply {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLong, c.options.MaxReply)
	}
	return reply, nil
}

// explain puts the usual errors into words.
func (c *Client) explain(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %v: %w", c.options.Timeout, context.DeadlineExceeded)
	}
	return bare(err)
}

// bare removes method and URL from an error.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
