package settings

import (
	"fmt"
	"net/url"
	"strings"
)

// AllowsOrigin reports whether WebSocket clients of web pages from origin may
// connect: WebSocketOrigins names it, or nothing. Clients that are no browsers
// have no origin and are not asked.
func (s *Settings) AllowsOrigin(origin string) bool {
	allowed := strings.Fields(s.WebSocketOrigins)
	for _, o := range allowed {
		if strings.EqualFold(o, origin) {
			return true
		}
	}
	return len(allowed) == 0
}

// CheckOrigins reports why text is no list of origins, separated by blanks.
func CheckOrigins(text string) error {
	for _, o := range strings.Fields(text) {
		u, err := url.Parse(o)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || o != u.Scheme+"://"+u.Host {
			return fmt.Errorf("%q is no origin", o)
		}
	}
	return nil
}
