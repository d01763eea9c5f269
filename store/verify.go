package store

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"drawrelay/frame"
)

/* Verification
 *
 * 1. Journal   read as Load reads it; its doubtful lines are told
 * 2. Sums      blocks with a checksum are compared with it
 * 3. Walk      what has none is judged by its headers: after something that cannot be a message, the
 *              next place from which many whole messages of known types follow is where the history goes on
 * 4. Salvage   on request: what is good goes to a new recording in another folder, with a copy of the journal
 *
 * No file of the folder is changed.
 */

const (
	// likelyMessages is how many messages in a row make a place in damaged
	// data count as the start of one. About one byte in five is a known type,
	// so chance gives less than one such place in 10^20.
	likelyMessages = 32
	// lastMessages is how many suffice if they lead to the very end.
	lastMessages = 4
	// defaultVersion is the protocol of a salvaged recording whose own head is
	// lost: that of Drawpile 2.2.
	defaultVersion = "dp:4.24.0"
)

// Verify says what to verify.
type Verify struct {
	Dir       string // folder of the session files
	Checksums string // folder of their checksums, empty = none
	FS        FS     // nil: OS
	// Salvage is the folder that gets a recording and a journal of each
	// session that is damaged but not lost; empty: nothing is written. It must
	// be another folder than Dir. Files that are there are not overwritten.
	Salvage string
}

// Damage is a part of a recording that is not what was written, in bytes from
// the start of the file.
type Damage struct {
	From, To int64
	Reason   string
}

// Verdict is what Verify finds out about one session.
type Verdict struct {
	ID, Journal, Recording string
	Version                string
	Warnings               []string // doubtful lines of the journal
	Size                   int64    // bytes of the recording, its head included
	Messages               int64    // readable ones
	Summed                 int64    // bytes of them that have a checksum
	Torn                   int64    // bytes of an incomplete message at the end; the next start cuts them off
	Damages                []Damage
	Err                    error  // the session cannot be loaded
	Salvaged               string // the new recording, empty = none was asked for or needed
	SalvageErr             error

	head []byte // of the salvaged recording
	good []good
}

// good is a run of readable messages, in bytes from the start of the file.
type good struct{ from, to, count int64 }

// Damaged reports whether anything is lost beyond what a crash may take.
func (v *Verdict) Damaged() bool { return v.Err != nil || len(v.Damages) > 0 }

// Lost returns how many bytes of the recording are damaged.
func (v *Verdict) Lost() int64 {
	var n int64
	for _, d := range v.Damages {
		n += d.To - d.From
	}
	return n
}

// Each verifies all sessions of the folder, one after the other, and calls do
// with each verdict until it returns false. It returns the recordings that no
// journal names. The error is that of reading the folder.
func (o Verify) Each(do func(*Verdict) bool) (orphans []string, err error) {
	if o.FS == nil {
		o.FS = OS
	}
	if o.Salvage != "" && filepath.Clean(o.Salvage) == filepath.Clean(o.Dir) {
		return nil, errors.New("what is salvaged must go to another folder than the sessions are in")
	}
	s := &Store{o: Options{Dir: o.Dir, FS: o.FS, Now: time.Now}}
	names, err := s.journals()
	if err != nil {
		return nil, err
	}
	named := make(map[string]bool)
	for _, name := range names {
		v := o.session(s, name)
		named[v.Recording] = true
		if !do(v) {
			return nil, nil
		}
	}
	entries, err := o.FS.ReadDir(o.Dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, recordingSuffix) && !named[name] {
			orphans = append(orphans, name)
		}
	}
	return orphans, nil
}

// session verifies the session of one journal.
func (o Verify) session(s *Store, journal string) *Verdict {
	id, _, _ := strings.Cut(journal, ".")
	v := &Verdict{ID: id, Journal: journal}
	file, err := o.FS.OpenFile(filepath.Join(o.Dir, journal), os.O_RDONLY, 0)
	if err != nil {
		v.Err = fmt.Errorf("open journal: %w", err)
		return v
	}
	defer file.Close()
	h := newHistory(s, id, time.Time{})
	j, err := h.readJournalFile(file, time.Time{})
	if err != nil {
		v.Err = fmt.Errorf("read journal: %w", err)
		return v
	}
	v.Warnings = j.warnings
	if j.dropped > 0 {
		v.Warnings = append(v.Warnings, fmt.Sprintf("%d more doubtful lines", j.dropped))
	}
	f, err := o.open(v, j)
	if err != nil {
		v.Err = err
		return v
	}
	defer f.Close()
	if v.Size, err = f.Size(); err == nil {
		err = o.recording(v, f)
	}
	if err != nil {
		v.Err = fmt.Errorf("read recording %s: %w", v.Recording, err)
		return v
	}
	if len(v.Damages) > 0 && o.Salvage != "" && v.Messages > 0 {
		v.SalvageErr = o.salvage(v, f, file)
	}
	if v.Messages == 0 && len(v.Damages) == 0 {
		v.Err = errBlank
	}
	return v
}

// open opens the recording that Load would take.
func (o Verify) open(v *Verdict, j *journalText) (File, error) {
	if len(j.files) == 0 {
		return nil, errors.New("the journal names no recording")
	}
	for i, torn := len(j.files)-1, !j.complete && j.lastIsFile; ; i, torn = i-1, false {
		name := j.files[i]
		if v.Recording = name; name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\\\x00") {
			if torn && i > 0 {
				continue
			}
			return nil, fmt.Errorf("the journal names the recording %q", name)
		}
		f, err := o.FS.OpenFile(filepath.Join(o.Dir, name), os.O_RDONLY, 0)
		if err != nil && torn && i > 0 && !errors.Is(err, fs.ErrPermission) {
			continue
		}
		return f, err
	}
}

// recording judges the whole file.
func (o Verify) recording(v *Verdict, f File) error {
	w := &reader{f: f, size: v.Size}
	start := int64(0)
	head, err := frame.ParseRecordingHead(w.bytes(0, frame.MaxRecordingHead))
	if w.err != nil {
		return w.err
	}
	if err == nil {
		start, v.Version = int64(head.Len), head.Version
		v.head = slices.Clone(w.bytes(0, head.Len))
		if p, ok := frame.ParseVersion(v.Version); !ok || p.Server != frame.ServerProtocol {
			return fmt.Errorf("its protocol version is %q", v.Version)
		}
	} else {
		if v.Size < frame.HeaderLen {
			return err
		}
		v.head, _ = frame.AppendRecordingHead(nil, frame.SessionMeta(defaultVersion, -1))
		start = w.resync(0, v.Size, false)
		v.damage(0, start, "the head cannot be read")
		v.walk(w, start, v.Size)
		return w.err
	}
	at := start
	if o.Checksums != "" {
		sums, _, err := readSums(o.FS, o.Checksums, v.Recording, v.head)
		if err != nil {
			return fmt.Errorf("read its checksums: %w", err)
		}
		if at, err = v.compare(w, sums, start); err != nil {
			return err
		}
	}
	v.walk(w, at, v.Size)
	return w.err
}

// compare compares blocks with their checksums and returns where the last one
// ends.
func (v *Verdict) compare(w *reader, sums []sum, start int64) (at int64, err error) {
	at = start
	var count int64
	for _, s := range sums {
		to := start + s.end
		if to > v.Size {
			v.walk(w, at, v.Size)
			v.damage(v.Size, to, "the end of the file is missing; it had been on the disk")
			return v.Size, w.err
		}
		crc := uint32(0)
		for from := at; from < to; {
			chunk := w.bytes(from, int(min(scanChunk, to-from)))
			if w.err != nil {
				return at, w.err
			}
			crc = crc32.Update(crc, castagnoli, chunk)
			from += int64(len(chunk))
		}
		if crc == s.crc {
			v.keep(at, to, s.count-count)
			v.Summed += to - at
		} else {
			// Most of its messages may be well; only whoever draws them can tell.
			n := v.Messages
			v.runs(w, at, to, func(int64, int64) {})
			v.damage(at, to, fmt.Sprintf("the checksum is wrong; %d of %d messages look whole", v.Messages-n, s.count-count))
		}
		at, count = to, s.count
	}
	return at, nil
}

// walk judges [at, end), where end is that of the file, by its headers.
func (v *Verdict) walk(w *reader, at, end int64) {
	v.runs(w, at, end, func(from, to int64) {
		if to == end && (end-from < frame.HeaderLen+frame.MaxPayload || w.zeros(from)) {
			v.Torn = end - from
			return
		}
		v.damage(from, to, "not a message")
	})
}

// runs keeps the runs of messages in [at, end) and calls gap for what is
// between and behind them.
func (v *Verdict) runs(w *reader, at, end int64, gap func(from, to int64)) {
	var last [likelyMessages - 1]int64 // starts of the newest messages, a ring
	from, count := at, int64(0)
	for at < end && w.err == nil {
		if n := w.message(at, end, false); n > 0 {
			last[count%int64(len(last))] = at
			at += n
			count++
			continue
		}
		// Damaged bytes may have looked like messages, and one of them may
		// have reached over good ones: what follows is looked for from as far
		// back as they can go, and what reaches over it is given up.
		back := min(count, int64(len(last)))
		search := at
		if back > 0 {
			search = last[(count-back)%int64(len(last))]
		}
		next := w.resync(search+1, end, end == v.Size && w.tornAt(at))
		for next < at && back > 0 {
			count, back = count-1, back-1
			at = last[count%int64(len(last))]
		}
		v.keep(from, at, count)
		if next < at {
			next = at
		}
		gap(at, next)
		from, at, count = next, next, 0
	}
	v.keep(from, at, count)
}

func (v *Verdict) keep(from, to, count int64) {
	if count > 0 {
		v.Messages += count
		v.good = append(v.good, good{from, to, count})
	}
}

func (v *Verdict) damage(from, to int64, reason string) {
	if from >= to {
		return
	}
	if n := len(v.Damages); n > 0 && v.Damages[n-1].To == from && v.Damages[n-1].Reason == reason {
		v.Damages[n-1].To = to
		return
	}
	v.Damages = append(v.Damages, Damage{from, to, reason})
}

// salvage writes what is good to a new recording, beside a copy of the journal.
func (o Verify) salvage(v *Verdict, f, journal File) error {
	if err := o.FS.MkdirAll(o.Salvage, dirPerm); err != nil {
		return err
	}
	err := o.create(v.Recording, func(to File) error {
		if _, err := to.WriteAt(v.head, 0); err != nil {
			return err
		}
		return copyParts(to, int64(len(v.head)), f, v.Size, v.good)
	})
	if err == nil {
		err = o.create(v.Journal, func(to File) error {
			size, err := journal.Size()
			if err != nil {
				return err
			}
			return copyParts(to, 0, journal, size, []good{{to: size}})
		})
	}
	if err == nil {
		v.Salvaged = filepath.Join(o.Salvage, v.Recording)
		err = o.FS.SyncDir(o.Salvage)
	}
	return err
}

// copyParts writes parts of a file of size bytes one after the other, from at on.
func copyParts(to File, at int64, from File, size int64, parts []good) error {
	r := &reader{f: from, size: size}
	for _, g := range parts {
		for p := g.from; p < g.to; {
			chunk := r.bytes(p, int(min(scanChunk, g.to-p)))
			if r.err != nil {
				return r.err
			}
			if _, err := to.WriteAt(chunk, at); err != nil {
				return err
			}
			at, p = at+int64(len(chunk)), p+int64(len(chunk))
		}
	}
	return nil
}

// create writes a new file of the folder of what is salvaged.
func (o Verify) create(name string, write func(File) error) error {
	f, err := o.FS.OpenFile(filepath.Join(o.Salvage, name), os.O_RDWR|os.O_CREATE|os.O_EXCL, filePerm)
	if err != nil {
		return err
	}
	if err = write(f); err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		_ = o.FS.Remove(filepath.Join(o.Salvage, name))
	}
	return err
}
