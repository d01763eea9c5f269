package listing

import (
	"time"

	"drawrelay/store/entry"
	"drawrelay/store/settings"
)

// description is what listing servers are told about a session
// (integrations.md §2.4).
type description struct {
	id, protocol, owner, title string
	users, maxUsers, drawing   int
	password, nsfm             bool
	allowWeb, preferWebSockets bool
}

func describe(s *entry.Session, set *settings.Settings, now time.Time) description {
	d := description{
		id: s.ID, protocol: s.Version, owner: s.Founder, title: s.Title,
		users: s.UserCount, maxUsers: s.MaxUsers, drawing: s.ActiveDrawing(now),
		password: s.PasswordHash != "", nsfm: s.NSFM,
		// Without a listener no browser can connect, whatever the session says.
		allowWeb: s.AllowWeb && set.WebSockets, preferWebSockets: set.PreferWebSockets && set.WebSockets,
	}
	if s.Alias != "" {
		d.id = s.Alias
	}
	return d
}

func (d *description) full() bool { return d.users >= d.maxUsers }

// urgent reports whether the change from d to now should not wait for the next
// refresh (integrations.md §2.5).
func (d *description) urgent(now *description) bool {
	return d.title != now.title || d.nsfm != now.nsfm || d.password != now.password ||
		d.allowWeb != now.allowWeb || d.full() != now.full()
}

// announcement is the body of POST.
type announcement struct {
	Host             string `json:"host,omitempty"`
	Port             int    `json:"port"`
	ID               string `json:"id"`
	Protocol         string `json:"protocol"`
	Title            string `json:"title"`
	Users            int    `json:"users"`
	Drawing          int    `json:"activedrawingusers"`
	Password         bool   `json:"password"`
	Owner            string `json:"owner"`
	NSFM             bool   `json:"nsfm"`
	MaxUsers         int    `json:"maxusers"`
	AllowWeb         bool   `json:"allowweb,omitempty"`
	PreferWebSockets bool   `json:"preferwebsockets,omitempty"`
}

func (d *description) announcement(host string, port int) announcement {
	return announcement{
		Host: host, Port: port, ID: d.id, Protocol: d.protocol, Title: d.title,
		Users: d.users, Drawing: d.drawing, Password: d.password, Owner: d.owner, NSFM: d.nsfm,
		MaxUsers: d.maxUsers, AllowWeb: d.allowWeb, PreferWebSockets: d.preferWebSockets,
	}
}

// update is an entry of the body of PUT. All keys are always there.
type update struct {
	UpdateKey        string `json:"updatekey"`
	Title            string `json:"title"`
	Users            int    `json:"users"`
	Drawing          int    `json:"activedrawingusers"`
	Password         bool   `json:"password"`
	Owner            string `json:"owner"`
	NSFM             bool   `json:"nsfm"`
	MaxUsers         int    `json:"maxusers"`
	Closed           bool   `json:"closed"` // sessions cannot be closed any more
	AllowWeb         bool   `json:"allowweb"`
	PreferWebSockets bool   `json:"preferwebsockets"`
}

func (d *description) update(key string) update {
	return update{
		UpdateKey: key, Title: d.title, Users: d.users, Drawing: d.drawing, Password: d.password,
		Owner: d.owner, NSFM: d.nsfm, MaxUsers: d.maxUsers, AllowWeb: d.allowWeb, PreferWebSockets: d.preferWebSockets,
	}
}
