package admin

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"drawrelay/store/db"
	"drawrelay/store/password"
)

const far = "2099-12-31 23:59:59"

// checklist 40.
func TestWithoutDatabase(t *testing.T) {
	w := newWorld(t, setup{})
	for _, path := range []string{"banlist", "systembans", "userbans", "accounts", "listserverwhitelist", "banlist/1", "accounts/auth"} {
		for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
			w.refuse(404, "Not found", method, path, "{}")
		}
	}
	locks := w.ok("GET", "locks", "")
	w.equal("locks", []any{locks["supported"], locks["password"], len(locks["sections"].(object))}, []any{false, false, 6})
	w.refuse(400, "Unsupported method", "PUT", "locks", `{"sections":["server"]}`)
}

// checklist 41, 43 and 44.
func TestIPBans(t *testing.T) {
	w := newWorld(t, setup{database: true})
	w.equal("none", w.call(200, "GET", "banlist", "").v, []any{})
	made := w.ok("POST", "banlist/", `{"ip":"198.51.100.7","subnet":"","expires":"`+far+`","comment":"raid","address":""}`)
	added, isText := made["added"].(string)
	if _, valid := db.ParseTime(added); !isText || !valid {
		t.Errorf("added %v", made["added"])
	}
	w.equal("41", made, object{"id": 1.0, "ip": "198.51.100.7", "subnet": 0.0, "expires": far, "comment": "raid", "added": added})
	w.equal("41: twice", w.ok("POST", "banlist", `{"ip":"198.51.100.7","expires":"2031-01-01 00:00:00","comment":"other"}`), made)
	net := w.ok("POST", "banlist", `{"ip":"2001:DB8:0::1","subnet":64,"expires":"`+far+`"}`)
	w.equal("canonical", []any{net["ip"], net["subnet"]}, []any{"2001:db8::1", 64.0})
	for _, ip := range []string{"", "x", "1.2.3", "fe80::1%eth0"} {
		w.refuse(400, "Valid IP address required", "POST", "banlist", `{"ip":"`+ip+`","expires":"`+far+`"}`)
	}
	for _, expires := range []string{"", "x", "2099-13-01 00:00:00", "2099-02-30 00:00:00", "2099-12-31T23:59:59", "2099-12-31 23:59:59Z", "2099-12-31 23:59"} {
		w.refuse(400, "Valid expiration time required", "POST", "banlist", `{"ip":"192.0.2.1","expires":"`+expires+`"}`) // 43
	}
	w.call(400, "POST", "banlist", `{"ip":"192.0.2.1","subnet":33,"expires":"`+far+`"}`)
	v2 := w.ok("GET", "banlist?v=2", "")
	w.equal("v=2", []any{len(v2["bans"].([]any)), v2["_locked"], v2["bans"].([]any)[0]}, []any{2, false, made})
	w.refuse(400, "Unsupported method", "PUT", "banlist", "{}")
	w.refuse(400, "Unsupported method", "GET", "banlist/1", "")
	w.refuse(400, "Unsupported method", "GET", "banlist/x", "")
	w.equal("pasted", w.ok("POST", "banlist", `{"ip":" 198.51.100.7\n","expires":"`+far+`"}`)["id"], 1.0)
	w.refuse(404, "Not found", "DELETE", "banlist/1/x", "")
	w.equal("44", w.ok("DELETE", "banlist/1", ""), object{"status": "ok", "deleted": 1.0})
	w.refuse(404, "Not found", "DELETE", "banlist/1", "")
	w.refuse(404, "Not found", "DELETE", "banlist/x", "")
	if _, banned := w.db.Refresh().MatchIP(mustAddr("2001:db8::ffff")); !banned {
		t.Error("the ban does not count")
	}
}

// checklist 42 and 43.
func TestOtherBans(t *testing.T) {
	w := newWorld(t, setup{database: true})
	for _, tt := range []struct{ path, key, id, bad, refusal string }{
		{"systembans", "sid", `"` + sid + `"`, `""`, "SID required"},
		{"userbans", "userId", "5", `"5"`, "Valid user ID required"}, // 42
		{"userbans", "userId", "6", "0", "Valid user ID required"},
		{"userbans", "userId", "7", "1.5", "Valid user ID required"},
	} {
		made := w.ok("POST", tt.path, `{"`+tt.key+`":`+tt.id+`,"expires":"`+far+`","reason":"r","comment":"c"}`)
		w.equal(tt.path, []any{made["reaction"], made["reason"], made["comment"], made["expires"], len(made)}, []any{"normal", "r", "c", far, 7})
		w.refuse(400, tt.refusal, "POST", tt.path, `{"`+tt.key+`":`+tt.bad+`}`)
		w.refuse(400, "Valid expiration time required", "POST", tt.path, `{"`+tt.key+`":`+tt.id+`,"expires":"soon","reaction":"x"}`)
		w.refuse(400, "Invalid reaction", "POST", tt.path, `{"`+tt.key+`":`+tt.id+`,"expires":"`+far+`","reaction":"tickle"}`)
		for _, reaction := range []string{"neterror", "garbage", "hang", "timer", "normal", ""} {
			w.ok("POST", tt.path, `{"`+tt.key+`":`+tt.id+`,"expires":"`+far+`","reaction":"`+reaction+`"}`)
		}
		list := w.ok("GET", tt.path+"?v=2", "")["bans"].([]any)
		last := list[len(list)-1].(object)["id"].(float64)
		w.equal("deleted", w.ok("DELETE", fmt.Sprintf("%s/%v", tt.path, last), "")["deleted"], last)
	}
}

// checklist 45.
func TestWhitelist(t *testing.T) {
	w := newWorld(t, setup{database: true})
	w.equal("default", w.ok("GET", "listserverwhitelist", ""), object{"enabled": false, "whitelist": []any{}, "_locked": false})
	want := object{"enabled": true, "whitelist": []any{"^https://a", "(?!x)b"}, "_locked": false}
	w.equal("changed", w.ok("PUT", "listserverwhitelist", `{"enabled":true,"whitelist":["^https://a","","(?!x)b"],"_locked":true}`), want)
	a := w.call(400, "PUT", "listserverwhitelist", `{"enabled":false,"whitelist":["x","("]}`).object(t)
	if text := a["message"].(string); !strings.HasPrefix(text, "(: ") {
		t.Errorf("45: %s", text)
	}
	for _, method := range []string{"GET", "POST", "DELETE"} {
		w.equal("45: "+method, w.ok(method, "listserverwhitelist", `{"enabled":false}`), want)
	}
	want["enabled"] = false
	w.equal("only one", w.ok("PUT", "listserverwhitelist", `{"enabled":false}`), want)
	w.refuse(404, "Not found", "GET", "listserverwhitelist/x", "")
}

// checklist 46 and 47.
func TestExtBans(t *testing.T) {
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", "v1")
		_, _ = w.Write([]byte(`{"bans":[{"id":5,"ips":[{"from":"10.0.0.1","to":"10.0.0.9"}],"expires":"` + far + `","comment":"c","reason":"r"}]}`))
	}))
	defer source.Close()
	w := newWorld(t, setup{database: true})
	w.equal("47: inactive", w.call(400, "POST", "extbans/refresh", "{}").v, object{"msg": "external bans not active"})
	w.ok("PUT", "server", `{"extBansUrl":"`+source.URL+`"}`)
	bans := func() []any { return w.ok("GET", "extbans", "")["bans"].([]any) }
	w.await("bans", func() bool { return len(bans()) == 1 })
	w.equal("ban", bans()[0], object{"id": 5.0, "ips": []any{object{"from": "10.0.0.1", "to": "10.0.0.9", "reaction": "normal"}}, "ipsexcluded": []any{},
		"system": []any{}, "users": []any{}, "expires": far, "comment": "c", "reason": "r", "enabled": true})
	a := w.call(200, "PUT", "extbans/5", `{"enabled":false}`)
	w.equal("46: empty", []any{a.body, a.header.Get("Content-Type")}, []any{"", "application/json"})
	w.equal("46: off", bans()[0].(object)["enabled"], false)
	w.refuse(400, "Missing 'enabled' in request", "PUT", "extbans/5", "{}")
	w.refuse(404, "Not found", "PUT", "extbans/x", `{"enabled":true}`)
	w.equal("46: unknown", w.call(200, "PUT", "extbans/99", `{"enabled":false}`).body, "")
	w.ok("PUT", "locks", `{"sections":["extbans"]}`)
	w.refuse(403, "This section is locked", "PUT", "extbans/5", `{"enabled":true}`)
	w.await("47", func() bool {
		a := w.request("POST", "/api/extbans/refresh", "{}")
		return a.status == 200 && a.object(t)["msg"] == "refresh triggered"
	})
	w.ok("PUT", "locks", `{"sections":[]}`)
	w.await("47: done", func() bool { return w.ok("GET", "extbans", "")["status"].(object)["msecsUntilNextCheck"] != -1.0 })
	v := w.ok("DELETE", "extbans", "")
	conf := v["config"].(object)
	w.equal("cleared", []any{v["bans"], conf["extBansCacheUrl"], conf["extBansCacheKey"], conf["extBansUrl"], conf["extBansCheckInterval"], v["_locked"]},
		[]any{[]any{}, "", "", source.URL, 900.0, false})
}

// checklist 48 and 49.
func TestAccounts(t *testing.T) {
	w := newWorld(t, setup{database: true})
	made := w.ok("POST", "accounts", `{"username":"carol","password":"pw","flags":"HOST,MOD"}`)
	w.equal("made", made, object{"id": 1.0, "username": "carol", "locked": false, "flags": "HOST,MOD"})
	w.refuse(400, "Error", "POST", "accounts", `{"username":"carol","password":"x"}`) // 48
	w.refuse(400, "Username required", "POST", "accounts", `{"password":"x"}`)
	w.refuse(400, "Password required", "POST", "accounts", `{"username":"x"}`)
	w.refuse(400, "Error", "POST", "accounts", `{"username":"q\"q","password":"x"}`)
	w.refuse(400, "Error", "POST", "accounts", `{"username":"`+strings.Repeat("x", 23)+`","password":"x"}`)
	check := func(name, pass string, want float64) {
		t.Helper()
		w.equal("49: "+name, w.call(200, "POST", "accounts/auth", `{"username":"`+name+`","password":"`+pass+`"}`).v, object{"status": want})
	}
	check("nobody", "pw", 0)
	check("carol", "x", 1)
	check("carol", "pw", 3)
	w.equal("48: unchanged password", w.ok("PUT", "accounts/1", `{"username":"","password":"","flags":"HOST"}`)["flags"], "HOST")
	check("carol", "pw", 3)
	w.ok("PUT", "accounts/1", `{"locked":true}`)
	check("carol", "x", 2)
	w.refuse(404, "Not found", "POST", "accounts/auth", `{"username":"carol"}`)
	dave := w.ok("POST", "accounts", `{"username":"dave","password":"x"}`)
	w.refuse(404, "Not found", "PUT", "accounts/1", `{"username":"dave"}`)
	w.refuse(404, "Not found", "PUT", "accounts/99", `{}`)
	w.refuse(400, "Unsupported method", "GET", "accounts/1", "")
	w.refuse(400, "Unsupported method", "GET", "accounts/x", "")
	w.refuse(404, "Not found", "POST", "accounts/1", "{}")
	w.refuse(404, "Not found", "PUT", "accounts/auth", "{}")
	v2 := w.ok("GET", "accounts?v=2", "")
	w.equal("v=2", []any{len(v2["accounts"].([]any)), v2["accounts"].([]any)[1], v2["_locked"]}, []any{2, dave, false})
	w.equal("deleted", w.ok("DELETE", "accounts/2", ""), object{"status": "ok", "deleted": 2.0})
	w.refuse(404, "Not found", "DELETE", "accounts/2", "")
	for _, e := range w.call(200, "GET", "log?contains=account", "").v.([]any) {
		if text := e.(object)["message"].(string); strings.Contains(text, "pw") {
			t.Errorf("a secret in the log: %s", text)
		}
	}
}

// checklist 50.
func TestLog(t *testing.T) {
	for _, database := range []bool{false, true} {
		w := newWorld(t, setup{database: database})
		a := w.host("alice", "")
		for i := range 120 {
			w.ok("POST", "log", fmt.Sprintf(`{"message":"[test] %d","level":"Info","topic":"Status"}`, i))
		}
		texts := func(query string) (out []string) {
			t.Helper()
			for _, e := range w.call(200, "GET", "log/"+query, "").v.([]any) {
				out = append(out, e.(object)["message"].(string))
			}
			return out
		}
		first, second := texts("?contains=[TEST]"), texts("?contains=[test]&page=1")
		w.equal("50: pages", []any{len(first), first[0], len(second), second[19]}, []any{100, "[test] 119", 20, "[test] 0"})
		w.equal("50: empty filters", len(texts("?page=0&session=&user=&contains=")), 100)
		w.equal("50: negative page", texts("?contains=[test]&page=-1"), first)
		w.equal("beyond", len(texts("?page=99")), 0)
		for _, after := range []string{"yesterday", ""} {
			w.refuse(400, "Invalid timestamp", "GET", "log?after="+after, "")
		}
		w.equal("50: future", len(texts("?after="+time.Now().Add(time.Hour).UTC().Format(time.RFC3339))), 0)
		w.equal("50: past, with a space", len(texts("?after=2020-01-01%2000:00:00")), 100)
		w.equal("50: past", len(texts("?after=2020-01-01T00:00:00Z")), 100)
		joined := w.call(200, "GET", "log?contains=joined&user=ALICE&session="+strings.ToUpper(a.session), "").v.([]any)
		w.equal("filters", len(joined), 1)
		e := joined[0].(object)
		w.equal("entry", []any{e["level"], e["topic"], e["session"], e["user"], e["message"]}, []any{"Info", "Join", a.session, "1;127.0.0.1;alice", "Joined session"})
	}
}

// checklist 51.
func TestForeignLog(t *testing.T) {
	w := newWorld(t, setup{database: true})
	ulid := "01HZZZZZZZZZZZZZZZZZZZZZZZ"
	got := w.ok("POST", "log", `{"message":"[bot-1.x] did","level":"Warn","topic":"Kick","session":"`+ulid+`","user":{"id":999,"ip":"x","name":"n"}}`)
	e := got["entry"].(object)
	w.equal("entry", []any{e["level"], e["topic"], e["session"], e["user"], e["message"], got["_locked"]},
		[]any{"Warn", "Kick", strings.ToLower(ulid), "255;;n", "[bot-1.x] did", false})
	good := map[string]string{"message": `"[bot] x"`, "level": `"Info"`, "topic": `"Status"`, "session": `""`}
	for _, bad := range [][3]string{
		{"message", `"no source"`, "Invalid message"}, {"message", `"[bot]"`, "Invalid message"}, {"message", `"[bot]x"`, "Invalid message"},
		{"message", `" [bot] x"`, "Invalid message"}, {"message", `"[] x"`, "Invalid message"}, {"message", `5`, "Invalid message"},
		{"level", `"info"`, "Invalid level"}, {"level", `""`, "Invalid level"}, {"topic", `"status"`, "Invalid topic"},
		{"session", `"x"`, "Invalid session"}, {"session", `"00000000000000000000000000"`, "Invalid session"}, {"session", `"01HZZZZZZZZZZZZZZZZZZZZZZU"`, "Invalid session"},
	} {
		body := "{"
		for key, value := range good {
			if key == bad[0] {
				value = bad[1]
			}
			body += `"` + key + `":` + value + ","
		}
		w.refuse(400, bad[2], "POST", "log", strings.TrimSuffix(body, ",")+"}")
	}
}

// checklist 52 and 53.
func TestLocks(t *testing.T) {
	w := newWorld(t, setup{database: true})
	a := w.host("alice", "")
	got := w.ok("PUT", "locks", `{"sections":["sessions","nonsense","bans",5],"password":"lock"}`)
	w.equal("locked", got, object{"supported": true, "password": true, "sections": object{"accounts": false, "bans": true, "extbans": false,
		"listserverwhitelist": false, "server": false, "sessions": true}})
	w.logged("Status Admin sections locked (with password): bans, sessions")
	for _, c := range []string{"PUT users/x", "DELETE users/x", "POST sessions/" + a.session, "PUT sessions", "DELETE sessions/" + a.session,
		"POST sessions/" + a.session + "/auth", "POST banlist", "DELETE userbans/1", "PUT sessions/nosuch/x"} {
		method, path, _ := strings.Cut(c, " ")
		w.refuse(403, "This section is locked", method, path, "{}")
	}
	w.equal("52: sessions", w.ok("GET", "sessions/"+a.session, "")["_locked"], true)
	for _, path := range []string{"sessions?v=2", "users?v=2", "banlist?v=2"} {
		w.equal("52: "+path, w.ok("GET", path, "")["_locked"], true)
	}
	w.equal("others", w.ok("PUT", "server", `{"serverTitle":"x"}`)["_locked"], false)
	for _, word := range []string{"", "wrong"} {
		w.refuse(403, "Incorrect password", "PUT", "locks", `{"sections":[],"password":"`+word+`"}`) // 53
	}
	w.logged("Status Incorrect admin section unlock password entered")
	if hash := w.db.Current().LockHash; strings.Contains(hash, "lock;") || !password.Check(hash, "lock") {
		t.Errorf("stored %q", hash)
	}
	open := w.ok("PUT", "locks", `{"sections":[],"password":"lock"}`)
	w.equal("53", []any{open["password"], open["sections"].(object)["sessions"]}, []any{false, false})
	w.logged("Status Admin sections unlocked")
	w.ok("PUT", "locks", `{"sections":["server"]}`)
	w.logged("Status Admin sections locked (without password): server")
	w.equal("without password", w.ok("PUT", "locks", `{"sections":[],"password":"any"}`)["password"], false)
}
