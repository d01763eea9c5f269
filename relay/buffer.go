package relay

import (
	"sync"
	"sync/atomic"

	"github.com/valyala/bytebufferpool"
)

// buffer is a pooled, reference-counted run of bytes: a direct message queued
// for one member or, shared, for many; input on its way between two loops.
// Ownership: each queue that holds it has one reference.
type buffer struct {
	refs atomic.Int32
	bb   *bytebufferpool.ByteBuffer
}

var buffers = sync.Pool{New: func() any { return new(buffer) }}

// newBuffer returns a buffer with a copy of b and one reference.
func newBuffer(b []byte) *buffer {
	p := buffers.Get().(*buffer)
	p.bb = bytebufferpool.Get()
	p.bb.B = append(p.bb.B[:0], b...)
	p.refs.Store(1)
	return p
}

func (p *buffer) bytes() []byte { return p.bb.B }

func (p *buffer) retain() { p.refs.Add(1) }

func (p *buffer) release() {
	switch n := p.refs.Add(-1); {
	case n > 0:
		return
	case n < 0:
		panic("internal error: relay: buffer released too often")
	}
	bytebufferpool.Put(p.bb)
	p.bb = nil
	buffers.Put(p)
}
