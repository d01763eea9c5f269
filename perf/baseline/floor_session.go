//go:build linux

package baseline

import (
	"golang.org/x/sys/unix"
	"unsafe"

	"drawrelay/frame"
)

// accept takes all waiting connections and greets them.
func (f *Floor) accept() {
	for {
		fd, _, err := unix.Accept4(f.listen, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
		if err != nil {
			return
		}
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, floorLowat)
		for fd >= len(f.conns) {
			f.conns = append(f.conns, nil)
		}
		c := &floorConn{fd: fd, private: hello()}
		f.conns[fd] = c
		ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
		if unix.EpollCtl(f.epfd, unix.EPOLL_CTL_ADD, fd, &ev) != nil {
			f.drop(c)
			continue
		}
		f.serve(c)
	}
}

// read takes one chunk from a connection.
func (f *Floor) read(c *floorConn) {
	have := copy(f.buf, c.partial)
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(c.fd), uintptr(unsafe.Pointer(&f.buf[have])), floorRead, unix.MSG_DONTWAIT, 0, 0)
	if errno == unix.EAGAIN || errno == unix.EINTR {
		return
	}
	if errno != 0 || n == 0 {
		f.drop(c)
		return
	}
	b := f.buf[:have+int(n)]
	rest, ok := f.take(c, b)
	if !ok {
		f.drop(c)
		return
	}
	c.partial = append(c.partial[:0], rest...)
	if len(rest) == 0 && cap(c.partial) > 4096 {
		c.partial = nil
	}
}

// take handles the whole messages of b and returns the rest.
func (f *Floor) take(c *floorConn, b []byte) ([]byte, bool) {
	for len(b) > 0 {
		if s := c.session; s != nil {
			if n, count := opaqueRun(b); n > 0 {
				if !f.append(s, b[:n], count) {
					return nil, false
				}
				b = b[n:]
				continue
			}
		}
		m, rest, err := frame.Parse(b)
		if err != nil {
			break
		}
		if !f.control(c, m) {
			return nil, false
		}
		b = rest
	}
	return b, true
}

// opaqueRun returns the length of the whole history messages at the start of b
// and their number.
func opaqueRun(b []byte) (n, count int) {
	for len(b)-n >= frame.HeaderLen && frame.Type(b[n+2]).Opaque() {
		size := frame.HeaderLen + int(b[n])<<8 + int(b[n+1])
		if size > len(b)-n {
			break
		}
		n += size
		count++
	}
	return n, count
}

func (f *Floor) append(s *floorSession, b []byte, count int) bool {
	if s.end+len(b) > len(s.log) {
		return false
	}
	copy(s.log[s.end:], b)
	s.end += len(b)
	s.count += count
	f.mark(s)
	return true
}

// control handles a message that is not history.
func (f *Floor) control(c *floorConn, m frame.Msg) bool {
	switch {
	case m.Type == frame.TypePing:
		c.private = frame.AppendPing(c.private, true)
	case c.session == nil:
		reply, next, id, err := c.login.answer(m)
		if err != nil {
			return false
		}
		c.private = append(c.private, reply...)
		if next == stepHost {
			return f.host(c)
		} else if next == stepJoin {
			return f.join(c, id)
		}
	case isInitComplete(m) && c == c.session.host && !c.session.running:
		c.session.running = true
		c.cursor = c.session.end
	}
	if c.blocked {
		return true
	}
	return f.serve(c)
}

func (f *Floor) host(c *floorConn) bool {
	log, err := unix.Mmap(-1, 0, floorLog, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return false
	}
	f.ids++
	s := &floorSession{id: sessionID(f.ids), log: log, key: firstKey, host: c}
	f.sessions[s.id] = s
	c.session, c.user = s, s.users.take()
	s.members = append(s.members, c)
	c.private = append(c.private, entered("host", s.id, c.user)...)
	if !f.append(s, frame.AppendJoin(nil, c.user, 0, c.login.name, nil), 1) {
		return false
	}
	return f.serve(c)
}

func (f *Floor) join(c *floorConn, id string) bool {
	s := f.sessions[id]
	if s == nil {
		c.private = append(c.private, refused("notFound")...)
		return f.serve(c) && false
	}
	if c.user = s.users.take(); c.user == 0 {
		c.private = append(c.private, refused("closed")...)
		return f.serve(c) && false
	}
	c.session = s
	c.private = append(c.private, entered("join", id, c.user)...)
	c.private = append(c.private, catchup(s.count, s.key)...)
	s.members = append(s.members, c)
	ok := f.append(s, caughtUp(s.key), 1) && f.append(s, frame.AppendJoin(nil, c.user, 0, c.login.name, nil), 1)
	s.key++
	return ok && f.serve(c)
}

// drop closes a connection and takes it out of its session.
func (f *Floor) drop(c *floorConn) {
	if f.conns[c.fd] != c {
		return
	}
	f.conns[c.fd] = nil
	unix.Close(c.fd)
	s := c.session
	if s == nil {
		return
	}
	for i, m := range s.members {
		if m == c {
			s.members = append(s.members[:i], s.members[i+1:]...)
			break
		}
	}
	s.users.give(c.user)
	s.running = true // nobody else may complete the upload
	f.append(s, frame.AppendLeave(nil, c.user), 1)
	if len(s.members) > 0 {
		return
	}
	delete(f.sessions, s.id)
	unix.Munmap(s.log)
	s.log, s.end = nil, 0
	for i, d := range f.dirty {
		if d == s {
			f.dirty = append(f.dirty[:i], f.dirty[i+1:]...)
			break
		}
	}
}
