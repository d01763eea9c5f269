package store

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"drawrelay/frame"
)

/* Reading a recording
 *
 * Only headers are looked at. The file is read in chunks that stay in the
 * processor's cache; a payload that reaches beyond its chunk is skipped
 * without being read.
 */

// scanChunk is how much of a recording is read at a time, in bytes: large
// enough to make system calls cheap, small enough for the second level cache.
const scanChunk = 256 << 10

var scanBuffers = sync.Pool{New: func() any { return new([scanChunk]byte) }}

// scanned is what the headers of a recording tell.
type scanned struct {
	head    int64 // bytes before the first message
	version string
	size    int64 // bytes of whole messages
	count   int64
	marks   []Mark // as Log makes them
	inside  []uint8
	left    []uint8 // users that left, by their last leave
	torn    int64   // bytes behind the last whole message
}

// errBlank refuses a session that was never drawn in.
var errBlank = errors.New("the recording has no messages")

// scanRecording reads the head and walks all messages. It changes nothing.
func scanRecording(f File) (*scanned, error) {
	length, err := f.Size()
	if err != nil {
		return nil, err
	}
	buf := scanBuffers.Get().(*[scanChunk]byte)
	defer scanBuffers.Put(buf)

	s := &scanned{}
	chunk, err := readChunk(f, buf[:], 0, length)
	if err != nil {
		return nil, err
	}
	head, err := frame.ParseRecordingHead(chunk)
	if errors.Is(err, frame.ErrShort) {
		err = fmt.Errorf("%w: it ends within its head", frame.ErrNotRecording)
	}
	if err != nil {
		return nil, err
	}
	s.head, s.version = int64(head.Len), head.Version
	s.marks = make([]Mark, 0, length/markBytes+1)
	err = s.walk(f, buf[:], chunk, length)
	return s, err
}

// readChunk fills buf from position at on, up to the end of the file.
func readChunk(f File, buf []byte, at, length int64) ([]byte, error) {
	buf = buf[:min(int64(len(buf)), length-at)]
	n, err := f.ReadAt(buf, at)
	if n < len(buf) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("read recording at %d: %w", at, err)
	}
	return buf, nil
}

// walk visits every message. chunk is the start of the file.
func (s *scanned) walk(f File, buf, chunk []byte, length int64) error {
	var (
		base    = int64(0) // file position of chunk
		pos     = s.head
		nextOne = s.head // file position from which a mark is due
		inside  [256]bool
		left    [256]int64 // message number of the last leave, from 1
		notZero = int64(0) // the zeros at pos do not reach to the end below this position
		zeros   = int64(0) // empty server commands in front of pos
		err     error
	)
	for {
		i := int(pos - base)
		for len(chunk)-i >= frame.HeaderLen {
			n := frame.HeaderLen + int(chunk[i])<<8 + int(chunk[i+1])
			t := chunk[i+2]
			if pos+int64(n) > length {
				break
			}
			if t == 0 && n == frame.HeaderLen && chunk[i+3] == 0 && pos >= notZero {
				// Four zero bytes are an empty server command, which nobody
				// writes: zeros to the end of the file are what a power cut
				// leaves of writes that were under way.
				first, ferr := firstNonZero(f, pos, length)
				if ferr != nil {
					return ferr
				}
				if first == length {
					break
				}
				notZero = first
			}
			if t == 0 && n == frame.HeaderLen && chunk[i+3] == 0 {
				zeros++
			} else {
				zeros = 0
			}
			if pos >= nextOne {
				s.marks = append(s.marks, Mark{pos - s.head, s.count})
				nextOne = pos + markBytes
			}
			s.count++
			switch frame.Type(t) {
			case frame.TypeJoin:
				inside[chunk[i+3]] = true
			case frame.TypeLeave:
				inside[chunk[i+3]] = false
				left[chunk[i+3]] = s.count
			}
			pos += int64(n)
			i += n
		}
		if len(chunk)-i >= frame.HeaderLen || length-pos < frame.HeaderLen {
			break // the message at pos is not whole
		}
		if chunk, err = readChunk(f, buf, pos, length); err != nil {
			return err
		}
		base = pos
	}
	// Zeros in front of a torn message are cut with it: behind the cut they
	// would be the end of the file, and cut by the next load.
	pos -= zeros * frame.HeaderLen
	s.count -= zeros
	for len(s.marks) > 0 && s.marks[len(s.marks)-1].Index >= s.count {
		s.marks = s.marks[:len(s.marks)-1]
	}
	s.size = pos - s.head
	s.torn = length - pos
	for id := range inside {
		if inside[id] {
			s.inside = append(s.inside, uint8(id))
		}
		if left[id] > 0 {
			s.left = append(s.left, uint8(id))
		}
	}
	slices.SortFunc(s.left, func(a, b uint8) int { return cmp.Compare(left[a], left[b]) })
	return nil
}

// firstNonZero returns the position of the first byte from at on that is not
// zero, length if there is none.
func firstNonZero(f File, at, length int64) (int64, error) {
	buf := scanBuffers.Get().(*[scanChunk]byte)
	defer scanBuffers.Put(buf)
	for at < length {
		chunk, err := readChunk(f, buf[:], at, length)
		if err != nil {
			return 0, err
		}
		for i, c := range chunk {
			if c != 0 {
				return at + int64(i), nil
			}
		}
		at += int64(len(chunk))
	}
	return length, nil
}
