package login

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"drawrelay/frame"
	"drawrelay/store/entry"
	"drawrelay/store/serverlog"
)

/* Life of a connection
 *
 * 1. admit    accept loop   counted and registered
 *    enter    connection    WebSocket handshake, where there is one
 * 2. greet    connection    hello is queued, the first state chosen
 * 3. next     connection    replies are flushed, one message is read
 * 4. handle   connection    pings are answered, commands run their step
 * 5. finish   connection    by what ended it: seated, farewell, abort
 *
 * 3 and 4 repeat. A step that has to wait for something (a hash, the
 * authentication server) uses await, which goes on answering pings.
 */

// conn is one connection in login.
// Ownership: everything not said otherwise belongs to its goroutine.
type conn struct {
	server   *Server
	id       uint64 // immutable; entry.Conn.ID
	shown    shown
	socket   net.Conn
	entrance entrance   // immutable
	addr     netip.Addr // the zero Addr if there is none; settled before the hello
	browser  bool       // WebSocket with an Origin header; likewise
	accepted time.Time  // immutable
	idle     time.Duration
	alarm    alarm

	tr      transport
	pipe    *entry.Pipe // non-nil once TLS is up
	count   int         // messages other than pings
	stray   int         // those of them that are no commands
	reports int         // abuse reports

	state state
	// Read once, when the connection starts (login.md §3).
	needTLS, matchHost, needLookup, onlyLookup bool

	info     map[string]string // client info, nil until known
	infoDone bool              // by cinfo
	infoLog  string            // last ClientInfo entry
	systemID string

	mayRedirect  bool // the client follows redirects
	lookedUp     bool
	lookupID     string // unique id of the session looked up, empty = none
	lookupSecret string // invite secret of the lookup

	person    entry.Person // filled by ident
	guest     bool
	flagNames []string
	avatar    []byte
	nonce     uint64 // of external authentication, 0 = not requested
	identFail int
	joinFail  int

	ban     *heldBan
	severAt time.Time // when a timer ban cuts the connection
	severer *time.Timer
	watcher *watcher // non-nil while session updates are sent

	wmu  sync.Mutex // protects what follows and the order of writes
	out  []byte     // replies not yet written
	werr error      // sticky write error
}

func newConn(s *Server, socket net.Conn, addr netip.Addr) *conn {
	c := &conn{server: s, id: entry.NextConnID(), socket: socket, addr: addr, accepted: time.Now(), alarm: alarm{conn: socket}}
	c.show()
	return c
}

// run is the connection's goroutine.
func (c *conn) run() {
	defer c.server.forget(c)
	err := c.serve()
	if err == errBroken {
		_ = c.socket.Close() // whoever had it
	}
	c.finish(err)
}

// serve runs the login and returns what ended it.
func (c *conn) serve() (err error) {
	defer c.rescue(&err)
	c.idle = c.server.cfg.Settings.Get().ClientTimeout
	c.alarm.start(c.idle)
	if c.server.ctx.Err() != nil {
		c.alarm.stop(stopGrace)
	}
	if err := c.enter(); err != nil {
		return err
	}
	c.show()
	c.lookupAddressBan()
	c.greet()
	switch {
	case c.needTLS:
		c.alarm.limit(secureTimeout)
	case c.idle == 0:
		c.alarm.limit(firstByteTimeout)
	}
	for {
		m, err := c.next()
		if err != nil {
			return err
		}
		if err := c.handle(m); err != nil {
			return err
		}
	}
}

// received is called after every read that brought something.
func (c *conn) received() {
	c.alarm.received(!c.needTLS || c.pipe != nil)
}

// next returns the next message. What has been queued is written before it
// blocks.
func (c *conn) next() (frame.Msg, error) {
	if !c.tr.buffered() {
		if err := c.flush(); err != nil {
			return frame.Msg{}, err
		}
	}
	m, err := c.tr.readMessage()
	if err != nil {
		return frame.Msg{}, c.readError(err)
	}
	return m, nil
}

// readError translates an error of the transport.
func (c *conn) readError(err error) error {
	var timeout net.Error
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout():
		ev := c.alarm.pending()
		switch {
		case ev&evStop != 0:
			return byeShutdown
		case ev&evBroken != 0:
			return errPeerGone
		case ev&evKick != 0:
			return c.shown.kicked()
		case ev&evLinger != 0:
			return byeLingering
		case ev&evDone != 0:
			return errWoken
		}
		return &aborted{serverlog.Status, fmt.Sprintf("Message queue exceeded timeout of %dms", c.alarm.due(c.accepted).Milliseconds())}
	case peerGone(err), c.closedByPeer(err):
		return errPeerGone
	case errors.Is(err, frame.ErrWebSocket):
		c.log(serverlog.Warn, serverlog.RuleBreak, "Received bad data: "+err.Error())
		c.hangUp(frame.AppendClose(nil, frame.CloseProtocol))
		return errPeerGone
	case errors.Is(err, frame.ErrShort), errors.Is(err, frame.ErrTooLong):
		return &aborted{serverlog.RuleBreak, "Received bad data: " + err.Error()}
	}
	return &aborted{serverlog.Status, "Socket error: " + err.Error()}
}

// peerGone reports whether err says that the connection has ended, which
// nobody needs to be told.
func peerGone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// handle acts on one message (wire.md §4, §10).
func (c *conn) handle(m frame.Msg) error {
	if done, err := c.handleControl(m); done {
		return err
	}
	if c.count++; c.count > c.server.limits.messages {
		return &aborted{serverlog.RuleBreak, fmt.Sprintf("More than %d messages before entering a session", c.server.limits.messages)}
	}
	if m.Type != frame.TypeServerCommand {
		if c.stray++; c.stray <= maxStray {
			c.log(serverlog.Warn, serverlog.RuleBreak, fmt.Sprintf("Got non-login message (type=%d) in login state", m.Type))
		}
		return nil
	}
	return c.dispatch(frame.ParseCommand(m.Body))
}

// handleControl acts on messages of the connection layer, which work in every
// state, and on bad data.
func (c *conn) handleControl(m frame.Msg) (done bool, err error) {
	if frame.Check(m) != nil {
		return true, &aborted{serverlog.RuleBreak, fmt.Sprintf("Received unknown message type %d of length %d", m.Type, m.Size())}
	}
	switch m.Type {
	case frame.TypePing:
		if pong, _ := frame.ParsePing(m.Body); !pong {
			c.wmu.Lock()
			c.out = frame.AppendPing(c.out, true)
			full := len(c.out) >= outLimit
			c.wmu.Unlock()
			if full {
				return true, c.flush()
			}
		}
		return true, nil
	case frame.TypeKeepAlive, frame.TypeDisconnect:
		return true, nil
	}
	return false, nil
}

// send queues an object. Objects that do not fit into a message are not sent
// (login.md §1).
func (c *conn) send(v frame.Object) {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	out, err := frame.AppendReply(c.out, 0, v)
	if err != nil {
		c.log(serverlog.Warn, serverlog.Status, "Reply not sent: "+err.Error())
		return
	}
	c.out = out
}

// result queues a command result.
func (c *conn) result(message string, v frame.Object) {
	v["type"], v["message"] = "result", message
	c.send(v)
}

// refuse queues an error object.
func (c *conn) refuse(r *entry.Refusal) {
	c.send(frame.Object{"type": "error", "code": r.Code, "message": r.Message})
}

// flush writes what is queued.
func (c *conn) flush() error {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	return c.flushLocked(writeTimeout)
}

func (c *conn) flushLocked(within time.Duration) error {
	if c.werr != nil {
		return errPeerGone
	}
	if len(c.out) == 0 {
		return nil
	}
	_ = c.socket.SetWriteDeadline(time.Now().Add(c.patience(within))) // fails on a closed socket only, as the write will
	c.werr = c.tr.writeMessages(c.out)
	if cap(c.out) > keepBuffer {
		c.out = nil
	}
	c.out = c.out[:0]
	if c.werr != nil {
		if peerGone(c.werr) {
			return errPeerGone
		}
		return &aborted{serverlog.Status, "Socket error: " + c.werr.Error()}
	}
	return nil
}

// patience shortens a time-out while the server stops.
func (c *conn) patience(d time.Duration) time.Duration {
	if c.server.ctx.Err() != nil {
		return min(d, stopGrace)
	}
	return d
}

// await runs work in a goroutine of its own and answers pings until it is
// done; other messages wait. work must not touch the connection, and gives up
// when its context ends. A returned error other than work's own ends the
// login.
func await[T any](c *conn, limit time.Duration, work func(context.Context) (T, error)) (v T, err, ended error) {
	ctx, cancel := context.WithTimeout(c.server.ctx, limit)
	defer cancel()
	type answer struct {
		v   T
		err error
	}
	answers := make(chan answer, 1)
	go func() {
		var a answer
		func() {
			defer c.rescue(&a.err)
			a.v, a.err = work(ctx)
		}()
		c.alarm.raise(evDone)
		answers <- a
	}()
	for {
		m, err := c.next()
		if err == errWoken {
			break
		}
		if err != nil {
			return v, nil, err
		}
		done, err := c.handleControl(m)
		if err != nil {
			return v, nil, err
		}
		if !done {
			c.tr.unread()
			if err := c.flush(); err != nil {
				return v, nil, err
			}
			break
		}
	}
	a := <-answers
	c.alarm.clear(evDone)
	return a.v, a.err, nil
}

// log writes an entry about the connection's user.
func (c *conn) log(level serverlog.Level, topic serverlog.Topic, text string) {
	c.logSession("", level, topic, text)
}

// logSession writes an entry that belongs to a session's log.
func (c *conn) logSession(session string, level serverlog.Level, topic serverlog.Topic, text string) {
	c.server.cfg.Log.Put(serverlog.Entry{Level: level, Topic: topic, User: c.user(), Session: session, Message: cutBytes(text, maxLogText)})
}

func (c *conn) user() serverlog.User {
	return serverlog.User{Addr: c.addr, Name: c.person.Name}
}
