package relay

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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
