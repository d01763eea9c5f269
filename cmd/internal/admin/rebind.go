package admin

import (
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// rebound reports whether a request may come from the page of a site that has
// made its own name point to this machine. To the browser it is then the same
// site, so nothing else would stop it. Where everybody needs credentials the
// browser has none for that name, and where the port is open to others nothing
// is gained by it. What is left are requests by a name to a port without
// credentials for this machine only; behind a proxy the port in the name is the
// proxy's.
func (s *Server) rebound(r *http.Request) bool {
	if s.cfg.Auth.Required() || s.cfg.Access.Public() || isLocal(r) {
		return false
	}
	name, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		return false
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok || port != strconv.Itoa(local.Port) {
		return false
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return false
	}
	return !strings.EqualFold(name, "localhost") && !strings.EqualFold(name, s.cfg.LocalHost)
}
