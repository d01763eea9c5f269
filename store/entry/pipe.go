package entry

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Pipe puts a TLS connection under the control of an event loop. During login
// it passes everything through to the socket; after Detach the TLS code reads
// from and writes to memory, and the loop moves the ciphertext.
//
// Ownership: login's goroutine before Detach. After it the owner of the
// member's input calls Feed and the owner of its output Seal, SetOutput and
// TakeOutput; the two may be different goroutines.
type Pipe struct {
	TLS *tls.Conn // the server side over this pipe

	socket   net.Conn // pass-through target; nil once detached
	received atomic.Int64
	in       []byte // ciphertext from the peer not yet taken by TLS

	mu  sync.Mutex // protects out: reading can make TLS write, on another goroutine than sealing
	out []byte     // ciphertext from TLS not yet taken for sending
}

// ErrWouldBlock is what Read returns in memory mode when there is no
// ciphertext. It is temporary, so crypto/tls goes on later where it stopped.
var ErrWouldBlock net.Error = wouldBlock{}

type wouldBlock struct{}

func (wouldBlock) Error() string   { return "no ciphertext yet" }
func (wouldBlock) Timeout() bool   { return false }
func (wouldBlock) Temporary() bool { return true }

// NewPipe wraps socket and starts no handshake. config must have
// DynamicRecordSizingDisabled set: large records are what makes TLS cheap.
func NewPipe(socket net.Conn, config *tls.Config) *Pipe {
	p := &Pipe{socket: socket}
	p.TLS = tls.Server(p, config)
	return p
}

// Detach switches to memory mode. The handshake must be complete. The socket
// is not closed. What TLS has read ahead is kept inside it: call Decrypt once
// with nil input right after.
func (p *Pipe) Detach() { p.socket = nil }

// Feed hands ciphertext from the peer to TLS. b is copied if TLS does not take
// it at once.
// Decrypted bytes are appended to dst, which is grown as needed up to limit
// bytes in all; more reports that there may be more to decrypt without new
// ciphertext: call again with nil.
// err is io.EOF after the peer's close_notify and any other error for a broken
// stream; both end the connection.
func (p *Pipe) Feed(b, dst []byte, limit int) (plain []byte, more bool, err error) {
	if len(b) > 0 {
		if len(p.in) == 0 {
			p.in = b // borrowed until this call returns
		} else {
			p.in = append(p.in, b...)
		}
	}
	for len(dst) < limit {
		if cap(dst) == len(dst) {
			grown := make([]byte, len(dst), min(limit, max(4096, 2*cap(dst))))
			copy(grown, dst)
			dst = grown
		}
		n, rerr := p.TLS.Read(dst[len(dst):min(cap(dst), limit)])
		dst = dst[:len(dst)+n]
		if rerr != nil {
			if !errors.Is(rerr, ErrWouldBlock) {
				err = rerr
			}
			p.keep(b)
			return dst, false, err
		}
	}
	p.keep(b)
	return dst, true, nil
}

// keep copies what is left of borrowed ciphertext.
func (p *Pipe) keep(b []byte) {
	if len(p.in) == 0 {
		p.in = nil
		return
	}
	if len(b) > 0 && &p.in[len(p.in)-1] == &b[len(b)-1] {
		p.in = append([]byte(nil), p.in...)
	}
}

// Seal encrypts b; the ciphertext is fetched with TakeOutput.
func (p *Pipe) Seal(b []byte) error {
	_, err := p.TLS.Write(b)
	return err
}

// SetOutput gives the pipe an empty buffer for ciphertext to grow in. What the
// pipe holds already is moved to it.
func (p *Pipe) SetOutput(b []byte) {
	p.mu.Lock()
	p.out = append(b, p.out...)
	p.mu.Unlock()
}

// TakeOutput returns the ciphertext that is to be sent: sealed data, alerts,
// key updates. The caller owns it.
func (p *Pipe) TakeOutput() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := p.out
	p.out = nil
	return out
}

// HasOutput reports whether there is ciphertext to send.
func (p *Pipe) HasOutput() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.out) > 0
}

// Received counts bytes read from the socket in pass-through mode.
func (p *Pipe) Received() int64 { return p.received.Load() }

// Read implements net.Conn for crypto/tls.
func (p *Pipe) Read(b []byte) (int, error) {
	if p.socket != nil {
		n, err := p.socket.Read(b)
		p.received.Add(int64(n))
		return n, err
	}
	if len(p.in) == 0 {
		return 0, ErrWouldBlock
	}
	n := copy(b, p.in)
	p.in = p.in[n:]
	return n, nil
}

// Write implements net.Conn for crypto/tls.
func (p *Pipe) Write(b []byte) (int, error) {
	if p.socket != nil {
		return p.socket.Write(b)
	}
	p.mu.Lock()
	p.out = append(p.out, b...)
	p.mu.Unlock()
	return len(b), nil
}

// Close implements net.Conn for crypto/tls. In memory mode it does nothing.
func (p *Pipe) Close() error {
	if p.socket != nil {
		return p.socket.Close()
	}
	return nil
}

// LocalAddr implements net.Conn.
func (p *Pipe) LocalAddr() net.Addr { return pipeAddr{} }

// RemoteAddr implements net.Conn.
func (p *Pipe) RemoteAddr() net.Addr { return pipeAddr{} }

// SetDeadline implements net.Conn; deadlines act in pass-through mode only.
func (p *Pipe) SetDeadline(t time.Time) error {
	if p.socket != nil {
		return p.socket.SetDeadline(t)
	}
	return nil
}

// SetReadDeadline implements net.Conn.
func (p *Pipe) SetReadDeadline(t time.Time) error {
	if p.socket != nil {
		return p.socket.SetReadDeadline(t)
	}
	return nil
}

// SetWriteDeadline implements net.Conn.
func (p *Pipe) SetWriteDeadline(t time.Time) error {
	if p.socket != nil {
		return p.socket.SetWriteDeadline(t)
	}
	return nil
}

type pipeAddr struct{}

func (pipeAddr) Network() string { return "tls" }
func (pipeAddr) String() string  { return "detached" }
