//go:build linux

package baseline

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"sync"

	"drawrelay/frame"
)

/* The goroutine-and-channel relay
 *
 * 1. read   one goroutine per member; each message is an object of its own
 * 2. share  under the session's lock it joins the history and is put into the
 *           channel of every member
 * 3. write  one goroutine per member: one Write per message
 */

// queueLen is the length of a member's channel, in messages.
const queueLen = 1024

// TwinOptions change what a Twin does.
type TwinOptions struct {
	// TLS, if set, makes the server require STARTTLS.
	TLS *tls.Config
	// Fault, if set, replaces a message on its way to one member; it is how
	// tests check that the load generator notices. It may return any messages.
	Fault func(user uint8, message []byte) [][]byte
}

// Twin is the naive relay.
type Twin struct {
	opt TwinOptions
	ln  net.Listener

	wg       sync.WaitGroup
	mu       sync.Mutex
	sessions map[string]*twinSession
	conns    map[net.Conn]bool
	ids      int
	closed   bool
}

type twinSession struct {
	id      string
	mu      sync.Mutex
	history [][]byte
	members []*twinMember
	users   users
	key     int
	running bool
}

type twinMember struct {
	name    string
	user    uint8
	conn    net.Conn
	out     chan []byte
	done    chan struct{}
	backlog [][]byte // history to send first

	mu   sync.Mutex
	over [][]byte // what did not fit into out; protected by mu
}

// ListenTwin starts a twin at addr.
func ListenTwin(addr string, opt TwinOptions) (*Twin, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	t := &Twin{opt: opt, ln: ln, sessions: map[string]*twinSession{}, conns: map[net.Conn]bool{}}
	t.wg.Add(1)
	go func() {
		defer t.wg.Done()
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			t.wg.Add(1)
			go func() {
				defer t.wg.Done()
				t.serve(c)
			}()
		}
	}()
	return t, nil
}

// Addr returns host:port.
func (t *Twin) Addr() string { return t.ln.Addr().String() }

// Close disconnects everybody and waits for all goroutines.
func (t *Twin) Close() error {
	t.mu.Lock()
	t.closed = true
	for c := range t.conns {
		c.Close()
	}
	t.mu.Unlock()
	err := t.ln.Close()
	t.wg.Wait()
	return err
}

func (t *Twin) serve(c net.Conn) {
	defer c.Close()
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return
	}
	t.conns[c] = true
	t.mu.Unlock()
	defer func() { t.mu.Lock(); delete(t.conns, c); t.mu.Unlock() }()

	c, err := t.greet(c)
	if err != nil {
		return
	}
	in := bufio.NewReaderSize(c, 64<<10)
	m := &twinMember{conn: c, out: make(chan []byte, queueLen), done: make(chan struct{})}
	s, err := t.login(m, in)
	if err != nil || s == nil {
		return
	}
	t.wg.Add(1)
	go func() {
		defer t.wg.Done()
		t.write(m)
	}()
	defer t.leave(s, m)
	for {
		b, err := readMessage(in)
		if err != nil {
			return
		}
		t.handle(s, m, b)
	}
}

func readMessage(in io.Reader) ([]byte, error) {
	var h [frame.HeaderLen]byte
	if _, err := io.ReadFull(in, h[:]); err != nil {
		return nil, err
	}
	b := make([]byte, frame.Len(h[:]))
	copy(b, h[:])
	_, err := io.ReadFull(in, b[frame.HeaderLen:])
	return b, err
}

// greet sends the greeting and upgrades to TLS if that is on.
func (t *Twin) greet(c net.Conn) (net.Conn, error) {
	if t.opt.TLS == nil {
		_, err := c.Write(hello())
		return c, err
	}
	if _, err := c.Write(hello("TLS", "SECURE")); err != nil {
		return nil, err
	}
	b, err := readMessage(c)
	if err != nil {
		return nil, err
	}
	if m, _, _ := frame.Parse(b); frame.ParseCommand(m.Body).Name != "startTls" {
		return nil, errDialogue
	}
	_, err = c.Write(mustReply(frame.Object{"type": "result", "message": "Start TLS now!", "startTls": true}))
	return tls.Server(c, t.opt.TLS), err
}

func (t *Twin) login(m *twinMember, in *bufio.Reader) (*twinSession, error) {
	var d dialogue
	for {
		b, err := readMessage(in)
		if err != nil {
			return nil, err
		}
		msg, _, _ := frame.Parse(b)
		reply, next, id, err := d.answer(msg)
		if err != nil {
			return nil, err
		}
		if _, err := m.conn.Write(reply); err != nil {
			return nil, err
		}
		m.name = d.name
		switch next {
		case stepHost:
			return t.host(m)
		case stepJoin:
			return t.join(m, id)
		}
	}
}

func (t *Twin) host(m *twinMember) (*twinSession, error) {
	t.mu.Lock()
	t.ids++
	s := &twinSession{id: sessionID(t.ids), key: firstKey}
	t.sessions[s.id] = s
	t.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	m.user = s.users.take()
	s.members = append(s.members, m)
	_, err := m.conn.Write(entered("host", s.id, m.user))
	s.share(t, frame.AppendJoin(nil, m.user, 0, m.name, nil))
	return s, err
}

func (t *Twin) join(m *twinMember, id string) (*twinSession, error) {
	t.mu.Lock()
	s := t.sessions[id]
	t.mu.Unlock()
	if s == nil {
		_, err := m.conn.Write(refused("notFound"))
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.user = s.users.take(); m.user == 0 {
		_, err := m.conn.Write(refused("closed"))
		return nil, err
	}
	head := append(entered("join", id, m.user), catchup(len(s.history), s.key)...)
	if _, err := m.conn.Write(head); err != nil {
		s.users.give(m.user)
		return nil, err
	}
	m.backlog = s.history[:len(s.history):len(s.history)]
	s.members = append(s.members, m)
	s.share(t, caughtUp(s.key))
	s.key++
	s.share(t, frame.AppendJoin(nil, m.user, 0, m.name, nil))
	return s, nil
}

func (t *Twin) handle(s *twinSession, m *twinMember, b []byte) {
	msg, _, _ := frame.Parse(b)
	switch {
	case msg.Type == frame.TypePing:
		m.enqueue(frame.AppendPing(nil, true))
	case msg.Type.Opaque():
		b[3] = m.user
		s.mu.Lock()
		s.share(t, b)
		s.mu.Unlock()
	case isInitComplete(msg):
		s.mu.Lock()
		s.running = true
		s.mu.Unlock()
	}
}

// share appends a message to the history and queues it for all members. The
// host does not get back what it uploads. The caller holds the lock.
func (s *twinSession) share(t *Twin, b []byte) {
	s.history = append(s.history, b)
	for i, m := range s.members {
		if i == 0 && !s.running {
			continue
		}
		if t.opt.Fault != nil {
			for _, x := range t.opt.Fault(m.user, b) {
				m.enqueue(x)
			}
			continue
		}
		m.enqueue(b)
	}
}

// enqueue never blocks: what the channel has no room for waits beside it.
func (m *twinMember) enqueue(b []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.over) == 0 {
		select {
		case m.out <- b:
			return
		default:
		}
	}
	m.over = append(m.over, b)
}

func (t *Twin) write(m *twinMember) {
	defer m.conn.Close()
	for _, b := range m.backlog {
		if _, err := m.conn.Write(b); err != nil {
			return
		}
	}
	m.backlog = nil
	for {
		select {
		case b := <-m.out:
			if _, err := m.conn.Write(b); err != nil {
				return
			}
			continue
		default:
		}
		m.mu.Lock()
		over := m.over
		if len(m.out) > 0 {
			over = nil
		} else {
			m.over = nil
		}
		m.mu.Unlock()
		for _, b := range over {
			if _, err := m.conn.Write(b); err != nil {
				return
			}
		}
		if len(over) > 0 {
			continue
		}
		select {
		case b := <-m.out:
			if _, err := m.conn.Write(b); err != nil {
				return
			}
		case <-m.done:
			return
		}
	}
}

func (t *Twin) leave(s *twinSession, m *twinMember) {
	close(m.done)
	s.mu.Lock()
	for i, x := range s.members {
		if x == m {
			s.members = append(s.members[:i:i], s.members[i+1:]...)
			break
		}
	}
	s.users.give(m.user)
	s.running = true // nobody else may complete the upload
	s.share(t, frame.AppendLeave(nil, m.user))
	empty := len(s.members) == 0
	s.mu.Unlock()
	if empty {
		t.mu.Lock()
		delete(t.sessions, s.id)
		t.mu.Unlock()
	}
}
