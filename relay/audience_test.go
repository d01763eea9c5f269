package relay

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/entry"
	"drawrelay/store/serverlog"
	"drawrelay/store/settings"
)

// Who hears what directly (style-and-wishes.md A.16, commands.md §3, §7): the
// members are alice (operator), near (operator on the server's machine), bob
// (guest), rita (account, trusted), mona (moderator, invited), gus (ghost).
// "all" is all of them, "ops" all but bob and rita. What the history carries
// reaches everybody.
func TestRulesAudience(t *testing.T) {
	all := []string{"alice", "bob", "gus", "mona", "near", "rita"}
	others := []string{"alice", "bob", "gus", "mona", "near"} // when it is about rita
	ops := []string{"alice", "gus", "mona", "near"}
	mods := []string{"gus", "mona"}
	tests := []struct {
		name   string
		action func(w *world, m map[string]*seat)
		want   map[string][]string // by label
	}{
		{"log entry", func(w *world, m map[string]*seat) { w.s.event(serverlog.Info, serverlog.Status, nil, "x") },
			map[string][]string{"log x": all}},
		{"warning", func(w *world, m map[string]*seat) { w.s.event(serverlog.Warn, serverlog.RuleBreak, nil, "x") },
			map[string][]string{"log x": all}},
		{"detail", func(w *world, m map[string]*seat) { w.s.event(serverlog.Debug, serverlog.Status, nil, "x") }, nil},
		{"server log only", func(w *world, m map[string]*seat) { w.s.record(serverlog.Error, serverlog.Status, nil, "x") }, nil},
		{"client info", func(w *world, m map[string]*seat) { w.s.event(serverlog.Info, serverlog.ClientInfo, m["bob"], "x") },
			map[string][]string{"log x": mods}},
		{"abuse report", func(w *world, m map[string]*seat) { w.s.event(serverlog.Info, serverlog.Report, m["bob"], "x") },
			map[string][]string{"log x": mods}},
		{"kick entry", func(w *world, m map[string]*seat) { w.s.event(serverlog.Info, serverlog.Kick, m["bob"], "x") },
			map[string][]string{"log x": all}},
		{"mute", func(w *world, m map[string]*seat) { w.cmd(w.host, "mute", []any{"bob", true}, nil) },
			map[string][]string{"muted": all, "log Muted by alice": all}},
		{"trust", func(w *world, m map[string]*seat) { trust(w, m["bob"], m["rita"]) },
			map[string][]string{"log Trusted by alice": all, "msg trustgive": all, "auth": ops, "invitelist": ops}},
		{"operator", func(w *world, m map[string]*seat) {
			w.send(w.host, frame.TypeSessionOwner, 0, ids(m["near"].id, m["bob"].id))
		},
			map[string][]string{"log Made operator by alice": all, "msg opgive": all, "auth": append([]string{"bob"}, ops...),
				"banlist": all, "invitelist": append([]string{"bob"}, ops...)}},
		{"de-op", func(w *world, m map[string]*seat) { w.send(w.host, frame.TypeSessionOwner, 0, "") },
			map[string][]string{"log Operator status revoked by alice": all, "msg optake": all, "auth": {"alice", "gus", "mona"},
				"banlist": all, "invitelist": {"alice", "gus", "mona"}}},
		{"ban", func(w *world, m map[string]*seat) { w.s.ban(target{user: serverlog.User{Name: "x"}}, w.host) },
			map[string][]string{"log Banned by alice": all, "banlist": ops}},
		{"unban", func(w *world, m map[string]*seat) {
			w.s.hist.AddBan(store.Ban{Name: "x"}, nil)
			w.cmd(w.host, "remove-ban", []any{2}, nil)
		}, map[string][]string{"log x unbanned by alice": all, "banlist": ops}},
		{"ban export", func(w *world, m map[string]*seat) {
			w.cmd(m["mona"], "export-bans", nil, map[string]any{"plain": true})
		},
			map[string][]string{"banimpex": {"mona"}}},
		{"refused ban export", func(w *world, m map[string]*seat) { w.cmd(w.host, "export-bans", nil, map[string]any{"plain": true}) },
			map[string][]string{"banimpex": {"alice"}}},
		{"invite", func(w *world, m map[string]*seat) { w.cmd(w.host, "invite-create", nil, nil) },
			map[string][]string{"log Created invite with 1 use(s)": all, "invitelist": ops, "invitecreated": {"alice"}}},
		{"session password", func(w *world, m map[string]*seat) { w.conf(w.host, map[string]any{"password": "p"}) },
			map[string][]string{"passwordchange": {"alice", "bob", "gus", "near", "rita"}, "log Changed password": all}},
		{"operator password", func(w *world, m map[string]*seat) { w.conf(w.host, map[string]any{"opword": "p"}) },
			map[string][]string{"log Changed opword": all}},
		{"closing", func(w *world, m map[string]*seat) { w.conf(w.host, map[string]any{"closed": true}) },
			map[string][]string{"alert closeunsupported": {"alice"}, "closed true": {"alice"}, "closed <nil>": {"alice"}}},
		{"error", func(w *world, m map[string]*seat) { w.cmd(m["bob"], "sessionconf", nil, nil) },
			map[string][]string{"error sessionconf: Not a session owner": {"bob"}}},
		{"reset", func(w *world, m map[string]*seat) { w.cmd(w.host, "reset-session", nil, nil) },
			map[string][]string{"alert resetprepareby": all, "reset": {"alice"}}},
		{"autoreset query", func(w *world, m map[string]*seat) { w.s.queryAutoreset(1000) },
			map[string][]string{"log Autoreset threshold (15.00 MiB, effectively 1000 bytes) reached.": all, "sizelimit": all,
				"autoreset": {"alice", "mona", "near"}}},
		{"status", func(w *world, m map[string]*seat) { w.s.sendStatus(false) }, map[string][]string{"status": all}},
		{"thumbnail", func(w *world, m map[string]*seat) { w.s.requestThumbnail(m["bob"], ThumbnailOptions{Reason: "r"}) },
			map[string][]string{"log Thumbnail generation started, reason: r": all, "thumbnail": {"bob"}}},
		{"private chat", func(w *world, m map[string]*seat) { w.send(m["bob"], frame.TypePrivateChat, 0, ids(w.host.id, 0)+"x") },
			map[string][]string{"privatechat": {"alice", "bob"}}},
		{"piece of an image", func(w *world, m map[string]*seat) { w.send(m["bob"], frame.TypeResetStream, 0, "x") },
			map[string][]string{fmt.Sprintf("log User %d tried to add a stream reset message, but no stream is active", 3): all, "sprogress": {"bob"}}},
	}
	tests = append(tests, []struct {
		name   string
		action func(w *world, m map[string]*seat)
		want   map[string][]string
	}{
		{"join", func(w *world, m map[string]*seat) {
			w.join(person("carol", func(p *entry.Person) { p.Info = "client info" }))
		}, map[string][]string{"announcements": all, "banlist": ops, "muted": all, "auth": ops, "invitelist": ops, "log Joined session": all, "log client info": mods}},
		{"leave", func(w *world, m map[string]*seat) { w.leave(m["rita"]) }, map[string][]string{"log Left session": others}},
		{"kick", func(w *world, m map[string]*seat) { w.cmd(w.host, "kick-user", []any{"rita"}, nil) },
			map[string][]string{"log Kicked by alice": all, "disconnect": {"rita"}, "log Left session": others, "msg kick": others}},
		{"kick with ban", func(w *world, m map[string]*seat) {
			w.cmd(w.host, "kick-user", []any{"rita"}, map[string]any{"ban": true})
		}, map[string][]string{"log Banned by alice": all, "banlist": ops, "msg ban": all, "log Kicked by alice": all, "disconnect": {"rita"},
			"log Left session": others}},
		{"wrong operator password", func(w *world, m map[string]*seat) {
			w.s.hist.SetOpwordHash("hash:x")
			w.cmd(m["bob"], "gain-op", []any{"y"}, nil)
		}, map[string][]string{"error gain-op: Incorrect password": {"bob"}}},
		{"report", func(w *world, m map[string]*seat) { w.cmd(m["bob"], "report", nil, map[string]any{"reason": "r"}) },
			map[string][]string{"log Abuse report about user 0 received: r": mods, "log Cannot send abuse report: server URL not configured!": mods}},
		{"chat past the history", func(w *world, m map[string]*seat) { w.chat(m["bob"], "x", frame.ChatBypass, 0) },
			map[string][]string{"chat": all}},
		{"a ghost's chat", func(w *world, m map[string]*seat) { w.chat(m["gus"], "x", 0, 0) }, map[string][]string{"alert": all}},
		{"end by a moderator", func(w *world, m map[string]*seat) { w.cmd(m["mona"], "kill-session", nil, nil) },
			map[string][]string{"alert terminatesession": all, "disconnect": all}},
		{"quiet end", func(w *world, m map[string]*seat) { w.s.killQuietly() }, nil},
		{"listing", func(w *world, m map[string]*seat) {
			w.s.listings = &fakeListings{}
			w.s.announce("http://l/")
			w.s.listed("http://l/", 7, "")
		}, map[string][]string{"msg": all, "announcements": all}},
		{"request to reset", func(w *world, m map[string]*seat) {
			w.s.queryAutoreset(1000)
			w.ready(w.host)
			w.ready(m["near"])
			w.ready(m["mona"])
		}, map[string][]string{"log Autoreset threshold (15.00 MiB, effectively 1000 bytes) reached.": all, "sizelimit": all,
			"autoreset": {"alice", "alice", "mona", "near"}}},
		{"end of a reset", func(w *world, m map[string]*seat) {
			w.cmd(w.host, "reset-session", nil, nil)
			w.draw(w.host, "image")
			w.cmd(w.host, "init-complete", nil, nil)
		}, map[string][]string{"alert resetprepareby": all, "reset": append([]string{"alice"}, all...), "catchup": all, "status": all}},
		{"out of space", func(w *world, m map[string]*seat) {
			w.change(func(s *settings.Settings) { s.SessionSizeLimit = 1 })
			w.s.fullAt = time.Time{}
			w.draw(m["bob"], "x")
		}, map[string][]string{"sessionconf": all, "outofspace": append(all, all...), "alert outofspace": append(all, all...)}},
	}...)
	for _, tt := range tests {
		w := open(t)
		w.s.hist.AddBan(store.Ban{Name: "known", Addr: person("x", at("192.0.2.99")).Addr}, nil)
		m := map[string]*seat{"alice": w.host, "near": w.join(person("near", local)),
			"bob":  w.join(person("bob", func(p *entry.Person) { p.Thumbnail = true })),
			"mona": w.invited(person("mona", mod), &entry.Invite{}), "gus": w.join(person("gus", ghost))}
		m["rita"] = w.join(person("rita", registered, with(entry.FlagTrusted)))
		w.send(w.host, frame.TypeSessionOwner, 0, ids(m["near"].id))
		marks := map[string]int{}
		for name, st := range m {
			marks[name] = mark(st)
		}
		w.out.lag = true // direct messages only
		tt.action(w, m)
		got := map[string][]string{}
		for name, st := range m {
			for _, h := range since(st, marks[name]) {
				got[label(h)] = append(got[label(h)], name)
				if label(h) == "banlist" && !st.operator() && fmt.Sprint(h.json["config"]) != "map[banlist:[]]" {
					t.Errorf("%s: %s is told of bans: %v", tt.name, name, h)
				}
				if l := label(h); strings.Contains(string(h.Body), "192.0.2.") && !(l == "banlist" && privileged(st)) && l != "banimpex" {
					t.Errorf("%s: %s is told an address: %v", tt.name, name, h)
				}
			}
		}
		for _, names := range got {
			slices.Sort(names)
		}
		for _, names := range tt.want {
			slices.Sort(names)
		}
		if tt.want == nil {
			tt.want = map[string][]string{}
		}
		equal(t, tt.name, got, tt.want)
	}
}
