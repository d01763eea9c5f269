package relay

import "drawrelay/store/serverlog"

// replay is the session's log as joiners are sent it. Every entry is encoded
// once, when somebody joins after it, not once per joiner: a session with a
// full log would otherwise spend most of a join on it.
// Ownership: the session's owner loop.
type replay struct {
	next  uint64 // number of the first entry that is not encoded yet
	lines []replayLine
	bytes int
}

// replayLine is one encoded entry.
type replayLine struct {
	message []byte
	who     audience
}

// audience is who may see an entry of the log that is shown to joiners.
type audience uint8

const (
	audienceAll audience = iota
	audienceOps
	audienceMods
)

func topicAudience(t serverlog.Topic) audience {
	switch t {
	case serverlog.ClientInfo, serverlog.Report:
		return audienceMods
	case serverlog.Kick, serverlog.Ban, serverlog.Unban:
		return audienceOps
	}
	return audienceAll
}

// catchUp encodes what has been logged since the last call. It keeps at most
// replayEntries entries and replayBytes bytes, the newest.
func (r *replay) catchUp(log *serverlog.Log, session string) {
	list, next := log.SessionSince(session, r.next)
	r.next = next
	for i := range list {
		e := &list[i]
		if e.Level > serverlog.Info {
			continue
		}
		if b := appendLog(nil, e); len(b) > 0 {
			r.lines = append(r.lines, replayLine{b, topicAudience(e.Topic)})
			r.bytes += len(b)
		}
	}
	drop := 0
	for len(r.lines)-drop > replayEntries || r.bytes > replayBytes {
		r.bytes -= len(r.lines[drop].message)
		drop++
	}
	if drop > 0 {
		n := copy(r.lines, r.lines[drop:])
		clear(r.lines[n:])
		r.lines = r.lines[:n]
	}
}

// appendFor appends what st may see.
func (r *replay) appendFor(dst []byte, st *seat) []byte {
	who := audienceAll
	switch {
	case st.person.Moderator():
		who = audienceMods
	case st.operator():
		who = audienceOps
	}
	for i := range r.lines {
		if l := &r.lines[i]; l.who <= who {
			dst = append(dst, l.message...)
		}
	}
	return dst
}
