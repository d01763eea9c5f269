package login

import (
	"context"
	"errors"
	"slices"
	"strings"

	"drawrelay/frame"
	"drawrelay/store/entry"
)

// candidate returns the person as known so far.
func (c *conn) candidate() *entry.Person {
	p := c.person
	p.SystemID = c.systemID
	p.Addr = c.addr
	p.Browser = c.browser
	p.Avatar = c.avatar
	p.Info = c.infoText(c.info, p.AuthID)
	return &p
}

// seat hands the connection over to relay through give, which asks the Seater.
// It returns errSeated if relay has taken it, else what ends the login.
func (c *conn) seat(cmd frame.Command, give func(context.Context, *entry.Person, *entry.Conn) error) error {
	c.endWatch()
	if err := c.flush(); err != nil {
		return err
	}
	p := c.candidate()
	capabilities := frame.Str(cmd.Kwargs["capabilities"])
	p.KeepAlive = strings.Contains(capabilities, "KEEPALIVE")
	p.Thumbnail = strings.Contains(capabilities, "THUMBNAIL")
	p.Incompatible = frame.Bool(cmd.Kwargs["oldv"])
	conn := &entry.Conn{
		ID:          c.id,
		Net:         c.socket,
		Pipe:        c.pipe,
		Framing:     c.tr.framing(),
		Pending:     slices.Clone(c.tr.pending()),
		IdleTimeout: c.idle,
		Sever:       c.severAt,
	}
	if ev := c.alarm.pending(); ev&evStop != 0 {
		return byeShutdown
	} else if ev&evKick != 0 {
		return c.shown.kicked()
	}
	if !c.alarm.release() {
		return errSevered
	}
	ctx, cancel := context.WithTimeout(c.server.ctx, seatTimeout)
	defer cancel()
	err := give(ctx, p, conn)
	if err == nil {
		if c.severer != nil {
			c.severer.Stop()
		}
		return errSeated
	}
	c.alarm.retain()
	var refusal *entry.Refusal
	if errors.As(err, &refusal) {
		return refusal
	}
	return c.failed("enter session", err)
}
