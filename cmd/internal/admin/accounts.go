package admin

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"drawrelay/frame"
	"drawrelay/store/db"
	"drawrelay/store/password"
)

type accountEntry struct {
	ID       int64  `json:"id"`
	Username string `json:"username"`
	Locked   bool   `json:"locked"`
	Flags    string `json:"flags"`
}

func accountJSON(a *db.Account) accountEntry {
	return accountEntry{a.ID, a.Name, a.Locked, a.Flags}
}

type accountListReply struct {
	Accounts []accountEntry `json:"accounts"`
	Locked   bool           `json:"_locked"`
}

type deletedReply struct {
	Status  string `json:"status"`
	Deleted int64  `json:"deleted"`
}

// accounts serves /accounts (admin-api.md §10).
func (s *Server) accounts(_ context.Context, c *call) reply {
	part := c.next()
	if len(c.path) > 0 {
		return notFound()
	}
	switch {
	case part == "auth" && c.method == http.MethodPost:
		return s.checkAccount(c)
	case part != "":
		return s.account(c, part)
	case c.method == http.MethodGet:
		list := []accountEntry{}
		for _, a := range s.cfg.Database.Refresh().Accounts {
			list = append(list, accountJSON(&a))
		}
		if c.params.looseInt("v", 0, 0) >= 2 {
			return ok(accountListReply{list, c.locked})
		}
		return ok(list)
	case c.method == http.MethodPost:
		return s.addAccount(c.params)
	}
	return badMethod()
}

func (s *Server) addAccount(p params) reply {
	name, pass := p.text("username"), p.text("password")
	switch {
	case name == "":
		return badRequest("Username required")
	case pass == "":
		return badRequest("Password required")
	case !db.ValidName(name):
		return badRequest("Error")
	}
	hash, err := s.cfg.Passwords.Hash(pass)
	if err != nil {
		return s.passwordError(err)
	}
	a, err := s.cfg.Database.AddAccount(db.Account{Name: name, PasswordHash: hash, Locked: frame.Bool(p["locked"]), Flags: p.text("flags")})
	switch {
	case errors.Is(err, db.ErrTaken), errors.Is(err, db.ErrName):
		return badRequest("Error")
	case err != nil:
		return s.databaseError(err)
	}
	s.audit("Account " + name + " added")
	return ok(accountJSON(&a))
}

// account changes or deletes one account.
func (s *Server) account(c *call, part string) reply {
	id, err := strconv.ParseInt(part, 10, 64)
	switch {
	case c.method == http.MethodGet:
		return badMethod()
	case err != nil, c.method == http.MethodPost:
		return notFound()
	}
	switch c.method {
	case http.MethodPut:
		return s.changeAccount(c.params, id)
	case http.MethodDelete:
		switch err := s.cfg.Database.DeleteAccount(id); {
		case errors.Is(err, db.ErrNotFound):
			return notFound()
		case err != nil:
			return s.databaseError(err)
		}
		s.audit("Account " + part + " deleted")
		return ok(deletedReply{"ok", id})
	}
	return badMethod()
}

// changeAccount leaves alone what front ends send when nothing was written:
// empty passwords, and names that cannot be.
func (s *Server) changeAccount(p params, id int64) reply {
	var change db.AccountChange
	if name := p.text("username"); db.ValidName(name) {
		change.Name = &name
	}
	if pass := p.text("password"); pass != "" {
		hash, err := s.cfg.Passwords.Hash(pass)
		if err != nil {
			return s.passwordError(err)
		}
		change.PasswordHash = &hash
	}
	if p.has("locked") {
		change.Locked = new(frame.Bool(p["locked"]))
	}
	if p.has("flags") {
		change.Flags = new(p.text("flags"))
	}
	a, err := s.cfg.Database.ChangeAccount(id, change)
	switch {
	case errors.Is(err, db.ErrNotFound), errors.Is(err, db.ErrTaken), errors.Is(err, db.ErrName):
		return notFound()
	case err != nil:
		return s.databaseError(err)
	}
	s.audit("Account " + a.Name + " changed")
	return ok(accountJSON(&a))
}

type accountStatus struct {
	Status int `json:"status"`
}

// Results of checking an account.
const (
	accountUnknown = iota
	accountWrong
	accountLocked
	accountRight
)

func (s *Server) checkAccount(c *call) reply {
	if !c.params.has("username") || !c.params.has("password") {
		return notFound()
	}
	a, known := s.cfg.Database.Refresh().Account(c.params.text("username"))
	switch {
	case !known:
		return ok(accountStatus{accountUnknown})
	case a.Locked || password.Disabled(a.PasswordHash):
		return ok(accountStatus{accountLocked})
	}
	switch right, err := s.cfg.Passwords.Check(a.PasswordHash, c.params.text("password")); {
	case err != nil:
		return s.passwordError(err)
	case !right:
		return ok(accountStatus{accountWrong})
	}
	return ok(accountStatus{accountRight})
}
