package fuzz

import (
	"strings"
	"testing"

	"drawrelay/frame"
	"drawrelay/store/storetest"
)

// FuzzJournal reads text as the journal of a session (storage.md §4). Whatever
// it says, the session is loaded if its recording is there, everything read
// keeps its bounds, nothing of the journal is lost, and a restart reads the
// same again.
//
// Seeds: a journal of the reference, see testdata/README.md; storage.md §4.6;
// one line of every kind.
func FuzzJournal(f *testing.F) {
	f.Add(string(seed(f, "session.journal")))
	for _, s := range []string{
		"",
		"FILE r.dprec\nALIAS demo\nFOUNDER alice\nAUTORESET 15728640\nPASSWORD plain;pw\nFLAGS allowweb invites\nUSER 1 alice\n" +
			"TITLE Evening doodles\nCATCHUP 1000001\nUSER 2 bob%20smith\n",
		"MAXUSERS 20\nLIMIT 8\nARCHIVE 1\nFLAGS nsfm  x\nFLAGS \nOPWORD plain;x\nPASSWORD\n# a comment\n\n",
		"OP a b\nDEOP a b\nTRUST c\nUNTRUST d\nAUTHNAME internal%3A1 b%c3%b6b\nANNOUNCE https://example.com/\nUNANNOUNCE x\n",
		"BAN 1 x 10.0.0.1 a op ff\nBAN 2 y ::1   \nBAN 7 z fe80::1%25eth0 b\nUNBAN 1\n",
		"INV a 2026-05-16T18:00:00Z 5,trust,op al\nINV b x 99\nUSV a ff bob\nUSV b f%zzf ?\nUNV a\n",
		"TITLE x\x00\x7f\r\nTITLE no end",
		"TITLE x\nFILE r.dpr",
		"TITLE x\n\x00\x00\x00",
		"# clean 1 2 3 4 5 00000000\n",
		"FILE other.dprec\n", "FILE ../r.dprec\n",
	} {
		f.Add(s)
	}
	recording := seed(f, "session.dprec")[:700]
	head, err := frame.ParseRecordingHead(recording)
	if err != nil {
		f.Fatal(err)
	}
	whole, _ := frame.Whole(recording[head.Len:])
	recording = recording[:head.Len+whole]

	f.Fuzz(func(t *testing.T, text string) {
		const journal = sessionID + ".session"
		fsys := storetest.New(1)
		text = "FILE r.dprec\n" + text
		fsys.Put(folder+"/"+journal, []byte(text))
		fsys.Put(folder+"/r.dprec", recording)
		s := openStore(t, fsys)
		h := loadStore(t, s)
		if h == nil {
			if !strings.Contains(text[1:], "FILE") {
				t.Fatal("refused although its recording is there")
			}
			closeStore(t, s)
			if get(t, fsys, journal) != text || get(t, fsys, "r.dprec") != string(recording) {
				t.Fatal("a refused session was changed")
			}
			return
		}
		if n := h.MaxUsers(); n < 1 || n > 254 || h.AutoReset() < 0 || h.SizeOverride() < 0 || len(h.Bans.All()) > 1000 || len(h.Invites.All()) > 50 {
			t.Fatalf("out of bounds:\n%s", describe(h))
		}
		was, key := describe(h), h.NextCatchupKey()
		if key < 1 || key > 999999999 {
			t.Fatalf("catch-up key %d", key)
		}
		closeStore(t, s)

		kept := strings.TrimRight(text, "\x00")
		end := len(kept)
		if at := strings.LastIndexByte(kept, '\n') + 1; strings.HasPrefix(strings.TrimLeft(kept[at:], " \t\v\f\r"), "FILE") {
			kept = kept[:at] // an incomplete FILE line may be dropped
		}
		if now := get(t, fsys, journal); !strings.HasPrefix(now, kept) || strings.Contains(now[min(end, len(now)):], "\x00") {
			t.Fatalf("the journal lost something, or kept zeros: %q became %q", text, now)
		}
		s = openStore(t, fsys)
		if h = loadStore(t, s); h == nil {
			t.Fatal("refused after a restart")
		}
		if now := describe(h); now != was {
			t.Fatalf("was\n%s\nafter a restart\n%s", was, now)
		}
		if next := h.NextCatchupKey(); next != key+1 && !(key == 999999999 && next == 1) {
			t.Fatalf("catch-up key %d after %d", next, key)
		}
		closeStore(t, s)
	})
}
