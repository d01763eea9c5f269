package admin

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"drawrelay/store/settings"
)

// checklist 12.
func TestStatus(t *testing.T) {
	w := newWorld(t, setup{})
	v := w.ok("GET", "status/", "")
	started, isText := v["started"].(string)
	if !isText || !strings.HasSuffix(started, "Z") {
		t.Errorf("started %v", v["started"])
	}
	w.equal("12", v, object{"started": started, "sessions": 0.0, "maxSessions": 25.0, "users": 0.0, "ext_host": "pile.example", "ext_port": 27750.0})
	w = newWorld(t, setup{config: func(c *Config) { c.LocalHost = "" }})
	if host, isText := w.ok("GET", "status", "")["ext_host"].(string); !isText || host == "" || strings.Contains(host, "%") {
		t.Errorf("guessed host %q", host)
	}
}

// defaults are the table of admin-api.md §3.1.
var defaults = object{
	"clientTimeout": 60.0, "extBansUrl": "", "sessionSizeLimit": 103809024.0, "extBansCheckInterval": 900.0, "autoResetThreshold": 15728640.0,
	"allowIdleOverride": true, "sessionCountLimit": 25.0, "loginInfoUrl": "", "persistence": false, "enableGhosts": false, "archive": false,
	"ruleText": "", "idleTimeLimit": 0.0, "minimumProtocolVersion": "", "serverTitle": "", "mandatoryLookup": false, "welcomeMessage": "",
	"allowGuestWeb": true, "allowGuestHosts": true, "allowGuestWebSession": true, "allowGuests": true, "extauthweb": false, "extauth": false,
	"extauthwebsession": false, "extauthkey": "", "passwordDependentWebSession": false, "extauthgroup": "", "preferWebSockets": false,
	"extauthfallback": true, "sessionUserLimit": 254.0, "extauthmod": true, "emptySessionLingerTime": 0.0, "extauthhost": true,
	"requireMatchingHost": false, "extAuthAvatars": true, "allowGuestWebHosts": true, "extauthbanexempt": false, "invites": true,
	"extauthghosts": false, "forbiddenNameRegex": "", "extauthpersist": false, "filterNameRegex": "", "extauthwebhost": false,
	"unlistedHostPolicy": "", "logpurgedays": 0.0, "minimumAutoResetThreshold": 0.0, "customAvatars": true, "sessionLessClientLingerTime": 0.0,
	"abusereport": false, "forceNsfm": false, "reporttoken": "", "_locked": false,
}

// checklist 13, 16 and 17.
func TestSettings(t *testing.T) {
	w := newWorld(t, setup{config: func(c *Config) { c.ReportURL, c.ExtAuth = true, true },
		settings: func(s *settings.Settings) { s.WebSockets = true }})
	w.equal("13", w.ok("GET", "server/", ""), defaults)
	w = newWorld(t, setup{config: func(c *Config) { c.LocalHost = "" }})
	want := maps.Clone(defaults)
	for _, key := range []string{"requireMatchingHost", "abusereport", "extauth", "allowGuestWeb", "extauthweb", "allowGuestWebSession",
		"extauthwebsession", "passwordDependentWebSession", "preferWebSockets"} {
		delete(want, key)
	}
	w.equal("13, 16, 17", w.ok("GET", "server/", ""), want)
	w.equal("omitted keys are stored", w.ok("PUT", "server", `{"requireMatchingHost":true}`), want)
	own := w.ok("GET", "server?own=true", "")
	w.equal("own", []any{own["rateLimitGuestMessages"], own["acceptRedirects"], own["announceWhitelist"]}, []any{0.0, false, nil})
}

// checklist 14 and 15, and the rules of admin-api.md §3.2.
func TestChangeSettings(t *testing.T) {
	for _, database := range []bool{false, true} {
		w := newWorld(t, setup{database: database})
		a := w.host("alice", "")
		for _, tt := range []struct {
			body, key string
			want      any
		}{
			{`{"clientTimeout":"1.5m"}`, "clientTimeout", 90.0}, // 14
			{`{"clientTimeout":"x"}`, "clientTimeout", 90.0},
			{`{"clientTimeout":" 5"}`, "clientTimeout", 90.0},
			{`{"clientTimeout":-5}`, "clientTimeout", 90.0},
			{`{"clientTimeout":7.9}`, "clientTimeout", 7.0},
			{`{"sessionSizeLimit":"20 MB"}`, "sessionSizeLimit", 20971520.0}, // 15
			{`{"sessionSizeLimit":100000000}`, "sessionSizeLimit", 100000000.0},
			{`{"sessionSizeLimit":"4gb"}`, "sessionSizeLimit", 100000000.0},
			{`{"sessionCountLimit":"40"}`, "sessionCountLimit", 40.0},
			{`{"sessionCountLimit":1.5}`, "sessionCountLimit", 40.0},
			{`{"sessionCountLimit":null}`, "sessionCountLimit", 40.0},
			{`{"persistence":"True"}`, "persistence", true},
			{`{"persistence":"yes"}`, "persistence", false},
			{`{"persistence":1}`, "persistence", true},
			{`{"persistence":[]}`, "persistence", false},
			{`{"serverTitle":5}`, "serverTitle", "5"},
			{`{"serverTitle":{}}`, "serverTitle", ""},
			{`{"forbiddenNameRegex":"("}`, "forbiddenNameRegex", "("},
			{`{"_locked":true,"unknown":1,"extBansCacheKey":"x"}`, "_locked", false},
			{`{"idleTimeLimit":"3h","allowGuests":false,"clientTimeout":"soon"}`, "idleTimeLimit", 10800.0},
		} {
			w.equal(tt.body, w.ok("PUT", "server/", tt.body)[tt.key], tt.want)
		}
		w.equal("14: kept", w.ok("GET", "server", "")["allowGuests"], false)
		// Effects on running sessions.
		w.ok("PUT", "server", `{"forceNsfm":true,"allowIdleOverride":false,"sessionSizeLimit":"5mb"}`)
		w.await("live effects", func() bool {
			v := w.ok("GET", "sessions/"+a.session, "")
			_, override := v["idleOverride"]
			return v["nsfm"] == true && !override && v["maxSize"] == 5242880.0
		})
		w.logged("Status Settings sessionSizeLimit, allowIdleOverride, forceNsfm changed by the server administrator")
		if database {
			value, _ := w.db.Refresh().Value("sessionSizeLimit")
			w.equal("stored", value, "5mb")
			_, stored := w.db.Refresh().Value("extBansCacheKey")
			w.equal("cache keys are not settable", stored, false)
		}
	}
}

// Every setting of the table has a place in the list of keys.
func TestSettingKeys(t *testing.T) {
	keys := slices.Sorted(slices.Values(settingKeys))
	want := slices.Sorted(maps.Keys(defaults))
	want = slices.DeleteFunc(want, func(key string) bool { return key == "_locked" })
	if !slices.Equal(keys, want) {
		t.Errorf("%v\nwant\n%v", keys, want)
	}
}
