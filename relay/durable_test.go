package relay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/diskspace"
	"drawrelay/store/entry"
	"drawrelay/store/storetest"
)

// forever is a grace that no test outlasts.
const forever = time.Hour

// gatedFS holds writes, or writes and syncs, of chosen recordings back.
type gatedFS struct {
	store.FS

	mu    sync.Mutex
	gates map[string]*gate // by session id
}

// gate is passed by whoever takes a token; closed, it is open.
type gate struct {
	tokens chan struct{}
	syncs  bool
	in     int // who waits; protected by gatedFS.mu
}

func newGatedFS() *gatedFS {
	return &gatedFS{FS: storetest.New(1), gates: make(map[string]*gate)}
}

// hold closes a gate for a session's recording. open opens it, for good.
func (g *gatedFS) hold(id string, syncs bool) (one *gate, open func()) {
	one = &gate{tokens: make(chan struct{}), syncs: syncs}
	g.mu.Lock()
	g.gates[id] = one
	g.mu.Unlock()
	return one, sync.OnceFunc(func() {
		g.mu.Lock()
		delete(g.gates, id)
		g.mu.Unlock()
		close(one.tokens)
	})
}

func (g *gatedFS) waiting(one *gate) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return one.in > 0
}

func (g *gatedFS) pass(name string, sync bool) {
	name = filepath.Base(name)
	g.mu.Lock()
	one := g.gates[name[:min(26, len(name))]]
	if one == nil || !strings.HasSuffix(name, ".dprec") || sync && !one.syncs {
		g.mu.Unlock()
		return
	}
	one.in++
	g.mu.Unlock()
	<-one.tokens
	g.mu.Lock()
	one.in--
	g.mu.Unlock()
}

func (g *gatedFS) OpenFile(name string, flag int, perm fs.FileMode) (store.File, error) {
	f, err := g.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &gatedFile{f, g, name}, nil
}

type gatedFile struct {
	store.File
	g    *gatedFS
	name string
}

func (f *gatedFile) WriteAt(b []byte, at int64) (int, error) {
	f.g.pass(f.name, false)
	return f.File.WriteAt(b, at)
}

func (f *gatedFile) Sync() error {
	f.g.pass(f.name, true)
	return f.File.Sync()
}

// ping has a Ping answered. Everything the client sent before has been
// processed by then, if it is on its session's loop.
func (c *client) ping() {
	c.t.Helper()
	c.mu.Lock()
	at := len(c.msgs)
	c.mu.Unlock()
	c.send(frame.TypePing, []byte{0})
	c.wait(at, "pong", func(m frame.Msg) bool { return m.Type == frame.TypePing && string(m.Body) == "\x01" })
}

// has reports whether a message with this body has come.
func (c *client) has(body string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.msgs {
		if string(m.Body) == body {
			return true
		}
	}
	return false
}

// waitAlert waits for an alert that holds text.
func (c *client) waitAlert(text string) {
	c.t.Helper()
	c.wait(0, "alert "+text, func(m frame.Msg) bool {
		var v struct{ Type, Message string }
		return m.Type == frame.TypeServerCommand && json.Unmarshal(m.Body, &v) == nil &&
			v.Type == "alert" && strings.Contains(v.Message, text)
	})
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

func (ts *testServer) awaitLog(text string) {
	ts.t.Helper()
	await(ts.t, fmt.Sprintf("log entry %q", text), func() bool { return strings.Contains(ts.out.String(), text) })
}

// room returns a live session.
func (ts *testServer) room(id string) *room {
	ts.t.Helper()
	r := ts.registry.find(id)
	if r == nil {
		ts.t.Fatalf("session %s is not there", id)
	}
	return r
}

// TestWrittenBeforeSeen: nobody is sent what is not in the file, or not on the
// disk with a sync interval of 0; everything else goes on meanwhile.
func TestWrittenBeforeSeen(t *testing.T) {
	for _, s := range []setup{
		{loops: 1}, {loops: 2}, {loops: 1, tls: true}, {loops: 1, transport: TransportGoroutine}, {loops: 1, interval: -1},
	} {
		s.files, s.grace = true, forever
		t.Run(fmt.Sprintf("%v,interval=%d", s, s.interval), func(t *testing.T) {
			fsys := newGatedFS()
			s.fs = fsys
			ts := startServer(t, s)
			host, id := ts.host("host", 3)
			other, otherID := ts.host("other", 3)
			ann, bob, late := ts.join("ann", id), ts.join("bob", id), ts.join("late", otherID)
			for _, c := range []*client{host, ann, bob} {
				c.wait(0, "join of bob", func(m frame.Msg) bool { return m.Type == frame.TypeJoin && m.User == bob.id })
			}
			held, open := fsys.hold(id, s.interval < 0)
			defer open()

			ann.send(148, []byte("held back"))
			await(t, "write", func() bool { return fsys.waiting(held) })
			ann.send(frame.TypeChat, append([]byte{frame.ChatBypass, 0}, "direct"...))
			for _, c := range []*client{host, ann, bob} {
				c.wait(0, "direct message", func(m frame.Msg) bool { return m.Type == frame.TypeChat })
				c.ping()
			}
			other.send(148, []byte("elsewhere"))
			other.waitBody("elsewhere")
			late.waitBody("elsewhere")
			for _, c := range []*client{host, ann, bob} {
				if c.has("held back") {
					t.Errorf("%s has received what is not written", c.name)
				}
			}
			if !fsys.waiting(held) || ts.room(id).hist.Stalled() {
				t.Error("the write did not wait all the time")
			}
			open()
			for _, c := range []*client{host, ann, bob} {
				c.waitBody("held back")
			}
		})
	}
}

// TestStalledDisk: beyond the grace members are sent what is in memory, which
// is counted and logged, until the file has caught up.
func TestStalledDisk(t *testing.T) {
	fsys := newGatedFS()
	ts := startServer(t, setup{loops: 1, files: true, fs: fsys})
	_, id := ts.host("host", 3)
	ann, bob := ts.join("ann", id), ts.join("bob", id)
	_, open := fsys.hold(id, false)
	defer open()
	ann.send(148, []byte("ahead"))
	bob.waitBody("ahead")
	hist := ts.room(id).hist
	if !hist.Stalled() || hist.Log().Written() == hist.Log().Size() {
		t.Error("the session does not count as stalled")
	}
	if st := ts.store.Committer().Stats(); st.Stalls == 0 || st.Stalled != 1 {
		t.Errorf("statistics %+v", st)
	}
	ts.awaitLog("The disk is too slow: members are sent what is not in the history file yet")
	// A joiner and one far behind are served from memory, too.
	for range 40 {
		ann.send(148, make([]byte, 60000))
	}
	ann.send(148, []byte("end"))
	late := ts.join("late", id)
	late.waitBody("end")
	open()
	ts.awaitLog("The history file has caught up")
	if st := ts.store.Committer().Stats(); hist.Stalled() || st.Stalled != 0 {
		t.Errorf("statistics %+v", st)
	}
	bob.waitBody("end")
	if !bytes.Equal(bob.history(), late.history()) {
		t.Error("the histories differ")
	}
}

// TestBrokenDisk: after a failed sync nothing more is accepted, for good, and
// everybody is told; who is there stays known and chat goes on.
func TestBrokenDisk(t *testing.T) {
	for _, interval := range []time.Duration{-1, time.Millisecond} {
		t.Run(fmt.Sprintf("interval=%d", interval), func(t *testing.T) {
			fsys := storetest.New(1)
			ts := startServer(t, setup{loops: 1, files: true, fs: fsys, interval: interval, grace: forever})
			host, id := ts.host("host", 3)
			ann, bob := ts.join("ann", id), ts.join("bob", id)
			ann.send(148, []byte("before"))
			bob.waitBody("before")
			hist := ts.room(id).hist
			await(t, "sync", func() bool { return hist.Log().Synced() == hist.Log().Size() })

			fsys.Fail(storetest.Sync, syscall.EIO)
			ann.send(148, []byte("last"))
			for _, c := range []*client{host, ann, bob} {
				c.waitAlert("The server cannot store this session: its disk reports errors.")
			}
			fsys.Fail(storetest.Sync, nil)
			ann.send(148, []byte("refused"))
			ann.send(frame.TypeChat, []byte("\x00\x00chat goes on"))
			for _, c := range []*client{host, ann, bob} {
				c.waitBody("\x00\x00chat goes on")
				c.ping()
				if c.has("refused") {
					t.Errorf("%s was sent what is not kept", c.name)
				}
			}
			late := ts.join("late", id)
			late.waitBody("before")
			late.waitAlert("The server cannot store this session")
			ts.awaitLog("Cannot store the session: sync history: ")
			if strings.Contains(ts.out.String(), ts.dir) {
				t.Error("the log shows members the folder")
			}
			if st := ts.store.Committer().Stats(); st.Failing != 1 || st.SyncErrors != 1 {
				t.Errorf("statistics %+v", st)
			}
			if n := strings.Count(ts.out.String(), "Cannot store the session: "); n != 1 {
				t.Errorf("logged %d times", n)
			}

			ts.stop()
			ts.open()
			again := ts.join("again", id)
			again.waitBody("before")
			again.send(148, []byte("after"))
			again.waitBody("after")
			if again.has("refused") {
				t.Error("what was refused is there after the restart")
			}
		})
	}
}

// TestDiskFillsUp: hosts are refused first, then drawing, each with a reason;
// all of it ends by itself, and nothing of what was accepted is lost.
func TestDiskFillsUp(t *testing.T) {
	var free atomic.Uint64
	free.Store(1 << 40)
	ts := startServer(t, setup{loops: 1, files: true, space: func(string) (diskspace.Space, error) {
		return diskspace.Space{Free: free.Load(), Total: 1 << 40}, nil
	}})
	host, id := ts.host("host", 3)
	ann, bob := ts.join("ann", id), ts.join("bob", id)
	ann.send(148, []byte("before"))
	bob.waitBody("before")

	free.Store(200 << 20)
	ts.awaitLog("nobody can host")
	c, ec := ts.connect("second")
	v, _ := frame.ParseVersion("dp:4.25.1")
	err := ts.Host(context.Background(), &entry.HostRequest{Person: c.person(), Conn: ec, UserID: 1, Version: v})
	var refusal *entry.Refusal
	if !errors.As(err, &refusal) || refusal.Code != "closed" || !strings.Contains(refusal.Message, "short of disk space") {
		t.Errorf("host: %v", err)
	}
	ann.send(148, []byte("still drawn"))
	bob.waitBody("still drawn")
	joiner := ts.join("joiner", id)
	joiner.waitBody("still drawn")

	free.Store(10 << 20)
	for _, c := range []*client{host, ann, bob, joiner} {
		c.waitAlert("The server cannot store this session: its disk is almost full.")
	}
	ann.send(148, []byte("refused"))
	ann.send(frame.TypeChat, []byte("\x00\x00chat goes on"))
	bob.waitBody("\x00\x00chat goes on")
	if bob.has("refused") {
		t.Error("sent what is not kept")
	}

	free.Store(1 << 40)
	for _, c := range []*client{host, ann, bob, joiner} {
		c.waitAlert("The server can store this session again.")
	}
	ann.send(148, []byte("again"))
	bob.waitBody("again")
	ts.host("third", 1)
	ts.stop()
	ts.open()
	after := ts.join("after", id)
	after.waitBody("again")
	if !after.has("before") || !after.has("still drawn") || after.has("refused") {
		t.Error("the history is another one after the restart")
	}
}

// TestDrawingWhileStalled: while the disk stalls, what is drawn goes on to the
// others by itself; nothing else makes the server send, as its clock stands
// still.
func TestDrawingWhileStalled(t *testing.T) {
	for _, s := range []setup{{loops: 1}, {loops: 2, tls: true}, {loops: 2, transport: TransportGoroutine}} {
		s.files = true
		t.Run(s.String(), func(t *testing.T) {
			fsys := newGatedFS()
			s.fs, s.now = fsys, newVirtualClock().now
			ts := startServer(t, s)
			_, id := ts.host("host", 3)
			ann := ts.join("ann", id)
			if s.loops > 1 {
				ts.crowd(id, plainPerLoop)
			}
			bob := ts.join("bob", id)
			_, open := fsys.hold(id, false)
			defer open()
			for i := range 20 {
				ann.send(stroke, fmt.Appendf(nil, "ahead %d", i))
				bob.waitBody(fmt.Sprintf("ahead %d", i))
			}
			if !ts.room(id).hist.Stalled() {
				t.Error("the session does not count as stalled")
			}
		})
	}
}

// TestFullDisk: while the disk is full nothing more is accepted and everybody
// is told; what had been accepted is written once there is space.
func TestFullDisk(t *testing.T) {
	for _, s := range []setup{{loops: 1}, {loops: 2, tls: true}, {loops: 1, transport: TransportGoroutine}} {
		s.files = true
		t.Run(s.String(), func(t *testing.T) {
			fsys := storetest.New(1)
			s.fs, s.retry = fsys, 10*time.Millisecond
			ts := startServer(t, s)
			host, id := ts.host("host", 3)
			ann, bob := ts.join("ann", id), ts.join("bob", id)
			ann.send(148, []byte("before"))
			bob.waitBody("before")

			fsys.SetFree(3)
			ann.send(148, []byte("accepted"))
			for _, c := range []*client{host, ann, bob} {
				c.waitAlert("The server cannot store this session: its disk is full.")
				c.waitBody("accepted") // beyond the grace
			}
			ann.send(148, []byte("refused"))
			ann.ping()
			// Who comes and goes is known all the same.
			late := ts.join("late", id)
			late.waitBody("before")
			late.waitAlert("its disk is full")
			bob.wait(0, "join of late", func(m frame.Msg) bool { return m.Type == frame.TypeJoin && m.User == late.id })
			late.conn.Close()
			bob.wait(0, "leave of late", func(m frame.Msg) bool { return m.Type == frame.TypeLeave && m.User == late.id })
			ts.awaitLog("no space left on device; free some space")

			fsys.SetFree(-1)
			for _, c := range []*client{host, ann, bob} {
				c.waitAlert("The server can store this session again.")
			}
			ann.send(148, []byte("again"))
			host.waitBody("again")
			bob.waitBody("again")
			last := ts.join("last", id)
			last.waitBody("again")
			for _, c := range []*client{bob, last} {
				c.wait(0, "join of last", func(m frame.Msg) bool { return m.Type == frame.TypeJoin && m.User == last.id })
			}
			if last.has("refused") || bob.has("refused") {
				t.Error("what was refused is there")
			}
			if !bytes.HasSuffix(last.history(), bob.history()) {
				t.Error("the histories differ")
			}
			want := last.history()
			ts.stop()
			ts.open()
			after := ts.join("after", id)
			after.wait(0, "own join", func(m frame.Msg) bool { return m.Type == frame.TypeJoin && m.User == after.id })
			if !bytes.HasPrefix(after.history(), want) {
				t.Error("the history after the restart is another")
			}
		})
	}
}

// TestBacklog: with too much waiting to be written senders are not read any
// more, but other sessions are; nothing is lost.
func TestBacklog(t *testing.T) {
	const total, size = store.MaxBacklog + 24<<20, 60000
	for _, s := range []setup{{loops: 1}, {loops: 1, transport: TransportGoroutine}} {
		s.files, s.grace = true, forever
		t.Run(s.String(), func(t *testing.T) {
			fsys := newGatedFS()
			s.fs = fsys
			ts := startServer(t, s)
			_, id := ts.host("host", 3)
			other, _ := ts.host("other", 3)
			ann, bob := ts.join("ann", id), ts.join("bob", id)
			_, open := fsys.hold(id, false)
			defer open()
			sent := make(chan error, 1)
			n := total / size
			go func() {
				body := make([]byte, size)
				msg := frame.Append(nil, frame.Msg{Type: 148, User: ann.id, Body: body})
				for range n {
					if _, err := ann.conn.Write(msg); err != nil {
						sent <- err
						return
					}
				}
				sent <- nil
			}()
			r := ts.room(id)
			await(t, "sender held", func() bool {
				r.heldMu.Lock()
				defer r.heldMu.Unlock()
				return len(r.held) == 1
			})
			if over := r.hist.Backlog() - store.MaxBacklog; over <= 0 || over > readTurn {
				t.Errorf("held with %d bytes more than the limit", over)
			}
			other.ping()
			select {
			case err := <-sent:
				t.Errorf("the sender is not held back: %v", err)
			default:
			}
			open()
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
			ann.send(148, []byte("end"))
			bob.waitBody("end")
			if got := bytes.Count(bob.history(), make([]byte, size)); got != n {
				t.Errorf("%d messages of %d have arrived", got, n)
			}
		})
	}
}

// TestSlowDisk: every write of a session takes as long as it likes, and the
// other members of the loop do not notice: pings, chat and the other session
// go on during each.
func TestSlowDisk(t *testing.T) {
	for _, s := range []setup{{loops: 1}, {loops: 1, transport: TransportGoroutine}} {
		s.files, s.grace = true, forever
		t.Run(s.String(), func(t *testing.T) {
			fsys := newGatedFS()
			s.fs = fsys
			ts := startServer(t, s)
			_, id := ts.host("host", 3)
			other, _ := ts.host("other", 3)
			ann, bob := ts.join("ann", id), ts.join("bob", id)
			bob.wait(0, "own join", func(m frame.Msg) bool { return m.Type == frame.TypeJoin && m.User == bob.id }) // the next write is the stroke's
			held, open := fsys.hold(id, false)
			defer open()
			for i := range 20 {
				ann.send(148, fmt.Appendf(nil, "stroke %d", i))
				await(t, "write", func() bool { return fsys.waiting(held) })
				for _, c := range []*client{ann, bob, other} {
					c.ping()
				}
				body := fmt.Sprintf("stroke %d", i)
				other.send(148, []byte(body))
				other.waitBody(body)
				if !fsys.waiting(held) || bob.has(body) {
					t.Fatalf("write %d did not wait", i)
				}
				held.tokens <- struct{}{}
				bob.waitBody(body)
			}
			open()
		})
	}
}

// cardFS is as slow as a bad SD card: 10 ms and 10 MB/s for each write.
type cardFS struct{ store.FS }

func (c cardFS) OpenFile(name string, flag int, perm fs.FileMode) (store.File, error) {
	f, err := c.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return cardFile{f}, nil
}

type cardFile struct{ store.File }

func (f cardFile) WriteAt(b []byte, at int64) (int, error) {
	time.Sleep(10*time.Millisecond + time.Duration(len(b))*100*time.Nanosecond)
	return f.File.WriteAt(b, at)
}

func (f cardFile) Sync() error {
	time.Sleep(20 * time.Millisecond)
	return f.File.Sync()
}

// TestMemoryCard: on a slow card several people draw a few megabytes. All of
// them, a joiner and the restarted server have the same.
func TestMemoryCard(t *testing.T) {
	t.Parallel()
	for _, interval := range []time.Duration{-1, 0} {
		t.Run(fmt.Sprintf("interval=%d", interval), func(t *testing.T) {
			ts := startServer(t, setup{loops: 2, files: true, fs: cardFS{storetest.New(1)}, interval: interval})
			host, id := ts.host("host", 3)
			members := []*client{ts.join("ann", id), ts.join("bob", id), ts.join("cid", id)}
			var wg sync.WaitGroup
			for _, c := range members {
				wg.Go(func() {
					for i := range 50 {
						c.send(148, fmt.Appendf(nil, "%s %d %s", c.name, i, make([]byte, i*200)))
					}
					c.send(148, []byte("end of "+c.name))
				})
			}
			wg.Wait()
			members = append(members, ts.join("late", id))
			host.send(148, []byte("the end"))
			for _, c := range members {
				for _, d := range members[:3] {
					c.waitBody("end of " + d.name)
				}
				c.waitBody("the end")
			}
			want := members[3].history()
			for _, c := range members {
				if !bytes.HasSuffix(want, c.history()) {
					t.Errorf("%s has another history", c.name)
				}
			}
			ts.stop()
			ts.open()
			after := ts.join("after", id)
			after.wait(0, "own join", func(m frame.Msg) bool { return m.Type == frame.TypeJoin && m.User == after.id })
			if !bytes.HasPrefix(after.history(), want) {
				t.Error("the history after the restart is another")
			}
		})
	}
}

// TestStopWhileWriting: a write that ends after the loops have does not wake
// a descriptor that belongs to somebody else by then.
func TestStopWhileWriting(t *testing.T) {
	fsys := newGatedFS()
	ts := startServer(t, setup{loops: 2, files: true, fs: fsys, grace: forever})
	_, id := ts.host("host", 3)
	held, open := fsys.hold(id, false)
	defer open()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		ts.stop()
	}()
	await(t, "write", func() bool { return fsys.waiting(held) })
	ts.running.Wait()
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listen.Close()
	var others []net.Conn // what a stale descriptor may belong to now
	for range 20 {
		a, err := net.Dial("tcp", listen.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		b, err := listen.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		others = append(others, a, b)
	}
	open()
	<-stopped
	for _, c := range others {
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range others {
		if b, err := io.ReadAll(c); len(b) > 0 || err != nil {
			t.Errorf("%q was written to a connection of somebody else, %v", b, err)
		}
	}
	ts.open()
}
