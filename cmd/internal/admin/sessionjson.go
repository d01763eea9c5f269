package admin

import (
	"time"

	"drawrelay/login"
	"drawrelay/relay"
	"drawrelay/store"
	"drawrelay/store/entry"
)

// briefSession is a session in lists (admin-api.md §4.1).
type briefSession struct {
	ID                     string `json:"id"`
	Alias                  string `json:"alias"`
	Protocol               string `json:"protocol"`
	UserCount              int    `json:"userCount"`
	ActiveDrawingUserCount int    `json:"activeDrawingUserCount"`
	MaxUserCount           int    `json:"maxUserCount"`
	Founder                string `json:"founder"`
	Title                  string `json:"title"`
	AutoTitle              bool   `json:"autotitle"`
	HasPassword            bool   `json:"hasPassword"`
	Closed                 bool   `json:"closed"`
	AuthOnly               bool   `json:"authOnly"`
	NSFM                   bool   `json:"nsfm"`
	StartTime              string `json:"startTime"`
	Size                   int64  `json:"size"`
	Persistent             bool   `json:"persistent"`
	Invites                bool   `json:"invites"`
	Unlisted               bool   `json:"unlisted"`
	IdleOverride           *bool  `json:"idleOverride,omitempty"`
	AllowWeb               *bool  `json:"allowWeb,omitempty"`
	PreferWebSockets       bool   `json:"preferWebSockets,omitempty"`
}

func (s *Server) brief(d *entry.Session) briefSession {
	set := s.cfg.Settings.Get()
	v := briefSession{
		ID: d.ID, Alias: d.Alias, Protocol: d.Version, UserCount: d.UserCount,
		ActiveDrawingUserCount: d.ActiveDrawing(s.cfg.Now()), MaxUserCount: d.MaxUsers, Founder: d.Founder, Title: d.Title,
		AutoTitle: d.AutoTitle, HasPassword: d.PasswordHash != "", Closed: d.Closed, AuthOnly: d.AuthOnly, NSFM: d.NSFM,
		StartTime: isoTime(d.StartTime), Persistent: d.Persistent, Invites: d.Invites, Unlisted: d.Unlisted,
	}
	if d.Size != nil {
		v.Size = d.Size.Load()
	}
	if set.AllowIdleOverride {
		v.IdleOverride = &d.IdleOverride
	}
	if set.WebSockets {
		v.AllowWeb = &d.AllowWeb
		v.PreferWebSockets = set.PreferWebSockets
	}
	return v
}

// templateEntry is a template in the list of sessions.
type templateEntry struct {
	Alias        string `json:"alias"`
	Protocol     string `json:"protocol"`
	MaxUserCount int    `json:"maxUserCount"`
	Founder      string `json:"founder"`
	HasPassword  bool   `json:"hasPassword"`
	Title        string `json:"title"`
	NSFM         bool   `json:"nsfm"`
	AuthOnly     bool   `json:"authOnly"`
	Invites      bool   `json:"invites"`
	Unlisted     bool   `json:"unlisted"`
	AllowWeb     *bool  `json:"allowWeb,omitempty"`
}

func (s *Server) template(t *login.Template) templateEntry {
	v := templateEntry{
		Alias: t.Alias, Protocol: t.Version, MaxUserCount: t.MaxUsers, Founder: t.Founder, HasPassword: t.HasPassword,
		Title: t.Title, NSFM: t.NSFM, AuthOnly: t.AuthOnly, Invites: t.Invites, Unlisted: t.Unlisted,
	}
	if v.Founder == "" {
		v.Founder = "-"
	}
	if s.cfg.Settings.Get().WebSockets {
		v.AllowWeb = &t.AllowWeb
	}
	return v
}

// fullSession is everything about a session (admin-api.md §4.2).
type fullSession struct {
	briefSession
	Locked                  bool           `json:"_locked"`
	MaxSize                 int64          `json:"maxSize"`
	BaseSize                int64          `json:"baseSize"`
	OverrideSize            int64          `json:"overrideSize"`
	ResetThreshold          int64          `json:"resetThreshold"`
	EffectiveResetThreshold int64          `json:"effectiveResetThreshold"`
	MinResetThreshold       int64          `json:"minResetThreshold"`
	Deputies                bool           `json:"deputies"`
	HasOpword               bool           `json:"hasOpword"`
	Users                   []any          `json:"users"`
	Listings                []listingEntry `json:"listings"`
	InviteList              []inviteEntry  `json:"invitelist"`
	Chat                    *chatState     `json:"chat"`
	Thumbnail               thumbnailState `json:"thumbnail"`
	Autoreset               autoresetState `json:"autoreset"`
}

// fileSession is a session with files, which can be archived.
type fileSession struct {
	fullSession
	Archive *bool `json:"archive"`
}

type listingEntry struct {
	ID  int64  `json:"id"`
	URL string `json:"url"`
}

func listingEntries(lists []relay.ListedAt) []listingEntry {
	out := make([]listingEntry, len(lists))
	for i, l := range lists {
		out[i] = listingEntry{l.Number, l.URL}
	}
	return out
}

type chatState struct {
	Offset    int64 `json:"offset"`
	Count     int   `json:"count"`
	Timeout   int64 `json:"timeout"`   // ms
	Remaining int64 `json:"remaining"` // ms
}

type thumbnailState struct {
	GeneratedAt         string `json:"generatedAt,omitempty"`
	GeneratorCtxID      uint8  `json:"generatorCtxId,omitempty"`
	GeneratorCorrelator string `json:"generatorCorrelator,omitempty"`
}

type autoresetState struct {
	Delay             int64        `json:"delay"` // ms
	HistoryFirstIndex int64        `json:"historyFirstIndex"`
	HistoryLastIndex  int64        `json:"historyLastIndex"`
	RequestStatus     string       `json:"requestStatus"`
	SessionState      string       `json:"sessionState"`
	Timer             *int64       `json:"timer,omitempty"` // ms
	Stream            *streamState `json:"stream"`
}

type streamState struct {
	State        string `json:"state"`
	CtxID        uint8  `json:"ctxId"`
	Size         int64  `json:"size"`
	StartIndex   int64  `json:"startIndex"`
	MessageCount int    `json:"messageCount"`
	HaveConsumer bool   `json:"haveConsumer"`
}

// full returns the full object of a session.
func (s *Server) full(i *relay.Inspection, locked bool) any {
	v := fullSession{
		briefSession: s.brief(i.Session), Locked: locked,
		MaxSize: i.MaxSize, BaseSize: i.BaseSize, OverrideSize: i.OverrideSize, ResetThreshold: i.ResetThreshold,
		EffectiveResetThreshold: i.EffectiveThreshold, MinResetThreshold: i.MinimumThreshold,
		Deputies: i.Deputies, HasOpword: i.HasOpword, Listings: listingEntries(i.Listings),
		InviteList: entries(i.Invites, inviteJSON), Autoreset: autoresetJSON(&i.Autoreset),
		Thumbnail: thumbnailState{GeneratorCtxID: i.Thumbnail.Member, GeneratorCorrelator: i.Thumbnail.Correlator},
		Users:     make([]any, 0, len(i.Members)+len(i.Past)),
	}
	v.Size = i.Size
	if !i.ThumbnailAt.IsZero() {
		v.Thumbnail.GeneratedAt = isoTime(i.ThumbnailAt)
	}
	if c := i.Chat; c != nil {
		v.Chat = &chatState{c.Offset, c.Count, c.Timeout.Milliseconds(), c.Remaining.Milliseconds()}
	}
	for j := range i.Members {
		v.Users = append(v.Users, sessionUser(&i.Members[j]))
	}
	for j := range i.Past {
		p := &i.Past[j]
		v.Users = append(v.Users, pastUser{ID: p.ID, Name: p.Name, IP: p.Addr, S: p.SystemID})
	}
	if !i.HasFiles {
		return v
	}
	f := fileSession{fullSession: v}
	switch i.Archive {
	case store.ArchiveEnabled:
		f.Archive = new(true)
	case store.ArchiveDisabled:
		f.Archive = new(false)
	}
	return f
}

func autoresetJSON(a *relay.AutoresetState) autoresetState {
	v := autoresetState{
		Delay: a.Delay.Milliseconds(), HistoryFirstIndex: a.FirstIndex, HistoryLastIndex: a.LastIndex,
		RequestStatus: a.Request, SessionState: a.Session,
	}
	if a.TimerRuns {
		v.Timer = new(a.Timer.Milliseconds())
	}
	if x := a.Stream; x != nil {
		v.Stream = &streamState{
			State: "streaming", CtxID: x.Member, Size: x.Size, StartIndex: x.StartIndex, MessageCount: x.Messages,
			HaveConsumer: !x.Prepared,
		}
		if x.Prepared {
			v.Stream.State = "prepared"
		}
	}
	return v
}

// inviteEntry is an invite; nobody is shown the system ids of its users.
type inviteEntry struct {
	Secret  string      `json:"secret"`
	At      string      `json:"at"`
	MaxUses int         `json:"maxUses"`
	Uses    []inviteUse `json:"uses"`
	Creator string      `json:"creator,omitempty"`
	Op      bool        `json:"op,omitempty"`
	Trust   bool        `json:"trust,omitempty"`
}

type inviteUse struct {
	Name string `json:"name"`
	At   string `json:"at"`
}

func inviteJSON(i *store.Invite) inviteEntry {
	v := inviteEntry{
		Secret: i.Secret, At: isoTime(i.At), MaxUses: i.MaxUses, Uses: make([]inviteUse, len(i.Uses)),
		Creator: i.Creator, Op: i.Op, Trust: i.Trust,
	}
	for j := range i.Uses {
		v.Uses[j] = inviteUse{i.Uses[j].Name, isoTime(i.Uses[j].At)}
	}
	return v
}

// userEntry is a connection (admin-api.md §6.2).
type userEntry struct {
	UID                string       `json:"uid"`
	ID                 uint8        `json:"id"`
	Name               string       `json:"name"`
	IP                 string       `json:"ip"`
	S                  string       `json:"s"`
	LastActive         string       `json:"lastActive"`
	LastActiveDrawing  string       `json:"lastActiveDrawing"`
	Auth               bool         `json:"auth"`
	Op                 bool         `json:"op"`
	Trusted            bool         `json:"trusted"`
	Muted              bool         `json:"muted"`
	Mod                bool         `json:"mod"`
	TLS                bool         `json:"tls"`
	Browser            bool         `json:"browser"`
	Session            string       `json:"session,omitempty"`
	LastWithoutSession string       `json:"lastWithoutSession,omitempty"`
	State              string       `json:"state"`
	Capabilities       capabilities `json:"capabilities"`
	OldV               bool         `json:"oldv"`
}

type capabilities struct {
	KeepAlive bool `json:"keepalive"`
	Thumbnail bool `json:"thumbnail"`
}

// onlineUser is a member in the full object of its session.
type onlineUser struct {
	userEntry
	Online     bool     `json:"online"`
	HoldLocked bool     `json:"holdLocked"`
	ResetFlags []string `json:"resetFlags"`
}

// pastUser is somebody who has left.
type pastUser struct {
	ID     uint8  `json:"id"`
	Name   string `json:"name"`
	IP     string `json:"ip"`
	S      string `json:"s"`
	Online bool   `json:"online"`
}

// person fills in what is known of a person.
func (v *userEntry) person(p *entry.Person, id uint64) {
	v.UID = formatUID(id)
	v.Name, v.S, v.Auth, v.Mod = p.Name, p.SystemID, p.AuthID != "", p.Moderator()
	if p.Addr.IsValid() {
		v.IP = p.Addr.String()
	}
	v.TLS, v.Browser, v.OldV = p.TLS, p.Browser, p.Incompatible
	v.Capabilities = capabilities{KeepAlive: p.KeepAlive, Thumbnail: p.Thumbnail}
	v.LastActive, v.LastActiveDrawing = isoTime(time.Time{}), isoTime(time.Time{})
}

func memberJSON(m *relay.Member) userEntry {
	var v userEntry
	v.person(m.Person, m.Conn)
	v.ID, v.Op, v.Trusted, v.Muted, v.Session = m.ID, m.Op, m.Trusted, m.Muted, m.Session
	v.LastActive, v.LastActiveDrawing = isoTime(m.LastActive), isoTime(m.LastDrawing)
	switch m.State {
	case relay.InSession:
		v.State = "session"
	case relay.Leaving:
		v.State = "graceful_disconnect"
	case relay.Quiet:
		v.State = "quiet_disconnect"
	}
	if m.Session == "" {
		v.LastWithoutSession = isoTime(m.LeftAt)
	}
	return v
}

func clientJSON(c *login.Client) userEntry {
	var v userEntry
	v.person(c.Person, c.ID)
	v.State, v.LastWithoutSession = "login", isoTime(c.Accepted)
	if c.Leaving {
		v.State = "graceful_disconnect"
	}
	return v
}

func sessionUser(m *relay.Member) onlineUser {
	v := onlineUser{userEntry: memberJSON(m), Online: true, HoldLocked: m.HoldLocked, ResetFlags: m.Reset}
	v.Session = ""
	if v.ResetFlags == nil {
		v.ResetFlags = []string{}
	}
	return v
}
