package admin

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"drawrelay/frame"
	"drawrelay/store/settings"
)

// checklist 32 to 34.
func TestChat(t *testing.T) {
	w := newWorld(t, setup{})
	a := w.host("alice", "")
	url := "sessions/" + a.session + "/chat"
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		w.refuse(404, "Chat not connected", method, url, "")
	}
	w.refuse(400, "Missing message", "POST", url, `{"message":"  "}`)
	for _, timeout := range []string{"29999", `"1000"`, `"x"`, "1.5", "-1"} {
		w.refuse(400, "Timeout too short, must be >= 30000 ms", "POST", url, `{"message":"x","timeout":`+timeout+`}`)
	}
	w.refuse(400, "Timeout too long, must be <= 900000 ms", "POST", url, `{"message":"x","timeout":900001}`)
	w.equal("32: connected", w.call(200, "POST", url, `{"message":" hello ","timeout":"30000"}`).v,
		object{"offset": 0.0, "messages": []any{object{"m": "hello"}}})
	a.told(`"alert"`, `"hello"`)
	w.refuse(409, "Chat already connected", "POST", url, `{"message":"again"}`)
	w.refuse(409, "Chat already connected", "POST", url, `{}`)
	a.send(frame.TypeChat, []byte("\x00\x02hi"))
	a.send(frame.TypeChat, []byte("\x01\x00bypassing"))
	w.await("chat", func() bool { return len(w.ok("GET", url, "")["messages"].([]any)) == 3 })
	user := object{"i": 1.0, "n": "alice", "m": "hi", "f": 2.0}
	bypass := object{"i": 1.0, "n": "alice", "m": "bypassing"}
	w.equal("33", w.ok("GET", url+"?offset=1", ""), object{"offset": 1.0, "messages": []any{user, bypass}})
	w.equal("32: answer", w.ok("PUT", url, `{"message":"well","offset":"3"}`), object{"offset": 3.0, "messages": []any{object{"m": "well"}}})
	for _, c := range []string{"GET ?offset=-1", "GET ?offset=x", `PUT {"message":"lost","offset":-1}`} {
		method, rest, _ := strings.Cut(c, " ")
		path, body := url+rest, ""
		if method == "PUT" {
			path, body = url, rest
		}
		w.refuse(400, "Invalid offset", method, path, body)
	}
	w.refuse(400, "Missing message", "PUT", url, `{}`)
	state := w.ok("GET", "sessions/"+a.session, "")["chat"].(object)
	remaining := state["remaining"].(float64)
	if remaining <= 0 || remaining > 30000 {
		t.Errorf("remaining %v", remaining)
	}
	w.equal("state", state, object{"offset": 0.0, "count": 4.0, "timeout": 30000.0, "remaining": remaining})
	// What is said through other calls is part of it; who is muted is not.
	w.ok("PUT", "sessions/"+a.session, `{"message":"one","alert":"two"}`)
	w.ok("PUT", "sessions", `{"message":"three"}`)
	w.await("more", func() bool { return len(w.ok("GET", url+"?offset=4", "")["messages"].([]any)) == 3 })
	w.refuse(400, "Invalid offset", "DELETE", url+"?message=said&offset=x", "")
	a.told(`"alert"`, `"said"`)
	w.equal("32: disconnected", w.ok("DELETE", url+"?message=bye&offset=7", ""),
		object{"offset": 7.0, "messages": []any{object{"m": "said"}, object{"m": "bye"}}})
	a.told(`"alert"`, `"bye"`)
	w.refuse(404, "Chat not connected", "GET", url, "")
	for _, text := range []string{"Join Administrator connected to chat", "Leave Administrator disconnected from chat", "AdminChat hi", "AdminChat well"} {
		w.logged(text)
	}
	w.refuse(404, "Not found", "GET", url+"/x", "")
}

// checklist 34.
func TestChatTimeout(t *testing.T) {
	w := newWorld(t, setup{settings: func(s *settings.Settings) { s.ClientTimeout = 0 }})
	a := w.host("alice", "")
	url := "sessions/" + a.session + "/chat"
	w.ok("POST", url, `{"message":"hello","timeout":60000}`)
	w.clock.pass(50 * time.Second)
	w.ok("GET", url, "") // begins anew
	w.clock.pass(50 * time.Second)
	w.ok("PUT", url, `{"message":"still here"}`)
	w.clock.pass(61 * time.Second)
	w.await("timeout", func() bool { return w.ok("GET", "sessions/"+a.session, "")["chat"] == nil })
	w.refuse(404, "Chat not connected", "GET", url, "")
	w.logged("Leave Administrator disconnected from chat (timeout)")
}

// The oldest messages make way; offsets go on.
func TestChatBound(t *testing.T) {
	w := newWorld(t, setup{})
	a := w.host("alice", "")
	url := "sessions/" + a.session + "/chat"
	w.ok("POST", url, `{"message":"first"}`)
	var all []byte
	for i := range 1100 {
		all = frame.Append(all, frame.Msg{Type: frame.TypeChat, User: 1, Body: fmt.Appendf([]byte{0, 0}, "%d", i)})
	}
	if _, err := a.conn.Write(all); err != nil {
		t.Fatal(err)
	}
	var v object
	w.await("all messages", func() bool {
		v = w.ok("GET", url, "")
		list := v["messages"].([]any)
		return list[len(list)-1].(object)["m"] == "1099"
	})
	w.equal("base", []any{v["offset"], len(v["messages"].([]any)), v["messages"].([]any)[0].(object)["m"]}, []any{77.0, 1024, "76"})
	w.equal("next", w.ok("GET", url+"?offset=1101", ""), object{"offset": 1101.0, "messages": []any{}})
}
