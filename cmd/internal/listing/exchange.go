package listing

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"drawrelay/cmd/internal/outbound"
)

// Facts of the protocol (integrations.md §1, §2.4).
const (
	maxRedirects   = 2
	defaultExpires = 6 // minutes
	minExpires     = 2
	userAgent      = "DrawpileListingClient/" // followed by the version
)

// What members read when a request fails.
const (
	networkError = "Network error"
	unparseable  = "Unparseable response"
)

// Our own choices.
const (
	// requestTimeout bounds an exchange. A listing server may try for 5 s to
	// connect to this one before it answers.
	requestTimeout = 30 * time.Second
	// maxReply bounds a reply in bytes: an entry of a refresh is below 100.
	maxReply = 1 << 20
	// maxText bounds texts from a listing server that members are shown, bytes.
	maxText = 1000
	// maxExpires bounds the life of a listing without a refresh, minutes:
	// nothing tells us earlier that the listing server has lost it.
	maxExpires = 24 * 60
)

// refusal is the answer of a listing server that will not change its mind by
// itself. Its text is for members.
type refusal string

func (r refusal) Error() string { return string(r) }

// sessionsURL returns the address of the sessions, or of one of them, at the
// listing server with this URL.
func sessionsURL(server string, number string) (string, error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", err
	}
	path := u.EscapedPath()
	if !strings.HasSuffix(path, "/") {
		path += "/"
	}
	path += "sessions/" + number
	if u.Path, err = url.PathUnescape(path); err != nil {
		return "", err
	}
	u.RawPath = path
	u.Fragment = ""
	return u.String(), nil
}

// exchange sends a request to a listing server and returns the object it
// answers with. The text of the error is for members (integrations.md §2.4).
func (c *Client) exchange(ctx context.Context, method, server string, body any) (map[string]any, error) {
	at, err := sessionsURL(server, "")
	if err != nil {
		return nil, refusal(err.Error())
	}
	reply, err := c.http.Do(ctx, method, at, nil, body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", networkError, err)
	}
	switch s := reply.Status; {
	case s == http.StatusBadRequest || s == http.StatusConflict || s == http.StatusUnprocessableEntity:
		return nil, refusal(explanation(s, reply.Body))
	case s == http.StatusGone:
		return nil, refusal("ERROR 410 GONE")
	case s == http.StatusRequestTimeout || s == http.StatusTooManyRequests || s >= http.StatusInternalServerError:
		return nil, fmt.Errorf("%s: the server replied %d %s", networkError, s, http.StatusText(s))
	case s >= http.StatusBadRequest:
		return nil, refusal(fmt.Sprintf("%s: the server replied %d %s", networkError, s, http.StatusText(s)))
	}
	doc, err := object(reply.Body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", unparseable, err)
	}
	return doc, nil
}

// explanation returns what a listing server says about an error of ours.
func explanation(status int, body []byte) string {
	doc, err := object(body)
	if err != nil {
		return fmt.Sprintf("Http error %d but response body was unparseable: %v", status, err)
	}
	if text := text(doc["message"]); text != "" {
		return text
	}
	return fmt.Sprintf("Http error %d (no explanation given)", status)
}

var errNoObject = errors.New("not an object")

// object reads a JSON object. A struct would take keys in any case.
func object(b []byte) (map[string]any, error) {
	var doc any
	if err := json.Unmarshal(bytes.TrimPrefix(b, []byte("\ufeff")), &doc); err != nil {
		return nil, err
	}
	o, ok := doc.(map[string]any)
	if !ok {
		return nil, errNoObject
	}
	return o, nil
}

// text returns a text from a listing server as members may see it, "" if it is
// none.
func text(v any) string {
	s, _ := v.(string)
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "")
	}
	return strings.TrimSpace(s)
}

// integer returns a whole number, or otherwise if v is none.
func integer(v any, otherwise int64) int64 {
	f, ok := v.(float64)
	if !ok || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return otherwise
	}
	return int64(f)
}

// place is a session's place on a list.
type place struct {
	number int64
	key    string // proves that a request comes from us; secret
}

// post announces a session.
func (c *Client) post(ctx context.Context, server string, d *description) (at place, interval time.Duration, message string, err error) {
	doc, err := c.exchange(ctx, http.MethodPost, server, d.announcement(c.config.Host, c.port))
	if err != nil {
		return place{}, 0, "", err
	}
	key, _ := doc["key"].(string)
	return place{integer(doc["id"], 0), key}, refreshInterval(integer(doc["expires"], defaultExpires)), text(doc["message"]), nil
}

// refreshInterval returns how often a listing must be refreshed that expires
// after this many minutes.
func refreshInterval(expires int64) time.Duration {
	return time.Duration(min(max(expires, minExpires), maxExpires)-1) * time.Minute
}

// refusals are the listings that a refresh did not renew, with the reasons.
type refusals map[int64]string

// put refreshes listings.
func (c *Client) put(ctx context.Context, server string, batch map[int64]update) (refused refusals, message string, err error) {
	body := make(map[string]update, len(batch))
	for number, u := range batch {
		body[strconv.FormatInt(number, 10)] = u
	}
	doc, err := c.exchange(ctx, http.MethodPut, server, body)
	if err != nil {
		return nil, "", err
	}
	responses, _ := doc["responses"].(map[string]any)
	reasons, _ := doc["errors"].(map[string]any)
	refused = make(refusals)
	for number := range batch {
		n := strconv.FormatInt(number, 10)
		if responses[n] != "ok" {
			refused[number] = text(reasons[n])
		}
	}
	return refused, text(doc["message"]), nil
}

// delete takes a session off a list. Only a server that cannot be reached is
// an error: it does not matter what it says.
func (c *Client) delete(ctx context.Context, server string, at place) error {
	u, err := sessionsURL(server, strconv.FormatInt(at.number, 10))
	if err != nil {
		return nil // it was announced there
	}
	_, err = c.http.Do(ctx, http.MethodDelete, u, http.Header{"X-Update-Key": {at.key}}, nil)
	if errors.Is(err, outbound.ErrTooLong) {
		return nil
	}
	return err
}
