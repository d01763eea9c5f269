package settings

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// CheckRedirect reports why text is no address that clients can be sent to: a
// URL of scheme drawpile, ws or wss with a host (login.md §17).
func CheckRedirect(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return errors.New("not a URL")
	case u.Scheme != "drawpile" && u.Scheme != "ws" && u.Scheme != "wss":
		return fmt.Errorf("scheme %q instead of drawpile, ws or wss", u.Scheme)
	case u.Hostname() == "":
		return errors.New("no host")
	}
	return nil
}

// CheckRedirectSessions reports why text is no list of "SESSION=URL" pairs,
// separated by blanks.
func CheckRedirectSessions(text string) error {
	for _, pair := range strings.Fields(text) {
		id, target, ok := strings.Cut(pair, "=")
		if !ok || id == "" {
			return fmt.Errorf("%q is not of the form SESSION=URL", pair)
		}
		if err := CheckRedirect(target); err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
	}
	return nil
}

// RedirectSession returns where joiners of the session with this id or alias
// are sent, "" if they stay.
func (s *Settings) RedirectSession(idOrAlias string) string {
	for _, pair := range strings.Fields(s.RedirectSessions) {
		if id, target, ok := strings.Cut(pair, "="); ok && id == idOrAlias {
			return target
		}
	}
	return ""
}

// Redirects reports whether anybody may be sent to another server.
func (s *Settings) Redirects() bool { return s.RedirectHosts != "" || s.RedirectSessions != "" }
