package relay

import (
	"fmt"
	"slices"
	"testing"

	"drawrelay/frame"
)

// session.md §33 items 16, 17, 43 and §23: who hears what.
func TestRulesChatAudience(t *testing.T) {
	tests := []struct {
		name               string
		from               string
		target             string // of a private chat
		bypass, muted      bool
		hears              []string // names, direct or through the history
		stored             bool
		alert              bool
		answered           bool
		awaiting, streamer string // member in an autoreset
	}{
		{name: "stored", from: "bob", hears: []string{"alice", "bob", "carol", "gus", "mona"}, stored: true},
		{name: "bypass", from: "bob", bypass: true, hears: []string{"alice", "bob", "carol", "gus", "mona"}},
		{name: "muted", from: "bob", muted: true},
		{name: "muted bypass", from: "bob", muted: true, bypass: true},
		{name: "ghost", from: "gus", hears: []string{"alice", "bob", "carol", "gus", "mona"}, alert: true},
		{name: "ghost bypass", from: "gus", bypass: true, hears: []string{"alice", "bob", "carol", "gus", "mona"}, alert: true},
		{name: "bypass to a resetter", from: "bob", bypass: true, awaiting: "alice", hears: []string{"bob", "carol", "gus", "mona"}},
		{name: "bypass to a streaming resetter", from: "bob", bypass: true, streamer: "alice", hears: []string{"alice", "bob", "carol", "gus", "mona"}},
		{name: "private", from: "bob", target: "carol", hears: []string{"bob", "carol"}},
		{name: "private, muted", from: "bob", target: "carol", muted: true, hears: []string{"bob", "carol"}},
		{name: "private to oneself", from: "bob", target: "bob", hears: []string{"bob", "bob"}},
		{name: "private to nobody", from: "bob", target: "nobody"},
		{name: "private to a stranger", from: "bob", target: "stranger"},
		{name: "private to a ghost", from: "bob", target: "gus", hears: []string{"bob", "gus"}},
		{name: "private from a ghost", from: "gus", target: "bob", answered: true, hears: []string{"gus"}},
		{name: "private to a resetter", from: "bob", target: "alice", awaiting: "alice"},
		{name: "private to a streaming resetter", from: "bob", target: "alice", streamer: "alice", hears: []string{"alice", "bob"}},
	}
	for _, tt := range tests {
		w := open(t)
		seats := map[string]*seat{"alice": w.host, "bob": w.join(person("bob")), "carol": w.join(person("carol")),
			"mona": w.join(person("mona", mod)), "gus": w.join(person("gus", ghost))}
		marks := map[string]int{}
		for name, st := range seats {
			marks[name] = mark(st)
		}
		from := seats[tt.from]
		from.muted = tt.muted
		if tt.awaiting != "" {
			seats[tt.awaiting].reset = resetAwaiting
		}
		if tt.streamer != "" {
			seats[tt.streamer].reset = resetAwaiting | resetStreaming
		}
		n := len(w.history())
		kind := frame.TypeChat
		if tt.target != "" {
			kind = frame.TypePrivateChat
			id := map[string]uint8{"nobody": 0, "stranger": 200}[tt.target]
			if st := seats[tt.target]; st != nil {
				id = st.id
			}
			w.send(from, kind, 99, string([]byte{id, 2})+"text")
		} else {
			transient := uint8(0)
			if tt.bypass {
				transient = frame.ChatBypass
			}
			w.send(from, kind, 99, string([]byte{transient, 0x1f})+"text")
		}
		equal(t, tt.name+": stored", len(w.history()) > n, tt.stored)
		var hears []string
		for name, st := range seats {
			for _, h := range since(st, marks[name]) {
				hears = append(hears, name)
				switch {
				case tt.alert:
					equal(t, tt.name, string(h.Body), `{"message":"text","type":"alert"}`)
				case tt.answered:
					equal(t, tt.name, h.String(), fmt.Sprintf("privatechat/%d %q", from.id,
						string([]byte{seats[tt.target].id, 0})+"Can't send private messages in ghost mode."))
				default:
					equal(t, tt.name+": type", h.Type, kind)
					equal(t, tt.name+": sender", h.User, from.id)
				}
				equal(t, tt.name+": direct", !h.history, !tt.stored)
			}
		}
		slices.Sort(hears)
		equal(t, tt.name, hears, append([]string{}, tt.hears...))
	}
}

// session.md §33 item 15 and §12.
func TestRulesMessages(t *testing.T) {
	w := open(t)
	b := w.join(person("bob"))
	for _, tt := range []struct {
		t    frame.Type
		body string
		log  string
	}{
		{frame.TypeJoin, "\x00\x01x", "join"},
		{frame.TypeLeave, "", "leave"},
		{frame.TypeSoftReset, "", "softreset"},
	} {
		n, from := len(w.history()), mark(b)
		w.send(b, tt.t, b.id, tt.body)
		labelsEqual(t, "15: "+tt.log, since(b, from), "log Received server-to-user only command "+tt.log)
		equal(t, "15: history", len(w.history()), n)
	}
	for i := 64; i < 256; i++ {
		n := len(w.history())
		w.send(b, frame.Type(i), 200, "payload")
		h := w.history()[n:]
		equal(t, fmt.Sprintf("15: type %d", i), h, fmt.Sprintf("[%s/%d %q]", frame.Type(i), b.id, "payload"))
	}
	from := mark(b)
	w.send(b, frame.TypeResetStream, 0, "x")
	got := since(b, from)
	equal(t, "commands.md 12.36", string(got[len(got)-1].Body), `{"cancel":true,"type":"sprogress"}`)
}
