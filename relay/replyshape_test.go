package relay

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
)

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
