package relay

import (
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"

	"drawrelay/frame"
)

// Errors of a streamed image.
var (
	errIllegalImage  = errors.New("illegal message")
	errUndecodable   = errors.New("undecodable message")
	errImageTooLarge = errors.New("image is too large")
	errImageCut      = errors.New("the compressed data is incomplete")
	errImageTrailing = errors.New("there is data behind the end")
)

// unpacker turns the pieces of a streamed image into messages: the pieces are
// one zlib stream, its content messages in TCP framing, both cut anywhere
// (wire.md §11).
//
// Ownership: never used on a loop. image, count and size may be read there when
// feed and finish have returned and are not called again.
type unpacker struct {
	mu    sync.Mutex
	user  uint8 // whose messages these become
	limit int64 // on size, bytes

	image []byte // whole messages
	count int
	size  int64 // bytes in image

	in    []byte // compressed bytes not taken yet
	rest  []byte // start of a message
	err   error  // of the first failure, stays
	ended bool   // the zlib stream is complete
	next  func() (struct{}, bool)
	stop  func()
}

func newUnpacker(user uint8, limit int64) *unpacker {
	return &unpacker{user: user, limit: limit}
}

// feed takes the next piece and unpacks as much as it allows. An error stays.
func (u *unpacker) feed(piece []byte) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err != nil || len(piece) == 0 {
		return u.err
	}
	if u.ended {
		u.err = errImageTrailing
		return u.err
	}
	u.in = piece
	if u.next == nil {
		u.next, u.stop = iter.Pull(u.run)
	}
	if _, more := u.next(); !more && u.err == nil && len(u.in) > 0 {
		u.err = errImageTrailing
	}
	return u.err
}

// finish checks that the image is complete.
func (u *unpacker) finish() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.err != nil:
	case !u.ended:
		u.err = errImageCut
	case len(u.rest) > 0:
		u.err = fmt.Errorf("%w: the last message ends early", errImageCut)
	}
	return u.err
}

// close gives up. It may be called more than once.
func (u *unpacker) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.fail(io.ErrClosedPipe)
	if u.stop != nil {
		u.stop()
	}
}

// run unpacks everything, yielding whenever it needs the next piece.
func (u *unpacker) run(yield func(struct{}) bool) {
	source := &pieces{u: u, yield: yield}
	z, err := zlib.NewReader(source)
	if err != nil {
		u.fail(err)
		return
	}
	buf := make([]byte, 32<<10)
	for u.err == nil {
		n, err := z.Read(buf)
		u.take(buf[:n])
		switch {
		case err == io.EOF:
			u.ended = u.err == nil
			return
		case err != nil:
			u.fail(err)
		}
	}
}

func (u *unpacker) fail(err error) {
	if u.err == nil {
		u.err = err
	}
}

// take cuts messages out of unpacked bytes.
func (u *unpacker) take(b []byte) {
	u.rest = append(u.rest, b...)
	at := 0
	for {
		m, rest, err := frame.Parse(u.rest[at:])
		if err != nil {
			break
		}
		if err := checkImage(m); err != nil {
			u.fail(err)
			return
		}
		u.size += int64(m.Size())
		if u.size > u.limit {
			u.fail(errImageTooLarge)
			return
		}
		m.User = u.user
		u.image = frame.Append(u.image, m)
		u.count++
		at = len(u.rest) - len(rest)
	}
	u.rest = append(u.rest[:0], u.rest[at:]...)
}

// checkImage says whether a streamed image may contain m: drawing and client
// state, and chat that clients have kept.
func checkImage(m frame.Msg) error {
	switch {
	case m.Type == frame.TypeInternal:
		return errIllegalImage
	case frame.Check(m) != nil:
		return errUndecodable
	case !m.Type.Opaque() && m.Type != frame.TypeChat:
		return errIllegalImage
	}
	return nil
}

// pieces is the compressed data as a reader. It implements io.ByteReader, so
// that nothing behind the end of the zlib stream is taken.
type pieces struct {
	u     *unpacker
	yield func(struct{}) bool
}

func (p *pieces) wait() error {
	for len(p.u.in) == 0 {
		if !p.yield(struct{}{}) {
			return io.ErrUnexpectedEOF
		}
	}
	return nil
}

func (p *pieces) Read(b []byte) (int, error) {
	if err := p.wait(); err != nil {
		return 0, err
	}
	n := copy(b, p.u.in)
	p.u.in = p.u.in[n:]
	return n, nil
}

func (p *pieces) ReadByte() (byte, error) {
	if err := p.wait(); err != nil {
		return 0, err
	}
	c := p.u.in[0]
	p.u.in = p.u.in[1:]
	return c, nil
}
