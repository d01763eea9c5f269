package login

import (
	"strings"

	"drawrelay/frame"
	"drawrelay/store/entry"
	"drawrelay/store/serverlog"
	"drawrelay/store/settings"
)

// helloVersion is the only number clients accept (login.md §4).
const helloVersion = 4

// greet queues the hello and chooses the first state.
func (c *conn) greet() {
	cfg := &c.server.cfg
	set := cfg.Settings.Get()
	c.needTLS = cfg.TLS != nil && c.tr.framing() == entry.FramingTCP
	hello := frame.Object{
		"type":    "login",
		"message": "Drawpile server " + cfg.Version,
		"version": helloVersion,
		"flags":   c.helloFlags(set),
		"methods": c.methods(set),
	}
	if set.LoginInfoURL != "" {
		hello["info"] = set.LoginInfoURL
	}
	if rules := strings.TrimSpace(set.RuleText); rules != "" {
		hello["rules"] = rules
	}
	if set.WebSockets && set.PreferWebSockets {
		hello["preferWebSockets"] = true
	}
	// A hello that does not fit would leave the server without any greeting.
	for _, key := range []string{"rules", "info"} {
		if _, err := frame.AppendReply(nil, 0, hello); err == nil {
			break
		}
		if _, ok := hello[key]; ok {
			delete(hello, key)
			c.log(serverlog.Error, serverlog.Status, "Hello is too long, left out: "+key)
		}
	}
	c.send(hello)
	c.state = c.firstState()
}

func (c *conn) helloFlags(set *settings.Settings) []string {
	flags := []string{}
	add := func(name string, on bool) {
		if on {
			flags = append(flags, name)
		}
	}
	add("MULTI", set.SessionCountLimit > 1)
	add("PERSIST", set.Persistence)
	add("TLS", c.needTLS)
	add("SECURE", c.needTLS)
	add("NOGUEST", !c.guestsAllowed(set))
	add("REPORT", c.server.cfg.Reports != nil && set.AbuseReport)
	add("AVATAR", set.CustomAvatars)
	add("CBANIMPEX", c.server.cfg.CryptKey)
	add("MBANIMPEX", true)
	add("LOOKUP", true)
	add("CINFO", true)
	add("ROUT", set.Redirects())
	add("RIN", set.AcceptRedirects)
	return flags
}

// guestsAllowed says whether guests may log in from this kind of client.
func (c *conn) guestsAllowed(set *settings.Settings) bool {
	return set.AllowGuests && (!c.browser || set.AllowGuestWeb)
}

// methods returns how this client may identify itself (login.md §4).
func (c *conn) methods(set *settings.Settings) frame.Object {
	guestHosts := set.AllowGuestHosts && (!c.browser || set.AllowGuestWebHosts)
	actions := func(host bool) []string {
		if host {
			return []string{"join", "host"}
		}
		return []string{"join"}
	}
	methods := frame.Object{}
	if c.guestsAllowed(set) {
		methods["guest"] = frame.Object{"actions": actions(guestHosts)}
	}
	if users := c.server.cfg.Users; users != nil && users.Any() {
		methods["auth"] = frame.Object{"actions": actions(true)}
	}
	if c.server.extAuth(set) {
		hosts := guestHosts || set.ExtAuthHost && (!c.browser || set.ExtAuthWebHost)
		methods["extauth"] = frame.Object{"actions": actions(hosts), "url": c.server.cfg.AuthURL}
	}
	return methods
}
