package store

import (
	"encoding/json"

	"drawrelay/frame"
)

// reader gives views of a recording, for one goroutine.
type reader struct {
	f    File
	size int64
	err  error // of the first read that failed

	buf  []byte
	base int64 // file position of buf
}

// bytes returns n bytes from position at on, fewer at the end of the file.
// Valid until: the next call.
func (r *reader) bytes(at int64, n int) []byte {
	n = int(min(int64(n), r.size-at))
	if n <= 0 || r.err != nil {
		return nil
	}
	if at < r.base || at+int64(n) > r.base+int64(len(r.buf)) {
		want := min(max(int64(n), scanChunk), r.size-at)
		if int64(cap(r.buf)) < want {
			r.buf = make([]byte, want)
		}
		r.base = at
		if r.buf, r.err = readChunk(r.f, r.buf[:want], at, r.size); r.err != nil {
			r.buf = nil
			return nil
		}
	}
	return r.buf[at-r.base:][:n]
}

// knownTypes has the messages of all protocol versions that this server takes.
var knownTypes = func() (known [256]bool) {
	for _, v := range []frame.Version{{}, frame.OwnVersion} { // 2.2 and 2.3
		schema := frame.SchemaOf(v)
		for t := range known {
			known[t] = known[t] || schema.Name(frame.Type(t)) != "unknown"
		}
	}
	return known
}()

// undoPoint is the type of UndoPoint, which has no content (wire.md §6).
const undoPoint frame.Type = 128

// tornAt reports whether the end of the file may cut off the message at
// position at.
func (r *reader) tornAt(at int64) bool {
	head := r.bytes(at, frame.HeaderLen)
	if len(head) < frame.HeaderLen {
		return true
	}
	t := frame.Type(head[2])
	return at+frame.HeaderLen+int64(head[0])<<8+int64(head[1]) > r.size && (knownTypes[t] || t.Opaque()) || r.zeros(at)
}

// message returns the length of the message at position at, 0 if there cannot
// be a whole one before end. With strict set the type must be a known one;
// else what only clients understand counts, too.
func (r *reader) message(at, end int64, strict bool) int64 {
	head := r.bytes(at, frame.HeaderLen)
	n := int64(frame.HeaderLen)
	if len(head) < frame.HeaderLen {
		return 0
	}
	n += int64(head[0])<<8 | int64(head[1])
	t := frame.Type(head[2])
	if at+n > end || !knownTypes[t] && (strict || !t.Opaque()) {
		return 0
	}
	switch t {
	case frame.TypeServerCommand:
		if !json.Valid(r.bytes(at+frame.HeaderLen, int(n)-frame.HeaderLen)) {
			return 0
		}
	case frame.TypeJoin:
		if _, err := frame.ParseJoin(r.bytes(at+frame.HeaderLen, int(n)-frame.HeaderLen)); err != nil {
			return 0
		}
	case frame.TypeLeave, frame.TypeSoftReset, undoPoint:
		if strict && n != frame.HeaderLen {
			return 0
		}
	case frame.TypeDisconnect, frame.TypePing, frame.TypeKeepAlive, frame.TypeThumbnail:
		return 0 // never stored (storage.md §3.4)
	}
	return n
}

// chain returns how many whole messages of known types follow each other from
// position at on, at most likelyMessages, and where they end. It stops early
// at stop, if it comes to it exactly.
func (r *reader) chain(at, stop, end int64) (n int, p int64) {
	for p = at; n < likelyMessages && p < end && p != stop; n++ {
		length := r.message(p, end, true)
		if length == 0 {
			break
		}
		p += length
	}
	return n, p
}

// starts reports whether messages seem to begin at position at: many follow,
// or, unless torn is set, some that lead to the very end.
func (r *reader) starts(at, end int64, torn bool) bool {
	n, p := r.chain(at, -1, end)
	return n == likelyMessages || p == end && n >= lastMessages && !torn
}

// resync returns the first position from at on where messages seem to begin;
// end if there is none. torn says that there may be an incomplete message at
// the end, whose content is not to be taken for messages.
func (r *reader) resync(at, end int64, torn bool) int64 {
	for ; at < end && r.err == nil; at++ {
		if !r.starts(at, end, torn) {
			continue
		}
		// Four bytes of a payload can look like the head of a message that
		// happens to end where a real one begins. Then there are real ones
		// within it: many, or some that lead to the same place.
		first := at + r.message(at, end, true)
		for s := at + 1; s < first && r.err == nil; s++ {
			if n, p := r.chain(s, first, end); n == likelyMessages || p == first && n >= lastMessages {
				at, first = s, s+r.message(s, end, true)
			}
		}
		return at
	}
	return end
}

// zeros reports whether there is nothing but zeros from position at on: what a
// power cut leaves of writes that were under way.
func (r *reader) zeros(at int64) bool {
	first, err := firstNonZero(r.f, at, r.size)
	if err != nil {
		r.err = err
	}
	return err == nil && first == r.size
}
