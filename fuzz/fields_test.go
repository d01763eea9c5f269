package fuzz

import (
	"net/netip"
	"strings"
	"testing"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/storetest"
)

// FuzzFields puts any text into every field of a session that comes from
// outside: none may forge a line of the journal (storage.md §4.3), and a
// restart reads what was set. Texts come out of JSON, so they are UTF-8.
//
// Seeds: texts with separators, escapes and keywords of the journal.
func FuzzFields(f *testing.F) {
	for _, s := range []string{
		"Evening doodles", "", "a\nPASSWORD plain;forged\nTITLE b", " a  b ", "%41%zz%", "#", "?", "bob smith", "a,trust,op",
		"é🎨\u2028\u0085\u00a0", "\x00\x01\x7f", "FLAGS nsfm", "a\r\n\v\f\t", "0", "-1",
	} {
		f.Add(s, "internal:1", uint16(3))
		f.Add("x", s, uint16(0xffff))
		f.Add(s, "x", uint16(8))
	}
	f.Fuzz(func(t *testing.T, text, other string, number uint16) {
		text, other = strings.ToValidUTF8(text, "\ufffd"), strings.ToValidUTF8(other, "\ufffd")
		fsys := storetest.New(1)
		s := openStore(t, fsys)
		h, err := s.Create(store.Create{Alias: "demo", Founder: text, Version: frame.OwnVersion, MaxUsers: int(number), AutoReset: int64(number),
			Flags: store.Flags(number) & allFlags})
		if err != nil {
			t.Fatal(err)
		}
		h.Log().Append(frame.AppendLeave(nil, 1), 1)
		fill(h, text, other, number)
		fill(h, other, text, ^number)
		was := describe(h, text, other)
		closeStore(t, s)

		s = openStore(t, fsys)
		if h = loadStore(t, s); h == nil {
			t.Fatal("refused after a restart")
		}
		if now := describe(h, text, other); now != was {
			t.Fatalf("was\n%s\nafter a restart\n%s", was, now)
		}
		closeStore(t, s)
	})
}

const allFlags = store.Persistent | store.PreserveChat | store.NSFM | store.Deputies | store.AuthOnly | store.IdleOverride |
	store.AllowWeb | store.AutoTitle | store.Invites | store.Unlisted

// fill sets everything.
func fill(h *store.History, text, other string, number uint16) {
	h.SetTitle(text)
	h.SetFounder(other)
	h.SetPasswordHash("plain;x" + text + "x")
	h.SetOpwordHash("plain;x" + other + "x")
	h.SetMaxUsers(int(number))
	h.SetAutoReset(int64(number))
	h.SetSizeOverride(int64(number) << 20)
	h.SetArchiveMode(store.ArchiveMode(number % 3))
	h.SetFlags(store.Flags(number) & allFlags)
	if text != "" {
		h.RememberUser(uint8(number%254+1), text)
	}
	h.SetAuthOp(text, number&1 != 0)
	h.SetAuthTrusted(other, number&2 != 0)
	h.SetAuthName(text, other)
	h.AddAnnouncement(text)
	h.RemoveAnnouncement(other)
	addr := netip.AddrFrom4([4]byte{10, 0, byte(number >> 8), byte(number)})
	b, banned := h.AddBan(store.Ban{Name: text, AuthID: other, SystemID: text, Addr: addr, By: other}, nil)
	if banned && number&4 != 0 {
		h.RemoveBan(b.ID)
	}
	if v := h.Invites.Create(text, int(number), number&8 != 0, number&16 != 0); v != nil {
		h.Invites.Redeem(v.Secret, text, other)
		h.Invites.Redeem(v.Secret, other, text)
		if number&32 != 0 {
			h.Invites.Remove(v.Secret)
		}
	}
}
