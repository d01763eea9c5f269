package admin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"drawrelay/relay"
	"drawrelay/store/serverlog"
)

// call is one request of the API.
type call struct {
	method string // GET (HEAD too), POST, PUT or DELETE
	path   []string
	params params
	locked bool // the section is locked
}

// next takes the first part of the path off.
func (c *call) next() string {
	if len(c.path) == 0 {
		return ""
	}
	head := c.path[0]
	c.path = c.path[1:]
	return head
}

// section is a group of endpoints that can be locked (admin-api.md §1.10).
type section struct {
	name     string // empty: cannot be locked
	database bool   // needs one
	serve    func(s *Server, ctx context.Context, c *call) reply
}

var sections = map[string]section{
	"status":              {"", false, (*Server).status},
	"server":              {"server", false, (*Server).serverSettings},
	"sessions":            {"sessions", false, (*Server).sessions},
	"users":               {"sessions", false, (*Server).users},
	"banlist":             {"bans", true, (*Server).ipBans},
	"systembans":          {"bans", true, (*Server).systemBans},
	"userbans":            {"bans", true, (*Server).userBans},
	"listserverwhitelist": {"listserverwhitelist", true, (*Server).whitelist},
	"accounts":            {"accounts", true, (*Server).accounts},
	"extbans":             {"extbans", false, (*Server).extBans},
	"log":                 {"", false, (*Server).log},
	"locks":               {"", false, (*Server).locks},
}

// run has a call served. Those that change something wait for each other.
func (s *Server) run(r *http.Request, c *call) (answer reply) {
	who, patience := s.looking, callTime
	if c.method != http.MethodGet {
		who, patience = s.changing, changeWait
	}
	wait, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	err := who.do(wait, func() {
		answer = s.serveCall(r.Context(), c)
		answer.encode()
	})
	if err != nil {
		return busy()
	}
	return answer
}

// serveCall is run by whose turn it is.
func (s *Server) serveCall(ctx context.Context, c *call) reply {
	head := c.next()
	sec, known := sections[head]
	if !known {
		return notFound()
	}
	c.locked = s.lockedIn(sec.name)
	switch {
	case c.method != http.MethodGet && c.locked && !neverLocked(head, c.path):
		return fail(http.StatusForbidden, "This section is locked")
	case sec.database && s.cfg.Database == nil:
		return notFound()
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return sec.serve(s, ctx, c)
}

// neverLocked reports whether a path is exempt from locks.
func neverLocked(head string, rest []string) bool {
	return head == "extbans" && len(rest) == 1 && rest[0] == "refresh"
}

func busy() reply {
	return fail(http.StatusServiceUnavailable, "The server is busy, nothing was changed; try again")
}

// removal answers a request to remove something from a session.
func (s *Server) removal(found bool, err error) reply {
	switch {
	case err != nil:
		return s.failure(err)
	case !found:
		return notFound()
	}
	return done
}

// failure answers an error of a session.
func (s *Server) failure(err error) reply {
	switch {
	case errors.Is(err, relay.ErrNoSession), errors.Is(err, relay.ErrNoMember):
		return notFound()
	case errors.Is(err, relay.ErrBusy):
		return busy()
	case errors.Is(err, relay.ErrUnfinished):
		return fail(http.StatusServiceUnavailable, "The session has not finished it in time, it may still do; look again")
	case errors.Is(err, relay.ErrChatConnected), errors.Is(err, relay.ErrThumbnailAsked):
		return fail(http.StatusConflict, err.Error())
	case errors.Is(err, relay.ErrChatNotConnected), errors.Is(err, relay.ErrNotAsked):
		return fail(http.StatusNotFound, err.Error())
	case errors.Is(err, relay.ErrMessageTooLong), errors.Is(err, relay.ErrAlertTooLong), errors.Is(err, relay.ErrUnlisted),
		errors.Is(err, relay.ErrTooManyInvites), errors.Is(err, relay.ErrNoThumbnails):
		return badRequest(err.Error())
	}
	s.put(serverlog.Error, serverlog.Status, "Admin API: "+err.Error())
	return fail(http.StatusInternalServerError, "Internal error")
}

// params are the parameters of a call: strings from a query, or the members of
// a JSON body.
type params map[string]any

// queryParams reads a query string; of repeated keys the last counts. What
// cannot be decoded is taken as it is.
func queryParams(query string) params {
	p := params{}
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		key, value, _ := strings.Cut(pair, "=")
		p[unescape(key)] = unescape(value)
	}
	return p
}

func unescape(s string) string {
	if t, err := url.QueryUnescape(s); err == nil {
		return strings.ToValidUTF8(t, "\ufffd")
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

func (p params) has(key string) bool {
	_, ok := p[key]
	return ok
}

// text returns a string, empty for other types.
func (p params) text(key string) string {
	s, _ := p[key].(string)
	return s
}

// looseInt returns a number given as one or as a string (admin-api.md §1.8).
func (p params) looseInt(key string, missing, wrong int) int {
	switch v := p[key].(type) {
	case nil:
		return missing
	case float64:
		if n := int32(v); float64(n) == v {
			return int(n)
		}
	case string:
		if n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 32); err == nil {
			return int(n)
		}
	}
	return wrong
}

// looseBool returns a truth value given as one, as a number or as a string.
func (p params) looseBool(key string, missing, wrong bool) bool {
	switch v := p[key].(type) {
	case nil:
		return missing
	case bool:
		return v
	case float64:
		if n := int32(v); float64(n) == v {
			return n != 0
		}
	case string:
		switch strings.ToLower(v) {
		case "", "false":
			return false
		case "true":
			return true
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 32); err == nil {
			return n != 0
		}
	}
	return wrong
}

// isoTime is the form of times but those of bans (admin-api.md §1.9). The zero
// time is the beginning of 1970.
func isoTime(t time.Time) string {
	if t.IsZero() {
		t = time.Unix(0, 0)
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

// audit logs what an administrator has changed. Nothing secret is in it.
func (s *Server) audit(text string) {
	s.put(serverlog.Info, serverlog.Status, text+" by the server administrator")
}

// passwordError answers a password that could be neither checked nor hashed.
func (s *Server) passwordError(err error) reply {
	s.put(serverlog.Error, serverlog.Status, "Admin API: "+err.Error())
	return fail(http.StatusInternalServerError, "The password could not be checked or stored, try again")
}

// databaseError answers a failure of the settings' store.
func (s *Server) databaseError(err error) reply {
	s.put(serverlog.Error, serverlog.Status, "Admin API: "+err.Error())
	return fail(http.StatusInternalServerError, "Database error")
}
