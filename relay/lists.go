package relay

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"drawrelay/frame"
	"drawrelay/store/serverlog"
)

const (
	// maxAuthList bounds the elements of an auth-list command.
	maxAuthList = 100
	// maxOfflinePlain bounds absent accounts without a role in the list that
	// operators see.
	maxOfflinePlain = 32
)

// Levels of accounts in the operators' list (commands.md §3.5).
const (
	levelPlain = iota
	levelTrusted
	levelOp
	levelMod
)

// account is one entry of the operators' list of accounts.
type account struct {
	id, name         string
	op, trusted, mod bool
	online           bool
}

func (a *account) level() int {
	switch {
	case a.mod:
		return levelMod
	case a.op:
		return levelOp
	case a.trusted:
		return levelTrusted
	}
	return levelPlain
}

// accounts returns the accounts known to the session, those with most rights
// first. Roles are the remembered ones: a moderator is an operator without
// being one of them.
func (s *session) accounts() []account {
	var list []account
	for id, name := range s.hist.AuthNames() {
		a := account{id: id, name: name, op: s.hist.IsAuthOp(id), trusted: s.hist.IsAuthTrusted(id)}
		if st := s.findAuth(id); st != nil {
			a.online, a.mod = true, st.person.Moderator()
		}
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b account) int {
		return cmp.Or(cmp.Compare(b.level(), a.level()), cmp.Compare(a.name, b.name), cmp.Compare(a.id, b.id))
	})
	return list
}

// findAuth returns the member with this account.
func (s *session) findAuth(authID string) *seat {
	i := slices.IndexFunc(s.seats, func(st *seat) bool { return st.person.AuthID == authID })
	if authID == "" || i < 0 {
		return nil
	}
	return s.seats[i]
}

// sendAuths tells the operators who is known to the session. A list that is
// too long is shortened by absent accounts, those with least rights first.
func (s *session) sendAuths() {
	if !slices.ContainsFunc(s.seats, (*seat).operator) {
		return
	}
	list := s.accounts()
	for level := levelPlain; level <= levelMod; level++ {
		if level > levelPlain {
			s.event(serverlog.Warn, serverlog.Status, nil, fmt.Sprintf("Auth list too large (level %d)", level))
		}
		if s.tellOps(partialConf("auth", authEntries(list, level))) {
			return
		}
	}
}

// authEntries leaves out absent accounts below a level.
func authEntries(list []account, level int) frame.Array {
	out := frame.Array{}
	offline := 0
	for i := range list {
		a := &list[i]
		if !a.online {
			if a.level() < level {
				continue
			}
			if a.level() == levelPlain {
				if offline++; offline > maxOfflinePlain {
					continue
				}
			}
		}
		v := frame.Object{"authId": a.id, "username": a.name}
		if a.op {
			v["op"] = true
		}
		if a.trusted {
			v["trusted"] = true
		}
		if a.mod {
			v["mod"] = true
		}
		out = append(out, v)
	}
	return out
}

// authList changes the roles of accounts, present or not (commands.md §8.13).
func (s *session) authList(st *seat, c frame.Command) error {
	if len(c.Args) != 1 {
		return errors.New("Expected one argument: list")
	}
	list, _ := c.Args[0].([]any)
	if len(list) > maxAuthList {
		return errors.New("Insane argument")
	}
	by := cause{by: st.person.Name}
	touched, full := false, false
	for _, v := range list {
		item, _ := v.(map[string]any)
		id := frame.Str(item["a"])
		if id == "" {
			continue
		}
		member := s.findAuth(id)
		if on, ok := item["o"].(bool); ok && id != st.person.AuthID {
			touched = true
			full = !s.authOp(member, id, on, by) || full
		}
		if on, ok := item["t"].(bool); ok {
			touched = true
			full = !s.authTrust(member, id, on, by) || full
		}
		if name := frame.Str(item["u"]); name != "" && s.findAuth(id) == nil {
			touched = true
			full = !s.hist.SetAuthName(id, name) || full
		}
	}
	if touched {
		s.sendAuths()
	}
	if full {
		return errors.New("This session remembers too many accounts")
	}
	return nil
}

// authOp reports false if the session cannot remember it.
func (s *session) authOp(member *seat, id string, on bool, by cause) bool {
	switch {
	case member == nil:
		return s.hist.SetAuthOp(id, on)
	case on && !member.operator():
		s.grantOp(member, by)
	case !on && member.op:
		s.revokeOp(member, by)
	}
	return true
}

// authTrust reports false if the session cannot remember it.
func (s *session) authTrust(member *seat, id string, on bool, by cause) bool {
	switch {
	case member == nil:
		return s.hist.SetAuthTrusted(id, on)
	case on && !member.trusted:
		s.grantTrust(member, by)
	case !on && member.trusted:
		s.revokeTrust(member, by)
	}
	return true
}
