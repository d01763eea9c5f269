package settings

import "testing"

func TestOrigins(t *testing.T) {
	const list = "https://web.drawpile.net  http://localhost:8000"
	for _, c := range []struct {
		list, origin string
		want         bool
	}{
		{"", "https://anything.example", true},
		{list, "https://web.drawpile.net", true},
		{list, "HTTPS://Web.Drawpile.Net", true},
		{list, "http://localhost:8000", true},
		{list, "http://localhost", false},
		{list, "http://web.drawpile.net", false},
		{list, "https://web.drawpile.net.evil.example", false},
		{list, "null", false},
	} {
		s := &Settings{WebSocketOrigins: c.list}
		if got := s.AllowsOrigin(c.origin); got != c.want {
			t.Errorf("list %q, origin %q: %v", c.list, c.origin, got)
		}
	}
	for text, want := range map[string]bool{
		"": true, list: true, "https://a.example:8443": true,
		"a.example": false, "https://a.example/": false, "https://a.example/x": false, "ws://a.example": false, "https://": false,
		"https://u@a.example": false, "*": false,
	} {
		if err := CheckOrigins(text); (err == nil) != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}
