package admin

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"drawrelay/frame"
	"drawrelay/store/db"
	"drawrelay/store/password"
	"drawrelay/store/serverlog"
)

// lockable are the sections that can be locked, sorted.
var lockable = []string{"accounts", "bans", "extbans", "listserverwhitelist", "server", "sessions"}

type locksReply struct {
	Supported bool            `json:"supported"`
	Password  bool            `json:"password"`
	Sections  map[string]bool `json:"sections"`
}

// lockedIn reports whether a section is locked.
func (s *Server) lockedIn(section string) bool {
	return section != "" && s.cfg.Database != nil && slices.Contains(s.cfg.Database.Refresh().LockedSections, section)
}

// locks serves /locks (admin-api.md §12).
func (s *Server) locks(_ context.Context, c *call) reply {
	switch {
	case len(c.path) > 0:
		return notFound()
	case c.method == http.MethodGet:
		return ok(s.lockState())
	case c.method == http.MethodPut && s.cfg.Database != nil:
		return s.lock(c.params)
	}
	return badMethod()
}

func (s *Server) lockState() locksReply {
	v := locksReply{Supported: s.cfg.Database != nil, Sections: make(map[string]bool)}
	var state db.State
	if v.Supported {
		state = *s.cfg.Database.Refresh()
		v.Password = unlockHash(&state) != ""
	}
	for _, name := range lockable {
		v.Sections[name] = slices.Contains(state.LockedSections, name)
	}
	return v
}

// unlockHash is the stored unlock password. One in an unknown form counts as
// none, so that nobody is locked out by a slip of the hand.
func unlockHash(state *db.State) string {
	if !password.Valid(state.LockHash) {
		return ""
	}
	return state.LockHash
}

// lock replaces the locked sections.
func (s *Server) lock(p params) reply {
	word := p.text("password")
	if hash := unlockHash(s.cfg.Database.Refresh()); hash != "" {
		right, err := s.cfg.Passwords.Check(hash, word)
		if err != nil {
			return s.passwordError(err)
		}
		if word == "" || !right {
			s.put(serverlog.Error, serverlog.Status, "Incorrect admin section unlock password entered")
			return fail(http.StatusForbidden, "Incorrect password")
		}
	}
	given, _ := p["sections"].([]any)
	var sections []string
	for _, name := range lockable {
		if slices.ContainsFunc(given, func(v any) bool { return frame.Str(v) == name }) {
			sections = append(sections, name)
		}
	}
	hash, text := "", "Admin sections unlocked"
	if len(sections) > 0 {
		how := "without"
		if word != "" {
			var err error
			if hash, err = s.cfg.Passwords.Hash(word); err != nil {
				return s.passwordError(err)
			}
			how = "with"
		}
		text = "Admin sections locked (" + how + " password): " + strings.Join(sections, ", ")
	}
	if err := s.cfg.Database.Lock(sections, hash); err != nil {
		return s.databaseError(err)
	}
	s.put(serverlog.Info, serverlog.Status, text)
	return ok(s.lockState())
}
