// Package extauth asks an external authentication server over HTTP what kind
// of login a user name needs (integrations.md §3.3).
package extauth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"drawrelay/login"
)

// Limits of the protocol (integrations.md §1).
const (
	// maxRedirects is how many redirects are followed.
	maxRedirects = 50
	// userAgent is what the reference sends; servers may expect it.
	userAgent = "Mozilla/5.0"
)

// Our own choices.
const (
	// queryTimeout bounds a whole question, redirects and body included. A
	// person is waiting; an answer is one look into a table of names.
	queryTimeout = 10 * time.Second
	// maxReply bounds an answer in bytes, unpacked. Twenty are usual.
	maxReply = 16 << 10
	// maxReplyHeader bounds the header of an answer in bytes.
	maxReplyHeader = 64 << 10
	// maxConns bounds connections to the server: a flood of logins waits here
	// instead of reaching it. Waiting counts towards queryTimeout.
	maxConns = 64
	// maxIdleConns and idleTimeout say how many unused connections are kept,
	// and for how long.
	maxIdleConns = 8
	idleTimeout  = time.Minute
)

var (
	errDowngrade = errors.New("redirect from https to http refused")
	errRedirects = fmt.Errorf("more than %d redirects", maxRedirects)
)

// Client asks one authentication server. Safe for concurrent use.
type Client struct {
	url     string
	timeout time.Duration
	http    http.Client
}

var _ login.AuthServer = (*Client)(nil)

// New returns a client of the server at this address, an http or https URL.
// The system's trust store decides about certificates. Proxies named in the
// environment are not used, as in the reference.
func New(url string) *Client {
	return &Client{
		url:     url,
		timeout: queryTimeout,
		http: http.Client{
			Transport: &http.Transport{
				MaxConnsPerHost:        maxConns,
				MaxIdleConns:           maxIdleConns,
				MaxIdleConnsPerHost:    maxIdleConns,
				IdleConnTimeout:        idleTimeout,
				MaxResponseHeaderBytes: maxReplyHeader,
				ForceAttemptHTTP2:      true,
			},
			CheckRedirect: checkRedirect,
		},
	}
}

// checkRedirect lets a question follow a redirect unless that gives up
// encryption. The method survives 307 and 308; others turn it into GET.
func checkRedirect(next *http.Request, via []*http.Request) error {
	switch {
	case len(via) > maxRedirects:
		return errRedirects
	case via[len(via)-1].URL.Scheme == "https" && next.URL.Scheme != "https":
		return errDowngrade
	}
	return nil
}

// question is the body of a request.
type question struct {
	Name  string `json:"username"`
	Group string `json:"group,omitempty"` // drawpile.net refuses an empty one
}

// Query implements login.AuthServer.
func (c *Client) Query(ctx context.Context, name, group string) (status string, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	body, err := json.Marshal(question{name, group})
	if err != nil {
		return "", fmt.Errorf("write question: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("write question: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", userAgent)
	// The question may be asked twice: a kept connection that the server has
	// just closed is no failure. Without values the header is not sent.
	request.Header["Idempotency-Key"] = nil

	reply, err := c.http.Do(request)
	if err != nil {
		return "", err // names method and URL
	}
	defer reply.Body.Close()
	if reply.StatusCode >= http.StatusBadRequest {
		return "", fmt.Errorf("POST %q: status %s", c.url, reply.Status)
	}
	text, err := io.ReadAll(io.LimitReader(reply.Body, maxReply+1))
	if err != nil {
		return "", fmt.Errorf("read answer: %w", err)
	}
	return parseReply(text)
}

// byteOrderMark is what some scripts write before their answer.
var byteOrderMark = []byte("\ufeff")

// parseReply returns the status of an answer, "" if it is missing or no text. A
// list has none either, which clients are told, as by the reference; every
// other answer that is no object counts as no answer.
func parseReply(text []byte) (string, error) {
	if len(text) > maxReply {
		return "", fmt.Errorf("%w: more than %d bytes", login.ErrAuthReply, maxReply)
	}
	var doc any
	if err := json.Unmarshal(bytes.TrimPrefix(text, byteOrderMark), &doc); err != nil {
		return "", fmt.Errorf("%w: %w", login.ErrAuthReply, err)
	}
	switch doc := doc.(type) {
	case map[string]any: // a struct would take keys in any case
		status, _ := doc["status"].(string)
		return status, nil
	case []any:
		return "", nil
	}
	return "", fmt.Errorf("%w: neither an object nor a list", login.ErrAuthReply)
}
