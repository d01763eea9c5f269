package login

import (
	"context"

	"drawrelay/store/entry"
)

// Template is a session template seen from outside (login.md §11.2).
type Template struct {
	Alias       string
	Version     string // protocol version text
	MaxUsers    int
	Founder     string
	Title       string
	HasPassword bool
	NSFM        bool
	AuthOnly    bool
	AllowWeb    bool
	Invites     bool
	Unlisted    bool
}

// Templates knows the session templates. Called from login goroutines.
type Templates interface {
	// List returns the usable templates, those shadowed by a live session's
	// alias included.
	List() []Template
	// Lookup returns the template with this alias or reserved id, and the
	// session id reserved for its alias: the same one until it is used.
	Lookup(aliasOrID string) (t Template, id string, ok bool)
	// Instantiate starts the session of the template with this alias or
	// reserved id and returns its description. May block until ctx ends.
	Instantiate(ctx context.Context, aliasOrID string) (*entry.Session, error)
}

func (s *Server) lookupTemplate(aliasOrID string) (t Template, id string, ok bool) {
	if s.cfg.Templates == nil || aliasOrID == "" {
		return Template{}, "", false
	}
	return s.cfg.Templates.Lookup(aliasOrID)
}
