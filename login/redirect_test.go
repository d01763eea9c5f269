package login

import (
	"testing"

	"drawrelay/store/settings"
)

// §17: who is sent elsewhere, when, and who is not because it could not follow.
func TestRedirect(t *testing.T) {
	const target = "drawpile://other.example:27751"
	for _, test := range []struct {
		name  string
		args  []any
		nonce any
		want  string
	}{
		{"host", []any{}, "12ab", "lookup=redirect"},
		{"host that cannot follow", []any{}, nil, "message=Host lookup OK!"},
		{"named session", []any{"look"}, "12ab", "lookup=redirect"},
		{"named session that is not here", []any{"gone"}, "12ab", "lookup=redirect"},
		{"named session, cannot follow", []any{"look"}, nil, "message=Join lookup OK!"},
		{"other session", []any{"plain"}, "12ab", "message=Join lookup OK!"},
		{"browse", []any{""}, "12ab", "message=Empty join lookup OK!"},
		{"nonce of a wrong type", []any{"look"}, 12, "message=Join lookup OK!"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := start(t, func(s *settings.Settings, _ *Config) {
				s.RedirectHosts, s.RedirectSessions = target, "look="+target+" gone="+target
			}, session("s1", "look"), session("s2", "plain"))
			c := b.dial()
			c.cmd("cinfo", []any{"", info()}, nil)
			c.reply()
			kwargs := object{}
			if test.nonce != nil {
				kwargs["nonce"] = test.nonce
			}
			c.cmd("lookup", test.args, kwargs)
			r := c.reply()
			key, value, _ := cutKind(test.want)
			if r[key] != value {
				t.Fatalf("got %v, want %s", r, test.want)
			}
			if value != "redirect" {
				return
			}
			data, _ := r["data"].(map[string]any)
			if r["target"] != target || len(data) == 0 {
				t.Errorf("redirect %v", r)
			}
			c.ping() // nothing else is answered
		})
	}
}

// §4: the flags that announce redirects.
func TestRedirectFlags(t *testing.T) {
	for _, test := range []struct {
		edit func(*settings.Settings)
		want string
	}{
		{func(*settings.Settings) {}, ""},
		{func(s *settings.Settings) { s.RedirectHosts = "drawpile://x" }, "ROUT"},
		{func(s *settings.Settings) { s.RedirectSessions = "a=drawpile://x" }, "ROUT"},
		{func(s *settings.Settings) { s.AcceptRedirects = true }, "RIN"},
	} {
		b := start(t, func(s *settings.Settings, _ *Config) { test.edit(s) })
		got := ""
		_, hello := b.greeted()
		for _, f := range hello["flags"].([]any) {
			if f == "ROUT" || f == "RIN" {
				got += f.(string)
			}
		}
		if got != test.want {
			t.Errorf("flags %q, want %q", got, test.want)
		}
	}
}
