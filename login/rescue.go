package login

import (
	"errors"
	"fmt"
	"runtime/debug"

	"drawrelay/store/serverlog"
)

// errBroken is the outcome of what has broken an invariant.
var errBroken = errors.New("internal error")

// rescue turns a broken invariant into an error of this one connection.
// Deferred.
func (c *conn) rescue(err *error) {
	p := recover()
	if p == nil {
		return
	}
	c.server.panics.Add(1)
	c.server.cfg.Log.Put(serverlog.Entry{Level: serverlog.Error, Topic: serverlog.Status, User: serverlog.User{Addr: c.addr},
		Message: fmt.Sprintf("internal error, the connection is closed: %v\n%s", p, debug.Stack())})
	*err = errBroken
}

// Panics returns how many broken invariants have been caught. Any goroutine.
func (s *Server) Panics() int64 { return s.panics.Load() }
