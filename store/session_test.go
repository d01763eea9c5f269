package store_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/entry"
	"drawrelay/store/serverlog"
	"drawrelay/store/storetest"
)

const dir = "sessions"

const someHash = "s+sha1;00112233;6b681039ac36707fcc035341c5003b6f9b025d19"

// clock is a settable time.
type clock struct{ at time.Time }

func newClock() *clock { return &clock{time.UnixMilli(1700000000000)} }

func (c *clock) now() time.Time { return c.at }

// seeded is a deterministic source of randomness.
func seeded(seed uint64) io.Reader {
	return rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)})
}

// open opens a store on fsys.
func open(t testing.TB, fsys store.FS, c *clock, change ...func(*store.Options)) *store.Store {
	t.Helper()
	o := store.Options{Dir: dir, FS: fsys, Now: c.now, Rand: seeded(1), SyncInterval: time.Hour, Grace: time.Hour}
	for _, f := range change {
		f(&o)
	}
	s, err := store.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// load loads all sessions and fails the test if the folder cannot be read.
func load(t testing.TB, s *store.Store) []*store.History {
	t.Helper()
	all, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// loadOne loads a folder that has one usable session.
func loadOne(t testing.TB, s *store.Store) *store.History {
	t.Helper()
	all := load(t, s)
	if len(all) != 1 {
		t.Fatalf("%d sessions are loaded", len(all))
	}
	return all[0]
}

// history returns all bytes of a session's log, from memory or file.
func history(t testing.TB, h *store.History) []byte {
	t.Helper()
	if err := h.Flush(); err != nil {
		t.Fatal(err)
	}
	l := h.Log()
	b := make([]byte, l.Size())
	if l.HasFile() {
		if err := l.ReadAt(b, 0); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func get(t testing.TB, fsys *storetest.FS, name string) string {
	t.Helper()
	b, err := fsys.Get(dir + "/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// warnings collects what a store logs.
func warnings() (*serverlog.Log, func() string) {
	l := serverlog.New(io.Discard, serverlog.FormatText, nil)
	return l, func() string {
		var b strings.Builder
		for _, e := range l.Recent(serverlog.Warn, nil) {
			b.WriteString(e.Session + " " + e.Message + "\n")
		}
		return b.String()
	}
}

// TestCreate checks the worked example of storage.md §4.6 and the head of §3.2.
func TestCreate(t *testing.T) {
	fsys := storetest.New(1)
	s := open(t, fsys, newClock(), func(o *store.Options) { o.Rand = bytes.NewReader([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0}) })
	h, err := s.Create(store.Create{Alias: "demo", Founder: "alice", Version: frame.OwnVersion, MaxUsers: 254, AutoReset: 15728640,
		PasswordHash: someHash, Flags: store.AllowWeb | store.Invites})
	must(t, err)
	if h.ID != "01hf7yat00000g40r40m30e209" || h.Version != "dp:4.25.1" || h.Alias != "demo" || !h.Started.Equal(newClock().at) {
		t.Errorf("session %s %s %s %v", h.ID, h.Version, h.Alias, h.Started)
	}
	h.RememberUser(1, "alice")
	h.SetTitle("Evening doodles")
	if key := h.NextCatchupKey(); key != 1000000 {
		t.Errorf("first catch-up key %d", key)
	}
	h.RememberUser(2, "bob smith")
	must(t, h.Flush())
	want := "FILE 01hf7yat00000g40r40m30e209.dprec\nALIAS demo\nFOUNDER alice\nAUTORESET 15728640\nPASSWORD " + someHash +
		"\nFLAGS allowweb invites\nUSER 1 alice\nTITLE Evening doodles\nCATCHUP 1000001\nUSER 2 bob%20smith\n"
	if got := get(t, fsys, h.ID+".session"); got != want {
		t.Errorf("journal\n%swant\n%s", got, want)
	}
	head := "\x44\x50\x52\x45\x43\x00\x00\x17\x7b\x22\x76\x65\x72\x73\x69\x6f\x6e\x22\x3a\x22\x64\x70\x3a\x34\x2e\x32\x35\x2e\x31\x22\x7d"
	h.Log().Append([]byte("\x00\x07\x23\x01\x00\x00test1"), 1)
	must(t, h.Flush())
	if got := get(t, fsys, h.ID+".dprec"); got != head+"\x00\x07\x23\x01\x00\x00test1" {
		t.Errorf("recording %q", got)
	}

	// The reset of the example.
	rec, err := h.NewRecording(-1)
	must(t, err)
	old, err := h.CommitRecording(rec)
	must(t, err)
	if old != h.ID+".dprec" {
		t.Errorf("superseded recording %q", old)
	}
	h.RetireRecording(old, h.ArchiveMode())
	want += "FILE 01hf7yat00000g40r40m30e209_r2.dprec\n"
	if got := get(t, fsys, h.ID+".session"); got != want {
		t.Errorf("journal\n%swant\n%s", got, want)
	}
	if files := fsys.Files(dir); len(files) != 2 || string(files[h.ID+"_r2.dprec"]) != head {
		t.Errorf("files %q", files)
	}
}

// TestCreationOrder has the variants of the order at creation.
func TestCreationOrder(t *testing.T) {
	for _, c := range []struct {
		name string
		in   store.Create
		want string
	}{
		{"least", store.Create{Founder: "a", MaxUsers: 254}, "FOUNDER a\nAUTORESET 0\n"},
		{"most", store.Create{Alias: "x", Founder: "a\nb", MaxUsers: 20, ForceNSFM: true, AutoReset: 1, PasswordHash: someHash,
			Flags: store.Unlisted | store.AllowWeb},
			"ALIAS x\nFOUNDER a b\nMAXUSERS 20\nFLAGS nsfm\nAUTORESET 1\nPASSWORD " + someHash + "\nFLAGS nsfm allowweb unlisted\n"},
		{"bounds", store.Create{Founder: "", MaxUsers: 0, ForceNSFM: true, Flags: store.NSFM}, "FOUNDER \nMAXUSERS 1\nFLAGS nsfm\nAUTORESET 0\n"},
	} {
		fsys := storetest.New(1)
		c.in.Version = frame.OwnVersion
		h, err := open(t, fsys, newClock()).Create(c.in)
		must(t, err)
		want := "FILE " + h.ID + ".dprec\n" + c.want
		if got := get(t, fsys, h.ID+".session"); got != want {
			t.Errorf("%s:\n%swant\n%s", c.name, got, want)
		}
	}
}

// TestJournalLines performs every action of the table in storage.md §4.2 and
// compares the exact lines. Each action is done twice: most are journaled only
// when they change something.
func TestJournalLines(t *testing.T) {
	op := &entry.Person{Name: "op", Addr: netip.MustParseAddr("10.9.9.9")}
	for _, c := range []struct {
		name string
		do   func(h *store.History)
		want string
	}{
		{"FOUNDER", func(h *store.History) { h.SetFounder("al ice") }, "FOUNDER al ice\n"},
		{"PASSWORD", func(h *store.History) { h.SetPasswordHash(someHash) }, "PASSWORD " + someHash + "\n"},
		{"no PASSWORD", func(h *store.History) { h.SetPasswordHash("*"); h.SetPasswordHash("") }, "PASSWORD *\nPASSWORD \nPASSWORD *\nPASSWORD \n"},
		{"OPWORD", func(h *store.History) { h.SetOpwordHash(someHash) }, "OPWORD " + someHash + "\nOPWORD " + someHash + "\n"},
		{"no OPWORD", func(h *store.History) { h.SetOpwordHash("") }, "OPWORD \nOPWORD \n"},
		{"MAXUSERS", func(h *store.History) { h.SetMaxUsers(11) }, "MAXUSERS 11\n"},
		{"MAXUSERS high", func(h *store.History) { h.SetMaxUsers(11); h.SetMaxUsers(400) }, "MAXUSERS 11\nMAXUSERS 254\nMAXUSERS 11\nMAXUSERS 254\n"},
		{"MAXUSERS low", func(h *store.History) { h.SetMaxUsers(-3) }, "MAXUSERS 1\n"},
		{"AUTORESET", func(h *store.History) { h.SetAutoReset(5 << 20) }, "AUTORESET 5242880\n"},
		{"AUTORESET off", func(h *store.History) { h.SetAutoReset(1); h.SetAutoReset(0) }, "AUTORESET 1\nAUTORESET 0\nAUTORESET 1\nAUTORESET 0\n"},
		{"TITLE", func(h *store.History) { h.SetTitle("F\u00efxture \u732b") }, "TITLE F\u00efxture \u732b\n"},
		{"TITLE with breaks", func(h *store.History) { h.SetTitle("a\nFILE evil.dprec\r\x00b") }, "TITLE a FILE evil.dprec  b\n"},
		{"ARCHIVE", func(h *store.History) {
			h.SetArchiveMode(store.ArchiveEnabled)
			h.SetArchiveMode(store.ArchiveDisabled)
			h.SetArchiveMode(store.ArchiveDefault)
		}, "ARCHIVE 1\nARCHIVE 0\nARCHIVE\nARCHIVE 1\nARCHIVE 0\nARCHIVE\n"},
		{"LIMIT", func(h *store.History) { h.SetSizeOverride(1 << 40) }, "LIMIT 2147483647\n"},
		{"FLAGS", func(h *store.History) { h.SetFlags(1<<10 - 1) },
			"FLAGS persistent preserveChat nsfm deputies authonly idleoverride allowweb autotitle invites unlisted\n"},
		{"no FLAGS", func(h *store.History) { h.SetFlags(store.Deputies); h.SetFlags(0) }, "FLAGS deputies\nFLAGS \nFLAGS deputies\nFLAGS \n"},
		{"CATCHUP", func(h *store.History) { h.NextCatchupKey() }, "CATCHUP 1000001\nCATCHUP 1000002\n"},
		{"USER", func(h *store.History) { h.RememberUser(7, "b\u00f6b \n") }, "USER 7 b%C3%B6b%20%0A\nUSER 7 b%C3%B6b%20%0A\n"},
		{"OP", func(h *store.History) { h.SetAuthOp("host:a b\n", true) }, "OP host:a b\n"},
		{"DEOP", func(h *store.History) { h.SetAuthOp("a", false); h.SetAuthOp("a", true); h.SetAuthOp("a", false) }, "OP a\nDEOP a\nOP a\nDEOP a\n"},
		{"OP of a guest", func(h *store.History) { h.SetAuthOp("", true) }, ""},
		{"TRUST", func(h *store.History) { h.SetAuthTrusted("a", true) }, "TRUST a\n"},
		{"UNTRUST", func(h *store.History) { h.SetAuthTrusted("a", true); h.SetAuthTrusted("a", false) }, "TRUST a\nUNTRUST a\nTRUST a\nUNTRUST a\n"},
		{"AUTHNAME", func(h *store.History) { h.SetAuthName("internal:1", "a b") }, "AUTHNAME internal%3A1 a%20b\n"},
		{"no AUTHNAME", func(h *store.History) { h.SetAuthName("", "a"); h.SetAuthName("a", "") }, ""},
		{"BAN", func(h *store.History) {
			h.AddBan(store.Ban{Name: "troll user with a long \\ \"name}%[", Addr: netip.MustParseAddr("192.168.0.100"), By: "op"}, op)
		}, "BAN 1 troll%20user%20with%20a%20long%20%5C%20%22name%7D%25%5B ::ffff:192.168.0.100  op \n"},
		{"BAN as stored", func(h *store.History) {
			h.AddBan(store.Ban{Name: "x", AuthID: "a b", SystemID: "ff", Addr: op.Addr, By: "op"}, op)
		}, "BAN 1 x  a%20b op ff\n"},
		{"UNBAN of a nameless ban", func(h *store.History) { h.AddBan(store.Ban{SystemID: "ff"}, nil); h.RemoveBan(1); h.RemoveBan(9) },
			"BAN 1     ff\nUNBAN 1\nBAN 2     ff\n"},
		{"ANNOUNCE", func(h *store.History) { h.AddAnnouncement("https://list.example/api/") }, "ANNOUNCE https://list.example/api/\n"},
		{"UNANNOUNCE", func(h *store.History) { h.AddAnnouncement("a\n"); h.RemoveAnnouncement("a"); h.RemoveAnnouncement("a") },
			"ANNOUNCE a\nUNANNOUNCE a\nANNOUNCE a\nUNANNOUNCE a\n"},
	} {
		fsys := storetest.New(1)
		h, err := open(t, fsys, newClock()).Create(store.Create{Founder: "f", Version: frame.OwnVersion, MaxUsers: 254})
		must(t, err)
		before := get(t, fsys, h.ID+".session")
		c.do(h)
		c.do(h)
		must(t, h.Flush())
		if got := strings.TrimPrefix(get(t, fsys, h.ID+".session"), before); got != c.want {
			t.Errorf("%s:\n%swant\n%s", c.name, got, c.want)
		}
	}
}

func TestCatchupKeyWraps(t *testing.T) {
	fsys := storetest.New(1)
	fsys.Put(dir+"/x.session", []byte("FILE x.dprec\nCATCHUP 999999999\n"))
	fsys.Put(dir+"/x.dprec", record("dp:4.25.1", frame.AppendLeave(nil, 1)))
	h := loadOne(t, open(t, fsys, newClock()))
	for _, want := range []int{999999999, 1, 2} {
		if got := h.NextCatchupKey(); got != want {
			t.Errorf("key %d, want %d", got, want)
		}
	}
	must(t, h.Flush())
	if got := get(t, fsys, "x.session"); !strings.HasSuffix(got, "999999999\nCATCHUP 1\nCATCHUP 2\nCATCHUP 3\n") {
		t.Errorf("journal %q", got)
	}
}

// TestInvites plays with invites and reads them again.
func TestInvites(t *testing.T) {
	fsys := storetest.New(1)
	c := newClock()
	c.at = time.Unix(1700123456, 5e8)
	s := open(t, fsys, c)
	h, err := s.Create(store.Create{Founder: "f", Version: frame.OwnVersion, MaxUsers: 254})
	must(t, err)
	v := h.Invites.Create("al ice", 2, true, true)
	if v == nil || !regexp.MustCompile(`^0jr[0-9a-hjkmnp-tv-z]{5}$`).MatchString(v.Secret) || v.MaxUses != 2 {
		t.Fatalf("%+v", v)
	}
	redeem := func(secret, sid, name string, want entry.RedeemResult, wantFresh bool) {
		t.Helper()
		got, fresh, result := h.Invites.Redeem(secret, sid, name)
		if result != want || fresh != wantFresh || (got != nil) != (want == entry.RedeemOK) {
			t.Errorf("redeem %q by %q %q: %v, %v, %v", secret, sid, name, got, fresh, result)
		}
	}
	redeem(v.Secret, "", "bob", entry.RedeemNoClientKey, false)
	redeem("none", "", "bob", entry.RedeemNoClientKey, false)
	redeem("none", "aa", "bob", entry.RedeemUnknown, false)
	redeem(v.Secret, "aa", "bob smith", entry.RedeemOK, true)
	redeem(v.Secret, "aa", "bob smith", entry.RedeemOK, false)
	redeem(v.Secret, "aa", "bob", entry.RedeemOK, true)
	redeem(v.Secret, "bb", "", entry.RedeemOK, true)
	redeem(v.Secret, "cc", "carol", entry.RedeemUsedUp, false)
	redeem(v.Secret, "aa", "robert", entry.RedeemOK, true) // no further use
	other := h.Invites.Create("", 99, false, false)
	gone := h.Invites.Create("", 0, false, true)
	if other.MaxUses != 50 || gone.MaxUses != 1 {
		t.Errorf("uses %d, %d", other.MaxUses, gone.MaxUses)
	}
	if h.Invites.Remove(gone.Secret) == nil || h.Invites.Remove(gone.Secret) != nil {
		t.Error("removing")
	}
	must(t, h.Flush())
	at := "2023-11-16T08:30:56Z"
	want := "INV " + v.Secret + " " + at + " 2,trust,op al%20ice\n" +
		"USV " + v.Secret + " aa bob%20smith\nUSV " + v.Secret + " aa bob\nUSV " + v.Secret + " bb ?\nUSV " + v.Secret + " aa robert\n" +
		"INV " + other.Secret + " " + at + " 50\nINV " + gone.Secret + " " + at + " 1,op\nUNV " + gone.Secret + "\n"
	if got := get(t, fsys, h.ID+".session"); !strings.HasSuffix(got, "\n"+want) {
		t.Errorf("journal\n%swant\n%s", got, want)
	}

	for len(h.Invites.All()) < 50 {
		if h.Invites.Create("", 1, false, false) == nil {
			t.Fatal("an invite is refused")
		}
	}
	if h.Invites.Create("", 1, false, false) != nil {
		t.Error("invite 51 is made")
	}

	h.Log().Append(frame.AppendLeave(nil, 1), 1)
	must(t, s.Close())
	h = loadOne(t, open(t, fsys, c))
	got := h.Invites.All()
	if len(got) != 50 {
		t.Fatalf("%d invites", len(got))
	}
	r := got[0]
	if r.Secret != v.Secret || r.Creator != "al ice" || !r.Trust || !r.Op || r.MaxUses != 2 || r.At.Format(time.RFC3339) != at ||
		len(r.Uses) != 2 || r.Uses[0].Name != "robert" || r.Uses[1].Name != "" || r.Uses[1].SystemID != "bb" {
		t.Errorf("%+v", r)
	}
	redeem(v.Secret, "cc", "carol", entry.RedeemUsedUp, false)
	redeem(v.Secret, "bb", "ben", entry.RedeemOK, true)
}

// TestMemory checks that a store without a folder keeps everything in memory.
func TestMemory(t *testing.T) {
	s, err := store.Open(store.Options{Now: newClock().now, Rand: seeded(1)})
	must(t, err)
	if all, err := s.Load(); len(all) != 0 || err != nil {
		t.Errorf("%v, %v", all, err)
	}
	h, err := s.Create(store.Create{Alias: "a", Founder: "f", Version: frame.OwnVersion, MaxUsers: 5, Flags: store.Invites})
	must(t, err)
	h.SetTitle("x")
	h.SetArchiveMode(store.ArchiveEnabled)
	h.RememberUser(3, "bob")
	h.Log().Append(frame.AppendLeave(nil, 1), 1)
	h.Kick()
	if h.HasFiles() || h.Title() != "x" || h.MaxUsers() != 5 || h.ArchiveMode() != store.ArchiveDefault || h.Deliverable() != 4 || h.LastIndex() != 0 {
		t.Errorf("%+v", h)
	}
	must(t, h.SetThumbnail([]byte("png")))
	if data, at, err := h.Thumbnail(); string(data) != "png" || !at.Equal(newClock().at) || err != nil {
		t.Errorf("thumbnail %q, %v, %v", data, at, err)
	}
	must(t, h.SetThumbnail(nil))
	if data, _, err := h.Thumbnail(); data != nil || err != nil {
		t.Errorf("thumbnail %q, %v", data, err)
	}
	must(t, h.Flush())
	must(t, h.Close())
	h.Remove()
	must(t, s.Close())
}

// record makes a recording.
func record(version string, messages ...[]byte) []byte {
	b, err := frame.AppendRecordingHead(nil, frame.SessionMeta(version, -1))
	if err != nil {
		panic(err)
	}
	return append(b, bytes.Join(messages, nil)...)
}

// TestReloadedSettings: what a session was created with and set to is what the
// next start loads, whatever is configured then.
func TestReloadedSettings(t *testing.T) {
	fsys, c := storetest.New(1), newClock()
	s := open(t, fsys, c)
	h, err := s.Create(store.Create{Founder: "a", Version: frame.OwnVersion, MaxUsers: 20, AutoReset: 0})
	must(t, err)
	h.SetPasswordHash("plain; secret ")
	h.SetOpwordHash("plain; word  ")
	h.Log().Append(frame.AppendChat(nil, 1, frame.Chat{Text: []byte("kept")}), 1)
	must(t, s.Close())
	again := loadOne(t, open(t, fsys, c))
	if !again.AutoResetSet() || again.AutoReset() != 0 {
		t.Errorf("autoreset %v, %d", again.AutoResetSet(), again.AutoReset())
	}
	if p, o := again.PasswordHash(), again.OpwordHash(); p != "plain; secret " || o != "plain; word  " {
		t.Errorf("passwords %q, %q", p, o)
	}
}

// TestAccountsAreBounded: a session remembers only so much about accounts, also
// after a restart; what is forgotten makes room.
func TestAccountsAreBounded(t *testing.T) {
	fsys := storetest.New(1)
	s := open(t, fsys, newClock())
	h := created(t, s)
	long := strings.Repeat("x", 1000)
	count := func(set func(id string) bool) (n int) {
		for set(fmt.Sprintf("%s%04d", long, n)) {
			if n++; n > 1000 {
				t.Fatal("there is no bound")
			}
		}
		return n
	}
	ops := count(func(id string) bool { return h.SetAuthOp(id, true) })
	trusted := count(func(id string) bool { return h.SetAuthTrusted(id, true) })
	names := count(func(id string) bool { return h.SetAuthName(id, long) })
	if ops != 261 || trusted != ops || names != 130 {
		t.Errorf("%d operators, %d trusted and %d names are remembered", ops, trusted, names)
	}
	if !h.SetAuthName(fmt.Sprintf("%s%04d", long, 0), "short") || !h.SetAuthName("last", "name") {
		t.Error("a shorter name makes no room")
	}
	for range 2 {
		if !h.SetAuthOp(long+"0000", false) || !h.SetAuthOp(long+"new!", true) || h.SetAuthOp(long+"more", true) || !h.SetAuthOp(long+"new!", false) {
			t.Error("an operator who is forgotten does not make room for one")
		}
		must(t, s.Close())
		s = open(t, fsys, newClock())
		h = loadOne(t, s)
		if !h.SetAuthOp(long+"0000", true) {
			t.Error("less room after a restart")
		}
	}
	must(t, s.Close())
}
