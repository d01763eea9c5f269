package store_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/password"
	"drawrelay/store/storetest"
)

// testdata puts the files of a folder into a new file system.
func testdata(t testing.TB, name string) *storetest.FS {
	t.Helper()
	fsys := storetest.New(1)
	root := os.DirFS(filepath.Join("testdata", name))
	names, err := fs.ReadDir(root, ".")
	must(t, err)
	for _, e := range names {
		b, err := fs.ReadFile(root, e.Name())
		must(t, err)
		fsys.Put(dir+"/"+e.Name(), b)
	}
	return fsys
}

// messages splits a recording into its head and its messages.
func messages(t testing.TB, rec []byte) (head []byte, all [][]byte) {
	t.Helper()
	h, err := frame.ParseRecordingHead(rec)
	must(t, err)
	head, rec = rec[:h.Len], rec[h.Len:]
	for len(rec) > 0 {
		n := frame.Len(rec)
		if n == 0 || n > len(rec) {
			t.Fatalf("incomplete message at the end")
		}
		all = append(all, rec[:n])
		rec = rec[n:]
	}
	return head, all
}

// TestRealSession loads a session of the reference, byte for byte.
func TestRealSession(t *testing.T) {
	const id = "01m7xq073se9sfvsxp382j8hcj"
	fsys := testdata(t, "real")
	recording, journal := get(t, fsys, id+".dprec"), get(t, fsys, id+".session")
	s := open(t, fsys, newClock())
	h := loadOne(t, s)
	head, all := messages(t, []byte(recording))
	if got := history(t, h); string(got) != recording[len(head):] {
		t.Errorf("the history differs")
	}
	if h.ID != id || h.Alias != "" || h.Founder() != "Ada" || h.Title() != "Ada Drawpile" || h.Version != "dp:4.25.1" ||
		h.MaxUsers() != 254 || h.AutoReset() != 15728640 || !h.AutoResetSet() ||
		h.Flags() != store.AllowWeb|store.AutoTitle|store.Invites || h.IDs.Last("Ada") != 1 || h.IDs.Last("Grace") != 2 ||
		h.Log().Count() != int64(len(all)) || h.NextCatchupKey() != 1000001 || h.FirstIndex != 0 {
		t.Errorf("%+v", h)
	}
	if !password.Check(h.PasswordHash(), "vj8r6ywi") {
		t.Error("the password does not match")
	}
	if got := h.PasswordHash(); !strings.Contains(journal, "PASSWORD "+got+"\n") {
		t.Errorf("password hash %q", got)
	}
	must(t, h.Flush())
	if get(t, fsys, id+".dprec") != recording || get(t, fsys, id+".session") != journal+"CATCHUP 1000002\n" {
		t.Error("loading changed a file")
	}
	checkMarks(t, h.Log(), recording[len(head):])
}

// checkMarks compares the index of a loaded log with one that was appended to.
func checkMarks(t testing.TB, l *store.Log, content string) {
	t.Helper()
	index, at := int64(0), 0
	last := store.Mark{}
	for at < len(content) {
		if int64(at)-last.Offset >= store.SegmentSize {
			last = store.Mark{Offset: int64(at), Index: index}
		}
		if got := l.MarkBefore(index); got != last {
			t.Fatalf("mark before message %d is %+v, want %+v", index, got, last)
		}
		at += frame.Len([]byte(content[at:]))
		index++
	}
}

// TestFixtures loads what the reference wrote with everything a journal has.
func TestFixtures(t *testing.T) {
	fsys := testdata(t, "fixtures")
	files := fsys.Files(dir)
	all := load(t, open(t, fsys, newClock()))
	if len(all) != 2 {
		t.Fatalf("%d sessions", len(all))
	}
	rich, streamed := all[0], all[1]
	for _, h := range all {
		rec := files[h.ID+"_r2.dprec"]
		head, msgs := messages(t, rec)
		if !bytes.Equal(history(t, h), rec[len(head):]) || h.Log().Count() != int64(len(msgs)) {
			t.Errorf("%s: the history differs", h.ID)
		}
		checkMarks(t, h.Log(), string(rec[len(head):]))
	}
	if rich.ID != "01m7xq9y4kv4dd18t4mn55g9qx" || rich.Alias != "fixture-rich" || rich.Founder() != "al ice" ||
		rich.Title() != "F\u00efxture \u732b" || rich.MaxUsers() != 21 || rich.AutoReset() != 5242880 || rich.Version != "dp:4.25.1" ||
		rich.Flags().String() != "persistent preserveChat nsfm deputies allowweb invites" || rich.IDs.Last("u ser") != 4 ||
		!rich.IsAuthOp("internal:carol") || !rich.IsAuthTrusted("internal:carol") || rich.AuthNames()["internal:carol"] != "carol" ||
		!rich.AuthOps() {
		t.Errorf("%+v", rich)
	}
	if !password.Check(rich.PasswordHash(), "f\u00efxture pw") || !password.Check(rich.OpwordHash(), "f\u00efxture op") {
		t.Error("the passwords do not match")
	}
	bans := rich.Bans.All()
	if len(bans) != 1 || bans[0] != (store.Ban{ID: 1, Name: "b\u00f6b", SystemID: "0123456789abcdef0123456789abcdef", By: "al ice"}) {
		t.Errorf("bans %+v", bans)
	}
	if v := rich.Invites.Find("fyp90tcj"); v == nil || v.MaxUses != 30 || !v.Trust || v.Op || v.Creator != "al ice" || len(v.Uses) != 0 {
		t.Errorf("invite %+v", v)
	}
	if streamed.Alias != "" || streamed.Version != "dp:4.24.0" || streamed.Title() != "Streamed" || streamed.PasswordHash() != "" ||
		streamed.AutoReset() != 40960 || streamed.IDs.Last("ben") != 2 || streamed.AuthOps() {
		t.Errorf("%+v", streamed)
	}
	// The next recording has the next number.
	rec, err := streamed.NewRecording(123)
	must(t, err)
	if rec.Name() != streamed.ID+"_r3.dprec" {
		t.Errorf("next recording %q", rec.Name())
	}
}

// TestReread writes everything a session can have, loads it and compares.
func TestReread(t *testing.T) {
	fsys := storetest.New(1)
	c := newClock()
	s := open(t, fsys, c)
	m := newModel(7)
	h := m.create(t, s, c)
	for range 500 {
		m.step(t, h)
	}
	must(t, s.Close())
	for round := range 3 {
		s = open(t, fsys, c)
		h = loadOne(t, s)
		m.compare(t, h, fmt.Sprintf("round %d", round))
		for range 50 {
			m.step(t, h)
		}
		must(t, s.Close())
	}
}

// TestCutAnywhere cuts the recording at every byte of its last messages.
func TestCutAnywhere(t *testing.T) {
	full := record("dp:4.25.1",
		frame.AppendJoin(nil, 1, 0, "a", nil),
		frame.AppendJoin(nil, 2, 0, "b", nil),
		frame.AppendChat(nil, 1, frame.Chat{Text: []byte("hello")}),
		frame.AppendLeave(nil, 2),
		frame.Append(nil, frame.Msg{Type: 136, User: 1, Body: bytes.Repeat([]byte("x"), 300)}),
		frame.AppendLeave(nil, 1))
	cutEverywhere(t, "x", full, []byte("FILE x.dprec\n"), 0)

	const id = "01m7xq073se9sfvsxp382j8hcj"
	fsys := testdata(t, "real")
	rec := []byte(get(t, fsys, id+".dprec"))
	cutEverywhere(t, id, rec, []byte(get(t, fsys, id+".session")), len(rec)-1500)
}

func cutEverywhere(t *testing.T, id string, full, journal []byte, from int) {
	head, all := messages(t, full)
	for cut := max(from, 0); cut <= len(full); cut++ {
		// What must be left.
		end, count := len(head), 0
		inside := map[uint8]bool{}
		for _, m := range all {
			if end+len(m) > cut {
				break
			}
			switch frame.Type(m[2]) {
			case frame.TypeJoin:
				inside[m[3]] = true
			case frame.TypeLeave:
				delete(inside, m[3])
			}
			end += len(m)
			count++
		}
		want := slices.Clone(full[:end])
		for _, user := range slices.Sorted(maps.Keys(inside)) {
			want = frame.AppendLeave(want, user)
		}

		fsys := storetest.New(uint64(cut))
		fsys.Put(dir+"/"+id+".dprec", full[:cut])
		fsys.Put(dir+"/"+id+".session", journal)
		loaded := load(t, open(t, fsys, newClock()))
		if count == 0 {
			if len(loaded) != 0 || get(t, fsys, id+".dprec") != string(full[:cut]) {
				t.Fatalf("cut at %d: a blank session was loaded or changed", cut)
			}
			continue
		}
		if len(loaded) != 1 {
			t.Fatalf("cut at %d: %d sessions", cut, len(loaded))
		}
		h := loaded[0]
		if h.Log().Count() != int64(count+len(inside)) || h.Log().Size() != int64(len(want)-len(head)) {
			t.Fatalf("cut at %d: %d messages in %d bytes", cut, h.Log().Count(), h.Log().Size())
		}
		// What the repair wrote is on the disk before the session is live.
		for _, loss := range []storetest.Loss{storetest.ProcessKill, storetest.PowerCut} {
			if got := get(t, fsys.Reopen(loss), id+".dprec"); got != string(want) {
				t.Fatalf("cut at %d: after a %v the file has %d bytes, want %d", cut, loss, len(got), len(want))
			}
		}
		again := fsys.Reopen(storetest.PowerCut)
		s := open(t, again, newClock())
		h = loadOne(t, s)
		h.Log().Append(frame.AppendChat(nil, 9, frame.Chat{Text: []byte("goes on")}), 1)
		must(t, s.Close())
		want = frame.AppendChat(want, 9, frame.Chat{Text: []byte("goes on")})
		h = loadOne(t, open(t, again, newClock()))
		if got := history(t, h); !bytes.Equal(got, want[len(head):]) {
			t.Fatalf("cut at %d: after another load %d bytes, want %d", cut, len(got), len(want)-len(head))
		}
	}
}

// TestLeaves is the first test of storage.md §10.2.
func TestLeaves(t *testing.T) {
	fsys := storetest.New(1)
	fsys.Put(dir+"/x.session", []byte("FILE x.dprec\n"))
	fsys.Put(dir+"/x.dprec", record("dp:4.25.1", frame.AppendJoin(nil, 1, 0, "a", nil), frame.AppendJoin(nil, 2, 0, "b", nil),
		frame.AppendChat(nil, 1, frame.Chat{Text: []byte("hi")}), frame.AppendLeave(nil, 2)))
	h := loadOne(t, open(t, fsys, newClock()))
	got := history(t, h)
	if h.Log().Count() != 5 || !bytes.HasSuffix(got, []byte{0, 0, 33, 2, 0, 0, 33, 1}) {
		t.Errorf("%d messages, %x", h.Log().Count(), got)
	}
	nobody := func(uint8) bool { return false }
	for want := uint8(3); want <= 254; want++ {
		if id, _ := h.IDs.NextFor("", nobody); id != want {
			t.Fatalf("next id %d, want %d", id, want)
		}
	}
	// First those that left, in order, then those that had to be removed.
	if id, _ := h.IDs.NextFor("", nobody); id != 2 {
		t.Errorf("then id %d", id)
	}
	if id, _ := h.IDs.NextFor("", nobody); id != 1 {
		t.Errorf("then id %d", id)
	}
}

// TestZeroTail has a power cut that left zeros behind the last message.
func TestZeroTail(t *testing.T) {
	good := record("dp:4.25.1", frame.AppendChat(nil, 1, frame.Chat{Text: []byte("hi")}))
	for _, zeros := range []int{1, 4, 7, 8, 4096, 1 << 20} {
		fsys := storetest.New(1)
		fsys.Put(dir+"/x.session", append([]byte("FILE x.dprec\nTITLE t\n"), make([]byte, zeros)...))
		fsys.Put(dir+"/x.dprec", append(slices.Clone(good), make([]byte, zeros)...))
		h := loadOne(t, open(t, fsys, newClock()))
		h.SetMaxUsers(9)
		must(t, h.Flush())
		if get(t, fsys, "x.dprec") != string(good) || get(t, fsys, "x.session") != "FILE x.dprec\nTITLE t\nMAXUSERS 9\n" {
			t.Errorf("%d zeros: %d bytes, journal %q", zeros, len(get(t, fsys, "x.dprec")), get(t, fsys, "x.session"))
		}
	}
	// Zeros in the middle cost nothing behind them.
	fsys := storetest.New(1)
	rec := append(append(slices.Clone(good), make([]byte, 40)...), frame.AppendChat(nil, 2, frame.Chat{})...)
	fsys.Put(dir+"/x.session", []byte("FILE x.dprec\n"))
	fsys.Put(dir+"/x.dprec", rec)
	if h := loadOne(t, open(t, fsys, newClock())); h.Log().Count() != 12 || get(t, fsys, "x.dprec") != string(rec) {
		t.Errorf("%d messages", h.Log().Count())
	}
}

// TestLargeMessages has headers at every place relative to the chunks that are
// read.
func TestLargeMessages(t *testing.T) {
	for _, size := range []int{0, 1, 250, 65530, 65531, 65532, 65533, 65534, 65535} {
		var msgs [][]byte
		total := 0
		for i := 0; total < 3<<20; i++ {
			m := frame.Append(nil, frame.Msg{Type: frame.Type(128 + i%100), User: 1, Body: bytes.Repeat([]byte{0xff}, size)})
			msgs = append(msgs, m)
			total += max(len(m), 100) // not too many small ones
		}
		rec := record("dp:4.25.1", msgs...)
		fsys := storetest.New(1)
		fsys.Put(dir+"/x.session", []byte("FILE x.dprec\n"))
		fsys.Put(dir+"/x.dprec", rec)
		h := loadOne(t, open(t, fsys, newClock()))
		if h.Log().Count() != int64(len(msgs)) || h.Log().Size() != int64(len(msgs)*(size+4)) {
			t.Errorf("payloads of %d: %d messages, %d bytes", size, h.Log().Count(), h.Log().Size())
		}
		head, _ := messages(t, rec)
		checkMarks(t, h.Log(), string(rec[len(head):]))
	}
}

// TestRefusals has every reason of storage.md §10.1: the session is skipped
// with a warning, its files stay as they are, and the others load.
func TestRefusals(t *testing.T) {
	good := record("dp:4.25.1", frame.AppendJoin(nil, 1, 0, "a", nil))
	journal := []byte("FILE x.dprec\nTITLE t\n")
	for _, c := range []struct {
		name         string
		journal, rec []byte
		prepare      func(*storetest.FS)
		want         string
	}{
		{"journal not writable", journal, good, func(f *storetest.FS) { f.Deny(dir + "/x.session") }, "open journal"},
		{"no FILE line", []byte("TITLE t\n"), good, nil, "names no recording"},
		{"empty FILE line", []byte("FILE \n"), good, nil, `names the recording ""`},
		{"FILE with a separator", []byte("FILE ../x.dprec\n"), good, nil, "names the recording"},
		{"FILE with another separator", []byte("FILE a\\x.dprec\n"), good, nil, "names the recording"},
		{"FILE .", []byte("FILE .\n"), good, nil, "names the recording"},
		{"FILE ..", []byte("FILE ..\n"), good, nil, "names the recording"},
		{"FILE with NUL", []byte("FILE x\x00.dprec\n"), good, nil, "names the recording"},
		{"the journal as recording", []byte("FILE x.session\n"), good, nil, "not a binary recording"},
		{"recording missing", []byte("FILE none.dprec\n"), good, nil, "open recording"},
		{"a complete FILE line counts", []byte("FILE x.dprec\nFILE none.dprec\n"), good, nil, "open recording"},
		{"recording not writable", journal, good, func(f *storetest.FS) { f.Deny(dir + "/x.dprec") }, "open recording"},
		{"recording empty", journal, nil, nil, "not a binary recording"},
		{"bad magic", journal, append([]byte("X"), good...), nil, "not a binary recording"},
		{"no metadata", journal, []byte("DPREC\x00\x00\x00"), nil, "no metadata"},
		{"metadata short", journal, good[:20], nil, "ends within its head"},
		{"metadata no object", journal, []byte("DPREC\x00\x00\x02[]"), nil, "not a JSON object"},
		{"version missing", journal, []byte("DPREC\x00\x00\x02{}\x00\x00!\x01"), nil, `version ""`},
		{"version nonsense", journal, record("4.25.1", frame.AppendLeave(nil, 1)), nil, `version "4.25.1"`},
		{"another server version", journal, record("dp:5.25.1", frame.AppendLeave(nil, 1)), nil, `version "dp:5.25.1"`},
		{"no messages", journal, record("dp:4.25.1"), nil, "no messages"},
		{"only a partial message", journal, record("dp:4.25.1", []byte{0, 9, 33}), nil, "no messages"},
		{"leaves cannot be written", journal, good, func(f *storetest.FS) { f.Fail(storetest.Write, fs.ErrInvalid) }, "append leave"},
		{"leaves cannot be synced", journal, good, func(f *storetest.FS) { f.Fail(storetest.Sync, fs.ErrInvalid) }, "sync recording"},
		{"disk full", journal, good, func(f *storetest.FS) { f.SetFree(0) }, "append leave"},
	} {
		fsys := storetest.New(1)
		fsys.Put(dir+"/x.session", c.journal)
		fsys.Put(dir+"/x.dprec", c.rec)
		fsys.Put(dir+"/healthy.session", []byte("FILE healthy.dprec\n"))
		fsys.Put(dir+"/healthy.dprec", record("other:4.1.2", frame.AppendLeave(nil, 1)))
		if c.prepare != nil {
			c.prepare(fsys)
		}
		log, warned := warnings()
		all := load(t, open(t, fsys, newClock(), func(o *store.Options) { o.Log = log }))
		if len(all) != 1 || all[0].ID != "healthy" || all[0].Version != "other:4.1.2" {
			t.Errorf("%s: %d sessions are loaded", c.name, len(all))
		}
		if w := warned(); strings.Count(w, "\n") != 1 || !strings.Contains(w, "x.session was not loaded: ") || !strings.Contains(w, c.want) ||
			!strings.Contains(w, "; ") {
			t.Errorf("%s: warnings %q", c.name, w)
		}
		if strings.Contains(c.name, "synced") {
			continue // the leaves are in the file already
		}
		files := fsys.Files(dir)
		if len(files) != 4 || !bytes.Equal(files["x.session"], c.journal) || !bytes.Equal(files["x.dprec"], c.rec) {
			t.Errorf("%s: files were changed", c.name)
		}
	}
}

// TestListing checks which files are sessions, and their order.
func TestListing(t *testing.T) {
	fsys := storetest.New(1)
	add := func(name, journal string) {
		id, _, _ := strings.Cut(name, ".")
		fsys.Put(dir+"/"+name, []byte("FILE "+id+".dprec\n"+journal))
		fsys.Put(dir+"/"+id+".dprec", record("dp:4.25.1", frame.AppendLeave(nil, 1)))
	}
	add("B.session", "")
	add("a.session", "ALIAS c\n")
	add("c.session", "")          // the alias of a
	add("a.x.session", "TITLE\n") // the id of a
	add("{6e0e4b3a-1111-2222-3333-444455556666}.session", "")
	add("d.session.archived", "")
	add(".hidden.session", "")
	fsys.Put(dir+"/e.session", []byte("FILE a.dprec\n")) // a's recording
	fsys.Put(dir+"/folder.session/x.session", []byte("FILE a.dprec\n"))
	fsys.Put(dir+"/a.session.bak", []byte("FILE a.dprec\n"))
	before := fsys.Files(dir)
	log, warned := warnings()
	var ids []string
	for _, h := range load(t, open(t, fsys, newClock(), func(o *store.Options) { o.Log = log })) {
		ids = append(ids, h.ID)
	}
	want := []string{"a", "B", "{6e0e4b3a-1111-2222-3333-444455556666}"}
	if !slices.Equal(ids, want) {
		t.Errorf("loaded %q, want %q", ids, want)
	}
	if w := warned(); strings.Count(w, "\n") != 3 {
		t.Errorf("warnings %q", w)
	}
	for name, b := range fsys.Files(dir) {
		if !bytes.Equal(b, before[name]) {
			t.Errorf("%s was changed", name)
		}
	}
}

// TestTornJournal has journals whose last line was not written completely.
func TestTornJournal(t *testing.T) {
	rec := record("dp:4.25.1", frame.AppendLeave(nil, 1))
	for _, c := range []struct{ journal, want string }{
		{"FILE x.dprec\nTITLE abc", "FILE x.dprec\nTITLE abc\nMAXUSERS 9\nMAXUSERS 8\n"},
		{"FILE x.dprec", "FILE x.dprec\nMAXUSERS 9\nMAXUSERS 8\n"},
		{"FILE x.dprec\n", "FILE x.dprec\nMAXUSERS 9\nMAXUSERS 8\n"},
		// The reset this line belongs to has not happened.
		{"FILE x.dprec\nFILE x_r2.dp", "FILE x.dprec\nMAXUSERS 9\nMAXUSERS 8\n"},
		{"FILE x.dprec\nFILE", "FILE x.dprec\nMAXUSERS 9\nMAXUSERS 8\n"},
	} {
		fsys := storetest.New(1)
		fsys.Put(dir+"/x.session", []byte(c.journal))
		fsys.Put(dir+"/x.dprec", rec)
		all := load(t, open(t, fsys, newClock()))
		if len(all) != 1 {
			t.Errorf("%q: not loaded", c.journal)
			continue
		}
		if got := get(t, fsys, "x.session"); !strings.HasPrefix(c.want, got) {
			t.Errorf("%q became %q by loading", c.journal, got)
		}
		all[0].SetMaxUsers(9)
		all[0].SetMaxUsers(8)
		must(t, all[0].Flush())
		if got := get(t, fsys, "x.session"); got != c.want {
			t.Errorf("%q became %q, want %q", c.journal, got, c.want)
		}
	}
}

// TestOperatingSystem does a round trip with real files.
func TestOperatingSystem(t *testing.T) {
	path := filepath.Join(t.TempDir(), "not", "there", "yet")
	real := func(o *store.Options) { o.Dir = path }
	s := open(t, store.OS, newClock(), real)
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("folder %v, %v", st, err)
	}
	h, err := s.Create(store.Create{Founder: "f", Version: frame.OwnVersion, MaxUsers: 254})
	must(t, err)
	h.SetTitle("x")
	h.Log().Append(frame.AppendJoin(nil, 1, 0, "f", nil), 1)
	must(t, h.SetThumbnail([]byte("png")))
	must(t, s.Close())
	s = open(t, store.OS, newClock(), real)
	h = loadOne(t, s)
	if data, _, err := h.Thumbnail(); h.Title() != "x" || h.Log().Count() != 2 || string(data) != "png" || err != nil {
		t.Errorf("%+v, %q, %v", h, data, err)
	}
	names, err := os.ReadDir(path)
	must(t, err)
	for _, e := range names {
		if st, err := e.Info(); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", e.Name(), st.Mode(), err)
		}
	}
	// A link to a journal counts as one.
	must(t, os.Rename(filepath.Join(path, h.ID+".session"), filepath.Join(path, "kept")))
	must(t, os.Symlink("kept", filepath.Join(path, h.ID+".session")))
	must(t, os.Symlink("nothing", filepath.Join(path, "dangling.session")))
	h.Remove()
	if names, _ := os.ReadDir(path); len(names) != 2 {
		t.Errorf("after the removal: %v", names)
	}
	must(t, s.Close())

	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	if _, err := store.Open(store.Options{Dir: filepath.Join(file, "x")}); err == nil || !strings.Contains(err.Error(), "; create it") {
		t.Errorf("folder that cannot be made: %v", err)
	}
}
