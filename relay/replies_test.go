package relay

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/entry"
	"drawrelay/store/settings"
)

/* Replies
 *
 * Everything that members are told in these tests is compared with the tables
 * of commands.md: the keys of each reply type and of what is inside, the types
 * of their values, the texts that belong to translation keys, and the form of
 * the JSON. In the end every reply type and every key must have occurred.
 */

// shape is what a JSON object must have: its keys, a question mark behind
// those that may be missing, and of each what its value must be.
type shape map[string]any // string: fits says which; shape, list: recursively

// list is an array of such values.
type list struct{ of any }

// forms are alternatives.
type forms []shape

// replyTypes are those of commands.md §3 that are sent in sessions.
var replyTypes = map[string]forms{
	"error": {{"message": "text"}},
	"msg":   {{"message": "text", "T?": "key", "P?": "params"}},
	"alert": {
		{"message": "text", "T?": "key", "P?": "params"},
		{"message": "text", "T": "key", "P?": "params", "reset": "prepare|cancel|failed"},
	},
	"log": {{"message": "text", "timestamp": "time", "level": "Error|Warn|Info", "user?": "user",
		"topic": "Join|Leave|Kick|Ban|Unban|Op|Deop|Mute|Unmute|Trust|Untrust|BadData|RuleBreak|PubList|Status|ClientInfo|Invite|Report"}},
	"sessionconf": {{"config": generalConf, "hidx?": "index"}, {"config": webConf, "hidx?": "index"},
		{"config": shape{"banlist": list{shape{"id": "positive", "username": "string", "bannedBy": "string"}}}},
		{"config": shape{"banlist": list{shape{"id": "positive", "username": "string", "bannedBy": "string", "ip": "string", "extauthid": "string", "s": "string"}}}},
		{"config": shape{"announcements": list{shape{"url": "text"}}}},
		{"config": shape{"muted": list{"user id"}}},
		{"config": shape{"auth": list{shape{"authId": "text", "username": "text", "op?": "true", "trusted?": "true", "mod?": "true"}}}},
		{"config": shape{"invitelist": list{shape{"secret": "secret", "at": "time", "maxUses": "positive", "creator?": "text", "op?": "true", "trust?": "true",
			"uses": list{shape{"name": "text", "at": "time", "s": "empty"}}}}}},
		{"config": shape{"closed": "true"}}, {"config": shape{"closed": "null"}},
	},
	"sizelimit":      {{"size": "int", "maxSize": "int"}},
	"status":         {{"size": "int", "hid*?": "index"}},
	"reset":          {{"message": "Prepared to receive session data", "state": "init"}, {"message": "Session reset!", "state": "reset"}},
	"autoreset":      {{"maxSize": "int", "query": "true", "payload": "payload"}, {"maxSize": "int", "query": "false"}, {"maxSize": "int", "query": "false", "correlator": "payload", "stream": "gzip1"}},
	"catchup":        {{"count": "int", "key?": "int"}},
	"caughtup":       {{"key": "int", "hidx?": "index"}},
	"banimpex":       {{"export": "text"}, {"imported": "int", "total": "int"}, {"error": "text", "T": "key"}},
	"outofspace":     {{}},
	"sstart":         {{"correlator": "payload"}},
	"sprogress":      {{"cancel": "bool"}},
	"passwordchange": {{"password": "string"}},
	"invitecreated":  {{"secret": "secret"}},
	"thumbnail":      {{"correlator": "hex:hex", "maxWidth?": "positive", "maxHeight?": "positive", "quality?": "positive", "format?": "text"}},
	"result": {{"message": "Starting new session!", "state": "host", "join": shape{"id": "text", "uniqueId": "text", "user": "user id", "flags": list{"SKIP"}, "authId": "string"}},
		{"message": "Joining a session!", "state": "join", "join": shape{"id": "text", "uniqueId": "text", "user": "user id", "flags": list{"SKIP"}, "authId": "string", "skip": "bool"}}},
}

// generalConf is commands.md §3.4.
var generalConf = shape{"closed": "null", "authOnly": "bool", "persistent": "bool", "autotitle": "bool", "preserveChat": "bool", "nsfm": "bool",
	"deputies": "bool", "idleOverride": "bool", "invites": "bool", "title": "string", "maxUserCount": "positive", "resetThreshold": "int",
	"resetThresholdBase": "int", "resetThresholdMin": "int", "hasPassword": "bool", "hasOpword": "bool", "forceNsfm": "bool",
	"allowIdleOverride": "bool", "idleTimeLimit": "int", "maxSize": "int"}

var webConf = func() shape {
	c := maps.Clone(generalConf)
	c["allowWeb"], c["preferWebSockets"] = "bool", "bool"
	return c
}()

// translated are the texts of commands.md §4; parameters in angle brackets,
// behind a stroke what stands for one that is missing.
var translated = map[string]string{
	"msg ban":                        "<target> banned by <by>",
	"msg kick":                       "<target> kicked by <by>",
	"msg opgive":                     "<target> made operator by <by|the server>",
	"msg opgiveinvite":               "<target> made operator via invite created by <creator|a server administrator>",
	"msg optake":                     "<target> operator status revoked by <by|the server>",
	"msg trustgive":                  "<target> trusted by <by|the server>",
	"msg trustgiveinvite":            "<target> trusted via invite created by <creator|a server administrator>",
	"msg trusttake":                  "<target> untrusted by <by|the server>",
	"alert closeunsupported":         "Blocking new joins is not supported by this server. Set or change the session password instead.",
	"alert kickwebusers":             "Session password removed by <by|a server administrator>. This server doesn't allow web browsers in public sessions, they will be disconnected.",
	"alert outofspace":               "Session is out of space! To continue drawing, an operator must reset it to bring it down to a smaller size. This can be done via Session > Reset.",
	"alert resetpreparecurrent":      "<name> is compressing the canvas! Please wait, the session should be available again shortly…",
	"alert resetpreparepast":         "<name> is reverting the canvas to a previous state! Please wait, the session should be available again shortly…",
	"alert resetprepareexternal":     "<name> is replacing the canvas! Please wait, the session should be available again shortly…",
	"alert resetprepareby":           "Preparing for session reset by <name>! Please wait, the session should be available again shortly…",
	"alert resetcancel":              "Session reset cancelled.",
	"alert resetfailed":              "Session reset failed!",
	"alert terminatesession":         "Session shut down by moderator (<by>)",
	"alert terminatesessionreason":   "Session shut down by moderator (<by>): <reason>",
	"banimpex banexportmodonly":      "Only moderators can export plain bans.",
	"banimpex banexportservererror":  "Server error.",
	"banimpex banexportunconfigured": "Exporting encrypted bans not configured on this server.",
	"banimpex banimportcrypterror": "The server couldn't read the import data. This is likely because it was exported from a different server. " +
		"You can only import bans into the same server they were exported from.",
	"banimpex banimportinvalid":      "Invalid import data.",
	"banimpex banimportmalformed":    "Malformed import data.",
	"banimpex banimportunconfigured": "Importing encrypted bans not configured on this server.",
}

// prepares says with which keys an alert is part of a reset.
var prepares = map[string]string{"resetpreparecurrent": "prepare", "resetpreparepast": "prepare", "resetprepareexternal": "prepare",
	"resetprepareby": "prepare", "resetcancel": "cancel", "resetfailed": "failed"}

var parameter = regexp.MustCompile(`<([a-z]+)(?:\|([^>]*))?>`)

var patterns = map[string]*regexp.Regexp{
	"time":    regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`),
	"user":    regexp.MustCompile(`^\d+;.+$`),
	"index":   regexp.MustCompile(`^[1-9]\d*:[1-9]\d*:[0-9a-z]{26}$`),
	"payload": regexp.MustCompile(`^1:\d+:\d+$`),
	"hex:hex": regexp.MustCompile(`^[0-9a-f]+:[0-9a-f]+$`),
	"secret":  regexp.MustCompile(`^[0-9a-hjkmnp-tv-z]{8}$`),
	"text":    regexp.MustCompile(`.`),
	"key":     regexp.MustCompile(`^[a-z]+$`),
}

// fits says what is wrong with a value, "" if nothing is.
func fits(v, want any) string {
	switch want := want.(type) {
	case shape:
		object, ok := v.(map[string]any)
		if !ok {
			return fmt.Sprintf("%v is no object", v)
		}
		return want.check(object)
	case list:
		array, ok := v.([]any)
		if !ok {
			return fmt.Sprintf("%v is no array", v)
		}
		for _, v := range array {
			if wrong := fits(v, want.of); wrong != "" {
				return wrong
			}
		}
		return ""
	}
	kind := want.(string)
	ok := false
	switch v := v.(type) {
	case nil:
		ok = kind == "null"
	case bool:
		ok = kind == "bool" || kind == fmt.Sprint(v)
	case json.Number:
		n, err := v.Int64()
		ok = err == nil && n >= 0 && n <= math.MaxInt32 &&
			(kind == "int" || kind == "positive" && n > 0 || kind == "user id" && n > 0 && n < 255)
	case string:
		switch pattern := patterns[kind]; {
		case pattern != nil:
			ok = pattern.MatchString(v)
		case kind == "string":
			ok = true
		case kind == "empty":
			ok = v == ""
		default:
			ok = slices.Contains(strings.Split(kind, "|"), v)
		}
	case map[string]any:
		ok = kind == "params" && len(v) > 0
		for _, p := range v {
			text, is := p.(string)
			ok = ok && is && text != ""
		}
	}
	if !ok {
		return fmt.Sprintf("%#v is not %s", v, kind)
	}
	return ""
}

func (s shape) check(object map[string]any) string {
	left := maps.Clone(object)
	for key, want := range s {
		name, optional := strings.CutSuffix(key, "?")
		v, ok := object[name]
		switch {
		case !ok && !optional:
			return name + " is missing"
		case ok:
			if wrong := fits(v, want); wrong != "" {
				return name + ": " + wrong
			}
		}
		delete(left, name)
	}
	for key := range left {
		return "there is a key " + key
	}
	return ""
}

// replies collects what has occurred.
type replies struct {
	t     *testing.T
	types map[string]bool // of replyTypes
	forms map[string]bool // "type form number"
	keys  map[string]bool // of translated
}

// take checks everything that anybody was told in a world.
func (r *replies) take(w *world) {
	r.t.Helper()
	for _, st := range w.everybody {
		for _, h := range heardBy(st) {
			if h.Type == frame.TypeServerCommand {
				r.check(h)
			}
		}
	}
}

func (r *replies) check(h heard) {
	r.t.Helper()
	d := json.NewDecoder(bytes.NewReader(h.Body))
	d.UseNumber()
	var v map[string]any
	if err := d.Decode(&v); err != nil {
		r.t.Errorf("%v: %v", h, err)
		return
	}
	// The form: compact, keys in order, nothing escaped without need.
	var form bytes.Buffer
	e := json.NewEncoder(&form)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)
	if got := string(h.Body); got != strings.TrimSpace(form.String()) {
		r.t.Errorf("form: %s instead of %s", got, form.String())
	}
	kind, _ := v["type"].(string)
	delete(v, "type")
	if user := h.User; user != 0 && kind != "sstart" || user == 0 && kind == "sstart" {
		r.t.Errorf("%v has context id %d", h, user)
	}
	if stored := kind == "caughtup" || kind == "sstart" || kind == "sessionconf" && len(v["config"].(map[string]any)) > 1; h.history && !stored {
		r.t.Errorf("%v is in the history", h)
	}
	var wrong []string
	for i, form := range replyTypes[kind] {
		problem := form.check(v)
		if problem == "" {
			r.types[kind] = true
			r.forms[fmt.Sprint(kind, " ", i)] = true
			r.checkText(kind, v)
			return
		}
		wrong = append(wrong, problem)
	}
	r.t.Errorf("%v fits no form of %s: %q", h, kind, wrong)
}

// checkText compares a translatable text with its template.
func (r *replies) checkText(kind string, v map[string]any) {
	r.t.Helper()
	key, ok := v["T"].(string)
	if !ok {
		if v["P"] != nil || v["reset"] != nil {
			r.t.Errorf("without a key: %v", v)
		}
		return
	}
	template, ok := translated[kind+" "+key]
	if !ok {
		r.t.Errorf("unknown key %s of %s", key, kind)
		return
	}
	r.keys[kind+" "+key] = true
	params, _ := v["P"].(map[string]any)
	left := maps.Clone(params)
	want := parameter.ReplaceAllStringFunc(template, func(p string) string {
		m := parameter.FindStringSubmatch(p)
		delete(left, m[1])
		if text, ok := params[m[1]].(string); ok {
			return text
		}
		r.keys[kind+" "+key+" without "+m[1]] = true
		return m[2]
	})
	text := v["message"]
	if kind == "banimpex" {
		text = v["error"]
	}
	if text != want || len(left) > 0 {
		r.t.Errorf("%s: %q with %v, want %q", key, text, params, want)
	}
	if reset, _ := v["reset"].(string); reset != prepares[key] {
		r.t.Errorf("%s: reset is %q", key, reset)
	}
}

// commands.md §3, §4 and §3.5: every reply type with exact keys and types of
// values, every translation key with its text and parameters.
func TestRulesReplies(t *testing.T) {
	r := &replies{t, map[string]bool{}, map[string]bool{}, map[string]bool{}}
	for _, scene := range []func(*testing.T) *world{
		sceneRoles, sceneSettings, sceneBans, sceneSpace, sceneResets, sceneAutoresets, sceneBrowsers,
		func(t *testing.T) *world { return sceneKill(t, "") }, func(t *testing.T) *world { return sceneKill(t, "<b>\"\\\n\u00e9\u732b/") },
	} {
		r.take(scene(t))
	}
	for kind, list := range replyTypes {
		for i := range list {
			if !r.forms[fmt.Sprint(kind, " ", i)] {
				t.Errorf("form %d of %s has not occurred", i, kind)
			}
		}
	}
	for key := range translated {
		if !r.keys[key] {
			t.Errorf("%s has not occurred", key)
		}
	}
	for _, key := range []string{"msg opgive without by", "msg opgiveinvite without creator", "msg trustgive without by",
		"msg trustgiveinvite without creator", "alert kickwebusers without by"} {
		if !r.keys[key] {
			t.Errorf("%s has not occurred", key)
		}
	}
}

func sceneRoles(t *testing.T) *world {
	w := open(t, withSettings(func(s *settings.Settings) { s.WelcomeMessage, s.AbuseReport = "Welcome <b>", true }), withKey(strings.Repeat("k", 32)))
	w.s.listings = &fakeListings{}
	w.s.report = sends(errors.New("down"))(&Report{})
	b := w.join(person("bob", registered, func(p *entry.Person) { p.Thumbnail, p.Info = true, `{"os":"x"}` }))
	w.join(person("gus", ghost))
	m := w.join(person("mona", mod, func(p *entry.Person) { p.Info = `{"os":"x"}` }))
	w.join(person("tess", registered, with(entry.FlagTrusted)))
	for _, v := range []*entry.Invite{{Creator: "alice", Op: true, Trust: true}, {Op: true, Trust: true}} {
		st := w.invited(person("guest"+v.Creator), v)
		w.cmd(w.host, "kick-user", []any{st.id}, nil)
	}
	trust(w, b)
	trust(w)
	w.send(w.host, frame.TypeSessionOwner, 0, ids(b.id))
	w.send(w.host, frame.TypeSessionOwner, 0, "")
	w.cmd(w.host, "mute", []any{b.id, true}, nil)
	w.cmd(w.host, "mute", []any{b.id, false}, nil)
	w.cmd(w.host, "invite-create", nil, map[string]any{"op": true, "trust": true, "maxUses": 2})
	v := w.s.hist.Invites.All()[0]
	w.s.redeem(v.Secret, person("bob"))
	w.cmd(w.host, "invite-remove", []any{v.Secret}, nil)
	w.cmd(w.host, "announce-session", []any{"https://list.example/x"}, nil)
	w.s.listed("https://list.example/x", 7, "hello")
	w.cmd(b, "report", nil, map[string]any{"reason": "x"})
	w.s.requestThumbnail(b, ThumbnailOptions{MaxWidth: 1, MaxHeight: 2, Quality: 3, Format: "webp"})
	w.leave(w.join(person("old", incompatible)))
	w.send(m, frame.TypeLeave, 0, "")
	w.cmd(b, "nonsense", nil, nil)
	return w
}

func sceneSettings(t *testing.T) *world {
	w := open(t, withSettings(func(s *settings.Settings) { s.WebSockets = true }))
	b := w.join(person("bob"))
	w.conf(w.host, map[string]any{"closed": true, "title": "\u732b & <b> \"x\" \\ /", "password": "\u00e9\n", "opword": "o"})
	w.cmd(b, "gain-op", []any{"o"}, nil)
	w.conf(w.host, map[string]any{"password": ""})
	w.advance(11 * time.Second)
	return w
}

func sceneBans(t *testing.T) *world {
	key := strings.Repeat("k", cryptKeySize)
	w := open(t, withKey(key))
	m, near := w.join(person("mona", mod)), w.join(person("near", local))
	w.send(w.host, frame.TypeSessionOwner, 0, ids(near.id))
	b := w.join(person("bob", registered, at("203.0.113.5")))
	w.cmd(w.host, "kick-user", []any{b.id}, map[string]any{"ban": true})
	impex := func(st *seat, name string, args []any, kwargs map[string]any) string {
		w.cmd(st, name, args, kwargs)
		list := ofKind(heardBy(st), "banimpex")
		text, _ := list[len(list)-1].json["export"].(string)
		return text
	}
	plain := map[string]any{"plain": true}
	text := impex(m, "export-bans", nil, plain)
	sealed := impex(m, "export-bans", nil, nil)
	impex(w.host, "export-bans", nil, plain)
	impex(w.host, "import-bans", []any{text}, nil)
	impex(w.host, "import-bans", []any{"junk"}, nil)
	impex(w.host, "import-bans", []any{"pAAAA"}, nil)
	w.s.rand = strings.NewReader("")
	impex(w.host, "export-bans", nil, nil)
	w.s.cryptKey = nil
	impex(w.host, "export-bans", nil, nil)
	impex(w.host, "import-bans", []any{sealed}, nil)
	w.s.cryptKey = []byte(strings.Repeat("o", cryptKeySize))
	impex(w.host, "import-bans", []any{sealed}, nil)
	w.cmd(w.host, "remove-ban", []any{1}, nil)
	return w
}

func sceneSpace(t *testing.T) *world {
	w := open(t, limited(3000))
	w.draw(w.host, strings.Repeat("x", 3000))
	w.s.hist.Log().Append(frame.Append(nil, frame.Msg{Type: 200, Body: make([]byte, 2500)}), 1)
	w.out.all = append(w.out.all, frame.Append(nil, frame.Msg{Type: 200, Body: make([]byte, 2500)})...)
	w.join(person("bob")) // no space for its marker
	w.conf(w.host, map[string]any{"title": "T"})
	return w
}

func sceneResets(t *testing.T) *world {
	w := open(t)
	for _, kind := range []string{"current", "past", "external", ""} {
		w.cmd(w.host, "reset-session", nil, map[string]any{"type": kind})
		w.draw(w.host, "image")
		w.cmd(w.host, "init-cancel", nil, nil)
	}
	w.cmd(w.host, "reset-session", nil, nil)
	w.draw(w.host, "image")
	w.cmd(w.host, "init-complete", nil, nil)
	w.out.fails = errors.New("disk full")
	w.cmd(w.host, "reset-session", nil, nil)
	w.draw(w.host, "image")
	w.cmd(w.host, "init-complete", nil, nil)
	return w
}

func sceneAutoresets(t *testing.T) *world {
	w, _ := streaming(t)
	w.begin()
	w.pieces(compressed(msg(136, "image")), 5)
	w.cmd(w.host, "stream-reset-finish", []any{1}, nil)
	w.fill(w.host)
	w.ready(w.host)
	w.send(w.host, frame.TypeResetStream, 0, "x")
	return w
}

func sceneBrowsers(t *testing.T) *world {
	w := open(t, withSettings(func(s *settings.Settings) { s.PasswordDependentWebSession = true }), withCreate(func(c *store.Create) { c.Flags = 0 }))
	for _, by := range []*seat{w.host, nil} {
		w.conf(w.host, map[string]any{"password": "p"})
		w.join(person("web", browser))
		w.s.configure(map[string]any{"password": ""}, by)
		w.turn()
		if by == nil {
			w.s.removeBrowsers(nil)
		}
	}
	return w
}

func sceneKill(t *testing.T, reason string) *world {
	w := open(t)
	m := w.join(person("mona", mod))
	w.cmd(m, "kill-session", nil, map[string]any{"reason": reason})
	return w
}
