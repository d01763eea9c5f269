//go:build linux

// Package baseline has two servers to compare a relay with: Twin, the obvious
// way with a goroutine pair and a channel per member, and Floor, which does
// nothing but read and write. Both know as much of the login dialogue as the
// load generator needs: guests only, no storage, no moderation; TLS only Twin.
package baseline

import (
	"errors"
	"fmt"

	"drawrelay/frame"
)

// Server is a running baseline server.
type Server interface {
	// Addr returns host:port.
	Addr() string
	// Close disconnects everybody and returns when the server has ended.
	Close() error
}

// step is what the server shall do after a login message.
type step uint8

const (
	stepWait step = iota // for the next message
	stepHost
	stepJoin
)

// errDialogue ends a connection that does not keep to the dialogue.
var errDialogue = errors.New("unexpected message during login")

// dialogue is the state of one login.
type dialogue struct {
	next int // commands answered so far
	name string
}

// hello is the greeting, with the given flags beside MULTI.
func hello(flags ...any) []byte {
	return mustReply(frame.Object{"type": "login", "message": "baseline", "version": 4, "flags": append(frame.Array{"MULTI"}, flags...),
		"methods": frame.Object{"guest": frame.Object{"actions": frame.Array{"join", "host"}}}})
}

// answer takes a message of the client and returns the reply. With stepHost or
// stepJoin the dialogue is over; for the latter session is the one to join.
func (d *dialogue) answer(m frame.Msg) (reply []byte, next step, session string, err error) {
	if m.Type != frame.TypeServerCommand {
		return nil, stepWait, "", nil
	}
	c := frame.ParseCommand(m.Body)
	switch {
	case c.Name == "cinfo" && d.next == 0:
		reply = mustReply(frame.Object{"type": "result", "message": "Client info OK!", "cinfo": frame.Object{"browser": false}})
	case c.Name == "ident" && d.next == 1:
		d.name = frame.Str(c.Arg(0))
		reply = mustReply(frame.Object{"type": "result", "message": "Guest login OK!", "state": "identOk",
			"flags": frame.Array{"HOST"}, "ident": d.name, "guest": true})
		reply = append(reply, mustReply(frame.Object{"type": "login", "message": "Welcome", "sessions": frame.Array{}})...)
	case c.Name == "host" && d.next == 2:
		next = stepHost
	case c.Name == "join" && d.next == 2:
		next, session = stepJoin, frame.Str(c.Arg(0))
	default:
		return nil, stepWait, "", errDialogue
	}
	d.next++
	return reply, next, session, nil
}

// entered is the last login message.
func entered(state, session string, user uint8) []byte {
	return mustReply(frame.Object{"type": "result", "state": state, "message": "Welcome!", "join": frame.Object{
		"id": session, "uniqueId": session, "user": int(user), "flags": frame.Array{}, "authId": ""}})
}

func refused(code string) []byte {
	return mustReply(frame.Object{"type": "error", "code": code, "message": code})
}

// catchup announces count messages of history; caughtUp with the same key ends
// them.
func catchup(count int, key int) []byte {
	return mustReply(frame.Object{"type": "catchup", "count": count, "key": key})
}

func caughtUp(key int) []byte {
	return mustReply(frame.Object{"type": "caughtup", "key": key})
}

// isInitComplete recognises the one command that matters inside a session.
func isInitComplete(m frame.Msg) bool {
	return m.Type == frame.TypeServerCommand && frame.ParseCommand(m.Body).Name == "init-complete"
}

// firstKey is the first catch-up key, as in the reference.
const firstKey = 1000000

func sessionID(n int) string { return fmt.Sprintf("%026d", n) }

func mustReply(v frame.Object) []byte {
	b, err := frame.AppendReply(nil, 0, v)
	if err != nil {
		panic("internal error: " + err.Error())
	}
	return b
}

// users hands out context ids.
type users struct {
	used [256]bool
	last uint8
}

// take returns the id after the last one that is free, or 0.
func (u *users) take() uint8 {
	for range 255 {
		u.last++
		if u.last >= 1 && u.last <= 254 && !u.used[u.last] {
			u.used[u.last] = true
			return u.last
		}
	}
	return 0
}

func (u *users) give(id uint8) { u.used[id] = false }
