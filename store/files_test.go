package store_test

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/storetest"
)

// created makes a session with one message and a thumbnail.
func created(t testing.TB, s *store.Store) *store.History {
	t.Helper()
	h, err := s.Create(store.Create{Founder: "f", Version: frame.OwnVersion, MaxUsers: 254})
	must(t, err)
	h.Log().Append(frame.AppendLeave(nil, 1), 1)
	h.Kick()
	must(t, h.Flush())
	must(t, h.SetThumbnail([]byte("png")))
	return h
}

func names(fsys *storetest.FS) string {
	return strings.Join(slices.Sorted(maps.Keys(fsys.Files(dir))), " ")
}

// TestRemove ends sessions under every combination of archive mode and
// setting. The setting counts at the moment of the end.
func TestRemove(t *testing.T) {
	for _, c := range []struct {
		mode    store.ArchiveMode
		setting bool
		archive bool
	}{
		{store.ArchiveDefault, false, false},
		{store.ArchiveDefault, true, true},
		{store.ArchiveDisabled, true, false},
		{store.ArchiveEnabled, false, true},
	} {
		fsys := storetest.New(1)
		setting := !c.setting
		s := open(t, fsys, newClock(), func(o *store.Options) { o.Archive = func() bool { return setting } })
		h := created(t, s)
		id := h.ID
		h.SetArchiveMode(c.mode)
		setting = c.setting
		h.Remove()
		h.Remove()
		want := ""
		if c.archive {
			want = id + ".dprec.archived " + id + ".session.archived " + id + ".thumbnail.archived"
		}
		if got := names(fsys); got != want {
			t.Errorf("mode %d, setting %v: files %q, want %q", c.mode, c.setting, got, want)
		}
		must(t, s.Close())
		if all := load(t, open(t, fsys, newClock())); len(all) != 0 {
			t.Errorf("mode %d: %d sessions after the end", c.mode, len(all))
		}
	}
}

// TestRemoveInterrupted crashes at every operation of an end: a journal is
// never left without its recording.
func TestRemoveInterrupted(t *testing.T) {
	for _, archive := range []bool{false, true} {
		for n := int64(1); ; n++ {
			fsys := storetest.New(uint64(n))
			s := open(t, fsys, newClock(), func(o *store.Options) { o.Archive = func() bool { return archive } })
			h := created(t, s)
			fsys.CrashAt(n)
			h.Remove()
			_ = s.Close()
			if !fsys.Crashed() {
				break
			}
			for _, loss := range []storetest.Loss{storetest.ProcessKill, storetest.PowerCut, storetest.PartialPowerCut} {
				files := fsys.Reopen(loss).Files(dir)
				if files[h.ID+".session"] != nil && files[h.ID+".dprec"] == nil {
					t.Errorf("archive %v, crash at operation %d, %v: %q", archive, n, loss, slices.Sorted(maps.Keys(files)))
				}
			}
		}
	}
}

// TestRemoveFailures logs what cannot be done and goes on.
func TestRemoveFailures(t *testing.T) {
	fsys := storetest.New(1)
	log, warned := warnings()
	s := open(t, fsys, newClock(), func(o *store.Options) {
		o.Log = log
		o.Archive = func() bool { return true }
	})
	h := created(t, s)
	fsys.Put(dir+"/"+h.ID+".dprec.archived", []byte("older"))
	h.Remove()
	if got := names(fsys); got != h.ID+".dprec "+h.ID+".dprec.archived "+h.ID+".session.archived "+h.ID+".thumbnail.archived" {
		t.Errorf("files %q", got)
	}
	if w := warned(); strings.Count(w, "\n") != 1 || !strings.Contains(w, "Could not archive "+h.ID+".dprec: ") || get(t, fsys, h.ID+".dprec.archived") != "older" {
		t.Errorf("warnings %q", w)
	}
	// A journal that stays keeps its recording.
	h = created(t, s)
	fsys.Fail(storetest.Rename, fs.ErrPermission)
	before := names(fsys)
	h.Remove()
	if got := names(fsys); got != before {
		t.Errorf("files %q, were %q", got, before)
	}
}

func TestThumbnail(t *testing.T) {
	fsys := storetest.New(1)
	c := newClock()
	s := open(t, fsys, c)
	h, err := s.Create(store.Create{Founder: "f", Version: frame.OwnVersion, MaxUsers: 254})
	must(t, err)
	check := func(want string) {
		t.Helper()
		data, at, err := h.Thumbnail()
		if string(data) != want || err != nil || at.IsZero() != (want == "") {
			t.Errorf("thumbnail %q, %v, %v, want %q", data, at, err, want)
		}
		if got := fsys.Files(dir)[h.ID+".thumbnail"]; string(got) != want {
			t.Errorf("file %q", got)
		}
	}
	check("")
	must(t, h.SetThumbnail(nil))
	must(t, h.SetThumbnail([]byte("first, longer")))
	check("first, longer")
	must(t, h.SetThumbnail([]byte("second")))
	check("second")
	fsys.SetFree(3)
	if err := h.SetThumbnail([]byte("third")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("full disk: %v", err)
	}
	check("second")
	fsys.SetFree(-1)
	if err := h.SetThumbnail(make([]byte, 65536)); err == nil {
		t.Error("a huge thumbnail is accepted")
	}
	must(t, h.SetThumbnail([]byte("fourth")))
	h.Log().Append(frame.AppendLeave(nil, 1), 1)
	must(t, s.Close())
	h = loadOne(t, open(t, fsys, c))
	check("fourth")
	must(t, h.SetThumbnail(nil))
	check("")
	if got := names(fsys); got != h.ID+".dprec "+h.ID+".session" {
		t.Errorf("files %q", got)
	}
}

// TestStartStamp follows the stamp and the first index through stops.
func TestStartStamp(t *testing.T) {
	fsys := storetest.New(1)
	c := newClock() // stands still: stamps differ nevertheless
	s := open(t, fsys, c)
	h := created(t, s)
	if other := created(t, s); other.StartStamp == h.StartStamp {
		t.Error("two sessions with one stamp")
	} else {
		other.Remove()
	}
	old := h.StartStamp
	h.Restamp()
	h.FirstIndex = 7
	if h.StartStamp <= old {
		t.Errorf("stamp %d after %d", h.StartStamp, old)
	}
	old = h.StartStamp
	must(t, s.Close())
	must(t, s.Close())

	reload := func(step string, want bool) {
		t.Helper()
		s = open(t, fsys, c, func(o *store.Options) { o.Rand = seeded(uint64(len(get(t, fsys, h.ID+".session")))) })
		h = loadOne(t, s)
		if kept := h.StartStamp == old && h.FirstIndex == 7; kept != want || !kept && h.FirstIndex != 0 {
			t.Errorf("%s: stamp %d, was %d; first index %d", step, h.StartStamp, old, h.FirstIndex)
		}
		old = h.StartStamp
		h.FirstIndex = 7
	}
	reload("stop in order", true)
	must(t, s.Close())
	reload("again", true)
	h.Log().Append(frame.AppendJoin(nil, 1, 0, "f", nil), 1)
	must(t, s.Close())
	reload("somebody inside", true)
	must(t, h.Durable.Close()) // as a crash leaves it, but complete
	reload("no note of a stop", false)
	must(t, s.Close())
	journal := get(t, fsys, h.ID+".session")
	fsys.Put(dir+"/"+h.ID+".session", []byte(journal+"# comment\n"))
	reload("not the last line", false)
	must(t, s.Close())
	journal = get(t, fsys, h.ID+".session")
	fsys.Put(dir+"/"+h.ID+".session", []byte(journal[:len(journal)-1]))
	reload("line without its end", false)
	must(t, s.Close())
	// The reference ran in between: it adds to the recording.
	rec := get(t, fsys, h.ID+".dprec")
	fsys.Put(dir+"/"+h.ID+".dprec", []byte(rec+"\x00\x02\x00\x00{}"))
	reload("longer recording", false)
	must(t, s.Close())
	rec = get(t, fsys, h.ID+".dprec")
	fsys.Put(dir+"/"+h.ID+".dprec", []byte(rec+"\x00\x02\x00"))
	reload("torn recording", false)
	for _, line := range strings.Split(get(t, fsys, h.ID+".session"), "\n") {
		if strings.Contains(line, "#") && !strings.HasPrefix(line, "#") {
			t.Errorf("line %q", line)
		}
	}
}

// TestRecordingNames starts recordings whose plain names are taken.
func TestRecordingNames(t *testing.T) {
	fsys := storetest.New(1)
	s := open(t, fsys, newClock())
	h := created(t, s)
	start := func(want string) *store.Recording {
		t.Helper()
		r, err := h.NewRecording(1234)
		must(t, err)
		if r.Name() != h.ID+want {
			t.Errorf("recording %q, want %q", r.Name(), want)
		}
		return r
	}
	r := start("_r2.dprec")
	if f, head := r.File(); f == nil || head != 8+41 {
		t.Errorf("head of %d bytes", head)
	}
	if got := get(t, fsys, r.Name()); !strings.HasSuffix(got, `{"version":"dp:4.25.1","streamfork":1234}`) {
		t.Errorf("head %q", got)
	}
	h.DropRecording(r)
	if strings.Contains(names(fsys), "_r2") {
		t.Errorf("files %q", names(fsys))
	}
	fsys.Put(dir+"/"+h.ID+"_r2.dprec", nil)
	fsys.Put(dir+"/"+h.ID+"_r2 (1).dprec", nil)
	r = start("_r2 (2).dprec")
	_, err := h.CommitRecording(r)
	must(t, err)
	start("_r3.dprec")
}

// TestOrphan is a kill during a streamed reset: the old recording loads.
func TestOrphan(t *testing.T) {
	fsys := storetest.New(1)
	s := open(t, fsys, newClock())
	h := created(t, s)
	r, err := h.NewRecording(4)
	must(t, err)
	f, head := r.File()
	_, err = f.WriteAt([]byte("\x00\x00!\x02"), head)
	must(t, err)
	fsys = fsys.Reopen(storetest.ProcessKill)
	h = loadOne(t, open(t, fsys, newClock()))
	if got := history(t, h); string(got) != "\x00\x00!\x01" {
		t.Errorf("history %q", got)
	}
	if r, err := h.NewRecording(-1); err != nil || r.Name() != h.ID+"_r2 (1).dprec" {
		t.Errorf("%v, %v", r, err)
	}
}

// TestFailedReset fails at every step; the old files stay usable.
func TestFailedReset(t *testing.T) {
	for _, op := range []storetest.Op{storetest.Create, storetest.Write, storetest.Sync, storetest.SyncDir} {
		fsys := storetest.New(1)
		s := open(t, fsys, newClock())
		h := created(t, s)
		before := names(fsys)
		fsys.Fail(op, fs.ErrInvalid)
		r, err := h.NewRecording(-1)
		if err == nil {
			_, err = h.CommitRecording(r)
		}
		if !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("operation %d: %v", op, err)
		}
		fsys.Fail(op, nil)
		if got := names(fsys); got != before {
			t.Errorf("operation %d: files %q, were %q", op, got, before)
		}
		if got := get(t, fsys, h.ID+".session"); strings.Contains(got, "_r2") {
			t.Errorf("operation %d: journal %q", op, got)
		}
	}
}

// TestJournalFullAtReset has no room for the line that commits a reset. The
// old history stays and goes on once there is room, also after a crash.
func TestJournalFullAtReset(t *testing.T) {
	fsys := storetest.New(1)
	s := open(t, fsys, newClock())
	h := created(t, s)
	r, err := h.NewRecording(-1)
	must(t, err)
	f, head := r.File()
	_, err = f.WriteAt([]byte("\x00\x00!\x02"), head)
	must(t, err)
	fsys.SetFree(5)
	if _, err := h.CommitRecording(r); !errors.Is(err, syscall.ENOSPC) || h.Err() == nil {
		t.Errorf("commit on a full disk: %v, %v", err, h.Err())
	}
	if all := load(t, open(t, fsys.Reopen(storetest.ProcessKill), newClock())); len(all) != 1 {
		t.Error("killed meanwhile: the session is lost")
	}

	fsys = storetest.New(1)
	s = open(t, fsys, newClock(), retrySoon)
	h = created(t, s)
	r, err = h.NewRecording(-1)
	must(t, err)
	fsys.SetFree(5)
	if _, err := h.CommitRecording(r); err == nil {
		t.Error("commit on a full disk succeeds")
	}
	fsys.SetFree(-1)
	await(t, "recovery", func() bool { return h.Err() == nil })
	h.Log().Append(frame.AppendLeave(nil, 7), 1)
	must(t, h.Flush())
	id := h.ID
	h = loadOne(t, open(t, fsys.Reopen(storetest.PowerCut), newClock()))
	if got := history(t, h); string(got) != "\x00\x00!\x01\x00\x00!\x07" {
		t.Errorf("history %q", got)
	}
	if r, err := h.NewRecording(-1); err != nil || r.Name() != id+"_r4.dprec" {
		t.Errorf("next recording %v, %v", r, err)
	}
}

// TestCreateFails crashes or fails at every operation of a creation: failures
// leave nothing, crashes nothing that loads.
func TestCreateFails(t *testing.T) {
	create := func(s *store.Store) error {
		_, err := s.Create(store.Create{Founder: "f", Version: frame.OwnVersion, PasswordHash: someHash})
		return err
	}
	for _, op := range []storetest.Op{storetest.Create, storetest.Write, storetest.Sync, storetest.SyncDir} {
		fsys := storetest.New(1)
		s := open(t, fsys, newClock())
		fsys.Fail(op, fs.ErrInvalid)
		if err := create(s); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("operation %d: %v", op, err)
		}
		if got := names(fsys); got != "" {
			t.Errorf("operation %d: files %q", op, got)
		}
		must(t, s.Close())
	}
	for n := int64(1); ; n++ {
		fsys := storetest.New(uint64(n))
		s := open(t, fsys, newClock())
		fsys.CrashAt(n)
		err := create(s)
		if !fsys.Crashed() {
			must(t, err)
			break
		}
		if err == nil {
			t.Errorf("crash at operation %d: no error", n)
		}
		for _, loss := range []storetest.Loss{storetest.ProcessKill, storetest.PowerCut, storetest.PartialPowerCut} {
			if all := load(t, open(t, fsys.Reopen(loss), newClock())); len(all) != 0 {
				t.Errorf("crash at operation %d, %v: a session is loaded", n, loss)
			}
		}
	}
	if _, err := open(t, storetest.New(1), newClock(), func(o *store.Options) { o.Rand = strings.NewReader("") }).Create(store.Create{}); err == nil {
		t.Error("a session without randomness")
	}
}

// TestDiskFull fills the disk under a live session: nothing crashes, nothing
// that was accepted is lost once there is room again.
func TestDiskFull(t *testing.T) {
	fsys := storetest.New(1)
	s := open(t, fsys, newClock(), retrySoon)
	h := created(t, s)
	fsys.SetFree(10)
	h.SetTitle("a title that does not fit")
	chat := frame.AppendChat(nil, 1, frame.Chat{Text: []byte("nor does this")})
	h.Log().Append(chat, 1)
	h.Kick()
	if err := h.Flush(); !errors.Is(err, syscall.ENOSPC) || h.Err() == nil || h.Title() != "a title that does not fit" {
		t.Errorf("full disk: %v, %v", err, h.Err())
	}
	fsys.SetFree(-1)
	await(t, "recovery", func() bool { return h.Err() == nil })
	must(t, s.Close())
	h = loadOne(t, open(t, fsys, newClock()))
	if got := history(t, h); string(got) != "\x00\x00!\x01"+string(chat) || h.Title() != "a title that does not fit" {
		t.Errorf("history %q, title %q", got, h.Title())
	}
}
