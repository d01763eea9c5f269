package admin

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"drawrelay/frame"
	"drawrelay/login"
	"drawrelay/store/settings"
)

// fakeTemplates are templates that nobody instantiates.
type fakeTemplates struct {
	login.Templates
	list []login.Template
}

func (f fakeTemplates) List() []login.Template { return f.list }

// checklist 19 to 21.
func TestSessionList(t *testing.T) {
	templates := fakeTemplates{list: []login.Template{
		{Alias: "demo", Version: "dp:4.24.0", MaxUsers: 20, Title: "Demo", NSFM: true, HasPassword: true},
		{Alias: "hidden", Founder: "fred", Unlisted: true},
		{Alias: "taken"},
	}}
	w := newWorld(t, setup{config: func(c *Config) { c.Templates = templates }, settings: func(s *settings.Settings) { s.AllowIdleOverride = false }})
	a := w.host("alice", "taken")
	b := w.host("bob", "")
	w.ok("PUT", "sessions/"+b.session, `{"unlisted":true,"title":"Bobs"}`)
	list := w.call(200, "GET", "sessions/", "").v.([]any)
	w.equal("19: length", len(list), 4)
	first := list[0].(object)
	size, started := first["size"], first["startTime"].(string)
	w.equal("brief", first, object{"id": a.session, "alias": "taken", "protocol": "dp:4.24.0", "userCount": 1.0, "activeDrawingUserCount": 0.0,
		"maxUserCount": 254.0, "founder": "alice", "title": "", "autotitle": false, "hasPassword": false, "closed": false, "authOnly": false,
		"nsfm": false, "startTime": started, "size": size, "persistent": false, "invites": true, "unlisted": false})
	if !strings.HasSuffix(started, "Z") || size.(float64) <= 0 || len(a.session) != 26 {
		t.Errorf("startTime %s, size %v, id %s", started, size, a.session)
	}
	w.equal("20: template", list[2], object{"alias": "demo", "protocol": "dp:4.24.0", "maxUserCount": 20.0, "founder": "-", "hasPassword": true,
		"title": "Demo", "nsfm": true, "authOnly": false, "invites": false, "unlisted": false})
	w.equal("order", []any{list[1].(object)["title"], list[3].(object)["founder"]}, []any{"Bobs", "fred"})
	v2 := w.ok("GET", "sessions/?v=2", "")
	w.equal("19: v=2", []any{len(v2["sessions"].([]any)), v2["_locked"], len(v2)}, []any{4, false, 2})
	for query, n := range map[string]int{"?listed=true": 2, "?listed=1": 2, "?listed=false": 4, "?listed=": 4, "?v=1": 4} {
		w.equal("19: "+query, len(w.call(200, "GET", "sessions/"+query, "").v.([]any)), n)
	}
	w.equal("21: id", w.ok("GET", "sessions/"+a.session, "")["alias"], "taken")
	w.equal("21: alias", w.ok("GET", "sessions/taken", "")["id"], a.session)
	w.refuse(404, "Not found", "GET", "sessions/demo", "")
	w.refuse(404, "Not found", "GET", "sessions/"+strings.ToUpper(a.session), "")

	w.equal("to all", w.call(200, "PUT", "sessions", `{"message":"m","alert":"a"}`).v, object{})
	for _, p := range []*person{a, b} {
		p.told(`"type":"msg"`, `"message":"m"`)
		p.told(`"type":"alert"`, `"message":"a"`)
	}
}

// checklist 22 to 26.
func TestSessionSettings(t *testing.T) {
	for _, files := range []bool{false, true} {
		w := newWorld(t, setup{files: files, settings: func(s *settings.Settings) { s.WebSockets = true }})
		a := w.host("alice", "")
		url := "sessions/" + a.session
		v := w.ok("GET", url, "")
		for key, want := range (object{"chat": nil, "listings": []any{}, "invitelist": []any{}, "thumbnail": object{}, "_locked": false,
			"maxSize": 103809024.0, "baseSize": 103809024.0, "overrideSize": 0.0, "resetThreshold": 15728640.0, "minResetThreshold": 0.0,
			"deputies": false, "hasOpword": false, "allowWeb": true, "idleOverride": false}) {
			got, there := v[key]
			w.equal("22: "+key, []any{there, got}, []any{true, want})
		}
		reset := v["autoreset"].(object)
		for key, want := range (object{"requestStatus": "not sent", "sessionState": "running", "stream": nil, "delay": 0.0, "historyFirstIndex": 0.0}) {
			w.equal("22: autoreset."+key, reset[key], want)
		}
		if _, there := reset["timer"]; there || reset["historyLastIndex"].(float64) < 1 {
			t.Errorf("22: %v", reset)
		}
		archive, there := v["archive"]
		w.equal("23", []any{there, archive}, []any{files, nil})
		for body, want := range map[string]object{
			`{"maxUserCount":"9"}`:                         {"maxUserCount": 2.0}, // 24
			`{"maxUserCount":999}`:                         {"maxUserCount": 254.0},
			`{"closed":true}`:                              {"closed": false}, // 25
			`{"title":"` + strings.Repeat("ä", 101) + `"}`: {"title": strings.Repeat("ä", 100), "autotitle": false},
			`{"founder":"carol"}`:                          {"founder": "carol"},
			`{"resetThreshold":"20MB"}`:                    {"resetThreshold": 20971520.0},
			`{"overrideSize":"1 mb"}`:                      {"overrideSize": 1048576.0, "maxSize": 1048576.0, "baseSize": 103809024.0},
			`{"persistent":true}`:                          {"persistent": true},
			`{"nsfm":true,"deputies":true}`:                {"nsfm": true, "deputies": true},
			`{"authOnly":1}`:                               {"authOnly": false},
			`{"allowWeb":false}`:                           {"allowWeb": false},
			`{"idleOverride":true}`:                        {"idleOverride": true},
			`{"opword":"x","invites":false}`:               {"hasOpword": true, "invites": false},
			`{"password":"pw"}`:                            {"hasPassword": true}, // 26
		} {
			got := w.ok("PUT", url, body)
			for key, value := range want {
				w.equal(body+" "+key, got[key], value)
			}
		}
		a.told("passwordchange", "pw")
		w.equal("26: cleared", w.ok("PUT", url, `{"password":""}`)["hasPassword"], false)
		for _, body := range []string{`{"resetThreshold":"x"}`, `{"overrideSize":-1}`, `{"autotitle":true,"title":"no"}`} {
			w.ok("PUT", url, body)
		}
		v = w.ok("GET", url, "")
		w.equal("invalid", []any{v["resetThreshold"], v["overrideSize"], v["title"], v["autotitle"]}, []any{20971520.0, 0.0, "carol Drawpile", true})
		if files {
			w.equal("archive", []any{w.ok("PUT", url, `{"archive":true}`)["archive"], w.ok("PUT", url, `{"archive":null}`)["archive"],
				w.ok("PUT", url, `{"archive":false}`)["archive"]}, []any{true, nil, false})
		}
		w.logged("Status Changed max. user count")
		w.ok("PUT", url, `{"message":"for all","alert":"urgent"}`)
		a.told(`"msg"`, "for all")
		a.told(`"alert"`, "urgent")
		w.refuse(400, "Message too long", "PUT", url, `{"message":"","title":"unchanged"}`)
		w.refuse(400, "Alert too long", "PUT", url, `{"alert":"`+strings.Repeat("x", 65536)+`"}`)
		w.equal("nothing was applied", w.ok("GET", url, "")["title"], "carol Drawpile")
	}
}

// fakeLists answers with taken, or forbidden for URLs that say so, and remembers
// what it was asked for.
type fakeLists struct {
	mu               sync.Mutex
	calls            []string
	taken, forbidden func(session, url string)
}

func (f *fakeLists) Announce(session, url string, _ bool) {
	f.note("announce " + url)
	if strings.Contains(url, "forbidden") {
		go f.forbidden(session, url)
		return
	}
	go f.taken(session, url)
}

func (f *fakeLists) Unlist(_, url string) { f.note("unlist " + url) }

func (f *fakeLists) note(text string) {
	f.mu.Lock()
	f.calls = append(f.calls, text)
	f.mu.Unlock()
}

func (f *fakeLists) has(text string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Contains(f.calls, text)
}

// checklist 27 and 30.
func TestListings(t *testing.T) {
	lists := new(fakeLists)
	w := newWorld(t, setup{listings: lists})
	lists.taken = func(session, url string) { w.relay.Listed(session, url, 42, "") }
	lists.forbidden = w.relay.ListingForbidden
	a := w.host("alice", "")
	url := "sessions/" + a.session + "/listing"
	w.equal("none", w.call(200, "GET", url, "").v, []any{})
	w.refuse(400, "Missing url", "POST", url, "{}")
	for _, u := range []string{"https://forbidden.example/", "not a url", "https://list.example/"} {
		w.equal("30: "+u, w.call(200, "POST", url, `{"url":"`+u+`"}`).v, object{"status": "ok"})
	}
	a.told("is not allowed on this server")
	want := []any{object{"id": 42.0, "url": "https://list.example/"}}
	w.await("listing", func() bool { return len(w.call(200, "GET", url, "").v.([]any)) == 1 })
	w.equal("listed", w.call(200, "GET", url, "").v, want)
	w.equal("in the details", w.ok("GET", "sessions/"+a.session, "")["listings"], want)
	w.refuse(404, "Not found", "DELETE", url+"/41", "")
	w.refuse(404, "Not found", "DELETE", url+"/x", "")
	w.ok("DELETE", url+"/42", "")
	w.equal("removed", lists.has("unlist https://list.example/"), true)
	w.ok("POST", url, `{"url":"https://other.example/"}`)
	w.await("listing", func() bool { return len(w.call(200, "GET", url, "").v.([]any)) == 1 })
	w.ok("PUT", "sessions/"+a.session, `{"unlisted":true}`)
	w.equal("27", lists.has("unlist https://other.example/"), true)
	w.refuse(400, "Can't list an unlisted session", "POST", url, `{"url":"https://list.example/"}`)
}

// checklist 28 and 29.
func TestTermination(t *testing.T) {
	w := newWorld(t, setup{files: true})
	a := w.host("alice", "")
	w.ok("DELETE", "sessions/"+a.session+"?reason=be%20right%20back", "")
	o := a.told("terminatesessionadmin", "Session shut down by administrator: be right back")
	w.equal("29: params", o["P"], object{"reason": "be right back"})
	reason, text := a.bye()
	w.equal("29: goodbye", []any{reason, text}, []any{uint8(2), "Session terminated by administrator"})
	w.refuse(404, "Not found", "GET", "sessions/"+a.session, "")

	b := w.host("bob", "")
	w.ok("DELETE", "sessions/"+b.session+"?quiet=true", "")
	w.refuse(404, "Not found", "DELETE", "sessions/"+b.session, "")
	u := users(w.call(200, "GET", "users", "").v)["bob"]
	w.equal("28: state", []any{u["state"], u["session"]}, []any{"quiet_disconnect", nil})
	if at, isText := u["lastWithoutSession"].(string); !isText || !strings.HasPrefix(at, "20") {
		t.Errorf("28: lastWithoutSession %v", u["lastWithoutSession"])
	}
	w.await("only bob counts, alice was sent everything", func() bool { return w.ok("GET", "status", "")["users"] == 1.0 })
	b.send(200, []byte("stroke"))
	b.hear("its stroke", func(m frame.Msg) bool { return m.Type == 200 && string(m.Body) == "stroke" && m.User == b.id })
	w.equal("28: kick", w.ok("DELETE", "users/"+u["uid"].(string), ""), object{"status": "ok", "force": false})
	reason, text = b.bye()
	w.equal("28: told", []any{reason, text}, []any{uint8(1), "the server administrator"})
}

// checklist 31.
func TestSessionPasswords(t *testing.T) {
	w := newWorld(t, setup{})
	a := w.host("alice", "")
	url := "sessions/" + a.session + "/auth"
	check := func(path, password string, want bool) {
		t.Helper()
		w.equal(path+" "+password, w.call(200, "POST", path, `{"password":"`+password+`"}`).v, object{"status": want})
	}
	check(url, "", true)
	check(url+"/op", "x", false)
	w.ok("PUT", "sessions/"+a.session, `{"password":"pw","opword":"op"}`)
	check(url, "pw", true)
	check(url, "op", false)
	check(url, "", false)
	check(url+"/op", "op", true)
	check(url+"/op", "pw", false)
	w.refuse(404, "Not found", "POST", url, `{}`)
	w.refuse(404, "Not found", "POST", url+"/op", `{"Password":"x"}`)
	w.refuse(404, "Not found", "POST", url+"/x", `{"password":"x"}`)
	w.refuse(404, "Not found", "POST", url+"/op/x", `{"password":"x"}`)
}

// checklist 35.
func TestInvites(t *testing.T) {
	w := newWorld(t, setup{})
	a := w.host("alice", "")
	w.ok("PUT", "sessions/"+a.session, `{"password":"pw","invites":false}`)
	url := "sessions/" + a.session + "/invites"
	for _, body := range []string{`{}`, `{"maxUses":0}`, `{"maxUses":"x"}`, `{"maxUses":-1}`, `{"maxUses":1.5}`} {
		w.refuse(400, "Missing or invalid maxUses", "POST", url, body)
	}
	made := w.ok("POST", url, `{"maxUses":"5","trust":"true","op":0}`)
	secret := made["secret"].(string)
	w.equal("made", made, object{"secret": secret, "at": made["at"], "maxUses": 5.0, "uses": []any{}, "trust": true})
	w.equal("length", len(secret), 8)
	w.equal("99", w.ok("POST", url, `{"maxUses":99}`)["maxUses"], 50.0)
	w.join("bob", a.session, object{"password": secret})
	got := w.ok("GET", url+"/"+secret, "")
	uses := got["uses"].([]any)
	w.equal("used", []any{len(uses), uses[0].(object)["name"], len(uses[0].(object))}, []any{1, "bob", 2})
	list := w.ok("GET", url, "")["invites"].([]any)
	w.equal("list", []any{len(list), list[0]}, []any{2, got})
	w.equal("details", w.ok("GET", "sessions/"+a.session, "")["invitelist"], []any{list[0], list[1]})
	w.ok("DELETE", url+"/"+secret, "")
	w.refuse(404, "Not found", "GET", url+"/"+secret, "")
	w.refuse(404, "Not found", "DELETE", url+"/"+secret, "")
	w.refuse(404, "Not found", "GET", url+"/x/y", "")
	for range 49 {
		w.ok("POST", url, `{"maxUses":1}`)
	}
	w.refuse(400, "Too many invites", "POST", url, `{"maxUses":1}`)
	w.logged("Invite Created trust invite with 5 use(s)")
	w.logged("Invite Removed invite " + secret)
}

// checklist 36.
func TestThumbnails(t *testing.T) {
	for _, files := range []bool{false, true} {
		w := newWorld(t, setup{files: files})
		a := w.host("alice", "")
		b := w.join("bob", a.session, object{"capabilities": ""})
		base := "sessions/" + a.session
		w.refuse(404, "No thumbnail available", "GET", base+"/thumbnail", "")
		w.refuse(400, "Client does not have thumbnail capabilities", "POST", fmt.Sprintf("%s/%d/thumbnail", base, b.id), "{}")
		for _, key := range []string{"maxWidth", "maxHeight", "quality"} {
			w.refuse(400, key+" must be a number", "POST", base+"/1/thumbnail", `{"`+key+`":"9"}`)
		}
		w.refuse(404, "Client is not generating a thumbnail", "DELETE", base+"/1/thumbnail", "")
		correlator := w.call(202, "POST", base+"/1/thumbnail", `{"reason":"look","maxWidth":300,"quality":50,"format":"jpeg"}`).object(t)["correlator"].(string)
		o := a.told(`"type":"thumbnail"`, correlator)
		w.equal("36: asked", []any{o["maxWidth"], o["maxHeight"], o["quality"], o["format"]}, []any{300.0, nil, 50.0, "jpeg"})
		w.refuse(409, "This client is already generating a thumbnail", "POST", base+"/1/thumbnail", "{}")
		w.equal("under way", w.ok("GET", base, "")["thumbnail"], object{"generatorCtxId": 1.0, "generatorCorrelator": correlator})
		image := []byte("\x89PNG and so on")
		a.send(frame.TypeThumbnail, append([]byte(correlator), image...))
		w.await("thumbnail", func() bool { return w.request("GET", "/api/"+base+"/thumbnail", "").status == 200 })
		got := w.ok("GET", base+"/thumbnail", "")
		w.equal("image", got["data"], base64.StdEncoding.EncodeToString(image))
		w.equal("made", w.ok("GET", base, "")["thumbnail"], object{"generatedAt": got["at"]})
		w.call(202, "POST", base+"/1/thumbnail", `{}`)
		w.ok("DELETE", base+"/1/thumbnail", "")
		w.call(202, "POST", base+"/1/thumbnail", `{}`)
		w.equal("purged", w.call(200, "DELETE", base+"/thumbnail?generation=false", "").v, object{"status": "ok", "thumbnail": true, "generation": false})
		if _, asked := w.ok("GET", base, "")["thumbnail"].(object)["generatorCorrelator"]; !asked {
			t.Error("the generation was cancelled too")
		}
		w.ok("DELETE", base+"/thumbnail", "")
		w.equal("nothing left", w.ok("GET", base, "")["thumbnail"], object{})
	}
}

// checklist 37, and the rest of admin-api.md §4.9.
func TestMembers(t *testing.T) {
	w := newWorld(t, setup{})
	a := w.host("alice", "")
	b := w.join("bob", a.session, nil)
	url := fmt.Sprintf("sessions/%s/%d", a.session, b.id)
	b.send(200, []byte("stroke"))
	a.hear("a stroke", func(m frame.Msg) bool { return m.Type == 200 })
	u := w.ok("GET", url, "")
	for key, want := range (object{"id": float64(b.id), "name": "bob", "ip": "127.0.0.1", "s": strings.Repeat("62", 16), "auth": false, "op": false,
		"trusted": false, "muted": false, "mod": false, "tls": false, "browser": false, "session": a.session, "state": "session", "oldv": false,
		"capabilities": object{"keepalive": true, "thumbnail": true}}) {
		w.equal(key, u[key], want)
	}
	for _, key := range []string{"lastActive", "lastActiveDrawing"} {
		if at := u[key].(string); !strings.HasPrefix(at, "20") || !strings.HasSuffix(at, "Z") {
			t.Errorf("%s: %s", key, at)
		}
	}
	if host := w.ok("GET", "sessions/"+a.session+"/1", ""); host["lastActiveDrawing"] != "1970-01-01T00:00:00Z" || host["op"] != true {
		t.Errorf("host: %v", host)
	}
	w.equal("op", w.ok("PUT", url, `{"op":true,"trusted":true}`)["op"], true)
	a.told("opgive", `"by":"the server administrator"`)
	a.told("trustgive", `"by":"the server administrator"`)
	taken := w.ok("PUT", url, `{"op":false,"trusted":"yes"}`)
	w.equal("taken", []any{taken["op"], taken["trusted"]}, []any{false, false})
	w.ok("PUT", url, `{"message":"psst","alert":"hey"}`)
	b.told(`"msg"`, "psst")
	b.told(`"alert"`, "hey")
	if _, overheard := a.find(func(m frame.Msg) bool { return holds(m, []string{"psst"}) }); overheard {
		t.Error("alice has heard it too")
	}
	long := w.call(400, "DELETE", url+"?message="+strings.Repeat("%C3%A4", 50)+"x", "").v
	w.equal("37: long", long, object{"status": "error", "error": "message too long"})
	w.equal("37: kick", w.ok("DELETE", url+"?message="+strings.Repeat("%C3%A4", 50), ""), object{"status": "ok", "force": false})
	_, text := b.bye()
	w.equal("37: told", text, "the server administrator ("+strings.Repeat("ä", 50)+")")
	w.logged("Kick Kicked by the server administrator (" + strings.Repeat("ä", 50) + ") (kicked via web admin)")
	for _, id := range []string{"0", "255", "256", "x", "-1", fmt.Sprint(b.id)} {
		w.refuse(404, "Not found", "GET", "sessions/"+a.session+"/"+id, "")
		w.refuse(404, "Not found", "DELETE", "sessions/"+a.session+"/"+id+"?message="+strings.Repeat("x", 101), "")
	}
	w.refuse(404, "Not found", "GET", "sessions/"+a.session+"/1/x", "")
	all := users(w.ok("GET", "sessions/"+a.session, "")["users"])
	w.equal("past", all["bob"], object{"id": float64(b.id), "name": "bob", "ip": "127.0.0.1", "s": strings.Repeat("62", 16), "online": false})
	_, has := all["alice"]["session"]
	w.equal("present", []any{all["alice"]["online"], all["alice"]["holdLocked"], all["alice"]["resetFlags"], has}, []any{true, false, []any{}, false})
	// b has taken everything: it is gone, although it does not hang up.
	w.await("gone", func() bool { return len(w.call(200, "GET", "users", "").v.([]any)) == 1 })
	w.equal("count", w.ok("GET", "status", "")["users"], 1.0)
	w.refuse(404, "Not found", "DELETE", "users/"+u["uid"].(string), "")
}

// checklist 37: who is told to go is there until everything is sent, and a
// second kick cuts it off.
func TestSecondKick(t *testing.T) {
	w := newWorld(t, setup{})
	a := w.host("alice", "")
	b := w.join("bob", a.session, nil)
	uid := w.ok("GET", fmt.Sprintf("sessions/%s/%d", a.session, b.id), "")["uid"].(string)
	b.mu.Lock() // it does not read on
	for range 300 {
		a.send(200, make([]byte, 60000))
	}
	w.await("history", func() bool { return w.ok("GET", "sessions/"+a.session, "")["size"].(float64) > 300*60000 })
	w.equal("kick", w.ok("DELETE", "users/"+uid, ""), object{"status": "ok", "force": false})
	left := users(w.call(200, "GET", "users", "").v)["bob"]
	_, has := left["session"]
	w.equal("leaving", []any{left["state"], has, w.ok("GET", "status", "")["users"]}, []any{"graceful_disconnect", false, 2.0})
	w.equal("second kick", w.ok("DELETE", "users/"+uid, ""), object{"status": "ok", "force": true})
	w.await("gone", func() bool { return w.request("DELETE", "/api/users/"+uid, "").status == 404 })
	b.mu.Unlock()
	w.await("cut off", b.gone)
}

// checklist 37 and 39: to kick the only member is a success although its session
// ends with that, and it is told why.
func TestKickLast(t *testing.T) {
	w := newWorld(t, setup{})
	for round := range 10 { // what went wrong depended on how soon the connection was closed
		for _, by := range []string{"sessions", "users"} {
			a := w.host(fmt.Sprint("alice", round), "")
			path := fmt.Sprintf("sessions/%s/%d", a.session, a.id)
			if by == "users" {
				path = "users/" + w.ok("GET", path, "")["uid"].(string)
			}
			w.equal(by+": kick", w.ok("DELETE", path, ""), object{"status": "ok", "force": false})
			reason, text := a.bye()
			w.equal(by+": told", []any{reason, text}, []any{uint8(1), "the server administrator"})
			w.await("end", func() bool { return w.request("GET", "/api/sessions/"+a.session, "").status == 404 })
		}
	}
}

// checklist 38 and 39.
func TestUsers(t *testing.T) {
	w := newWorld(t, setup{})
	a := w.host("alice", "")
	lobby, fresh := w.enter("lobby"), w.connect("fresh")
	list := w.call(200, "GET", "users/", "").v
	by := users(list)
	w.equal("38: names", []any{len(by), by["alice"]["session"], by["alice"]["state"]}, []any{3, a.session, "session"})
	for _, name := range []string{"lobby", ""} {
		u := by[name]
		_, has := u["session"]
		w.equal("38: "+name, []any{u["state"], has, u["id"], u["ip"], u["lastActive"]}, []any{"login", false, 0.0, "127.0.0.1", "1970-01-01T00:00:00Z"})
	}
	v2 := w.ok("GET", "users/?v=2", "")
	w.equal("v=2", []any{len(v2["users"].([]any)), v2["_locked"]}, []any{3, false})
	uid := by["lobby"]["uid"].(string)
	one := w.ok("GET", "users/"+uid, "")
	w.equal("one", []any{one["name"], one["_locked"]}, []any{"lobby", false})
	w.equal("status", w.ok("GET", "status", "")["users"], 3.0)
	w.equal("39: kick", w.ok("DELETE", "users/"+uid+"?message=bye", ""), object{"status": "ok", "force": false})
	reason, text := lobby.bye()
	w.equal("39: told", []any{reason, text}, []any{uint8(1), "the server administrator (bye)"})
	w.logged("Kick Kicked by the server administrator (bye) (kicked via web admin)")
	// It has taken everything: it is gone, although it does not hang up.
	w.await("the end", lobby.gone)
	_, listed := users(w.call(200, "GET", "users", "").v)["lobby"]
	w.equal("39: listed, counted", []any{listed, w.ok("GET", "status", "")["users"]}, []any{false, 2.0})
	long := "?message=" + strings.Repeat("x", 101)
	w.refuse(404, "Not found", "DELETE", "users/"+uid, "")
	w.refuse(404, "Not found", "DELETE", "users/"+uid+long, "")
	w.equal("39: long", w.call(400, "DELETE", "users/"+by[""]["uid"].(string)+long, "").v, object{"status": "error", "error": "message too long"})
	w.equal("39: others", []any{fresh.gone(), a.gone()}, []any{false, false})
	for _, id := range []string{"nosuch", "0", "0" + uid, strings.ToUpper(uid) + "F", "1"} {
		w.refuse(404, "Not found", "DELETE", "users/"+id, "")
		w.refuse(404, "Not found", "GET", "users/"+id, "")
	}
	w.refuse(404, "Not found", "DELETE", "users", "")
	// It is the same connection in a session.
	uid = by[""]["uid"].(string)
	fresh.command("ident", nil, "fresh")
	fresh.told(`"identOk"`)
	fresh.command("join", object{"s": strings.Repeat("ab", 16)}, a.session)
	fresh.seated(fresh.told(`"state":"join"`))
	w.equal("in session", w.ok("GET", "users/"+uid, "")["session"], a.session)
	w.ok("DELETE", "users/"+uid, "")
	fresh.bye()
}
