package login

import (
	"errors"
	"io"
	"time"

	"drawrelay/frame"
	"drawrelay/store/entry"
	"drawrelay/store/serverlog"
)

// finish ends the connection according to what ended its login.
func (c *conn) finish(err error) {
	if err == errSeated {
		return
	}
	c.shown.leave(c.server.cfg.Now())
	if c.severer != nil {
		c.severer.Stop()
	}
	if c.watcher != nil {
		c.watcher.cancel()
	}
	var abort *aborted
	if errors.As(err, &abort) {
		c.log(serverlog.Warn, abort.topic, abort.text)
	}
	if c.tr == nil {
		c.alarm.sever() // there is nothing to speak through yet
		return
	}
	bye := c.lastWords(err)
	if bye == nil {
		c.alarm.sever()
		c.endWatch()
		return
	}
	topic, text := bye.logged()
	c.log(serverlog.Info, topic, text)

	// Whoever does not read gets a bounded time for what is on its way.
	_ = c.socket.SetWriteDeadline(time.Now().Add(c.patience(closeTimeout)))
	c.endWatch()
	c.wmu.Lock()
	c.out = frame.AppendDisconnect(c.out, bye.reason, bye.text)
	if err = c.flushLocked(closeTimeout); err == nil {
		err = c.tr.writeEnd()
	}
	c.wmu.Unlock()
	if err == nil {
		c.shown.over.Store(true)
		c.closeOrderly()
	}
	c.alarm.sever()
}

// lastWords queues what is to be said before the Disconnect message and
// returns that, or nil if the connection is simply cut.
func (c *conn) lastWords(err error) *farewell {
	var (
		bye     *farewell
		refusal *entry.Refusal
		bad     *violation
	)
	switch {
	case errors.As(err, &bye):
		return bye
	case errors.As(err, &refusal):
		c.refuse(refusal)
		return &farewell{reason: frame.ReasonError, text: "Login error", details: refusal.Code}
	case errors.As(err, &bad):
		return &farewell{reason: frame.ReasonError, text: "invalid message", details: bad.detail}
	}
	return nil
}

// closeOrderly sends FIN and waits for the peer's, discarding its input, so
// that the last message is not lost to a reset.
func (c *conn) closeOrderly() {
	if c.pipe != nil {
		_ = c.pipe.TLS.CloseWrite() // close_notify; the peer may be gone already
	}
	half, ok := c.socket.(interface{ CloseWrite() error })
	if !ok {
		c.alarm.closed()
		return
	}
	if half.CloseWrite() != nil {
		return
	}
	c.alarm.close(c.patience(closeTimeout))
	if _, err := io.Copy(io.Discard, c.socket); err == nil {
		c.alarm.closed()
	}
}
