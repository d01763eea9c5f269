package store

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"drawrelay/store/password"
)

// maxWarnings is how many doubtful lines of one journal are told one by one.
const maxWarnings = 10

const (
	// journalChunk is how much of a journal is read at a time.
	journalChunk = 64 << 10
	// maxJournalLine bounds a line in bytes, with its line break: many times
	// what a message can bring into one. A journal may be of any length, as it
	// grows with every join.
	maxJournalLine = 1 << 20
)

// journalText is what reading a journal yields beside the state it puts into
// the History.
type journalText struct {
	files    []string  // names of the FILE lines, in order
	clean    cleanStop // of the very last line
	isClean  bool      // the very last line is a readable one of a clean stop
	stopped  bool      // the last line is one of a clean stop, readable or not
	complete bool      // the last line has its line break
	end      int64     // bytes, without zeros
	zeros    bool      // zero bytes behind end: a write that a power cut interrupted
	line     int
	// Of the last line: where it starts, and whether it is a FILE line.
	lastStart  int64
	lastIsFile bool

	warnings []string
	dropped  int // warnings beyond maxWarnings
}

func (j *journalText) warn(format string, args ...any) {
	if len(j.warnings) == maxWarnings {
		j.dropped++
		return
	}
	j.warnings = append(j.warnings, fmt.Sprintf("line %d: ", j.line)+fmt.Sprintf(format, args...))
}

// readJournal puts the content of a journal into h. Doubtful lines are ignored
// with a warning (storage.md §4); an error is the reader's. now stands for times
// the journal does not have.
func (h *History) readJournal(r io.Reader, now time.Time) (*journalText, error) {
	j := &journalText{complete: true}
	in := bufio.NewReaderSize(r, journalChunk)
	for line := []byte(nil); ; {
		var length, solid int64 // of the line; solid is without zeros at its end
		line = line[:0]
		err := bufio.ErrBufferFull
		for errors.Is(err, bufio.ErrBufferFull) {
			var part []byte
			part, err = in.ReadSlice('\n')
			if n := len(bytes.TrimRight(part, "\x00")); n > 0 {
				solid = length + int64(n)
			}
			length += int64(len(part))
			line = append(line, part[:min(len(part), maxJournalLine+1-len(line))]...)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if err != nil { // the end: what follows the last line break
			j.zeros = solid < length
			line = line[:min(int64(len(line)), solid)]
			if solid == 0 {
				return j, nil
			}
			j.complete = false
		}
		j.lastStart = j.end
		j.end += solid
		j.line++
		j.stopped, j.isClean, j.lastIsFile = false, false, false
		if len(line) > maxJournalLine {
			j.warn("a line of %d bytes is ignored", solid)
		} else {
			text := strings.TrimSuffix(strings.TrimSuffix(string(line), "\n"), "\r")
			h.readLine(j, text, now.UTC())
		}
		if err != nil {
			j.isClean = false
			return j, nil
		}
	}
}

// readJournalFile is readJournal for all that a file has.
func (h *History) readJournalFile(f File, now time.Time) (*journalText, error) {
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	r := io.NewSectionReader(f, 0, size)
	j, err := h.readJournal(r, now)
	if err != nil {
		return nil, err
	}
	if at, err := r.Seek(0, io.SeekCurrent); err != nil || at < size {
		return nil, io.ErrUnexpectedEOF // it has become shorter
	}
	return j, nil
}

// readLine applies one line. Fields are split from what only has lost its line
// break, so that empty ones at the end are not lost (storage.md §4.3).
func (h *History) readLine(j *journalText, line string, now time.Time) {
	line = strings.TrimLeft(line, " \t\v\f\r")
	if comment, ok := strings.CutPrefix(line, "#"); ok {
		if isCleanStop(comment) {
			j.stopped = true
			j.clean, j.isClean = parseCleanStop(comment, h.ID)
		}
		return
	}
	if trim(line) == "" {
		return
	}
	keyword, params, _ := strings.Cut(line, " ")
	keyword, params = trim(keyword), strings.TrimLeft(params, " \t\v\f\r")
	raw := trim(blank(params))
	switch keyword {
	case "FILE":
		j.lastIsFile = true
		j.files = append(j.files, trim(params))
	case "ALIAS":
		if h.Alias != "" {
			j.warn("a second ALIAS is ignored")
		} else {
			h.Alias = raw
		}
	case "FOUNDER":
		h.founder = raw
	case "TITLE":
		h.title = raw
	case "PASSWORD":
		j.hash(&h.passwordHash, keyword, hashText(params, raw))
	case "OPWORD":
		j.hash(&h.opwordHash, keyword, hashText(params, raw))
	case "MAXUSERS":
		h.maxUsers = int(clamp(number(raw), minUsers, maxUsers))
	case "AUTORESET":
		h.autoReset, h.autoResetSet = clamp(number(raw), 0, maxBytes), true
	case "LIMIT":
		h.sizeOverride = clamp(number(raw), 0, maxBytes)
	case "CATCHUP":
		h.catchupKey = int(clamp(number(raw), 1, maxCatchupKey))
	case "ARCHIVE":
		h.readArchive(j, raw)
	case "FLAGS":
		var unknown []string
		if h.flags, unknown = parseFlags(raw); len(unknown) > 0 {
			j.warn("unknown flags %q are ignored", unknown)
		}
	case "OP", "DEOP":
		h.authOps.set(raw, keyword == "OP")
	case "TRUST", "UNTRUST":
		h.authTrusted.set(raw, keyword == "TRUST")
	case "ANNOUNCE":
		h.addAnnouncement(raw)
	case "UNANNOUNCE":
		h.removeAnnouncement(raw)
	case "USER":
		h.readUser(j, params)
	case "AUTHNAME":
		if f, ok := j.fields(keyword, params, 2, 2); ok && f[0] != "" && f[1] != "" {
			h.setAuthName(decode(f[0]), decode(f[1]))
		}
	case "BAN":
		h.readBan(j, params)
	case "UNBAN":
		if _, ok := h.Bans.Remove(int(number(raw))); !ok {
			j.warn("UNBAN of a ban that is not there")
		}
	case "INV":
		h.readInvite(j, params, now)
	case "UNV":
		if h.Invites.remove(raw) == nil {
			j.warn("UNV of an invite that is not there")
		}
	case "USV":
		h.readUse(j, params, now)
	default:
		j.warn("unknown keyword %q is ignored", keyword)
	}
}

// number reads a decimal number of 32 bits; anything else is 0.
func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return 0
	}
	return n
}

// fields splits params at single spaces into at least lo and at most hi
// fields. Empty ones beyond hi are dropped.
func (j *journalText) fields(keyword, params string, lo, hi int) ([]string, bool) {
	f := strings.Split(params, " ")
	for len(f) > hi && trim(f[len(f)-1]) == "" {
		f = f[:len(f)-1]
	}
	if len(f) < lo || len(f) > hi {
		j.warn("%s with %d fields is ignored", keyword, len(f))
		return nil, false
	}
	f[len(f)-1] = trim(f[len(f)-1])
	return f, true
}

// hashText is the stored form of a password: blanks at the end belong to a
// plain one.
func hashText(params, raw string) string {
	if strings.HasPrefix(params, "plain;") {
		return blank(params)
	}
	return raw
}

// hash keeps the old value if the new one is not a supported hash, and never
// tells a hash.
func (j *journalText) hash(to *string, keyword, value string) {
	if value != "" && !password.Valid(value) {
		j.warn("%s in an unknown format is ignored", keyword)
		return
	}
	*to = value
}

func (h *History) readArchive(j *journalText, value string) {
	switch value {
	case "":
		h.archive = ArchiveDefault
	case "0":
		h.archive = ArchiveDisabled
	case "1":
		h.archive = ArchiveEnabled
	default:
		j.warn("ARCHIVE %q is ignored", value)
	}
}

func (h *History) readUser(j *journalText, params string) {
	f, ok := j.fields("USER", params, 2, 2)
	if !ok {
		return
	}
	id, name := number(f[0]), decode(f[1])
	if !validUser(int(id)) || name == "" {
		j.warn("USER with id %q or an empty name is ignored", f[0])
		return
	}
	h.IDs.remember(uint8(id), name)
}

// readBan reads BAN␣id␣name␣ip␣authid␣by␣sid; older journals lack the last.
func (h *History) readBan(j *journalText, params string) {
	f, ok := j.fields("BAN", params, 5, 6)
	if !ok {
		return
	}
	b := Ban{ID: int(number(f[0])), Name: decode(f[1]), AuthID: decode(f[3]), By: decode(f[4])}
	if len(f) == 6 {
		b.SystemID = decode(f[5])
	}
	if f[2] != "" {
		addr, err := netip.ParseAddr(f[2])
		if err != nil {
			j.warn("BAN: address %q is ignored", f[2])
		}
		b.Addr = addr
	}
	if b.ID <= 0 {
		j.warn("BAN with number %q is ignored", f[0])
		return
	}
	if _, ok := h.Bans.Add(b, nil); !ok {
		j.warn("BAN %d is ignored: it is empty, known already or one too many", b.ID)
	}
}

// readInvite reads INV␣secret␣at␣uses[,trust][,op][␣creator].
func (h *History) readInvite(j *journalText, params string, now time.Time) {
	f, ok := j.fields("INV", params, 3, 4)
	if !ok {
		return
	}
	v := &Invite{Secret: f[0], At: now}
	if v.Secret == "" {
		j.warn("INV without a secret is ignored")
		return
	}
	if at, ok := parseInviteTime(f[1]); ok {
		v.At = at
	}
	uses, options, _ := strings.Cut(f[2], ",")
	v.MaxUses = inviteUses(int(number(uses)))
	for option := range strings.SplitSeq(options, ",") {
		switch option {
		case "":
		case "trust":
			v.Trust = true
		case "op":
			v.Op = true
		default:
			j.warn("INV: unknown option %q is ignored", option)
		}
	}
	if len(f) == 4 {
		v.Creator = decode(f[3])
	}
	if len(h.Invites.invites) >= maxInvites && h.Invites.Find(v.Secret) == nil {
		j.warn("INV beyond %d invites is ignored", maxInvites)
		return
	}
	h.Invites.put(v)
}

// readUse reads USV␣secret␣clientkey␣name.
func (h *History) readUse(j *journalText, params string, now time.Time) {
	f, ok := j.fields("USV", params, 3, 3)
	if !ok {
		return
	}
	name := ""
	if f[2] != "?" {
		name = decode(f[2])
	}
	if !h.Invites.use(f[0], decode(f[1]), name, now) {
		j.warn("USV of an invite that is not there")
	}
}
