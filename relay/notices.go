package relay

import (
	"maps"
	"slices"
	"time"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/settings"
)

// What the server says, and who hears it (commands.md §3 to §5, session.md §28).

// tell sends a reply directly to one member, if it has not left meanwhile. A
// reply that does not fit into a message is not sent; the result says so.
func (s *session) tell(st *seat, v frame.Object) bool {
	if st.gone {
		return true
	}
	return s.reply(v, func(msg []byte) { s.out.direct(st, msg) })
}

// tellAll sends a reply directly to all members.
func (s *session) tellAll(v frame.Object) bool { return s.tellIf(v, nil) }

// tellIf sends a reply directly to the members for which keep is true.
func (s *session) tellIf(v frame.Object, keep func(*seat) bool) bool {
	return s.reply(v, func(msg []byte) { s.out.broadcast(msg, keep) })
}

func (s *session) tellOps(v frame.Object) bool { return s.tellIf(v, (*seat).operator) }

func (s *session) reply(v frame.Object, send func([]byte)) bool {
	msg, err := frame.AppendReply(s.replyBuf[:0], 0, v)
	s.replyBuf = msg[:0]
	if err != nil {
		return false
	}
	send(msg)
	return true
}

// notice builds a msg that clients can translate: key is its translation key,
// params may be nil.
func notice(key, text string, params frame.Object) frame.Object {
	return translatable("msg", key, text, params)
}

// alert builds an urgent notice.
func alert(key, text string, params frame.Object) frame.Object {
	return translatable("alert", key, text, params)
}

func translatable(kind, key, text string, params frame.Object) frame.Object {
	v := frame.Object{"type": kind, "message": text}
	if key != "" {
		v["T"] = key
	}
	if len(params) > 0 {
		v["P"] = params
	}
	return v
}

// named returns params for a notice, leaving out empty values.
func named(pairs ...string) frame.Object {
	v := frame.Object{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			v[pairs[i]] = pairs[i+1]
		}
	}
	return v
}

// sendStatus tells everybody the size. The index goes only to those who have
// received everything: others would believe to be further than they are
// (session.md §11, D7).
func (s *session) sendStatus(forced bool) {
	s.statusAt = s.now()
	s.grown = false
	v := frame.Object{"type": "status", "size": s.hist.Log().Size()}
	if index := s.indexAt(s.hist.LastIndex()-1, forced); index != "" {
		with := maps.Clone(v)
		with["hid*"] = index
		s.tellIf(with, s.out.current)
		s.tellIf(v, func(st *seat) bool { return !s.out.current(st) })
		return
	}
	s.tellAll(v)
}

// sendCatchup announces to st, or to everybody if st is nil, how much history will
// follow (session.md §10). key is negative if there is no end marker.
func (s *session) sendCatchup(st *seat, count int64, key int) {
	v := frame.Object{"type": "catchup", "count": count}
	if key >= 0 {
		v["key"] = key
	}
	if st == nil {
		s.tellAll(v)
		return
	}
	s.tell(st, v)
}

// caughtup builds the end marker for the history.
func (s *session) caughtup(key int, forced bool) []byte {
	v := frame.Object{"type": "caughtup", "key": key}
	if index := s.indexAt(s.hist.LastIndex(), forced); index != "" {
		v["hidx"] = index
	}
	msg, _ := frame.AppendReply(nil, 0, v) // far below the limit of a message
	return msg
}

// confMessage builds the general configuration for the history (commands.md
// §3.4); index says whether it carries one, if it may.
func (s *session) confMessage(index bool) []byte {
	v := frame.Object{"type": "sessionconf", "config": s.conf(s.settings.Get())}
	if index {
		if text := s.indexAt(s.hist.LastIndex(), false); text != "" {
			v["hidx"] = text
		}
	}
	msg, _ := frame.AppendReply(nil, 0, v) // titles are short
	return msg
}

func (s *session) conf(set *settings.Settings) frame.Object {
	v := frame.Object{
		"closed":             nil,
		"title":              s.hist.Title(),
		"maxUserCount":       s.hist.MaxUsers(),
		"resetThreshold":     s.hist.AutoReset(),
		"resetThresholdBase": s.resetBase,
		"resetThresholdMin":  set.MinimumAutoResetThreshold,
		"hasPassword":        s.hist.PasswordHash() != "",
		"hasOpword":          s.hist.OpwordHash() != "",
		"forceNsfm":          set.ForceNSFM,
		"allowIdleOverride":  set.AllowIdleOverride,
		"idleTimeLimit":      int64(set.IdleTimeLimit / time.Second),
		"maxSize":            s.limit(),
	}
	for _, f := range confFlags {
		v[f.key] = s.flag(f.flag)
	}
	if set.WebSockets {
		v["allowWeb"] = s.flag(store.AllowWeb)
		v["preferWebSockets"] = set.PreferWebSockets
	}
	return v
}

// confFlags are the flags that the general configuration always shows.
var confFlags = []struct {
	key  string
	flag store.Flags
}{
	{"authOnly", store.AuthOnly}, {"persistent", store.Persistent}, {"autotitle", store.AutoTitle},
	{"preserveChat", store.PreserveChat}, {"nsfm", store.NSFM}, {"deputies", store.Deputies},
	{"idleOverride", store.IdleOverride}, {"invites", store.Invites},
}

// announceConf puts the configuration into the history; when that is full, the
// members are told at least (session.md §32 D13).
func (s *session) announceConf() {
	if !s.add(s.confMessage(true)) && s.state != stateShutdown {
		s.out.broadcast(s.confMessage(false), nil)
	}
	s.attributeChanged()
}

// partialConf builds an update that is not stored (commands.md §3.5).
func partialConf(key string, value any) frame.Object {
	return frame.Object{"type": "sessionconf", "config": frame.Object{key: value}}
}

// sendMuted tells everybody who is muted.
func (s *session) sendMuted() {
	ids := frame.Array{}
	for _, st := range s.seats {
		if st.muted {
			ids = append(ids, st.id)
		}
	}
	s.tellAll(partialConf("muted", ids))
}

// sendBans tells the operators the ban list; moderators and those on the
// server's own machine see addresses too, if the list with them fits.
func (s *session) sendBans() {
	ops := (*seat).operator
	if slices.ContainsFunc(s.seats, privileged) {
		if s.tellIf(partialConf("banlist", s.banList(true)), privileged) {
			ops = func(st *seat) bool { return st.operator() && !privileged(st) }
		}
	}
	s.tellIf(partialConf("banlist", s.banList(false)), ops)
}

func privileged(st *seat) bool { return st.person.Moderator() || st.operator() && st.local() }

func (s *session) banList(sensitive bool) frame.Array {
	list := frame.Array{}
	for _, b := range s.hist.Bans.All() {
		v := frame.Object{"id": b.ID, "username": b.Name, "bannedBy": b.By}
		if sensitive {
			v["ip"] = b.AddrText()
			v["extauthid"] = b.AuthID
			v["s"] = b.SystemID
		}
		list = append(list, v)
	}
	return list
}
