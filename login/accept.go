package login

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"drawrelay/store/serverlog"
)

// Serve accepts native connections until the listener is closed or Stop is
// called, and returns nil then. Failed accepts, for instance for lack of file
// descriptors, are logged and tried again. It and its sisters may be called for
// several listeners.
func (s *Server) Serve(l net.Listener) error { return s.serve(l, enterNative) }

// ServeWeb is Serve for WebSocket connections.
func (s *Server) ServeWeb(l net.Listener) error { return s.serve(l, enterWeb) }

// ServeWebTLS is Serve for WebSocket connections over TLS. Config.TLS must be
// set.
func (s *Server) ServeWebTLS(l net.Listener) error { return s.serve(l, enterWebTLS) }

// ServeAny is Serve for all of them, told apart by what the client sends first:
// the start of a TLS handshake, an HTTP request, or nothing, as native clients
// do until they are greeted. Those wait for that firstBytesWait longer.
func (s *Server) ServeAny(l net.Listener) error { return s.serve(l, enterAny) }

func (s *Server) serve(l net.Listener, e entrance) error {
	s.mu.Lock()
	if s.stopping {
		s.mu.Unlock()
		_ = l.Close()
		return nil
	}
	s.listeners[l] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.listeners, l)
		s.mu.Unlock()
	}()

	pause := acceptBackoff
	for {
		if !s.pace.wait(s.ctx) {
			return nil
		}
		socket, err := l.Accept()
		if err == nil {
			pause = acceptBackoff
			s.handle(socket, e)
			continue
		}
		if errors.Is(err, net.ErrClosed) || s.ctx.Err() != nil {
			return nil
		}
		if n, ok := s.failures.due(); ok {
			s.log(serverlog.Error, serverlog.Status, fmt.Sprintf("Accepting a connection failed (%d times): %v", n, err))
		}
		select {
		case <-time.After(pause):
		case <-s.ctx.Done():
			return nil
		}
		pause = min(2*pause, maxAcceptBackoff)
	}
}

// Handle takes over an accepted native connection, TCP or Unix, and returns at
// once.
func (s *Server) Handle(socket net.Conn) { s.handle(socket, enterNative) }

func (s *Server) handle(socket net.Conn, e entrance) {
	if t, ok := socket.(interface{ SetNoDelay(bool) error }); ok {
		_ = t.SetNoDelay(true) // drawing is made of small messages; failing costs only latency
	}
	c := newConn(s, socket, peerAddr(socket))
	c.entrance = e
	s.take(c)
}

// take starts the login of a connection, or closes it if there is no room.
func (s *Server) take(c *conn) {
	if reason := s.admit(c); reason != "" {
		_ = c.socket.Close()
		if n, ok := s.refusals.due(); ok && reason != stoppingReason {
			s.cfg.Log.Put(serverlog.Entry{Level: serverlog.Warn, Topic: serverlog.Status, User: c.user(),
				Message: fmt.Sprintf("Refused %d new connections: %s", n, reason)})
		}
		return
	}
	go c.run()
}

const stoppingReason = "the server stops"

// admit registers c or returns the reason why there is no room for it.
func (s *Server) admit(c *conn) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return stoppingReason
	}
	if len(s.conns) >= s.limits.total {
		return fmt.Sprintf("%d connections are logging in", s.limits.total)
	}
	if limit := s.limits.forAddress(c.addr); limit > 0 {
		unit := limitUnit(c.addr)
		if s.addresses[unit] >= limit {
			return fmt.Sprintf("%d connections from %v are logging in", limit, unit)
		}
		s.addresses[unit]++
	}
	s.conns[c] = struct{}{}
	s.wg.Add(1)
	if !s.watching {
		s.watching = true
		s.wg.Add(1)
		go s.watchLinger()
	}
	return ""
}

// forget undoes admit.
func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	s.uncountLocked(c.addr)
	s.wg.Done()
}

// readdress counts c under the address that its proxy has told, or returns the
// reason why there is no room for it.
func (s *Server) readdress(c *conn, addr netip.Addr) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	limit, unit := s.limits.forAddress(addr), limitUnit(addr)
	if limit > 0 && s.addresses[unit] >= limit {
		return fmt.Sprintf("%d connections from %v are logging in", limit, unit)
	}
	s.uncountLocked(c.addr)
	c.addr = addr
	if limit > 0 {
		s.addresses[unit]++
	}
	return ""
}

func (s *Server) uncountLocked(addr netip.Addr) {
	if s.limits.forAddress(addr) > 0 {
		unit := limitUnit(addr)
		if s.addresses[unit]--; s.addresses[unit] <= 0 {
			delete(s.addresses, unit)
		}
	}
}

// limitUnit is what one party usually has: an IPv4 address or an IPv6 /64.
func limitUnit(a netip.Addr) netip.Prefix {
	bits := 64
	if a.Is4() {
		bits = 32
	}
	p, _ := a.Prefix(bits) // cannot fail: a is valid and bits fit its family
	return p
}

// peerAddr returns the address of the peer, IPv4-mapped ones as IPv4, or the
// zero Addr for Unix sockets and pipes.
func peerAddr(socket net.Conn) netip.Addr {
	if t, ok := socket.RemoteAddr().(*net.TCPAddr); ok {
		return t.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// notice limits how often something is logged.
type notice struct {
	mu    sync.Mutex
	last  time.Time
	count int // since the last entry
}

// due counts one occurrence; ok says that it is time for an entry about n of
// them.
func (n *notice) due() (count int, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.count++
	if now := time.Now(); n.last.IsZero() || now.Sub(n.last) >= noticeInterval {
		count, n.count, n.last = n.count, 0, now
		return count, true
	}
	return 0, false
}
