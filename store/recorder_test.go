package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/storetest"
)

// recordingHead is what every recording of a live session begins with
// (storage.md §14.3), but for the filling of the metadata.
var recordingHead = append(append([]byte("\x00\x0c\x46\x00"), strings.Repeat("\x03", 12)...),
	append([]byte("\x00\x20\x4d\x00"), strings.Repeat("\xff", 32)...)...)

// studio is a store with a session that is recorded.
type studio struct {
	t     *testing.T
	fsys  store.FS
	s     *store.Store
	h     *store.History
	rec   *store.Recorder
	round func()
	track *store.Track
	clock *clock
	n     int
}

func newStudio(t *testing.T, fsys store.FS, folder, path string, share func(dst, src store.File, to, from, n int64) error, change ...func(*store.Create)) *studio {
	t.Helper()
	if share == nil {
		share = func(_, _ store.File, _, _, _ int64) error { return errors.ErrUnsupported }
	}
	x := &studio{t: t, fsys: fsys, clock: newClock()}
	x.s = open(t, fsys, x.clock, func(o *store.Options) { o.Dir = folder })
	c := store.Create{Founder: "ada", Version: frame.OwnVersion, MaxUsers: 10}
	for _, f := range change {
		f(&c)
	}
	var err error
	x.h, err = x.s.Create(c)
	must(t, err)
	x.rec, x.round = store.IdleRecorder(store.RecorderOptions{Path: path, FS: fsys, Now: x.clock.now}, share)
	t.Cleanup(func() { must(t, x.s.Close()) })
	return x
}

// draw appends a message with size bytes and returns it.
func (x *studio) draw(size int) []byte {
	x.n++
	body := bytes.Repeat([]byte{byte(x.n)}, size)
	m := frame.Append(nil, frame.Msg{Type: 136, User: 1, Body: body})
	x.h.Log().Append(m, 1)
	x.h.Kick()
	if x.h.HasFiles() {
		must(x.t, x.h.Flush())
		x.h.Log().Trim(x.h.Log().Size())
	}
	return m
}

// replace makes image the history, followed by what the old one has from fork
// on, as the relay does it.
func (x *studio) replace(fork int64, image []byte) {
	x.t.Helper()
	old := x.h.Log()
	content := bytes.Clone(image)
	if fork >= 0 {
		content = append(content, history(x.t, x.h)[fork:]...)
	}
	r, err := x.h.NewRecording(fork)
	must(x.t, err)
	f, head := r.File()
	_, err = f.WriteAt(content, head)
	must(x.t, err)
	_, err = x.h.CommitRecording(r)
	must(x.t, err)
	l := store.OpenLog(f, head, int64(len(content)), nil, int64(bytes.Count(content, []byte{136})))
	x.h.SetLog(l)
	if fork >= 0 {
		x.track.Continue(l, int64(len(content)))
	} else {
		x.track.Restart(l)
	}
	must(x.t, old.Release())
}

// recorded returns the files of a folder by name.
func (x *studio) recorded(folder string) map[string]string {
	x.t.Helper()
	entries, err := x.fsys.ReadDir(folder)
	must(x.t, err)
	files := make(map[string]string)
	for _, e := range entries {
		f, err := x.fsys.OpenFile(filepath.Join(folder, e.Name()), os.O_RDONLY, 0)
		must(x.t, err)
		size, err := f.Size()
		must(x.t, err)
		b := make([]byte, size)
		if _, err := f.ReadAt(b, 0); err != nil && err != io.EOF {
			x.t.Fatal(err)
		}
		must(x.t, f.Close())
		files[e.Name()] = string(b)
	}
	return files
}

// drawing checks the start of a recording and returns what follows.
func drawing(t *testing.T, file string) string {
	t.Helper()
	h, err := frame.ParseRecordingHead([]byte(file))
	if err != nil || h.Version != "dp:4.25.1" || !bytes.Contains(h.Meta, []byte(`,"server-recording":"true"`)) {
		t.Fatalf("head %s, %v", h.Meta, err)
	}
	rest, ok := strings.CutPrefix(file[h.Len:], string(recordingHead))
	if !ok {
		t.Fatalf("the initial messages are missing: %x", file[h.Len:])
	}
	return rest
}

// TestRecorderNames is storage.md §20 item 27: names.
func TestRecorderNames(t *testing.T) {
	at := newClock().at.Local()
	day, hour := at.Format("2006-01-02"), at.Format("15.04.05")
	for _, c := range []struct {
		path, alias, folder, want string
		there                     []string
	}{
		{path: "rec", folder: "rec", want: day + " " + hour + " session ID.dprec", there: []string{"rec/other"}},
		{path: "new/deep/%i.dprec", folder: "new/deep", want: "ID.dprec"},
		{path: "rec/%d_%t_%h_%i_%a.dprec", alias: "demo", folder: "rec", want: day + "_" + hour + "_" + hour + "_ID_demo.dprec"},
		{path: "rec/%a%a.x.dprec", folder: "rec", want: "IDID.x.dprec"},
		{path: "rec/%a.DPREC.dprec.gz", alias: "a", folder: "rec", want: "a.DPREC (2).dprec.gz", there: []string{"rec/a.DPREC.dprec.gz", "rec/a.DPREC (1).dprec.gz"}},
		{path: "rec/%a.DPREC", alias: "a", folder: "rec", want: "a (1).DPREC", there: []string{"rec/a.DPREC"}},
		{path: "rec/%a", alias: "a", folder: "rec", want: "a (1).dprec", there: []string{"rec/a"}},
		{path: "rec/.dprec", folder: "rec", want: ".dprec (1).dprec", there: []string{"rec/.dprec"}},
	} {
		fsys := storetest.New(1)
		for _, name := range c.there {
			fsys.Put(name, nil)
		}
		x := newStudio(t, fsys, dir, c.path, nil, func(k *store.Create) { k.Alias = c.alias })
		x.track = x.rec.Begin(x.h)
		x.round()
		want := strings.ReplaceAll(c.want, "ID", x.h.ID)
		if _, ok := x.recorded(c.folder)[want]; !ok {
			t.Errorf("%s: %v, want %s", c.path, slices.Collect(keys(x.recorded(c.folder))), want)
		}
		x.track.Finish()
		x.round()
	}
}

func keys(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// TestRecorderContent is storage.md §20 items 27 and 28: history, live
// messages, both kinds of reset; with and without session files.
func TestRecorderContent(t *testing.T) {
	for _, folder := range []string{dir, ""} {
		t.Run("folder "+folder, func(t *testing.T) {
			x := newStudio(t, storetest.New(1), folder, "rec/%i.dprec", nil)
			first := x.draw(100)
			x.track = x.rec.Begin(x.h)
			x.round()
			first = append(first, x.draw(65000)...)
			x.round()
			if got := drawing(t, x.recorded("rec")[x.h.ID+".dprec"]); got != string(first) {
				t.Fatalf("%d bytes are recorded, want %d", len(got), len(first))
			}
			var second []byte
			if folder != "" {
				first = append(first, x.draw(5)...)
				x.replace(-1, frame.Append(nil, frame.Msg{Type: 136, User: 2}))
				second = history(t, x.h)
				second = append(second, x.draw(10)...)
				x.round()
				fork := x.h.Log().Size()
				second = append(second, x.draw(11)...)
				x.replace(fork, frame.Append(nil, frame.Msg{Type: 136, User: 3}))
				second = append(second, x.draw(12)...)
			} else {
				first = append(first, x.draw(6)...)
			}
			must(t, x.h.Close())
			x.track.Finish()
			x.round()
			want := map[string]string{x.h.ID + ".dprec": string(first)}
			if folder != "" {
				want[x.h.ID+" (1).dprec"] = string(second)
			}
			got := x.recorded("rec")
			if len(got) != len(want) {
				t.Fatalf("%d recordings, want %d", len(got), len(want))
			}
			for name, content := range want {
				if drawing(t, got[name]) != content {
					t.Errorf("%s has %d bytes of messages, want %d", name, len(drawing(t, got[name])), len(content))
				}
			}
			for name, content := range got {
				if !strings.HasPrefix(content, "DPREC\x00\x00\x31"+`{"version":"dp:4.25.1","server-recording":"true"}`) {
					t.Errorf("head of %s: %q", name, content[:60])
				}
			}
		})
	}
}

// TestRecorderUnwritten records what a dead disk of sessions never took.
func TestRecorderUnwritten(t *testing.T) {
	fsys := storetest.New(1)
	x := newStudio(t, fsys, dir, "rec/%i.dprec", nil)
	want := x.draw(10)
	x.track = x.rec.Begin(x.h)
	x.round()
	fsys.SetFree(0)
	m := frame.Append(nil, frame.Msg{Type: 136, User: 9, Body: []byte("unwritten")})
	x.h.Log().Append(m, 1)
	x.h.Kick()
	_ = x.h.Close() // fails
	fsys.SetFree(-1)
	x.track.Finish()
	x.round()
	if got := drawing(t, x.recorded("rec")[x.h.ID+".dprec"]); got != string(want)+string(m) {
		t.Errorf("recorded %q", got)
	}
}

// TestRecorderFailure fills the disk under a recording: the session goes on,
// and the next reset begins a new recording.
func TestRecorderFailure(t *testing.T) {
	fsys := storetest.New(1)
	x := newStudio(t, fsys, dir, "rec/%i.dprec", nil)
	log, told := warnings()
	x.rec, x.round = store.IdleRecorder(store.RecorderOptions{Path: "rec/%i.dprec", FS: fsys, Log: log, Now: x.clock.now},
		func(_, _ store.File, _, _, _ int64) error { return errors.ErrUnsupported })
	x.draw(1000)
	x.track = x.rec.Begin(x.h)
	fsys.Fail(storetest.Write, syscall.ENOSPC)
	x.round()
	fsys.Fail(storetest.Write, nil)
	x.draw(10)
	x.round()
	if n := strings.Count(told(), "not recorded until its next reset"); n != 1 {
		t.Errorf("told %d times: %s", n, told())
	}
	image := frame.Append(nil, frame.Msg{Type: 136, User: 2})
	x.replace(-1, image)
	must(t, x.h.Close())
	x.track.Finish()
	x.round()
	if got := drawing(t, x.recorded("rec")[x.h.ID+" (1).dprec"]); got != string(image) {
		t.Errorf("after the failure %q was recorded", got)
	}
}

// TestRecorderShares counts what is written when the file system can share
// blocks: less than a block at each end. TMPDIR on such a file system makes it
// use the real one.
func TestRecorderShares(t *testing.T) {
	const block = 4096
	var shared int64
	share := func(dst, src store.File, to, from, n int64) error {
		if n == 0 {
			size, _ := src.Size()
			n = size - from
		} else if to%block != 0 || from%block != 0 || n%block != 0 {
			return fmt.Errorf("positions %d, %d, length %d", to, from, n)
		}
		shared += n
		b := make([]byte, n)
		if _, err := src.ReadAt(b, from); err != nil {
			return err
		}
		_, err := dst.WriteAt(b, to)
		return err
	}
	x := newStudio(t, storetest.New(1), dir, "rec/%i.dprec", share)
	want := x.draw(100)
	x.track = x.rec.Begin(x.h)
	x.round()
	shared = 0 // what was tried
	for range 40 {
		want = append(want, x.draw(60000)...)
		x.round()
	}
	if shared < 1<<20 || shared%block != 0 {
		t.Errorf("%d bytes were shared while the session went on", shared)
	}
	x.clock.at = x.clock.at.Add(time.Minute)
	x.round()
	if left := int64(len(want)) - shared; left > 2*block {
		t.Errorf("%d bytes were not shared after a minute", left)
	}
	want = append(want, x.draw(30000)...)
	must(t, x.h.Close())
	x.track.Finish()
	x.round()
	if left := int64(len(want)) - shared; left > 2*block {
		t.Errorf("%d bytes were written again", left)
	}
	if got := drawing(t, x.recorded("rec")[x.h.ID+".dprec"]); got != string(want) {
		t.Errorf("%d bytes are recorded, want %d", len(got), len(want))
	}
}

// TestRecorderOnDisk records with the operating system's files, whether or not
// they can share blocks.
func TestRecorderOnDisk(t *testing.T) {
	root := t.TempDir()
	x := newStudio(t, store.OS, filepath.Join(root, "s"), filepath.Join(root, "rec", "%i.dprec"), nil)
	x.rec = store.NewRecorder(store.RecorderOptions{Path: filepath.Join(root, "rec", "%i.dprec")})
	want := x.draw(100)
	x.track = x.rec.Begin(x.h)
	for range 30 {
		want = append(want, x.draw(65535)...)
	}
	x.h.Remove()
	x.track.Finish()
	x.rec.Close()
	file := x.recorded(filepath.Join(root, "rec"))[x.h.ID+".dprec"]
	if got := drawing(t, file); got != string(want) {
		t.Errorf("%d bytes are recorded, want %d", len(got), len(want))
	}
	t.Logf("head of %d bytes", strings.Index(file, string(recordingHead)))
}

// TestRecorderStuck bounds what waits for a disk that does not keep up: later
// resets are left out and told once, and recorded again when it has caught up.
func TestRecorderStuck(t *testing.T) {
	segments := store.LiveSegments()
	fsys := storetest.New(1)
	x := newStudio(t, fsys, "", "rec/%i.dprec", nil)
	log, told := warnings()
	x.rec, x.round = store.IdleRecorder(store.RecorderOptions{Path: "rec/%i.dprec", FS: fsys, Log: log, Now: x.clock.now}, nil)
	x.draw(1)
	x.track = x.rec.Begin(x.h)
	reset := func(fresh bool) {
		old := x.h.Log()
		l := store.NewLog()
		x.h.SetLog(l)
		x.draw(2)
		if fresh {
			x.track.Restart(l)
		} else {
			x.track.Continue(l, 0)
		}
		must(t, old.Release())
	}
	for range 50 {
		reset(true)
	}
	reset(false) // of a history that is not recorded
	x.round()
	x.round()
	if n := len(x.recorded("rec")); n != 32 || strings.Count(told(), "lacks parts") != 1 {
		t.Errorf("%d recordings, told: %s", n, told())
	}
	reset(true)
	x.draw(3)
	must(t, x.h.Close())
	x.track.Finish()
	x.round()
	files := x.recorded("rec")
	if got := drawing(t, files[x.h.ID+" (32).dprec"]); len(files) != 33 || len(got) != 6+7 {
		t.Errorf("%d recordings, the last has %d bytes", len(files), len(got))
	}
	if n := store.LiveSegments() - segments; n != 0 {
		t.Errorf("%d segments are still in use", n)
	}
}
