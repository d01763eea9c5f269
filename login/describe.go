package login

import (
	"time"

	"drawrelay/frame"
	"drawrelay/store/entry"
	"drawrelay/store/settings"
)

// describe returns a session as lists and lookups show it (login.md §11.2).
func describe(s *entry.Session, set *settings.Settings, now time.Time) frame.Object {
	o := frame.Object{
		"id":                     s.ID,
		"alias":                  s.Alias,
		"protocol":               s.Version,
		"userCount":              s.UserCount,
		"activeDrawingUserCount": s.ActiveDrawing(now),
		"maxUserCount":           s.MaxUsers,
		"founder":                s.Founder,
		"title":                  s.Title,
		"autotitle":              s.AutoTitle,
		"hasPassword":            s.PasswordHash != "",
		"authOnly":               s.AuthOnly,
		"closed":                 full(s),
		"nsfm":                   s.NSFM,
		"persistent":             s.Persistent,
		"invites":                s.Invites,
		"unlisted":               s.Unlisted,
		"startTime":              s.StartTime.UTC().Format("2006-01-02T15:04:05Z"),
		"size":                   int64(0),
	}
	if s.Size != nil {
		o["size"] = s.Size.Load()
	}
	if set.AllowIdleOverride {
		o["idleOverride"] = s.IdleOverride
	}
	if set.WebSockets {
		o["allowWeb"] = s.AllowWeb
		if set.PreferWebSockets {
			o["preferWebSockets"] = true
		}
	}
	return o
}

// full reports whether nobody without special rights can enter.
func full(s *entry.Session) bool { return s.Closed || s.UserCount >= s.MaxUsers }

// describeTemplate returns a template as lists and, with the id reserved for
// it, lookups show it.
func describeTemplate(t *Template, id string, set *settings.Settings) frame.Object {
	o := frame.Object{
		"alias":        t.Alias,
		"protocol":     t.Version,
		"maxUserCount": t.MaxUsers,
		"founder":      t.Founder,
		"hasPassword":  t.HasPassword,
		"title":        t.Title,
		"nsfm":         t.NSFM,
		"authOnly":     t.AuthOnly,
		"invites":      t.Invites,
		"unlisted":     t.Unlisted,
	}
	if id != "" {
		o["id"] = id
	}
	if set.WebSockets {
		o["allowWeb"] = t.AllowWeb
	}
	return o
}
