package admin

import (
	"context"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"drawrelay/frame"
	"drawrelay/store/serverlog"
)

// logPage is how many entries a page of the log has.
const logPage = 100

// logEntry is an entry of the log (admin-api.md §11.1).
type logEntry struct {
	Timestamp string `json:"timestamp"`
	Level     string `json:"level"`
	Topic     string `json:"topic"`
	Session   string `json:"session,omitempty"`
	User      string `json:"user,omitempty"`
	Message   string `json:"message"`
}

func logJSON(r *serverlog.Record) logEntry {
	return logEntry{isoTime(r.Time), r.Level.String(), r.Topic, r.Session, r.User, r.Message}
}

// log serves /log (admin-api.md §11).
func (s *Server) log(ctx context.Context, c *call) reply {
	switch {
	case len(c.path) > 0:
		return notFound()
	case c.method == http.MethodGet:
		return s.readLog(ctx, c)
	case c.method == http.MethodPost:
		return s.writeLog(c)
	}
	return badMethod()
}

func (s *Server) readLog(ctx context.Context, c *call) reply {
	q := serverlog.Query{
		Session: c.params.text("session"), User: c.params.text("user"), Contains: c.params.text("contains"), Level: serverlog.Debug,
		Offset: max(c.params.looseInt("page", 0, 0), 0) * logPage, Limit: logPage,
	}
	if c.params.has("after") {
		after, valid := parseISO(c.params.text("after"))
		if !valid {
			return badRequest("Invalid timestamp")
		}
		q.After = after
	}
	var records []serverlog.Record
	if s.cfg.Database == nil {
		records = s.cfg.Log.Query(q)
	} else {
		var err error
		if records, err = s.cfg.Database.Log(ctx, q); err != nil {
			return s.databaseError(err)
		}
	}
	list := make([]logEntry, len(records))
	for i := range records {
		list[i] = logJSON(&records[i])
	}
	return ok(list)
}

// isoForms are the forms of a time that callers may write; without a zone it
// is the server's own.
var isoForms = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999",
	"2006-01-02T15:04", "2006-01-02"}

func parseISO(text string) (t time.Time, valid bool) {
	for _, form := range isoForms {
		if t, err := time.ParseInLocation(form, text, time.Local); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// foreignMessage is what entries of other programs look like: they name their
// source first.
var foreignMessage = regexp.MustCompile(`\A\[[a-zA-Z0-9_.\-]+\]\s+\S`)

// maxForeignMessage bounds the message of such an entry, bytes: a thousand
// entries stay in memory.
const maxForeignMessage = 4 << 10

type logReply struct {
	Locked bool     `json:"_locked"`
	Entry  logEntry `json:"entry"`
}

// writeLog adds an entry of another program (admin-api.md §11.2).
func (s *Server) writeLog(c *call) reply {
	p := c.params
	e := serverlog.Entry{Time: s.cfg.Now().UTC(), Message: p.text("message"), Session: p.text("session")}
	var known bool
	if e.Level, known = serverlog.ParseLevel(p.text("level")); !known {
		return badRequest("Invalid level")
	}
	if e.Topic, known = serverlog.ParseTopic(p.text("topic")); !known {
		return badRequest("Invalid topic")
	}
	if e.Session != "" && !validULID(e.Session) {
		return badRequest("Invalid session")
	}
	e.Session = strings.ToLower(e.Session)
	if !foreignMessage.MatchString(e.Message) || len(e.Message) > maxForeignMessage {
		return badRequest("Invalid message")
	}
	if user, given := p["user"].(map[string]any); given {
		e.User.ID = uint8(min(max(frame.Int(user["id"]), 0), 255))
		e.User.Name = frame.Str(user["name"])
		if a, err := netip.ParseAddr(frame.Str(user["ip"])); err == nil {
			e.User.Addr = a.Unmap().WithZone("")
		}
	}
	s.cfg.Log.Put(e)
	r := e.Record()
	return ok(logReply{c.locked, logJSON(&r)})
}

// validULID reports whether text has the form of a session id: 26 digits of
// Crockford's base 32, not all zero.
func validULID(text string) bool {
	if len(text) != 26 || strings.Trim(text, "0") == "" {
		return false
	}
	return strings.Trim(strings.ToLower(text), "0123456789abcdefghjkmnpqrstvwxyz") == ""
}
