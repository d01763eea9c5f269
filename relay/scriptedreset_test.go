package relay

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"drawrelay/frame"
	"drawrelay/store/settings"
)

// TestScriptedReset: an operator that behaves as the real client resets the
// session in each way while others draw, one member does not read at all and
// others join afterwards. In the end all show the same canvas, which is what
// the reset left of the old one and everything after it.
func TestScriptedReset(t *testing.T) {
	var two []setup
	for _, s := range setups() {
		if s.loops == 2 {
			two = append(two, s)
		}
	}
	for i, kind := range []string{"streamed autoreset", "classic autoreset", "manual reset", "manual reset to the past"} {
		for j, s := range two {
			if !*thorough && (i+j)%4 != 0 { // each combination with one kind
				continue
			}
			s.grace = forever
			s.record = true
			s.edit = func(s *settings.Settings) { s.MinimumAutoResetThreshold = 0 }
			t.Run(fmt.Sprintf("%s,%v", kind, s), func(t *testing.T) { scriptedReset(t, kind, s) })
		}
	}
}

func scriptedReset(t *testing.T, kind string, s setup) {
	const big = 100 // strokes that fill the laggard's buffers
	ts := startServer(t, s)
	host, id := ts.host("host", 5)
	ann, bob := ts.join("ann", id), ts.join("bob", id)
	lag := ts.joinQuiet("lag", id)
	for i := range big {
		ann.send(stroke, append(fmt.Appendf(nil, "big %d ", i), make([]byte, 60000)...))
	}
	ann.send(stroke, []byte("drawn"))
	host.waitBody("drawn")

	// Members draw from before the reset until after it.
	r := &resetter{client: host, base: uploaded(5), piece: 1000}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for _, c := range []*client{ann, bob} {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					c.send(stroke, []byte("end of "+c.name))
					return
				default:
				}
				c.send(stroke, fmt.Appendf(nil, "%s %d", c.name, i))
				c.ping()
			}
		})
	}
	ok := false
	switch kind {
	case "streamed autoreset", "classic autoreset":
		r.bare = kind == "classic autoreset"
		host.call("sessionconf", nil, map[string]any{"resetThreshold": 1})
		ok = r.autoreset()
	case "manual reset":
		ok = r.reset("current")
	default:
		r.past = 3
		ok = r.reset("past")
	}
	if !ok {
		t.Error("the reset has failed")
	}
	if kind == "streamed autoreset" {
		ts.checkLag(id)
	}
	late := ts.join("late", id)
	close(stop)
	wg.Wait()
	go lag.readAll()
	host.send(stroke, []byte("the end"))
	all := []*client{late, host, ann, bob, lag}
	for _, c := range all {
		for _, d := range []*client{ann, bob} {
			c.waitBody("end of " + d.name)
		}
		c.waitBody("the end")
	}

	want := late.canvas(nil, -1)
	for i, m := range r.sent {
		if want[i] != string(m.Body) {
			t.Errorf("stroke %d of the canvas is %.20q, the image has %.20q", i, want[i], m.Body)
		}
	}
	if n := len(r.sent); r.past == 0 && n <= 5+big || r.past > 0 && n != r.past {
		t.Errorf("the image has %d strokes", n)
	}
	for _, c := range all[1:] {
		var base []string
		if c == host {
			base = r.base
		}
		if got := c.canvas(base, -1); !slices.Equal(got, want) {
			t.Errorf("%s shows %d strokes, a late joiner %d; the same are %d", c.name, len(got), len(want), sameStrokes(got, want))
		}
	}
	if got := slices.DeleteFunc(late.canvas(nil, -1), func(s string) bool { return s != "the end" }); len(got) != 1 {
		t.Errorf("the end is there %d times", len(got))
	}
	if kind != "streamed autoreset" {
		// All have started over and have the same history, byte for byte.
		for _, c := range all[1:] {
			if got, want := c.sinceReset(), late.history(); string(got) != string(want[:min(len(got), len(want))]) {
				t.Errorf("%s has another history than a late joiner", c.name)
			}
		}
	}
	ts.stopped.Do(ts.stop)
	if kind == "streamed autoreset" {
		// One recording, of everything in the order in which it was drawn.
		ts.compare("recording", ts.recorded(id+".dprec"), ann.canvas(nil, -1))
		ts.compare("second recording", ts.recorded(id+" (1).dprec"), nil)
		return
	}
	ts.compare("recording of the new history", ts.recorded(id+" (1).dprec"), want)
	before, seen := ts.recorded(id+".dprec"), ann.canvas(nil, ann.resetAt())
	ts.compare("recording of the old history", before[:min(len(before), len(seen))], seen[:min(len(before), len(seen))])
	if len(before) < 5+big {
		t.Errorf("the recording of the old history has %d strokes", len(before))
	}
}

// resetAt returns how many messages a client had before the last classic reset.
func (c *client) resetAt() (at int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, m := range c.msgs {
		if v := object(m); v["type"] == "reset" && v["state"] == "reset" {
			at = i
		}
	}
	return at
}

// compare reports a difference between two canvases without printing them.
func (ts *testServer) compare(what string, got, want []string) {
	ts.t.Helper()
	if !slices.Equal(got, want) {
		ts.t.Errorf("%s has %d strokes, want %d; the same are %d", what, len(got), len(want), sameStrokes(got, want))
	}
}

// recorded returns the drawing commands of a recording, nil if there is none.
func (ts *testServer) recorded(name string) (canvas []string) {
	ts.t.Helper()
	b, err := os.ReadFile(filepath.Join(ts.records, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	h, err := frame.ParseRecordingHead(b)
	if err != nil {
		ts.t.Fatal(err)
	}
	for b = b[h.Len:]; len(b) > 0; {
		m, rest, err := frame.Parse(b)
		if err != nil {
			ts.t.Fatalf("recording %s: %v", name, err)
		}
		b = rest
		if m.Type >= frame.FirstCommand {
			canvas = append(canvas, string(m.Body))
		}
	}
	return canvas
}

// checkLag checks that somebody is still to be sent the history up to the fork.
func (ts *testServer) checkLag(id string) {
	ts.t.Helper()
	r := ts.room(id)
	lagging := 0
	for _, s := range *r.shards.Load() {
		_ = s.loop.call(func() error {
			for _, k := range s.links {
				if len(k.nexts) > 0 {
					lagging++
				}
			}
			return nil
		})
	}
	if lagging == 0 {
		ts.t.Error("nobody lags behind the fork")
	}
}

// sinceReset is history since the last classic reset.
func (c *client) sinceReset() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b []byte
	for _, m := range c.msgs {
		if v := object(m); v["type"] == "reset" && v["state"] == "reset" {
			b = b[:0]
		}
		if m.Type >= 32 {
			b = frame.Append(b, m)
		}
	}
	return b
}

func sameStrokes(a, b []string) (n int) {
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
