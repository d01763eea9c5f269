package store

import (
	"errors"
	"strings"
	"time"

	"drawrelay/frame"
)

/* Sharing blocks
 *
 * A file system can share whole blocks only, and only at places that have the
 * same position within a block in both files. So the head of such a recording
 * is filled up until its messages stand where those of the history do. Blocks
 * are shared a megabyte at a time, or every half minute, which keeps the file
 * in few pieces; what does not fill a block is copied when the file ends.
 */

const (
	// cloneBlock is the block size of the file systems that can share blocks.
	// One with larger blocks refuses, and the recording is copied.
	cloneBlock = 4096
	// cloneBytes is how much is shared at a time.
	cloneBytes = 1 << 20
	// cloneEvery is how far a recording that shares blocks lags behind at most.
	cloneEvery = 30 * time.Second
)

// cloner lets dst share n bytes of src: cloneRange for files of the operating
// system.
type cloner func(dst, src File, to, from, n int64) error

func cloneFiles(dst, src File, to, from, n int64) error {
	d, s := dst.OS(), src.OS()
	if d == nil || s == nil {
		return errors.ErrUnsupported
	}
	return cloneRange(d, s, to, from, n)
}

// share is how the current file of a recording shares blocks.
type share struct {
	on   bool
	last time.Time // of the last sharing
}

// recordingStart are the messages every recording begins with: features for
// everybody and no limits (storage.md §14.3).
func recordingStart() []byte {
	b := frame.Append(nil, frame.Msg{Type: frame.TypeFeatureAccess, Body: []byte(strings.Repeat("\x03", 12))})
	return frame.Append(b, frame.Msg{Type: frame.TypeFeatureLimits, Body: []byte(strings.Repeat("\xff", 4*8))})
}

// begin writes what stands in front of the history.
func (t *Track) begin(p piece) error {
	start := recordingStart()
	source, head := p.log.File()
	t.share = share{on: source != nil && t.canShare(source), last: t.r.o.Now()}
	fill := 0
	meta := frame.RecordMeta(t.version, 0)
	if t.share.on {
		// An entry for filling has a length of its own.
		empty := frame.RecordingPrefix + len(frame.RecordMeta(t.version, 1)) - 1 + len(start)
		fill = int(((head+p.from-int64(empty))%cloneBlock + cloneBlock) % cloneBlock)
		if fill == 0 {
			fill = cloneBlock
		}
		meta = frame.RecordMeta(t.version, fill)
	}
	b, err := frame.AppendRecordingHead(nil, meta)
	if err != nil {
		return err
	}
	b = append(b, start...)
	t.end = int64(len(b))
	_, err = t.file.WriteAt(b, 0)
	return err
}

// canShare tries whether the new file can share blocks with the history.
func (t *Track) canShare(source File) bool {
	size, err := source.Size()
	if err != nil || size == 0 {
		return false
	}
	n := int64(cloneBlock)
	if size < n {
		n = 0 // to its end
	}
	if err := t.r.o.clone(t.file, source, 0, 0, n); err != nil {
		return false
	}
	return t.file.Truncate(0) == nil
}

// copy copies what there is of a piece and returns how far it has come. all
// says that the history's files are closed: what they lack is in memory.
func (t *Track) copy(p piece, all bool) int64 {
	at := p.from
	to := p.log.Written()
	if p.to >= 0 {
		to = min(to, p.to)
	}
	var err error
	if p.log.HasFile() {
		at, err = t.copyFile(p, at, to)
		to = at
	}
	if err == nil && (all && p.to >= 0 || !p.log.HasFile()) {
		if p.to >= 0 {
			to = p.to
		}
		at, err = t.copyMemory(p, at, to)
	}
	if err != nil {
		t.fail(err)
	}
	return at
}

// copyFile copies from the history file, or shares its blocks.
func (t *Track) copyFile(p piece, at, to int64) (int64, error) {
	source, head := p.log.File()
	for at < to {
		n := min(to-at, int64(len(t.r.buf)))
		position := head + at
		if t.share.on && (position-t.end)%cloneBlock != 0 {
			t.share.on = false // behind a streamed reset
		}
		if t.share.on {
			if partial := position % cloneBlock; partial != 0 {
				n = min(n, cloneBlock-partial)
			} else if whole := (to - at) / cloneBlock * cloneBlock; whole > 0 {
				if p.to < 0 && whole < cloneBytes && t.r.o.Now().Sub(t.share.last) < cloneEvery {
					return at, nil // later
				}
				t.share.last = t.r.o.Now()
				if err := t.r.o.clone(t.file, source, t.end, position, whole); err == nil {
					at += whole
					t.end += whole
					continue
				}
				t.share.on = false
			} else if p.to < 0 {
				return at, nil // less than a block: when the file ends
			}
		}
		b := t.r.buf[:n]
		if err := p.log.ReadAt(b, at); err != nil {
			return at, err
		}
		if _, err := t.file.WriteAt(b, t.end); err != nil {
			return at, err
		}
		at += n
		t.end += n
	}
	return at, nil
}

// copyMemory copies from memory.
func (t *Track) copyMemory(p piece, at, to int64) (int64, error) {
	var span Span
	for at < to {
		if !p.log.Acquire(&span, at, to) {
			return at, errors.New("part of the history is neither in its file nor in memory")
		}
		for _, v := range span.Vectors[:span.N] {
			if _, err := t.file.WriteAt(v, t.end); err != nil {
				span.Release()
				return at, err
			}
			at += int64(len(v))
			t.end += int64(len(v))
		}
		span.Release()
	}
	return at, nil
}
