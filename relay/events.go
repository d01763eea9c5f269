package relay

import (
	"strconv"
	"time"

	"github.com/valyala/bytebufferpool"

	"drawrelay/frame"
	"drawrelay/store/serverlog"
)

// The log of the session and who sees it (session.md §28).

// maxLogText cuts the texts of entries, bytes: some quote what members send,
// and a thousand entries per session stay in memory.
const maxLogText = 4 << 10

// replayBytes bounds the log shown to a joiner in bytes, newest entries first:
// 1000 entries of usual length fit, 1000 long abuse reports do not.
const replayBytes = 256 << 10

// replayEntries is how many entries of the log a joiner is shown at most
// (session.md §6.3 row 13).
const replayEntries = 1000

// record writes an entry about the session, and st if it is not nil, to the
// server log without telling the members. Joiners may still see it.
func (s *session) record(level serverlog.Level, topic serverlog.Topic, st *seat, text string) serverlog.Entry {
	var user serverlog.User
	if st != nil {
		user = st.user()
	}
	return s.recordUser(level, topic, user, text)
}

func (s *session) recordUser(level serverlog.Level, topic serverlog.Topic, user serverlog.User, text string) serverlog.Entry {
	return s.log.Put(serverlog.Entry{
		Time: s.now().UTC(), Level: level, Topic: topic, User: user, Session: s.hist.ID, Message: cutText(text, maxLogText),
	})
}

// event writes an entry to the server log and shows it to the members:
// sensitive topics to moderators only, level Debug to nobody.
func (s *session) event(level serverlog.Level, topic serverlog.Topic, st *seat, text string) {
	s.show(s.record(level, topic, st, text))
}

func (s *session) eventUser(level serverlog.Level, topic serverlog.Topic, user serverlog.User, text string) {
	s.show(s.recordUser(level, topic, user, text))
}

func (s *session) show(e serverlog.Entry) {
	if e.Level > serverlog.Info {
		return
	}
	s.replyBuf = appendLog(s.replyBuf[:0], &e)
	if len(s.replyBuf) == 0 {
		return
	}
	if e.Topic.Sensitive() {
		s.out.broadcast(s.replyBuf, moderator)
	} else {
		s.out.broadcast(s.replyBuf, nil)
	}
}

func moderator(st *seat) bool { return st.person.Moderator() }

// replayLog shows a joiner what has happened so far, oldest first
// (session.md §6.3 row 13).
func (s *session) replayLog(st *seat) {
	s.replay.catchUp(s.log, s.hist.ID)
	b := bytebufferpool.Get()
	if b.B = s.replay.appendFor(b.B[:0], st); len(b.B) > 0 {
		s.out.direct(st, b.B)
	}
	bytebufferpool.Put(b)
}

// appendLog appends a log entry as members see it, without address and
// session; nothing if it does not fit into a message. It writes the JSON
// itself: joiners get up to a thousand of these.
func appendLog(dst []byte, e *serverlog.Entry) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = append(dst, `{"level":"`...)
	dst = append(dst, e.Level.String()...)
	dst = append(dst, `","message":`...)
	dst = frame.AppendString(dst, e.Message)
	dst = append(dst, `,"timestamp":"`...)
	dst = e.Time.UTC().AppendFormat(dst, isoLayout)
	dst = append(dst, `","topic":"`...)
	dst = append(dst, e.Topic.String()...)
	dst = append(dst, `","type":"log"`...)
	if !e.User.IsZero() {
		dst = append(dst, `,"user":`...)
		dst = frame.AppendString(dst, strconv.Itoa(int(e.User.ID))+";"+e.User.Name)
	}
	dst = append(dst, '}')
	n := len(dst) - start - frame.HeaderLen
	if n > frame.MaxPayload {
		return dst[:start]
	}
	frame.AppendHeader(dst[:start], n, frame.TypeServerCommand, 0)
	return dst
}

const isoLayout = "2006-01-02T15:04:05Z"

func isoTime(t time.Time) string { return t.UTC().Format(isoLayout) }
