package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"
)

// realm is what browsers show when they ask for credentials.
const realm = "drawpile-srv"

// Credentials are those of basic authentication. The zero value asks for none.
type Credentials struct{ user, password string }

// ParseCredentials reads USER:PASSWORD, split at the first colon. The reference
// runs without authentication when either is missing; nobody means that
// (admin-api.md §1.3). The text is a secret and not part of the error.
func ParseCredentials(text string) (Credentials, error) {
	user, password, ok := strings.Cut(text, ":")
	switch {
	case !ok:
		return Credentials{}, errors.New("there is no colon; write USER:PASSWORD")
	case user == "":
		return Credentials{}, errors.New("the user name is empty; write USER:PASSWORD")
	case password == "":
		return Credentials{}, errors.New("the password is empty; write USER:PASSWORD")
	}
	return Credentials{user, password}, nil
}

// Required reports whether callers need credentials.
func (c Credentials) Required() bool { return c != Credentials{} }

// match compares in constant time.
func (c Credentials) match(user, password string) bool {
	equal := func(a, b string) int {
		x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
		return subtle.ConstantTimeCompare(x[:], y[:])
	}
	return equal(c.user, user)&equal(c.password, password) == 1
}

// authorised reports whether a request may be served; if not it has been
// answered.
func (s *Server) authorised(w http.ResponseWriter, r *http.Request) bool {
	if isLocal(r) || !s.cfg.Auth.Required() {
		return true
	}
	user, password, given := r.BasicAuth()
	if given && s.cfg.Auth.match(user, password) {
		return true
	}
	if given && !s.wrong.wait(r.Context().Done()) {
		tooMany(w)
		return false
	}
	if r.Header.Get("X-Requested-With") != xmlHTTPRequest {
		w.Header().Set("WWW-Authenticate", `Basic realm="`+realm+`"`)
	}
	writePlain(w, http.StatusUnauthorized, "Unauthorized")
	return false
}

// xmlHTTPRequest is the X-Requested-With of the front end, which has a login
// page of its own and does not want the browser's.
const xmlHTTPRequest = "XMLHttpRequest"
