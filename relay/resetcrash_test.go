package relay

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"drawrelay/frame"
	"drawrelay/store/settings"
	"drawrelay/store/storetest"
)

var resetCrashes = flag.Int("resetcrashes", 6, "at how many operations TestResetCrash crashes each kind of reset; 0: at every one")

// resetCrash is a reset, of either kind, whose server crashes.
type resetCrash struct {
	streamed bool
	interval time.Duration // as in setup
	loops    int           // with more than one, bob is on another than the session
}

func (k resetCrash) String() string {
	name := "classic"
	if k.streamed {
		name = "streamed"
	}
	if k.interval < 0 {
		name += ",sync before delivery"
	}
	return fmt.Sprintf("%s,loops=%d", name, k.loops)
}

// TestResetCrash crashes the disk at operations of a session in which members
// draw while it is reset, and has a new server load what is left. It must have
// the old canvas or the new one, whole: everything that anybody was sent
// before a process was killed, and of the new one the image in any case.
func TestResetCrash(t *testing.T) {
	outcomes := map[string]int{}
	for _, k := range []resetCrash{{false, 0, 1}, {false, -1, 2}, {false, 0, 4}, {true, 0, 1}, {true, -1, 2}, {true, 0, 4}} {
		t.Run(k.String(), func(t *testing.T) {
			n := k.run(t, 1, 0, outcomes)
			count := int64(*resetCrashes)
			if count == 0 || count > n {
				count = n
			}
			rnd := rand.New(rand.NewPCG(uint64(count), 3))
			for i := range count {
				at := 1 + i*n/count // one out of each of count parts
				at += rnd.Int64N(max(1, 1+(i+1)*n/count-at))
				if k.run(t, uint64(at), at, outcomes); t.Failed() {
					t.Fatalf("with a crash at operation %d of %d", at, n)
				}
			}
		})
	}
	t.Logf("what the crashes left: %v", outcomes)
	if *resetCrashes == 0 && len(outcomes) < 4 {
		t.Error("the crashes have not left both canvases of both kinds of reset")
	}
}

// run crashes at the at-th operation from before the reset on; 0: after it. It
// returns how many there were.
func (k resetCrash) run(t *testing.T, seed uint64, at int64, outcomes map[string]int) (operations int64) {
	fsys := storetest.New(seed)
	ts := &testServer{t: t, out: &syncBuffer{}, dir: "sessions", setup: setup{
		loops: k.loops, files: true, fs: fsys, grace: forever, interval: k.interval,
		edit: func(s *settings.Settings) { s.MinimumAutoResetThreshold = 0 },
	}}
	ts.open()
	host, id := ts.host("host", 3)
	ann := ts.join("ann", id)
	if k.loops > 1 {
		ts.crowd(id, plainPerLoop)
	}
	bob := ts.join("bob", id)
	for i := range 5 {
		ann.send(stroke, fmt.Appendf(nil, "before %d", i))
	}
	host.waitBody("before 4")
	bob.waitBody("before 4")
	room := ts.room(id)
	if err := room.hist.Flush(); err != nil { // so that a power cut leaves a session
		t.Fatal(err)
	}
	start := fsys.Operations()
	if at > 0 {
		fsys.CrashAt(at)
	}

	// Members draw while the host resets, and a little longer.
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for _, c := range []*client{ann, bob} {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if !c.put(stroke, fmt.Appendf(nil, "%s %d", c.name, i)) {
					return
				}
				time.Sleep(500 * time.Microsecond)
			}
		})
	}
	r := &resetter{client: host, base: uploaded(3), piece: 20}
	done := make(chan bool, 1)
	wg.Go(func() {
		ok := false
		if k.streamed {
			host.call("sessionconf", nil, map[string]any{"resetThreshold": 1})
			ok = r.autoreset()
		} else {
			ok = r.reset("current")
		}
		host.put(stroke, []byte("after"))
		done <- ok
	})
	complete := false
	await(t, "reset or crash", func() bool {
		select {
		case ok := <-done:
			if complete = ok; !ok && !fsys.Crashed() {
				t.Error("the reset has failed")
			}
			return true
		default:
			return fsys.Crashed()
		}
	})
	if complete {
		await(t, "stroke after the reset", func() bool { return ann.has("after") || fsys.Crashed() })
	}
	operations = fsys.Operations() - start
	fsys.Crash()
	close(stop)
	ts.kill()
	for _, c := range []*client{host, ann, bob} {
		c.waitEnd()
	}
	wg.Wait()

	losses := []storetest.Loss{storetest.ProcessKill, storetest.PowerCut, storetest.PartialPowerCut, storetest.PartialPowerCut}
	for _, loss := range losses {
		x := &crashed{t: t, k: k, room: room, loss: loss}
		for _, c := range []*client{ann, bob} {
			x.seen = append(x.seen, split(c))
		}
		x.check(ts, fsys.Reopen(loss), r, outcomes)
		if t.Failed() {
			t.Fatalf("after a %v; log:\n%s", loss, ts.out)
		}
	}
	return operations
}

// seen is what a member has been sent of the history, without replies.
type seen struct {
	before []string // the reset, or the start of a streamed one
	after  []string
	marked bool // has seen the start of a streamed reset, or a classic one
}

// all is everything in order.
func (s seen) all() []string { return append(slices.Clone(s.before), s.after...) }

func split(c *client) (s seen) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.msgs {
		v := object(m)
		switch {
		case v["type"] == "sstart", v["type"] == "reset" && v["state"] == "reset":
			s.marked = true
		case m.Type < 32:
		case s.marked:
			s.after = append(s.after, text(m))
		default:
			s.before = append(s.before, text(m))
		}
	}
	return s
}

func text(m frame.Msg) string { return fmt.Sprintf("%v/%d %q", m.Type, m.User, m.Body) }

// crashed is what a crash has left.
type crashed struct {
	t    *testing.T
	k    resetCrash
	room *room // before the crash
	loss storetest.Loss
	seen []seen
}

func (x *crashed) check(old *testServer, fsys *storetest.FS, r *resetter, outcomes map[string]int) {
	t, id := x.t, x.room.id
	ts := &testServer{t: t, out: &syncBuffer{}, dir: old.dir, setup: old.setup}
	ts.setup.fs = fsys
	ts.open()
	defer ts.stop()
	if ts.registry.find(id) == nil {
		t.Errorf("the session is lost:\n%s", ts.out)
		return
	}
	// The journal names one of the two recordings last, and it is there.
	files := fsys.Files(ts.dir)
	var named string
	for line := range strings.Lines(string(files[id+".session"])) {
		// A line that a power cut has torn does not count.
		if name, ok := strings.CutPrefix(line, "FILE "); ok && strings.HasSuffix(name, ".dprec\n") {
			named = strings.TrimSpace(name)
		}
	}
	if files[named] == nil {
		t.Errorf("the journal names %q, there are %d files", named, len(files))
	}
	size := ts.room(id).hist.Log().Size()

	c := ts.join("again", id)
	join, _ := c.wait(0, "own join", func(m frame.Msg) bool { return m.Type == frame.TypeJoin && m.User == c.id })
	var got []string
	whole := split(c) // an old start in the history is no place to split
	for _, s := range whole.all() {
		if s == text(join) {
			break
		}
		if strings.HasPrefix(s, frame.TypeLeave.String()) { // appended by the load
			size -= frame.HeaderLen
			continue
		}
		got = append(got, s)
	}
	switched := x.room.hist.FirstIndex > 0
	isNew := strings.Contains(named, "_r")
	outcomes[fmt.Sprintf("%v, new: %v", map[bool]string{true: "streamed", false: "classic"}[x.k.streamed], isNew)]++
	// strict: nothing that anybody was sent may be missing.
	strict := x.loss == storetest.ProcessKill || x.k.interval < 0 || isNew && !switched
	floor := x.room.hist.Log().Synced()
	if x.loss == storetest.ProcessKill {
		floor = x.room.hist.Log().Written()
	}
	if isNew == switched && size < floor {
		t.Errorf("%d bytes are left of %d", size, floor)
	}
	if switched && !isNew {
		t.Error("members have the new canvas, the files the old one")
	}
	if !isNew {
		for _, s := range x.seen {
			sent := s.before
			if x.k.streamed {
				sent = s.all()
			} else if s.marked {
				t.Error("a member has been sent the new canvas")
			}
			x.compare("old", got, sent, strict)
		}
		return
	}
	// The new one: who is there and what they may, the image, what followed.
	n := 0
	for n < len(got) && !strings.HasPrefix(got[n], stroke.String()) {
		n++
	}
	if want := []string{"join", "join", "join", "sessionowner"}; n != len(want) {
		t.Errorf("the new history begins with %q instead of %q", got[:n], want)
	}
	var image []string
	for _, m := range r.sent {
		image = append(image, text(m))
	}
	if rest := got[n:]; len(image) == 0 || len(rest) < len(image) || !slices.Equal(rest[:len(image)], image) {
		t.Errorf("the image is %q instead of %q", rest, image)
		return
	}
	for _, s := range x.seen {
		if x.k.streamed {
			x.compare("new, since the fork", got[n+len(image):], s.after, strict)
		} else {
			x.compare("new", got, s.after, strict)
		}
	}
}

// compare checks that what is left and what a member was sent are the same, as
// far as the shorter one goes; if strict, what it was sent must be there.
func (x *crashed) compare(which string, left, sent []string, strict bool) {
	n := min(len(left), len(sent))
	if !slices.Equal(left[:n], sent[:n]) || strict && len(sent) > len(left) {
		x.t.Errorf("%s canvas: left is\n%s\na member was sent\n%s", which, strings.Join(left, "\n"), strings.Join(sent, "\n"))
	}
}
