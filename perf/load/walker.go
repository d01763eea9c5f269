//go:build linux

package load

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/bits"

	"drawrelay/frame"
)

/* Walking a member's stream
 *
 * 1. feed      reader  cuts what was received into messages; a message may be
 *                      split at any byte
 * 2. begin     reader  hashes the header and the first 16 payload bytes of a
 *                      history message, checks the drawer's sequence number
 * 3. body      reader  with Full compares the filler; else skips it
 * 4. finish    reader  the last byte is there: counters, latency, marks
 *
 * The reader is the event loop for plain members, the member's own goroutine
 * for TLS. Nothing in a walker is shared while it runs.
 */

// Verify says how much of what members receive is checked.
type Verify uint8

const (
	// Headers checks order and completeness of every message at every member
	// by its header and first 16 payload bytes.
	Headers Verify = iota
	// Full compares every byte at every member.
	Full
	// Bytes lets all but the sampled members discard what they receive inside
	// the kernel; only the number of bytes is checked. Cheapest.
	Bytes
)

// ParseVerify reads the name of a mode: headers, full or bytes.
func ParseVerify(s string) (Verify, error) {
	switch s {
	case "headers":
		return Headers, nil
	case "full":
		return Full, nil
	case "bytes":
		return Bytes, nil
	}
	return 0, fmt.Errorf("verify mode %q: must be headers, full or bytes", s)
}

// tally is what one member has received of a session's history since the last
// start mark, or since the beginning if there was none.
type tally struct {
	hash    uint64 // rolling, over all history messages in order
	history uint64 // history messages
	bytes   uint64 // their bytes, headers included
}

type walker struct {
	full bool

	// The message that is being received. rest is the number of payload bytes
	// still to come, got those that have come; head holds an incomplete
	// header and identifying part.
	head    [MinSize]byte
	headLen int
	rest    int
	got     int
	cur     curMessage
	control []byte // payload of the control message being received

	tally
	end       tally  // frozen at the last end mark
	mark      uint32 // number of the last mark seen
	strokes   uint64 // drawn messages received in all
	ink       uint64 // their bytes, headers included
	raw       uint64 // bytes received since the last start mark, of all kinds
	next      []uint32
	last      uint16 // drawer of the previous stroke, index of next
	catchKey  int64  // key to wait for; -1 = none announced
	caughtUp  bool
	joined    bool // a catchup announcement was seen
	countdown int  // messages until caught up, when there is no key
	latency   *Histogram
	now       int64 // time of the running feed in ns
}

type curMessage struct {
	size   int // bytes, header included
	typ    frame.Type
	stroke bool
	seq    uint32
	at     int64
	kind   uint16 // of a mark; 0 = none
	num    uint32
}

// feed takes what was received at time now (ns).
func (w *walker) feed(b []byte, now int64) error {
	w.now = now
	w.raw += uint64(len(b))
	if w.rest > 0 {
		n := min(w.rest, len(b))
		if err := w.body(b[:n]); err != nil {
			return err
		}
		b = b[n:]
		if w.rest > 0 {
			return nil
		}
		if err := w.finish(); err != nil {
			return err
		}
	}
	if w.headLen > 0 {
		var err error
		if b, err = w.completeHead(b); err != nil || w.headLen > 0 || w.rest > 0 {
			return err
		}
	}
	for {
		if !w.full {
			b = w.strokesIn(b)
		}
		n, ok := ready(b)
		if !ok {
			w.headLen = copy(w.head[:], b)
			return nil
		}
		if err := w.begin(b[:n]); err != nil {
			return err
		}
		have := min(len(b), w.cur.size)
		w.rest = w.cur.size - frame.HeaderLen
		w.got = 0
		if err := w.body(b[frame.HeaderLen:have]); err != nil {
			return err
		}
		b = b[have:]
		if w.rest > 0 {
			return nil
		}
		if err := w.finish(); err != nil {
			return err
		}
	}
}

// strokesIn is the fast path: it takes the whole drawn messages at the start
// of b that continue the same drawer's sequence and returns what is left. It
// does what begin, body and finish do, in registers.
func (w *walker) strokesIn(b []byte) []byte {
	if int(w.last) >= len(w.next) || w.latency != nil || w.joined && !w.caughtUp && w.catchKey < 0 {
		return b
	}
	hash, seq, drawer := w.hash, w.next[w.last], w.last
	var messages, size uint64
	for len(b) >= MinSize {
		n := frame.HeaderLen + int(binary.BigEndian.Uint16(b))
		if n > len(b) || n < MinSize || frame.Type(b[2]) != strokeType ||
			binary.BigEndian.Uint32(b[4:]) != strokeMagic<<16|uint32(drawer) || binary.BigEndian.Uint32(b[8:]) != seq {
			break
		}
		hash = mix(hash, b)
		seq++
		messages++
		size += uint64(n)
		b = b[n:]
	}
	w.hash, w.next[drawer] = hash, seq
	w.history += messages
	w.strokes += messages
	w.bytes += size
	w.ink += size
	return b
}

// mix adds a header and identifying part to a rolling hash.
func mix(hash uint64, h []byte) uint64 {
	_ = h[MinSize-1]
	a, b := binary.LittleEndian.Uint64(h), binary.LittleEndian.Uint64(h[8:])
	d := uint64(binary.LittleEndian.Uint32(h[16:]))
	return (bits.RotateLeft64(hash, 7) ^ a*mul1 ^ bits.RotateLeft64(b*mul2, 31) ^ d*mul3) * mul2
}

// ready returns how many bytes of b begin needs to see, and whether they are
// all there.
func ready(b []byte) (int, bool) {
	if len(b) < frame.HeaderLen {
		return 0, false
	}
	n := frame.HeaderLen + min(IdentLen, int(b[0])<<8|int(b[1]))
	return n, n <= len(b)
}

// completeHead continues a message of which less than its header and
// identifying part had come.
func (w *walker) completeHead(b []byte) ([]byte, error) {
	for {
		n, ok := ready(w.head[:w.headLen])
		if ok {
			w.headLen = 0
			if err := w.begin(w.head[:n]); err != nil {
				return nil, err
			}
			w.rest = w.cur.size - frame.HeaderLen
			w.got = 0
			if err := w.body(w.head[frame.HeaderLen:n]); err != nil {
				return nil, err
			}
			m := min(w.rest, len(b))
			if err := w.body(b[:m]); err != nil {
				return nil, err
			}
			if w.rest > 0 {
				return nil, nil
			}
			return b[m:], w.finish()
		}
		if len(b) == 0 {
			return nil, nil
		}
		w.head[w.headLen] = b[0]
		w.headLen++
		b = b[1:]
	}
}

const (
	mul1 = 0x9e3779b97f4a7c15
	mul2 = 0xc2b2ae3d27d4eb4f
	mul3 = 0x165667b19e3779f9
)

// begin looks at a message's header and identifying part, h.
func (w *walker) begin(h []byte) error {
	n := int(h[0])<<8 | int(h[1])
	c := &w.cur
	*c = curMessage{size: frame.HeaderLen + n, typ: frame.Type(h[2])}
	if c.typ < 32 {
		w.control = w.control[:0]
		return nil
	}
	if len(h) == MinSize {
		w.hash = mix(w.hash, h)
		switch magic := binary.BigEndian.Uint16(h[4:]); {
		case magic == strokeMagic && c.typ == strokeType:
			c.stroke = true
			c.seq = binary.BigEndian.Uint32(h[8:])
			c.at = int64(binary.BigEndian.Uint64(h[12:]))
			return w.sequence(binary.BigEndian.Uint16(h[6:]), c.seq)
		case magic == markMagic && c.typ == markType:
			c.kind = binary.BigEndian.Uint16(h[6:])
			c.num = binary.BigEndian.Uint32(h[8:])
		}
		return nil
	}
	for _, x := range h {
		w.hash = (bits.RotateLeft64(w.hash, 7) ^ uint64(x)) * mul1
	}
	return nil
}

// sequence checks that a drawer's messages are contiguous.
func (w *walker) sequence(drawer uint16, seq uint32) error {
	for int(drawer) >= len(w.next) {
		w.next = append(w.next, 0)
	}
	if want := w.next[drawer]; seq != want {
		kind := "lost or reordered"
		if seq < want {
			kind = "repeated or reordered"
		}
		return fmt.Errorf("message %s: drawer %d, got number %d instead of %d", kind, drawer, seq, want)
	}
	w.next[drawer] = seq + 1
	w.last = drawer
	return nil
}

// body takes a part of the current payload.
func (w *walker) body(b []byte) error {
	w.rest -= len(b)
	switch {
	case w.cur.typ < 32:
		w.control = append(w.control, b...)
	case w.full && w.cur.stroke:
		off := w.got - IdentLen
		p := b
		if off < 0 {
			p = p[min(len(p), -off):]
			off = 0
		}
		if len(p) > 0 && !bytes.Equal(p, fillerFor(w.cur.seq, off, len(p))) {
			return fmt.Errorf("message damaged: number %d, %d bytes", w.cur.seq, w.cur.size)
		}
	}
	w.got += len(b)
	return nil
}

// finish counts the current message, which is complete.
func (w *walker) finish() error {
	c := &w.cur
	if c.typ < 32 {
		return w.finishControl()
	}
	w.history++
	w.bytes += uint64(c.size)
	switch {
	case c.stroke:
		w.strokes++
		w.ink += uint64(c.size)
		if w.latency != nil && c.at != 0 {
			w.latency.Record(w.now - c.at)
		}
	case c.kind == markStart:
		w.tally = tally{}
		w.raw = 0
		w.mark = c.num
	case c.kind == markEnd:
		w.end = w.tally
		w.mark = c.num
	}
	w.count()
	return nil
}

// count advances a catch-up that was announced without a key.
func (w *walker) count() {
	if w.joined && !w.caughtUp && w.catchKey < 0 {
		if w.countdown--; w.countdown <= 0 {
			w.caughtUp = true
		}
	}
}

func (w *walker) finishControl() error {
	w.count()
	switch w.cur.typ {
	case frame.TypeDisconnect:
		if len(w.control) > 0 {
			return fmt.Errorf("disconnected by the server: reason %d %q", w.control[0], w.control[1:])
		}
		return fmt.Errorf("disconnected by the server")
	case frame.TypeServerCommand:
		if !w.caughtUp && (bytes.Contains(w.control, []byte("caughtup")) || bytes.Contains(w.control, []byte("catchup"))) {
			w.catchUp()
		}
	}
	return nil
}

// catchUp looks for the announcement of the history's length and for the
// message that says all of it has come.
func (w *walker) catchUp() {
	var v struct {
		Type  string
		Key   *int64
		Count int
	}
	if json.Unmarshal(w.control, &v) != nil {
		return
	}
	switch {
	case v.Type == "catchup" && !w.joined:
		w.joined = true
		w.catchKey, w.countdown = -1, v.Count
		if v.Key != nil {
			w.catchKey = *v.Key
		}
	case v.Type == "caughtup" && w.joined && v.Key != nil && *v.Key == w.catchKey:
		w.caughtUp = true
	}
}

// whole reports whether the stream is between two messages.
func (w *walker) whole() bool { return w.rest == 0 && w.headLen == 0 }
