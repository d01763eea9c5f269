package store_test

import (
	"bytes"
	"flag"
	"slices"
	"strings"
	"testing"
	"time"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/storetest"
)

var crashSeeds = flag.Uint64("crashseeds", 100, "how many seeds TestCrash runs")

// survivor follows one session through crashes and checks what every load
// gives against what was promised before.
type survivor struct {
	*model
	t     *testing.T
	clock *clock
	fsys  *storetest.FS
	id    string // of the session; empty if there is none

	stopped      bool   // the last stop was in order
	stamp        int64  // before the crash
	first        int64  // before the crash
	written      int    // bytes of content that a killed process leaves
	synced       int    // bytes of content that a power cut leaves
	promised     int    // index of the state that everything leaves
	resetting    []byte // content that may have replaced the present one
	views        map[int64]view
	kept, losses int // how often the stamp was kept; how often something was lost
}

// view is what members may have seen under one StartStamp.
type view struct {
	content []byte
	first   int64
}

// TestCrash runs sessions that crash at random operations, several times in a
// row, and loads them after each crash. Every failure names its seed.
func TestCrash(t *testing.T) {
	var kept, losses int
	for seed := uint64(1); seed <= *crashSeeds; seed++ {
		v := &survivor{model: newModel(seed), t: t, clock: newClock(), fsys: storetest.New(seed), views: make(map[int64]view)}
		for generation := range 6 {
			loss := storetest.Loss(v.rnd.IntN(3))
			v.live()
			v.fsys = v.fsys.Reopen(loss)
			v.check(loss)
			if t.Failed() {
				t.Fatalf("seed %d, generation %d, %v, stopped in order: %v", seed, generation, loss, v.stopped)
			}
		}
		kept += v.kept
		losses += v.losses
	}
	if *crashSeeds >= 100 && (kept == 0 || losses == 0) {
		t.Errorf("%d stamps kept, %d losses: the test does not test", kept, losses)
	}
}

func (v *survivor) open() *store.Store {
	v.clock.at = v.clock.at.Add(time.Second)
	seed := v.rnd.Uint64()
	return open(v.t, v.fsys, v.clock, func(o *store.Options) { o.Rand = seeded(seed) })
}

// live loads or creates the session and uses it until a crash or a stop.
func (v *survivor) live() {
	s := v.open()
	if v.rnd.IntN(4) > 0 {
		v.fsys.CrashAt(1 + v.rnd.Int64N([]int64{10, 100, 1000}[v.rnd.IntN(3)]))
	}
	v.stopped, v.resetting = false, nil
	h := v.enter(s)
	if h == nil {
		_ = s.Close()
		return
	}
	v.use(h)
	v.note(h)
	if v.rnd.IntN(4) == 0 {
		v.fsys.Crash()
	}
	if err := s.Close(); err == nil {
		v.stopped = true
		v.promise(h)
	} else if !v.fsys.Crashed() {
		v.t.Errorf("close: %v", err)
	}
}

// enter returns the session, nil after a crash.
func (v *survivor) enter(s *store.Store) *store.History {
	if v.id != "" {
		all, err := s.Load()
		if len(all) == 0 && v.fsys.Crashed() {
			return nil
		}
		must(v.t, err)
		if len(all) != 1 || all[0].ID != v.id {
			v.t.Fatalf("%d sessions are loaded", len(all))
		}
		v.content = append(v.content[:len(v.content):len(v.content)], leaves(v.content)...)
		v.promise(all[0])
		return all[0]
	}
	h, err := s.Create(store.Create{Founder: "f", Version: frame.OwnVersion, MaxUsers: 20, AutoReset: 1000})
	if err != nil {
		if !v.fsys.Crashed() {
			v.t.Errorf("create: %v", err)
		}
		return nil
	}
	v.id, v.content, v.states = h.ID, nil, []string{state(h)}
	v.synced, v.promised = 0, 0
	v.note(h)
	return h
}

// note keeps what members have seen and a killed process leaves.
func (v *survivor) note(h *store.History) {
	v.stamp, v.first = h.StartStamp, h.FirstIndex
	v.written = int(h.Log().Written())
	seen := h.Deliverable()
	v.views[h.StartStamp] = view{v.content[:seen:seen], h.FirstIndex}
}

// promise notes that everything is on the disk.
func (v *survivor) promise(h *store.History) {
	v.note(h)
	v.synced = len(v.content)
	v.promised = len(v.states) - 1
}

// use does things with the session until the crash, or for a while.
func (v *survivor) use(h *store.History) {
	for n := v.rnd.IntN(200); n > 0 && !v.fsys.Crashed(); n-- {
		switch v.rnd.IntN(30) {
		case 0, 1:
			if err := h.Flush(); err == nil {
				v.promise(h)
			} else if !v.fsys.Crashed() {
				v.t.Errorf("flush: %v", err)
			}
		case 2:
			v.reset(h)
		default:
			v.step(v.t, h)
		}
	}
}

// reset replaces the history, as an ordinary reset does.
func (v *survivor) reset(h *store.History) {
	image := v.messages()
	if len(v.content) == 0 || len(image) == 0 {
		return
	}
	rec, err := h.NewRecording(-1)
	if err != nil {
		return
	}
	f, head := rec.File()
	if _, err := f.WriteAt(image, head); err != nil || v.rnd.IntN(4) == 0 {
		h.DropRecording(rec)
		return
	}
	v.resetting = image
	old, err := h.CommitRecording(rec)
	if err != nil {
		return
	}
	v.note(h)
	_, n := frame.Whole(image)
	log, last := h.Log(), h.LastIndex()
	h.SetLog(store.OpenLog(f, head, int64(len(image)), nil, int64(n)))
	must(v.t, log.Release())
	h.Restamp()
	h.FirstIndex = last + 1
	v.content, v.resetting = image, nil
	v.promise(h)
	h.RetireRecording(old, h.ArchiveMode())
}

// check loads what a crash left and compares it with the promises. It uses a
// copy, so that the next generation begins with the crash's own files.
func (v *survivor) check(loss storetest.Loss) {
	if v.id == "" {
		return
	}
	// A journal whose last line was torn must load. Its half line may say
	// anything, so it is cut for the comparison.
	if files := v.fsys.Files(dir); len(files) > 0 {
		journal := strings.TrimRight(string(files[v.id+".session"]), "\x00")
		if whole := journal[:strings.LastIndexByte(journal, '\n')+1]; whole != journal {
			s := open(v.t, v.fsys.Reopen(storetest.ProcessKill), v.clock)
			if all, err := s.Load(); err != nil || len(all) == 0 && v.synced > 0 {
				v.t.Errorf("a torn journal is not loaded: %v", err)
			}
			_ = s.Close()
			v.fsys.Put(dir+"/"+v.id+".session", []byte(whole))
		}
	}
	floor := v.written
	if loss != storetest.ProcessKill {
		floor = v.synced
	}
	copied := v.fsys.Reopen(storetest.ProcessKill)
	v.fsys = v.fsys.Reopen(storetest.ProcessKill)
	log, warned := warnings()
	defer log.Close(time.Second) // it keeps a megabyte
	v.clock.at = v.clock.at.Add(time.Second)
	s := open(v.t, copied, v.clock, func(o *store.Options) { o.Log = log })
	defer s.Close()
	all := load(v.t, s)
	if len(all) == 0 {
		if floor > 0 {
			v.t.Errorf("the session is lost: %s", warned())
		}
		v.id, v.content = "", nil // begin with a new one
		return
	}
	h := all[0]
	got := history(v.t, h)
	content, ok := survived(got, v.content, floor, loss == storetest.PartialPowerCut)
	if !ok && v.resetting != nil {
		content, ok = survived(got, v.resetting, len(v.resetting), false)
	}
	if !ok {
		v.t.Errorf("%d bytes of history are left of %d (written %d, synced %d, reset to %d)", len(got), len(v.content), v.written, v.synced,
			len(v.resetting))
		return
	}
	if len(content) < len(v.content) {
		v.losses++
	}
	if i := slices.Index(v.states[v.promised:], state(h)); i < 0 {
		v.t.Errorf("the metadata is none of those since state %d of %d:\n%s\nlast\n%s", v.promised, len(v.states), state(h),
			v.states[len(v.states)-1])
	}
	if w, seen := v.views[h.StartStamp]; seen {
		v.kept++
		if !bytes.HasPrefix(got, w.content) || h.FirstIndex != w.first {
			v.t.Errorf("the stamp is kept, but not what members saw: %d bytes from index %d of %d from %d", len(got), h.FirstIndex,
				len(w.content), w.first)
		}
	}
	if v.stopped && (h.StartStamp != v.stamp || h.FirstIndex != v.first || len(content) != len(v.content)) {
		v.t.Errorf("after a stop in order: stamp %d, was %d; first index %d, was %d; %d bytes, were %d", h.StartStamp, v.stamp, h.FirstIndex,
			v.first, len(content), len(v.content))
	}
	v.content, v.states = got, []string{state(h)}
	v.written, v.synced, v.promised = len(got), 0, 0
	if loss := v.rnd.IntN(2); loss == 0 {
		// Go on from the loaded copy: its repairs are on the disk.
		v.synced = len(got)
		must(v.t, h.Flush())
		v.fsys = copied.Reopen(storetest.PowerCut)
		v.resetting, v.stopped = nil, false
		return
	}
	v.content, v.synced, v.written = content, len(content), len(content)
}

// survived reports whether got is a beginning of content of at least floor
// bytes with leaves for those who are inside. With zeros, bytes beyond floor
// may be zeros. It returns the part before the leaves.
func survived(got, content []byte, floor int, zeros bool) ([]byte, bool) {
	same := 0
	for same < len(got) && same < len(content) && got[same] == content[same] {
		same++
	}
	var bounds []int
	for at := 0; at <= len(got); {
		bounds = append(bounds, at)
		n := frame.Len(got[at:])
		if n == 0 {
			break
		}
		at += n
	}
	for _, at := range slices.Backward(bounds) {
		if at < floor {
			break
		}
		tail := bytes.Trim(got[min(same, at):at], "\x00")
		if (at <= same || zeros && same >= floor && len(tail) == 0) && bytes.Equal(got[at:], leaves(got[:at])) {
			return got[:at], true
		}
	}
	return nil, false
}
