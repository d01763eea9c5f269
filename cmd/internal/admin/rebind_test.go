package admin

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestRebound: a site that makes its name point here reaches nothing; people
// and programs by other ways do.
func TestRebound(t *testing.T) {
	credentials, err := ParseCredentials("user:password")
	if err != nil {
		t.Fatal(err)
	}
	access := func(text string) Access {
		a, err := ParseAccess(text)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	for _, tt := range []struct {
		name, host string
		cfg        Config
		local      bool
		want       bool
	}{
		{name: "a site", host: "evil.example:27780", want: true},
		{name: "a site, with a server's name set", host: "evil.example:27780", cfg: Config{LocalHost: "draw.example"}, want: true},
		{name: "by number", host: "127.0.0.1:27780"},
		{name: "by IPv6 number", host: "[::1]:27780"},
		{name: "localhost", host: "LocalHost:27780"},
		{name: "the server's name", host: "Draw.Example:27780", cfg: Config{LocalHost: "draw.example"}},
		{name: "through a proxy", host: "draw.example"},
		{name: "through a proxy at a port", host: "draw.example:8443"},
		{name: "with credentials", host: "draw.example:27780", cfg: Config{Auth: credentials}},
		{name: "open to others", host: "draw.example:27780", cfg: Config{Access: access("all")}},
		{name: "let in by somebody else", host: "draw.example:27780", local: true},
	} {
		r := httptest.NewRequest(http.MethodGet, "/api/status/", nil)
		r.Host = tt.host
		ctx := context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 27780})
		s := &Server{cfg: tt.cfg}
		if got := s.rebound(r.WithContext(context.WithValue(ctx, localKey{}, tt.local))); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
