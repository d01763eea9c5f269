package fuzz

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"drawrelay/store"
	"drawrelay/store/storetest"
)

// folder is a session folder in memory.
const (
	folder    = "sessions"
	sessionID = "01m7xq073se9sfvsxp382j8hcj"
)

var startTime = time.Date(2026, 5, 16, 18, 0, 0, 0, time.UTC)

// counter is a random source that never repeats.
type counter struct{ n uint64 }

func (c *counter) Read(b []byte) (int, error) {
	for i := range b {
		if i%8 == 0 {
			c.n++
		}
		var word [8]byte
		binary.LittleEndian.PutUint64(word[:], c.n*0x9e3779b97f4a7c15)
		b[i] = word[i%8]
	}
	return len(b), nil
}

// openStore opens the store of a folder. It is closed at the end of the test,
// at the latest.
func openStore(t *testing.T, fsys *storetest.FS) *store.Store {
	t.Helper()
	s, err := store.Open(store.Options{Dir: folder, FS: fsys, Now: func() time.Time { return startTime },
		Rand: new(counter), SyncInterval: time.Hour, Grace: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // an error has been seen by closeStore
	return s
}

func closeStore(t *testing.T, s *store.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// loadStore loads a folder that has one session at most, nil for none.
func loadStore(t *testing.T, s *store.Store) *store.History {
	t.Helper()
	all, err := s.Load()
	if err != nil || len(all) > 1 {
		t.Fatalf("%d sessions, %v", len(all), err)
	}
	if len(all) == 0 {
		return nil
	}
	return all[0]
}

func get(t *testing.T, fsys *storetest.FS, name string) string {
	t.Helper()
	b, err := fsys.Get(path.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// content returns all messages of a history.
func content(t *testing.T, h *store.History) []byte {
	t.Helper()
	b := make([]byte, h.Log().Size())
	if err := h.Log().ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

// describe renders what a journal keeps of a session, but for blanks around
// raw fields and the times of invites' uses, which it does not keep. names are
// looked up among the remembered users.
func describe(h *store.History, names ...string) string {
	blank := func(s string) string { return strings.Trim(s, " ") }
	out := []string{
		fmt.Sprintf("alias %q founder %q title %q", blank(h.Alias), blank(h.Founder()), blank(h.Title())),
		fmt.Sprintf("password %q opword %q", blank(h.PasswordHash()), blank(h.OpwordHash())),
		fmt.Sprintf("users %d autoreset %d limit %d archive %d flags %s", h.MaxUsers(), h.AutoReset(), h.SizeOverride(), h.ArchiveMode(), h.Flags()),
		fmt.Sprintf("announced %q", h.Announcements()),
		fmt.Sprintf("names %q", h.AuthNames()),
	}
	for _, b := range h.Bans.All() {
		out = append(out, fmt.Sprintf("ban %d %q %q %q %s by %q", b.ID, b.Name, b.AuthID, b.SystemID, b.AddrText(), b.By))
	}
	for _, v := range h.Invites.All() {
		out = append(out, fmt.Sprintf("invite %q by %q at %v for %d, trust %v, op %v", v.Secret, v.Creator, v.At, v.MaxUses, v.Trust, v.Op))
		for _, u := range v.Uses {
			out = append(out, fmt.Sprintf("used by %q as %q", u.SystemID, u.Name))
		}
	}
	ids := h.AuthIDs()
	slices.SortFunc(ids, cmp.Compare[string])
	for _, id := range ids {
		out = append(out, fmt.Sprintf("account %q op %v trusted %v", id, h.IsAuthOp(id), h.IsAuthTrusted(id)))
	}
	for _, name := range names {
		out = append(out, fmt.Sprintf("user %q had id %d", name, h.IDs.Last(name)))
	}
	return strings.Join(out, "\n")
}
