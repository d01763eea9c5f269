package admin

import (
	"context"
	"net"
	"net/http"
)

// ReloadPath is where local callers ask the server to look at its files again.
// It is no part of the admin API, which has no such call.
const ReloadPath = "/ctl/reload"

// localKey marks the context of requests that need no credentials.
type localKey struct{}

func isLocal(r *http.Request) bool {
	local, _ := r.Context().Value(localKey{}).(bool)
	return local
}

// ServeLocal serves a listener that only the owner of this server can reach, as
// a Unix socket with its rights: nobody needs credentials. It ends with Close.
func (s *Server) ServeLocal(l net.Listener) error {
	return s.serve(&guarded{Listener: l, access: Access{all: true}, limit: &s.local}, true)
}

// Local returns the handler for requests that somebody else has let in, so that
// they need no credentials.
func (s *Server) Local() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), localKey{}, true)))
	})
}

// reload answers when the server has looked at its files.
func (s *Server) reload(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		writeReply(w, fail(http.StatusMethodNotAllowed, "Unsupported method"))
		return
	}
	s.cfg.Reload()
	writeReply(w, done)
}
