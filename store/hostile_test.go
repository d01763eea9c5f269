package store

import (
	"io"
	"strings"
	"testing"

	"drawrelay/frame"
)

// bytesFile is a file over bytes that is only read.
type bytesFile struct {
	File
	b []byte
}

func (f bytesFile) Size() (int64, error) { return int64(len(f.b)), nil }
func (f bytesFile) ReadAt(b []byte, at int64) (int, error) {
	if at >= int64(len(f.b)) {
		return 0, io.EOF
	}
	n := copy(b, f.b[at:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// FuzzJournal reads any text as a journal: it must not fail, and what comes out
// keeps all bounds.
func FuzzJournal(f *testing.F) {
	f.Add("FILE x.dprec\nALIAS demo\nFOUNDER alice\nMAXUSERS 20\nAUTORESET 1\nPASSWORD plain;x\nFLAGS nsfm allowweb\nUSER 1 al%20ice\n")
	f.Add("BAN 1 x 10.0.0.1 a op ff\nUNBAN 1\nINV a 2026-05-16T18:00:00Z 5,trust,op al\nUSV a ff bob\nUNV a\n")
	f.Add("CATCHUP 9\nLIMIT 8\nARCHIVE 1\nOP a\nTRUST b\nAUTHNAME a b\nANNOUNCE u\nUNANNOUNCE u\n# clean 1 2 3 4 5 00000000\n")
	f.Fuzz(func(t *testing.T, text string) {
		h, j := readTest(t, text)
		if h.MaxUsers() < 1 || h.MaxUsers() > 254 || h.AutoReset() < 0 || h.SizeOverride() < 0 || h.catchupKey < 1 ||
			h.catchupKey > maxCatchupKey || h.Flags() >= 1<<len(flagWords) || len(h.Bans.All()) > maxBans || len(h.Invites.All()) > maxInvites ||
			len(h.IDs.order) != maxUser {
			t.Errorf("out of bounds: %s", describe(h))
		}
		if j.end > int64(len(text)) || j.lastStart > j.end {
			t.Errorf("%+v", j)
		}
		for _, s := range []string{h.Alias, h.Founder(), h.Title(), h.PasswordHash(), h.OpwordHash()} {
			if blank(s) != s {
				t.Errorf("%q has control characters", s)
			}
		}
		// What was read is written so that it is read again.
		again := strings.Join([]string{"ALIAS " + h.Alias, "FOUNDER " + h.Founder(), "TITLE " + h.Title(), "PASSWORD " + h.PasswordHash(),
			"FLAGS " + h.Flags().String(), archiveLine(h.archive)}, "\n")
		for _, b := range h.Bans.All() {
			again += "\n" + banLine(&b)
		}
		for _, v := range h.Invites.All() {
			again += "\n" + inviteLine(v)
		}
		g, _ := readTest(t, again)
		for i, b := range h.Bans.All() {
			if g.Bans.All()[i] != b {
				t.Errorf("ban %+v becomes %+v", b, g.Bans.All()[i])
			}
		}
		if g.Alias != h.Alias || g.Founder() != h.Founder() || g.Title() != h.Title() || g.PasswordHash() != h.PasswordHash() ||
			g.Flags() != h.Flags() || g.ArchiveMode() != h.ArchiveMode() || len(g.Invites.All()) != len(h.Invites.All()) {
			t.Errorf("read\n%s\nread again\n%s", describe(h), describe(g))
		}
	})
}

// FuzzScan walks any bytes as a recording's messages and compares with a plain
// walk.
func FuzzScan(f *testing.F) {
	f.Add([]byte{0, 0, 32, 1, 0, 1, 200, 1, 7, 0, 0, 33, 1})
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{0xff, 0xff, 1, 1})
	f.Add([]byte{0, 0, 0, 0, '0'})
	f.Fuzz(func(t *testing.T, body []byte) {
		head, err := frame.AppendRecordingHead(nil, frame.SessionMeta("dp:4.25.1", -1))
		if err != nil {
			t.Fatal(err)
		}
		s, err := scanRecording(bytesFile{b: append(head, body...)})
		if err != nil {
			t.Fatal(err)
		}
		whole := strings.TrimRight(string(body), "\x00")
		var size, count, zeros int64
		inside := map[uint8]bool{}
		for rest := body; ; {
			n := frame.Len(rest)
			if n == 0 || n > len(rest) || size >= int64(len(whole)) && n == frame.HeaderLen && rest[2] == 0 && rest[3] == 0 {
				break
			}
			switch frame.Type(rest[2]) {
			case frame.TypeJoin:
				inside[rest[3]] = true
			case frame.TypeLeave:
				delete(inside, rest[3])
			}
			if zeros++; n > frame.HeaderLen || rest[2] != 0 || rest[3] != 0 {
				zeros = 0
			}
			size += int64(n)
			count++
			rest = rest[n:]
		}
		// Empty server commands in front of a torn message go with it.
		size -= zeros * frame.HeaderLen
		count -= zeros
		if s.size != size || s.count != count || s.head != int64(len(head)) || s.torn != int64(len(body))-size || len(s.inside) != len(inside) {
			t.Errorf("%+v, want %d bytes, %d messages, %d inside", s, size, count, len(inside))
		}
	})
}
