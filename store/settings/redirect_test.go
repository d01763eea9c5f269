package settings

import "testing"

func TestRedirects(t *testing.T) {
	for _, tt := range []struct {
		text string
		ok   bool
	}{
		{"", true},
		{"demo=drawpile://example.org", true},
		{"demo=drawpile://example.org:27751  01h=wss://example.org/drawpile-web/ws", true},
		{"demo", false},
		{"=drawpile://example.org", false},
		{"demo=https://example.org", false},
		{"demo=drawpile:", false},
	} {
		if err := CheckRedirectSessions(tt.text); (err == nil) != tt.ok {
			t.Errorf("%q: %v", tt.text, err)
		}
	}
	s := &Settings{RedirectSessions: "a=drawpile://x b=ws://y"}
	for id, want := range map[string]string{"a": "drawpile://x", "b": "ws://y", "c": "", "": ""} {
		if got := s.RedirectSession(id); got != want {
			t.Errorf("%q is sent to %q, want %q", id, got, want)
		}
	}
}
