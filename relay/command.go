package relay

import (
	"errors"
	"fmt"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/entry"
	"drawrelay/store/serverlog"
)

// permission is who may give a command (commands.md §2.2).
type permission uint8

const (
	anyone permission = iota
	deputyLevel
	opLevel
	modLevel
)

// commandSpec is a command of members. run returns what is answered as an
// error; successful commands are not answered.
type commandSpec struct {
	need permission
	run  func(s *session, st *seat, c frame.Command) error
	list bool // known only where sessions can be listed
	keep bool // the journal keeps what it changes, as often as it is given
}

var commands map[string]commandSpec

func init() {
	commands = map[string]commandSpec{
		"init-begin":      {need: opLevel, run: (*session).initBegin},
		"init-complete":   {need: opLevel, run: (*session).initComplete},
		"init-cancel":     {need: opLevel, run: (*session).initCancel},
		"sessionconf":     {need: opLevel, run: (*session).sessionConf, keep: true},
		"kick-user":       {need: deputyLevel, run: (*session).kickUser},
		"gain-op":         {need: anyone, run: (*session).gainOp},
		"reset-session":   {need: opLevel, run: (*session).resetSession},
		"kill-session":    {need: modLevel, run: (*session).killSession},
		"remove-ban":      {need: opLevel, run: (*session).removeBan},
		"mute":            {need: opLevel, run: (*session).mute},
		"export-bans":     {need: opLevel, run: (*session).exportBans},
		"import-bans":     {need: opLevel, run: (*session).importBans, keep: true},
		"auth-list":       {need: opLevel, run: (*session).authList, keep: true},
		"invite-create":   {need: opLevel, run: (*session).inviteCreate, keep: true},
		"invite-remove":   {need: opLevel, run: (*session).inviteRemove, keep: true},
		"thumbnail-error": {need: anyone, run: (*session).thumbnailError},
		"report":          {need: anyone, run: (*session).reportAbuse},

		"announce-session": {need: opLevel, run: (*session).announceSession, list: true, keep: true},
		"unlist-session":   {need: opLevel, run: (*session).unlistSession, list: true, keep: true},

		"ready-to-autoreset":  {need: opLevel, run: (*session).readyToReset},
		"stream-reset-start":  {need: opLevel, run: (*session).startStream},
		"stream-reset-abort":  {need: opLevel, run: (*session).abortStream},
		"stream-reset-finish": {need: opLevel, run: (*session).finishStream},
	}
}

// command runs a member's command (commands.md §8).
func (s *session) command(st *seat, c frame.Command) {
	spec, ok := commands[c.Name]
	if !ok || spec.list && s.listings == nil {
		s.commandError(st, c.Name, "Unknown command")
		return
	}
	switch {
	case spec.need == modLevel && !st.person.Moderator():
		s.commandError(st, c.Name, "Not a moderator")
	case spec.need == opLevel && !st.operator():
		s.commandError(st, c.Name, "Not a session owner")
	case spec.need == deputyLevel && !st.operator() && !s.deputy(st):
		s.commandError(st, c.Name, "Not a session owner or a deputy")
	case spec.keep && s.hist.JournalFull() && !st.person.Moderator():
		s.commandError(st, c.Name, "This session has been changed too often to keep more: host a new one, or ask a moderator")
	default:
		if err := spec.run(s, st, c); err != nil {
			s.commandError(st, c.Name, err.Error())
		}
	}
}

func (s *session) commandError(st *seat, name, text string) {
	s.tell(st, frame.Object{"type": "error", "message": name + ": " + text})
}

func (s *session) deputy(st *seat) bool { return st.trusted && s.flag(store.Deputies) }

// Errors of naming a user.
var (
	errUserArgument = errors.New("invalid user ID or name")
	errNoUser       = errors.New("user not found")
)

// namedSeat finds the member that a command's argument names: by id if it is a
// number, by name if it is a string (commands.md §8).
func (s *session) namedSeat(arg any) (*seat, error) {
	var st *seat
	switch v := arg.(type) {
	case float64:
		id := frame.Int(v)
		if id < 1 || id > 254 {
			return nil, fmt.Errorf("invalid user id: %d", id)
		}
		st = s.byID[id]
	case string:
		st = s.findName(v)
	default:
		return nil, errUserArgument
	}
	if st == nil {
		return nil, errNoUser
	}
	return st, nil
}

// gainOp makes its sender an operator for the operator password. The check
// runs off the loop; the sender's messages wait for it.
func (s *session) gainOp(st *seat, c frame.Command) error {
	if len(c.Args) != 1 {
		return errors.New("Expected one argument: opword")
	}
	word := frame.Str(c.Args[0])
	s.slow(st, func(done func()) {
		stored := s.hist.OpwordHash()
		if stored == "" {
			s.commandError(st, c.Name, "No opword set")
			done()
			return
		}
		var right bool
		var err error
		s.offload(func() { right, err = s.passwords.Check(stored, word) }, func() {
			switch {
			case st.gone:
			case err != nil:
				s.record(serverlog.Error, serverlog.Status, st, "Cannot check operator password: "+err.Error())
				s.commandError(st, c.Name, "The password could not be checked, try again")
			case right:
				s.grantOp(st, cause{by: "password", lists: true})
			default:
				s.commandError(st, c.Name, "Incorrect password")
			}
			done()
		})
	})
	return nil
}

func (s *session) killSession(st *seat, c frame.Command) error {
	reason := trim(frame.Str(c.Kwargs["reason"]))
	by := st.person.Name
	key, text := "terminatesession", "Session shut down by moderator ("+by+")"
	if reason != "" {
		key, text = "terminatesessionreason", text+": "+reason
	}
	s.tellAll(alert(key, text, named("by", by, "reason", reason)))
	s.kill("Session terminated by moderator")
	return nil
}

// redeem uses an invite for a client that wants to join (session.md §22.1).
// The transport calls it on the owner loop on behalf of entry.Session.Redeem.
func (s *session) redeem(secret string, p *entry.Person) (*entry.Invite, entry.RedeemResult) {
	if s.state == stateShutdown || s.frozen { // frozen only if the caller did not wait (whenReady)
		return nil, entry.RedeemUnknown
	}
	return s.useInvite(secret, p)
}
