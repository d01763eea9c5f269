package admin

import (
	"encoding/json"
	"strings"
	"testing"

	"drawrelay/store/settings"
)

// checklist 55: what the existing front ends call and read (admin-api.md §13 to
// §15), in the way they do it.

// webCall is a call of dpwebadmin and what it reads: field names, with [] for
// each element of an array.
type webCall struct {
	call   string // method, path and body
	fields string
}

var webCalls = []webCall{
	{"GET /status/", "started sessions maxSessions users ext_host ext_port"},
	{"GET /server/", "clientTimeout idleTimeLimit sessionSizeLimit autoResetThreshold minimumAutoResetThreshold emptySessionLingerTime " +
		"abusereport extauth requireMatchingHost preferWebSockets allowGuestWeb extauthpersist unlistedHostPolicy forbiddenNameRegex _locked"},
	{`PUT /server/ {"sessionSizeLimit":"20MB","idleTimeLimit":"1.00 h"}`, "sessionSizeLimit idleTimeLimit _locked"},
	{"GET /listserverwhitelist/", "whitelist enabled _locked"},
	{`PUT /listserverwhitelist/ {"whitelist":[],"enabled":false,"_locked":false}`, "whitelist enabled _locked"},
	{"GET /sessions/?v=2", "_locked sessions sessions[].id sessions[].title sessions[].alias sessions[].userCount sessions[].maxUserCount " +
		"sessions[].hasPassword sessions[].closed sessions[].authOnly sessions[].persistent sessions[].nsfm sessions[].idleOverride " +
		"sessions[].allowWeb sessions[].invites sessions[].unlisted sessions[].size sessions[].startTime"},
	{`PUT /sessions {"alert":"hello"}`, ""},
	{"GET /sessions/ID", "users listings allowWeb invites unlisted overrideSize invitelist autoreset users[].id users[].name users[].ip " +
		"users[].online users[].mod users[].op users[].trusted users[].muted users[].browser users[].holdLocked users[].resetFlags " +
		"autoreset.delay autoreset.requestStatus autoreset.sessionState autoreset.historyFirstIndex autoreset.historyLastIndex"},
	{`PUT /sessions/ID {"title":"t","founder":"f","overrideSize":"0","resetThreshold":"15.00 MB","maxUserCount":20,"nsfm":true,"idleOverride":true,` +
		`"allowWeb":true,"invites":true,"unlisted":false,"authOnly":false,"persistent":true,"password":"p","opword":"o","alert":"a"}`, "id users listings title"},
	{`PUT /sessions/ID/1 {"op":true}`, "id op"},
	{`PUT /sessions/ID/1 {"trusted":true}`, "trusted"},
	{`PUT /sessions/ID/1 {"alert":"a"}`, "id"},
	{`POST /sessions/ID/invites {"maxUses":"3","trust":true,"op":false}`, "secret at trust maxUses uses"},
	{"GET /sessions/ID", "invitelist[].secret invitelist[].uses"},
	{`POST /sessions/ID/chat {"message":"hi","timeout":300000}`, "offset messages messages[].m"},
	{`PUT /sessions/ID/chat {"message":"ho","offset":1}`, "offset messages[].m"},
	{"GET /sessions/ID/chat?offset=2", "offset messages"},
	{"DELETE /sessions/ID/chat?message=bye", "offset messages[].m"},
	{"GET /users/?v=2", "users users[].uid users[].name users[].ip users[].id users[].session users[].state _locked"},
	{"GET /banlist/?v=2", "bans _locked"},
	{`POST /banlist/ {"ip":"192.0.2.1","subnet":"","expires":"2099-01-01 00:00:00","comment":"","address":""}`, "id ip subnet expires comment added"},
	{"DELETE /banlist/1", "status deleted"},
	{"GET /extbans/", "status.url status.intervalMsecs status.started status.active status.msecsUntilNextCheck config.extBansCacheKey bans _locked"},
	{"GET /accounts/?v=2", "accounts _locked"},
	{`POST /accounts/ {"username":"carol","password":"pw","locked":false,"flags":""}`, "id username locked flags"},
	{`PUT /accounts/1 {"username":"carol","password":"","locked":true,"flags":"MOD"}`, "id username locked flags"},
	{"DELETE /accounts/1", "deleted"},
	{"GET /log/?page=0&session=&user=&contains=", "[].timestamp [].level [].topic [].message"},
	{"GET /locks/", "supported password sections.accounts sections.bans sections.extbans sections.listserverwhitelist sections.server sections.sessions"},
	{`PUT /locks/ {"sections":["server"],"password":"x"}`, "sections"},
	{`PUT /locks/ {"sections":[],"password":"x"}`, "sections"},
	{"DELETE /sessions/ID/1", "status force"},
	{"DELETE /sessions/ID?quiet=true", "status"},
}

func TestWebFrontEnd(t *testing.T) {
	w := newWorld(t, setup{database: true, settings: func(s *settings.Settings) { s.WebSockets = true },
		config: func(c *Config) { c.Auth = Credentials{"admin", "pw"}; c.ReportURL, c.ExtAuth = true, true }})
	w.auth = "admin:pw"
	a := w.host("alice", "")
	for _, c := range webCalls {
		method, rest, _ := strings.Cut(c.call, " ")
		path, body, _ := strings.Cut(rest, " ")
		r := w.request(method, "/api"+strings.ReplaceAll(path, "ID", a.session), body, "X-Requested-With", "XMLHttpRequest",
			"Content-Type", "application/json", "Origin", "http://pile.example")
		if r.status != 200 || r.v == nil {
			t.Errorf("%s: %d %s", c.call, r.status, r.body)
			continue
		}
		for _, field := range strings.Fields(c.fields) {
			if !reads(r.v, field) {
				t.Errorf("%s: no %s in %.300s", c.call, field, r.body)
			}
		}
	}
}

// reads reports whether a field is there, in every element of an array.
func reads(v any, field string) bool {
	if field == "" {
		return true
	}
	if rest, each := strings.CutPrefix(field, "[]"); each {
		list, isArray := v.([]any)
		for _, e := range list {
			if !reads(e, strings.TrimPrefix(rest, ".")) {
				return false
			}
		}
		return isArray && len(list) > 0
	}
	end := strings.IndexAny(field, ".[")
	if end < 0 {
		end = len(field)
	}
	o, isObject := v.(map[string]any)
	inner, there := o[field[:end]]
	return isObject && there && reads(inner, strings.TrimPrefix(field[end:], "."))
}

// What the graphical reference server's remote administration does: no trailing
// slash, never v=2, a JSON content type with everything.
func TestGraphicalFrontEnd(t *testing.T) {
	w := newWorld(t, setup{database: true})
	a := w.host("alice", "demo")
	for _, path := range []string{"sessions", "users", "banlist", "accounts", "log"} {
		r := w.request("GET", "/api/"+path, "", "Content-Type", "application/json")
		if _, isArray := r.v.([]any); r.status != 200 || !isArray {
			t.Errorf("%s: %d %.100s", path, r.status, r.body)
		}
	}
	w.equal("fractional size", w.ok("PUT", "server", `{"sessionSizeLimit":20971520.75}`)["sessionSizeLimit"], 20971520.0)
	w.equal("by alias", w.ok("PUT", "sessions/demo", `{"maxUserCount":9,"persistent":true,"alert":"a"}`)["maxUserCount"], 9.0)
	entries := w.call(200, "GET", "log", "").v.([]any)
	newest := entries[0].(object)["timestamp"].(string)
	w.equal("log after", len(w.call(200, "GET", "log?after="+newest, "").v.([]any)), 0)
	w.ok("DELETE", "sessions/demo/1", "")
	a.bye()
}

// What listserver decodes, with its types: one wrong one loses the whole list.
func TestListserver(t *testing.T) {
	w := newWorld(t, setup{settings: func(s *settings.Settings) { s.WebSockets = true }})
	w.host("alice", "demo")
	b := w.host("bob", "")
	w.ok("PUT", "sessions/"+b.session, `{"unlisted":true}`)
	var status struct {
		Host string `json:"ext_host"`
		Port int    `json:"ext_port"`
	}
	if err := json.Unmarshal([]byte(w.request("GET", "/api/status/", "").body), &status); err != nil || status.Host == "" || status.Port == 0 {
		t.Errorf("status: %v, %+v", err, status)
	}
	var list []struct {
		Alias, Founder, ID, Protocol, StartTime, Title        *string
		Closed, HasPassword, NSFM, Persistent, AllowWeb       *bool
		MaxUserCount, Size, UserCount, ActiveDrawingUserCount *int
	}
	if err := json.Unmarshal([]byte(w.request("GET", "/api/sessions/?listed=true", "").body), &list); err != nil || len(list) != 1 {
		t.Fatalf("sessions: %v, %+v", err, list)
	}
	s := list[0]
	if s.Alias == nil || s.Founder == nil || s.ID == nil || s.Protocol == nil || s.StartTime == nil || s.Title == nil || s.Closed == nil ||
		s.HasPassword == nil || s.NSFM == nil || s.Persistent == nil || s.AllowWeb == nil || s.MaxUserCount == nil || s.Size == nil ||
		s.UserCount == nil || s.ActiveDrawingUserCount == nil {
		t.Errorf("%+v", s)
	}
}
