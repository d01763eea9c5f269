package store

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

/* Checksums of recordings
 *
 * A recording has no checksums, and its format belongs to the clients. So they
 * are kept beside it, in a folder of their own: RECORDING.sums, all numbers
 * big-endian.
 *
 *	 0  8  "DRWSUM" and the version, 0x0001
 *	 8  8  bytes of the recording's head
 *	16  4  CRC-32C of the head
 *	20  4  CRC-32C of the 20 bytes before
 *
 * and then for each block, from the first message on:
 *
 *	 0  8  where the block ends, in bytes from the first message; blocks are whole messages
 *	 8  8  messages up to there
 *	16  4  CRC-32C of the block
 *	20  4  CRC-32C of the 20 bytes before
 *
 * Only what is on the disk is summed, so what a crash can take is never
 * missing according to the sums. A block is some 64 KiB; the rest follows when
 * the session is closed. Nothing depends on these files: a damaged or missing
 * one is begun anew, and errors only end the summing of that recording.
 */

const (
	sumsSuffix  = ".sums"
	sumsMagic   = "DRWSUM\x00\x01"
	sumsRecord  = 24
	maxSumsFile = 64 << 20 // bytes: enough for 170 GiB of recording
	// sumsPerTurn bounds what one call sums, in bytes: what another server
	// has recorded is caught up with in small steps.
	sumsPerTurn = 16 << 20
)

// sum is one block.
type sum struct {
	end, count int64
	crc        uint32
}

// blockSums is how far the checksums of a session's current recording are.
// Ownership: the Durable it is in, under syncing.
type blockSums struct {
	log    *Log
	last   sum
	size   int64 // of the file
	failed bool
}

// sumBlocks sums what has been synced since the last call; with all set also
// what is less than a block. The caller holds d.syncing and a reference to l.
func (d *Durable) sumBlocks(l *Log, all bool) {
	b := &d.sums
	if d.c == nil || d.c.sumsDir == "" || l.name == "" || b.log == l && b.failed {
		return
	}
	synced := l.synced.Load()
	if b.log == l && synced-b.last.end < markBytes && (!all || synced == b.last.end) {
		return
	}
	if err := d.c.sumLog(b, l, synced, all); err != nil {
		b.failed = true
		d.c.warn("No more checksums for %s: %v; check the disk and its free space", l.name, err)
	}
}

func (c *Committer) sumLog(b *blockSums, l *Log, synced int64, all bool) (err error) {
	f, err := c.fs.OpenFile(sumsName(c.sumsDir, l.name), os.O_RDWR|os.O_CREATE, filePerm)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	if b.log != l {
		if err := b.open(f, l, synced); err != nil {
			return err
		}
	}
	var out []byte
	for done := int64(0); done < sumsPerTurn; {
		m, ok := l.markFrom(b.last.end+markBytes, synced)
		if !ok {
			if !all || b.last.end == synced || synced != l.end.Load() {
				break
			}
			m = Mark{synced, l.count.Load()}
		}
		crc, err := l.checksum(b.last.end, m.Offset)
		if err != nil {
			return err
		}
		done += m.Offset - b.last.end
		b.last = sum{m.Offset, m.Index, crc}
		out = appendSum(out, b.last)
	}
	_, err = f.WriteAt(out, b.size)
	b.size += int64(len(out))
	return err
}

// open makes b continue what f has, or begin anew.
func (b *blockSums) open(f File, l *Log, synced int64) error {
	*b = blockSums{log: l}
	text, err := readAll(f, maxSumsFile)
	if err != nil {
		return err
	}
	head := make([]byte, l.head)
	if _, err := readChunk(l.file, head, 0, l.head); err != nil {
		return err
	}
	want := appendSumsHead(nil, head)
	if string(text[:min(len(text), len(want))]) != string(want) {
		if err := f.Truncate(0); err != nil {
			return err
		}
		_, err = f.WriteAt(want, 0)
		b.size = int64(len(want))
		return err
	}
	sums, size := parseSums(text)
	for len(sums) > 0 && sums[len(sums)-1].end > synced {
		sums = sums[:len(sums)-1] // the recording has been cut
		size -= sumsRecord
	}
	if len(sums) > 0 {
		b.last = sums[len(sums)-1]
	}
	b.size = size
	if size < int64(len(text)) {
		return f.Truncate(size)
	}
	return nil
}

func sumsName(dir, recording string) string {
	return filepath.Join(dir, filepath.Base(recording)+sumsSuffix)
}

func appendSumsHead(dst, head []byte) []byte {
	at := len(dst)
	dst = append(dst, sumsMagic...)
	dst = binary.BigEndian.AppendUint64(dst, uint64(len(head)))
	dst = binary.BigEndian.AppendUint32(dst, crc32.Checksum(head, castagnoli))
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst[at:], castagnoli))
}

func appendSum(dst []byte, s sum) []byte {
	at := len(dst)
	dst = binary.BigEndian.AppendUint64(dst, uint64(s.end))
	dst = binary.BigEndian.AppendUint64(dst, uint64(s.count))
	dst = binary.BigEndian.AppendUint32(dst, s.crc)
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst[at:], castagnoli))
}

// parseSums returns the records behind the head up to the first that is not
// whole, and where that one begins.
func parseSums(text []byte) (sums []sum, size int64) {
	at := sumsRecord
	for last := (sum{}); len(text)-at >= sumsRecord; at += sumsRecord {
		r := text[at : at+sumsRecord]
		s := sum{int64(binary.BigEndian.Uint64(r)), int64(binary.BigEndian.Uint64(r[8:])), binary.BigEndian.Uint32(r[16:])}
		if crc32.Checksum(r[:20], castagnoli) != binary.BigEndian.Uint32(r[20:]) || s.end <= last.end || s.count <= last.count {
			break
		}
		sums, last = append(sums, s), s
	}
	return sums, int64(at)
}

// readSums reads the checksums of a recording with the given head. ok is false
// if there are none that belong to it.
func readSums(fsys FS, dir, recording string, head []byte) (sums []sum, ok bool, err error) {
	f, err := fsys.OpenFile(sumsName(dir, recording), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	text, err := readAll(f, maxSumsFile)
	if err != nil {
		return nil, false, err
	}
	if !strings.HasPrefix(string(text), string(appendSumsHead(nil, head))) {
		return nil, false, nil
	}
	sums, _ = parseSums(text)
	return sums, true, nil
}

// markFrom returns the first indexed boundary in [from, to].
func (l *Log) markFrom(from, to int64) (Mark, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := sort.Search(len(l.marks), func(i int) bool { return l.marks[i].Offset >= from })
	if i == len(l.marks) || l.marks[i].Offset > to {
		return Mark{}, false
	}
	return l.marks[i], true
}

// checksum sums [from, to), which is written, from memory as far as it is
// there.
func (l *Log) checksum(from, to int64) (crc uint32, err error) {
	var sp Span
	for from < to {
		if !l.Acquire(&sp, from, to) {
			return checksumFile(l.file, crc, l.head+from, l.head+to)
		}
		for _, v := range sp.Vectors[:sp.N] {
			crc = crc32.Update(crc, castagnoli, v)
		}
		from = sp.To
		sp.Release()
	}
	return crc, nil
}

// checksumFile continues crc over the bytes [from, to) of f.
func checksumFile(f File, crc uint32, from, to int64) (uint32, error) {
	buf := scanBuffers.Get().(*[scanChunk]byte)
	defer scanBuffers.Put(buf)
	for from < to {
		chunk, err := readChunk(f, buf[:], from, to)
		if err != nil {
			return 0, err
		}
		crc = crc32.Update(crc, castagnoli, chunk)
		from += int64(len(chunk))
	}
	return crc, nil
}

// removeSums deletes the checksums of a recording that is no longer kept.
func (s *Store) removeSums(recording string) {
	if s.o.Checksums == "" || !strings.HasSuffix(recording, recordingSuffix) {
		return
	}
	if err := s.o.FS.Remove(sumsName(s.o.Checksums, recording)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.warn("", "Could not delete the checksums of %s: %v", recording, err)
	}
}

// tidySums deletes the checksums of recordings that are not there any more.
func (s *Store) tidySums() {
	entries, err := s.o.FS.ReadDir(s.o.Checksums)
	if err != nil {
		s.warn("", "Could not read the folder of the checksums: %v", err)
		return
	}
	for _, e := range entries {
		recording, ours := strings.CutSuffix(e.Name(), sumsSuffix)
		if !ours {
			continue
		}
		if _, err := s.o.FS.Stat(s.path(recording)); errors.Is(err, fs.ErrNotExist) {
			s.removeSums(recording)
		}
	}
}
