package main

import (
	"net/http"
	"net/http/httptest"
)

// settingRow says how to see a setting. was and is are parts of what is seen
// with the default and with value; an exclamation mark says that it is not.
type settingRow struct {
	key, value string
	see        func(w *world) string // nil = tested elsewhere, see the comment
	was, is    string
	with       map[string]string // other settings
}

// eachSetting lists all settings in the order of configuration.md §8.
func eachSetting(w *world) []settingRow {
	external := func(more ...string) map[string]string {
		with := map[string]string{"extauth": "true", "extauthkey": w.auth.publicKey()}
		for i := 0; i < len(more); i += 2 {
			with[more[i]] = more[i+1]
		}
		return with
	}
	shared := map[string]string{"extBansUrl": nothingListed(w)}
	const hosts = `Starting new session!`
	return []settingRow{
		{"clientTimeout", "1s", (*world).silent, "", "cut off", nil},
		{"sessionSizeLimit", "50mb", (*world).member, `"maxSize":103809024`, `"maxSize":52428800`, nil},
		{"autoResetThreshold", "1mb", seeHost(""), `"resetThreshold":15728640`, `"resetThreshold":1048576`, nil},
		{"minimumAutoResetThreshold", "20mb", (*world).member, `"resetThresholdMin":0`, `"resetThresholdMin":20971520`, nil},
		{"sessionCountLimit", "1", seeHost(""), hosts, `"code":"closed"`, nil},
		{"sessionUserLimit", "7", seeHost(""), `"maxUserCount":254`, `"maxUserCount":7`, nil},
		{"persistence", "true", (*world).hello, `!"PERSIST"`, `"PERSIST"`, nil},
		{"archive", "true", (*world).archived, "0 files", "1 files", nil},
		{"idleTimeLimit", "3h", (*world).member, `"idleTimeLimit":0`, `"idleTimeLimit":10800`, nil},
		{"allowIdleOverride", "false", (*world).member, `"allowIdleOverride":true`, `"allowIdleOverride":false`, nil},
		{"emptySessionLingerTime", "1h", (*world).left, "gone", "stays", nil},
		{key: "sessionLessClientLingerTime"}, // looked at every 15 s: login's TestLingering

		{"serverTitle", "Some title", seeGuest("bob"), `!"title":"Some title"`, `"title":"Some title"`, nil},
		{"welcomeMessage", "Some welcome", seeHost(""), "!Some welcome", "Some welcome", nil},
		{"ruleText", "Some rules", (*world).hello, "!Some rules", `"rules":"Some rules"`, nil},
		{"loginInfoUrl", "https://example.org/join", (*world).hello, "!example.org/join", "https://example.org/join", nil},
		{"preferWebSockets", "true", (*world).member, `"preferWebSockets":false`, `"preferWebSockets":true`, nil},
		{"requireMatchingHost", "true", seeGuest("bob"), `"identOk"`, `"type":"error"`, nil},

		{"allowGuests", "false", seeGuest("bob"), `"identOk"`, `"needPassword"`, nil},
		{"allowGuestHosts", "false", seeHost(""), hosts, `"code":"unauthorizedHost"`, nil},
		{"allowGuestWeb", "false", (*world).webHello, `!"NOGUEST"`, `"NOGUEST"`, nil},
		{"allowGuestWebHosts", "false", (*world).webGuest, `"WEBHOST"`, `!"WEBHOST"`, nil},
		{"allowGuestWebSession", "false", (*world).webGuest, `"WEBSESSION"`, `!"WEBSESSION"`, nil},
		{"passwordDependentWebSession", "true", seeWebHost(""), hosts, `"type":"error"`, map[string]string{"allowGuestWebSession": "false"}},
		{"enableGhosts", "true", (*world).ghost, `"code":"ghostsNotAllowed"`, `"GHOST"`, nil},
		{"customAvatars", "false", (*world).hello, `"AVATAR"`, `!"AVATAR"`, nil},
		{"forceNsfm", "true", (*world).member, `"forceNsfm":false`, `"forceNsfm":true`, nil},
		{"invites", "false", seeHost(""), `"invites":true`, `"invites":false`, nil},
		{"mandatoryLookup", "true", seeGuest("bob"), `"alias":"running"`, `!"alias":"running"`, nil},
		{"minimumProtocolVersion", "dp:4.25.0", seeHost(""), hosts, `"type":"error"`, nil},
		{"unlistedHostPolicy", "ALL", (*world).hosted, `"alias":"fresh"`, `!"alias":"fresh"`, nil},
		{"forbiddenNameRegex", "^mal.*y$", seeGuest("Mallory"), `"identOk"`, `"code":"forbiddenUsername"`, nil},
		{"filterNameRegex", "[-_]", seeGuest("mal-lory"), `"identOk"`, `"code":"forbiddenUsername"`, map[string]string{"forbiddenNameRegex": "^mallory$"}},

		{"announceWhitelist", "true", (*world).announce, "This session is now listed", "is not allowed on this server", nil},
		{"abusereport", "true", (*world).hello, `!"REPORT"`, `"REPORT"`, nil},
		{"reporttoken", "s3cret", (*world).report, "!s3cret", "Token s3cret", map[string]string{"abusereport": "true"}},
		{key: "logpurgedays"}, // acts once a day: store/db's TestPurgeAtOpening

		{"extauth", "true", (*world).hello, `!"extauth"`, `"extauth"`, nil},
		{"extauthkey", w.auth.publicKey(), seeToken(), `!"identOk"`, `"identOk"`, map[string]string{"extauth": "true"}},
		{"extauthgroup", "grp", seeToken(), `!"grp"`, `"grp"`, external()},
		{"extauthfallback", "false", seeGuest("error"), `"identOk"`, `"code":"noExtAuth"`, external()},
		{"extauthmod", "false", seeToken("MOD"), `"MOD"`, `!"MOD"`, external()},
		{"extauthhost", "false", seeToken("HOST"), `"HOST"`, `!"HOST"`, external("allowGuestHosts", "false")},
		{"extauthbanexempt", "true", seeToken("BANEXEMPT"), `!"BANEXEMPT"`, `"BANEXEMPT"`, external()},
		{"extauthghosts", "true", seeToken("GHOST", "MOD"), `"code":"ghostsNotAllowed"`, `"GHOST"`, external("enableGhosts", "true")},
		{"extauthweb", "true", seeToken("WEB"), `!"WEB"`, `"WEB"`, external("allowGuestWeb", "false")},
		{"extauthwebhost", "true", seeToken("WEBHOST"), `!"WEBHOST"`, `"WEBHOST"`, external("allowGuestWebHosts", "false")},
		{"extauthwebsession", "true", seeToken("WEBSESSION"), `!"WEBSESSION"`, `"WEBSESSION"`, external("allowGuestWebSession", "false")},
		{"extauthpersist", "true", seeToken("PERSIST"), `!"PERSIST"`, `"PERSIST"`, external()},
		{"extAuthAvatars", "false", seeToken(), `"avatar":true`, `"avatar":false`, external()},

		{"extBansUrl", shared["extBansUrl"], (*world).sharedBans, `"url":""`, shared["extBansUrl"], nil},
		{"extBansCheckInterval", "2m", (*world).sharedBans, `"intervalMsecs":900000`, `"intervalMsecs":120000`, shared},
		// Kept for shared bans, not for people: cmd/internal/extbans.
		{key: "extBansCacheUrl"}, {key: "extBansCacheKey"}, {key: "extBansCacheResponse"},

		{key: "webSocketOrigins"}, // store/settings' TestOrigins
		{"redirectHosts", "drawpile://example.org", (*world).hello, `!"ROUT"`, `"ROUT"`, nil},
		{"redirectSessions", "demo=drawpile://example.org", (*world).hello, `!"ROUT"`, `"ROUT"`, nil},
		{"acceptRedirects", "true", (*world).hello, `!"RIN"`, `"RIN"`, nil},
	}
}

// nothingListed is the address of a list of shared bans with nothing on it.
func nothingListed(w *world) string {
	s := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) { _, _ = answer.Write([]byte(`{"bans":[]}`)) }))
	if w.testServer != nil {
		w.t.Cleanup(s.Close)
	}
	return s.URL
}
