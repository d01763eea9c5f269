package admin

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"drawrelay/store/config"
)

// settingKeys are the settings that GET returns, in the order of
// admin-api.md §3.1.
var settingKeys = []string{
	"clientTimeout", "sessionSizeLimit", "autoResetThreshold", "sessionCountLimit", "persistence", "archive",
	"idleTimeLimit", "serverTitle", "welcomeMessage", "allowGuestHosts", "allowGuests", "extauth", "extauthkey",
	"extauthgroup", "extauthfallback", "extauthmod", "extauthhost", "extAuthAvatars", "extauthbanexempt",
	"extauthghosts", "extauthpersist", "extauthwebhost", "logpurgedays", "customAvatars", "abusereport",
	"reporttoken", "extBansUrl", "extBansCheckInterval", "allowIdleOverride", "loginInfoUrl", "enableGhosts",
	"ruleText", "minimumProtocolVersion", "mandatoryLookup", "allowGuestWeb", "allowGuestWebSession", "extauthweb",
	"extauthwebsession", "passwordDependentWebSession", "preferWebSockets", "sessionUserLimit",
	"emptySessionLingerTime", "requireMatchingHost", "allowGuestWebHosts", "invites", "forbiddenNameRegex",
	"filterNameRegex", "unlistedHostPolicy", "minimumAutoResetThreshold", "sessionLessClientLingerTime", "forceNsfm",
}

// webSettings are left out without a WebSocket listener.
var webSettings = []string{
	"allowGuestWeb", "extauthweb", "allowGuestWebSession", "extauthwebsession", "passwordDependentWebSession", "preferWebSockets",
}

// notHere are settings with endpoints of their own, or none.
var notHere = []string{"announceWhitelist", "extBansCacheUrl", "extBansCacheKey", "extBansCacheResponse"}

// ownKeys are the settings that the reference does not have. They are returned
// on demand only, so that GET returns exactly what front ends know.
func ownKeys() []string {
	return slices.DeleteFunc(config.Keys(), func(key string) bool {
		return slices.Contains(settingKeys, key) || slices.Contains(notHere, key)
	})
}

// serverSettings serves /server (admin-api.md §3). With own=true, GET returns
// the settings of this server alone too; PUT always takes them.
func (s *Server) serverSettings(_ context.Context, c *call) reply {
	if len(c.path) > 0 {
		return notFound()
	}
	s.cfg.Settings.Look()
	own := c.params.looseBool("own", false, false)
	switch c.method {
	case http.MethodGet:
		return ok(s.settings(c.locked, own))
	case http.MethodPut:
		if err := s.changeSettings(c.params); err != nil {
			return s.databaseError(err)
		}
		return ok(s.settings(c.locked, false))
	}
	return badMethod()
}

// settings returns what GET shows.
func (s *Server) settings(locked, own bool) map[string]any {
	set := s.cfg.Settings.Get()
	v := map[string]any{"_locked": locked}
	keys := settingKeys
	if own {
		keys = append(slices.Clone(keys), ownKeys()...)
	}
	for _, key := range keys {
		if s.available(key) {
			v[key] = config.Get(set, key)
		}
	}
	return v
}

// available reports whether the feature of a setting is: the front end greys
// out what is missing.
func (s *Server) available(key string) bool {
	switch key {
	case "requireMatchingHost":
		return s.cfg.LocalHost != ""
	case "abusereport":
		return s.cfg.ReportURL
	case "extauth":
		return s.cfg.ExtAuth
	}
	return s.cfg.Settings.Get().WebSockets || !slices.Contains(webSettings, key)
}

// changeSettings stores what is valid; everything else is ignored
// (admin-api.md §3.2).
func (s *Server) changeSettings(p params) error {
	values := make(map[string]string)
	for key, v := range p {
		if !slices.Contains(notHere, key) {
			values[key] = settingText(v)
		}
	}
	before := s.cfg.Settings.Get()
	if err := s.cfg.Settings.SetSettings(values); err != nil {
		return err
	}
	now := s.cfg.Settings.Get()
	var changed []string
	for _, key := range config.Keys() {
		if config.Get(before, key) != config.Get(now, key) {
			changed = append(changed, key)
		}
	}
	if len(changed) > 0 {
		s.audit("Settings " + strings.Join(changed, ", ") + " changed")
	}
	return nil
}

// settingText is the text form of a JSON value.
func settingText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}
