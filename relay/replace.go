package relay

import (
	"errors"
	"fmt"

	"drawrelay/frame"
	"drawrelay/store"
)

/* Replacing a history
 *
 * 1. build     off the loop   the image goes into a new log (and file), then what the old one has from the
 *                             fork on, while drawing goes on
 * 2. freeze    owner loop     nothing is appended any more
 * 3. complete  off the loop   the rest since the fork follows; everything is synced, and the journal names
 *                             the new file: from here on a crash loads the new history
 * 4. switch    owner loop     the new log is the current one; each member goes over to it at its next
 *                             boundary, the old log lives until the last has
 */

// nextLog is a log that a member goes on with: at offset at of its log it
// continues at offset base of this one; at == startOver means at once.
type nextLog struct {
	log  *store.Log
	at   int64
	base int64
}

// limit returns how far the member may be sent its log, and takes it over to
// the next one when it has come to the end of this.
func (k *link) limit(due view) int64 {
	for len(k.nexts) > 0 && k.cursor == k.target {
		n := k.nexts[0]
		if n.at != startOver && k.cursor < n.at {
			return n.at
		}
		if k.goalLog == k.log && n.at != startOver {
			k.goalLog = n.log
			k.goalEnd += n.base - n.at
		}
		_ = k.log.Release() // an old history that cannot be closed hurts nobody
		k.log, k.skip = n.log, 0
		if n.at == startOver {
			k.cursor = 0
		} else {
			k.cursor += n.base - n.at
		}
		k.target = k.cursor
		k.nexts = k.nexts[1:]
	}
	if k.log != due.log {
		return k.target
	}
	return due.to
}

// switchTo has the member go on with another log. The reference is taken over.
// Loop only.
func (k *link) switchTo(n nextLog) {
	if k.conn == nil {
		_ = n.log.Release()
		return
	}
	if n.at == startOver {
		k.dropNexts()
	}
	k.nexts = append(k.nexts, n)
	k.wanted.Store(true)
	k.sendLater()
}

func (k *link) dropNexts() {
	for _, n := range k.nexts {
		_ = n.log.Release()
	}
	k.nexts = nil
}

// replacement is a new history under construction.
// Ownership: whoever carries out the current step.
type replacement struct {
	room *room
	old  *store.Log
	from int64 // fork in old, or startOver
	at   int64 // how far old has been copied

	recording *store.Recording // nil: in memory
	log       *store.Log       // in memory; with a file only in the end
	size      int64
	count     int64
	base      int64 // where the fork is in the new log
	marks     []store.Mark
	retired   string // superseded file
	buf       []byte
}

func (r *room) replace(image [][]byte, n int, from int64, done func(error)) {
	j := &replacement{room: r, old: r.log(), from: from, at: from}
	j.old.Retain()
	finish := func(err error) {
		_ = j.old.Release()
		done(err)
	}
	r.steps(finish, j.abandon,
		step{off: func() error { return j.build(image, n) }},
		step{on: func() error {
			if from != startOver {
				r.session.freeze()
			}
			return nil
		}},
		step{off: j.complete},
		step{on: j.switchOver},
	)
}

// step is a part of a task: on the owner loop or off it.
type step struct{ on, off func() error }

// steps runs steps one after the other up to the first error and calls done on
// the owner loop; if the session ends before that, it calls abandon off the
// loop instead.
func (r *room) steps(done func(error), abandon func(), list ...step) {
	if len(list) == 0 {
		done(nil)
		return
	}
	s := list[0]
	if s.on != nil {
		if err := s.on(); err != nil {
			done(err)
			return
		}
		r.steps(done, abandon, list[1:]...)
		return
	}
	r.srv.steps.Add(1)
	r.srv.finished.Go(func() {
		var err error
		broken := attempt(func() { err = s.off() })
		r.loop.do(func() {
			defer r.srv.steps.Done()
			defer r.rescue()
			switch {
			case broken != "":
				r.srv.finished.Go(func() { attempt(abandon) }) // as far as that goes
				panic(broken)
			case r.over:
				r.srv.finished.Go(abandon)
			case err != nil:
				done(err)
			default:
				r.steps(done, abandon, list[1:]...)
			}
		})
	})
}

// build writes the image and copies what is there of the rest.
func (j *replacement) build(image [][]byte, n int) (err error) {
	h := j.room.hist
	if err := h.Err(); err != nil {
		return err
	}
	if h.HasFiles() {
		fork := int64(-1)
		if j.from != startOver {
			_, head := j.old.File()
			fork = head + j.from
		}
		if j.recording, err = h.NewRecording(fork); err != nil {
			return err
		}
	} else {
		j.log = store.NewLog()
	}
	if err := j.addImage(image, n); err != nil {
		j.drop()
		return err
	}
	return nil
}

func (j *replacement) addImage(image [][]byte, n int) error {
	for _, b := range image {
		if err := j.add(b); err != nil {
			return err
		}
	}
	if j.count != int64(n) {
		return fmt.Errorf("internal error: the image has %d messages, not %d", j.count, n)
	}
	j.base = j.size
	return j.copyOld(j.old.Written())
}

// complete copies the rest of the frozen history and makes the new one the
// session's for good.
func (j *replacement) complete() error {
	h := j.room.hist
	if j.recording == nil {
		if err := j.copyOld(j.old.Size()); err != nil {
			j.drop()
			return err
		}
		return nil
	}
	err := h.Flush()
	if err == nil {
		err = j.copyOld(j.old.Size())
	}
	if err != nil {
		j.drop()
		return err
	}
	rec := j.recording
	j.retired, err = h.CommitRecording(rec)
	j.recording = nil // committed, or disposed of
	if err != nil {
		return err
	}
	j.log = rec.OpenLog(j.size, j.marks, j.count)
	return nil
}

// drop disposes of what has been built.
func (j *replacement) drop() {
	if j.recording != nil {
		j.room.hist.DropRecording(j.recording)
		j.recording = nil
	}
	if j.log != nil {
		_ = j.log.Release()
		j.log = nil
	}
}

// abandon is drop for a session that has ended meanwhile.
func (j *replacement) abandon() {
	j.drop()
	_ = j.old.Release()
}

// copyOld copies the old log up to offset to, in batches of whole messages.
func (j *replacement) copyOld(to int64) error {
	if j.from == startOver {
		return nil
	}
	var span store.Span
	for j.at < to {
		end := j.old.Boundary(j.at, to, chunkBytes)
		if j.buf = j.buf[:0]; int64(cap(j.buf)) < end-j.at {
			j.buf = make([]byte, 0, end-j.at)
		}
		if j.old.HasFile() {
			j.buf = j.buf[:end-j.at]
			if err := j.old.ReadAt(j.buf, j.at); err != nil {
				return err
			}
		} else {
			for at := j.at; at < end; {
				if !j.old.Acquire(&span, at, end) {
					return errors.New("internal error: history is not in memory")
				}
				for _, v := range span.Vectors[:span.N] {
					j.buf = append(j.buf, v...)
				}
				at = span.To
				span.Release()
			}
		}
		if err := j.add(j.buf); err != nil {
			return err
		}
		j.at = end
	}
	return nil
}

// add appends whole messages, in runs between which the log can be indexed.
func (j *replacement) add(b []byte) error {
	for len(b) > 0 {
		size, n := 0, 0
		for size < len(b) && size < runLimit {
			size += frame.Len(b[size:])
			n++
		}
		if size > len(b) {
			return errors.New("internal error: a reset image ends within a message")
		}
		if j.recording != nil {
			f, head := j.recording.File()
			if len(j.marks) == 0 || j.size-j.marks[len(j.marks)-1].Offset >= runLimit {
				j.marks = append(j.marks, store.Mark{Offset: j.size, Index: j.count})
			}
			if _, err := f.WriteAt(b[:size], head+j.size); err != nil {
				return fmt.Errorf("write reset image: %w", err)
			}
		} else {
			j.log.Append(b[:size], n)
		}
		j.size += int64(size)
		j.count += int64(n)
		b = b[size:]
	}
	return nil
}

// switchOver makes the new log the current one.
func (j *replacement) switchOver() error {
	r := j.room
	r.hist.FirstIndex += j.old.Count()
	r.hist.SetLog(j.log)
	switch {
	case r.track == nil:
	case j.from == startOver:
		r.track.Restart(j.log)
	default:
		r.track.Continue(j.log, j.size)
	}
	next := nextLog{log: j.log, at: j.from, base: j.base}
	for _, s := range *r.shards.Load() {
		move := func() {
			for _, k := range s.links {
				j.log.Retain()
				k.switchTo(next)
			}
		}
		if s.loop == r.loop {
			move()
			continue
		}
		j.log.Retain() // until the other loop has it
		s.loop.do(func() {
			move()
			_ = j.log.Release()
		})
	}
	_ = j.old.Release() // the session's own reference
	if j.retired != "" {
		mode := r.hist.ArchiveMode()
		r.srv.finished.Go(func() { r.hist.RetireRecording(j.retired, mode) })
	}
	return nil
}

// pause stops reading from a member, or goes on.
func (r *room) pause(st *seat, paused bool) {
	k, ok := st.link.(*link)
	if !ok {
		return
	}
	set := func() {
		k.paused = paused
		if !paused && k.readyAgain {
			k.readLater()
		}
	}
	if k.loop == r.loop {
		set()
	} else {
		k.loop.do(set)
	}
}

var _ pauser = (*room)(nil)
