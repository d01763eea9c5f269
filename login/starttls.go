package login

import (
	"net"
	"time"

	"drawrelay/frame"
	"drawrelay/store/entry"
	"drawrelay/store/serverlog"
)

// startTLS answers startTls and switches to TLS (login.md §7).
// Guarantee: not one plaintext byte after the startTls frame is looked at. If
// there is any, the connection is cut, because it would otherwise count as
// protected.
func (c *conn) startTLS() error {
	if len(c.tr.pending()) > 0 || readable(c.socket) {
		return &aborted{serverlog.RuleBreak, "Plaintext after startTls"}
	}
	c.result("Start TLS now!", frame.Object{"startTls": true})
	if err := c.flush(); err != nil {
		return err
	}
	if err := c.secure(c.socket); err != nil {
		return err
	}
	c.show()
	c.tr = newStream(c.pipe.TLS, c.pipe.TLS, c.received)
	c.alarm.limit(0)
	c.state = c.afterSecure()
	return nil
}

// secure does the handshake over socket, which is the connection's own or
// repeats what has been read from it.
func (c *conn) secure(socket net.Conn) error {
	config := c.server.cfg.TLS()
	if !config.DynamicRecordSizingDisabled {
		config = config.Clone()
		config.DynamicRecordSizingDisabled = true
	}
	gate := &gate{Conn: socket, slots: c.server.slots}
	pipe := entry.NewPipe(gate, config)
	_ = c.socket.SetWriteDeadline(time.Now().Add(writeTimeout)) // fails on a closed socket only, as the handshake will
	err := pipe.TLS.Handshake()
	gate.open()
	if err != nil {
		err = c.readError(err)
		if err == byeShutdown || err == byeLingering {
			return errPeerGone // there is no stream to say it on
		}
		return err
	}
	c.pipe = pipe
	c.person.TLS = true
	return nil
}

// gate lets only as many handshakes compute at once as there are slots. A
// handshake that waits for its peer holds none, so slow peers do not keep
// others out.
//
// Ownership: the connection's goroutine.
type gate struct {
	net.Conn
	slots   chan struct{}
	holding bool
	opened  bool // the handshake is over, the gate does nothing any more
}

func (g *gate) Read(b []byte) (int, error) {
	if g.opened {
		return g.Conn.Read(b)
	}
	g.leave()
	n, err := g.Conn.Read(b)
	g.enter()
	return n, err
}

func (g *gate) Write(b []byte) (int, error) {
	if g.opened {
		return g.Conn.Write(b)
	}
	g.leave()
	n, err := g.Conn.Write(b)
	g.enter()
	return n, err
}

// enter waits for a slot. Holders only compute, so it is free within
// milliseconds.
func (g *gate) enter() {
	g.slots <- struct{}{}
	g.holding = true
}

func (g *gate) leave() {
	if g.holding {
		<-g.slots
		g.holding = false
	}
}

func (g *gate) open() {
	g.leave()
	g.opened = true
}
