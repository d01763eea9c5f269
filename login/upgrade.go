package login

import (
	"context"
	"fmt"

	"drawrelay/store/password"
	"drawrelay/store/serverlog"
)

// upgradesAtOnce bounds the renewals of password hashes that wait or run: each
// takes the time of a login. An account that finds no room is renewed at its
// next login.
const upgradesAtOnce = 4

// upgrade replaces the stored hash of an account whose password was right, if
// it is in an old form and the store can do it. It does not wait: the login
// goes on with the old one.
func (s *Server) upgrade(a Account, pass string) {
	store, ok := s.cfg.Users.(Upgrader)
	if !ok || pass == "" || !password.Upgrade(a.PasswordHash) {
		return
	}
	select {
	case s.upgrades <- struct{}{}:
	default:
		return
	}
	if !s.begin() {
		<-s.upgrades
		return
	}
	go func() {
		defer s.wg.Done()
		defer func() { <-s.upgrades }()
		ctx, cancel := context.WithTimeout(s.ctx, hashTimeout)
		defer cancel()
		hash, err := s.hashes.hash(ctx, pass)
		if err == nil {
			err = store.Upgrade(a, hash)
		}
		if err != nil && s.ctx.Err() == nil {
			s.log(serverlog.Warn, serverlog.Status, fmt.Sprintf("The password of account %s stays in its old form: %v", a.Name, err))
		}
	}()
}

// begin counts a goroutine that Stop waits for; it returns false once the
// server stops.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return false
	}
	s.wg.Add(1)
	return true
}
