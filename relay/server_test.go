package relay

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/diskspace"
	"drawrelay/store/entry"
	"drawrelay/store/serverlog"
	"drawrelay/store/settings"
)

var thorough = flag.Bool("thorough", false, "run the tests on all combinations of loops, transport, files and encryption, not on a selection")

// patience is how long a test waits for something that must come.
const patience = 30 * time.Second

// setup says what a test server runs on.
type setup struct {
	loops     int
	transport Transport
	files     bool
	fs        store.FS
	tls       bool
	web       bool // WebSocket
	mixed     bool // members over TCP, TLS, WebSocket and both by turns
	edit      func(*settings.Settings)
	grace     time.Duration // 0: store.DefaultGrace
	retry     time.Duration // 0: store.DefaultRetry
	lazySync  bool          // sync when closed only
	record    bool          // all sessions
	interval  time.Duration // of syncs; 0: a second, negative: before delivery
	now       func() time.Time
	space     func(string) (diskspace.Space, error)
	conn      func(*entry.Person, *entry.Conn) // changes what members bring along
}

func (s setup) String() string {
	name := fmt.Sprintf("loops=%d", s.loops)
	if s.transport == TransportGoroutine {
		name += ",goroutine"
	}
	if s.files {
		name += ",files"
	}
	if s.tls {
		name += ",tls"
	}
	if s.web {
		name += ",web"
	}
	if s.mixed {
		name += ",mixed"
	}
	return name
}

// testServer is a relay with a listener of its own instead of a login.
type testServer struct {
	*Server
	t      *testing.T
	setup  setup
	dir    string
	store  *store.Store
	listen net.Listener
	turn   atomic.Int32 // connections made
	cert   tls.Certificate
	log    *serverlog.Log
	out    *syncBuffer

	stopped  sync.Once
	records  string // folder of recordings, with setup.record
	recorder *store.Recorder
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func startServer(t *testing.T, s setup) *testServer {
	t.Helper()
	ts := &testServer{t: t, setup: s, out: &syncBuffer{}}
	if s.files {
		ts.dir = t.TempDir()
	}
	if s.record {
		ts.records = t.TempDir()
	}
	running.begin()
	ts.open()
	t.Cleanup(func() {
		ts.stopped.Do(ts.stop)
		if n := running.end(); n != 0 {
			t.Errorf("%d segments are still in use", n)
		}
		if t.Failed() {
			t.Logf("server log:\n%s", ts.out)
		}
	})
	return ts
}

// servers counts the segments of the log that test servers leave behind.
type servers struct {
	mu     sync.Mutex
	n      int   // running
	before int64 // segments in use; tests of the rules do not close their logs
}

var running servers

func (r *servers) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n == 0 {
		r.before = store.LiveSegments()
	}
	r.n++
}

// end returns what is left, when the last of the servers has stopped.
func (r *servers) end() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n--; r.n > 0 {
		return 0
	}
	return store.LiveSegments() - r.before
}

func (ts *testServer) open() {
	ts.t.Helper()
	set := settings.Default()
	set.SessionSizeLimit = 0
	set.AutoResetThreshold = 0
	set.Persistence = true
	set.EmptySessionLingerTime = time.Hour
	if ts.setup.edit != nil {
		ts.setup.edit(set)
	}
	src := settings.NewSource(set)
	ts.log = serverlog.New(ts.out, serverlog.FormatText, nil)
	var err error
	o := store.Options{Dir: ts.dir, FS: ts.setup.fs, Log: ts.log, SyncInterval: time.Second, Grace: store.DefaultGrace, Retry: ts.setup.retry}
	if ts.setup.grace != 0 {
		o.Grace = ts.setup.grace
	}
	if ts.setup.lazySync {
		o.SyncInterval = time.Hour
	}
	if ts.setup.interval != 0 {
		o.SyncInterval = max(0, ts.setup.interval)
	}
	if ts.setup.space != nil {
		o.Space, o.SpaceEvery = ts.setup.space, time.Millisecond
	}
	ts.store, err = store.Open(o)
	if err != nil {
		ts.t.Fatal(err)
	}
	loaded, err := ts.store.Load()
	if err != nil {
		ts.t.Fatal(err)
	}
	if ts.records != "" {
		ts.recorder = store.NewRecorder(store.RecorderOptions{Path: filepath.Join(ts.records, "%i.dprec"), Log: ts.log})
	}
	ts.Server, err = New(Config{Recorder: ts.recorder, Store: ts.store, Settings: src, Log: ts.log, Loops: ts.setup.loops, Transport: ts.setup.transport, Now: ts.setup.now})
	if err != nil {
		ts.t.Fatal(err)
	}
	for _, h := range loaded {
		if err := ts.Adopt(h); err != nil {
			ts.t.Fatal(err)
		}
	}
	if ts.listen, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		ts.t.Fatal(err)
	}
	if (ts.setup.tls || ts.setup.mixed) && ts.cert.Certificate == nil {
		ts.cert = testCertificate(ts.t)
	}
}

func (ts *testServer) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ts.listen.Close()
	if err := ts.Server.Stop(ctx); err != nil {
		ts.t.Errorf("stop: %v", err)
	}
	if ts.recorder != nil {
		ts.recorder.Close()
	}
	if err := ts.store.Close(); err != nil {
		ts.t.Errorf("close store: %v", err)
	}
	if n := ts.Panics(); n != 0 {
		ts.t.Errorf("%d broken invariants:\n%s", n, ts.out)
	}
	ts.log.Close(patience)
}

func testCertificate(t *testing.T) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// client is a member that keeps everything it receives.
type client struct {
	t    *testing.T
	name string
	id   uint8
	conn net.Conn
	raw  net.Conn
	sid  string

	mu   sync.Mutex
	cond *sync.Cond
	msgs []frame.Msg
	err  error
}

// connect makes a connection and its server side; nothing is read yet.
func (ts *testServer) connect(name string) (*client, *entry.Conn) {
	ts.t.Helper()
	raw, err := net.Dial("tcp", ts.listen.Addr().String())
	if err != nil {
		ts.t.Fatal(err)
	}
	server, err := ts.listen.Accept()
	if err != nil {
		ts.t.Fatal(err)
	}
	c := &client{t: ts.t, name: name, conn: raw, raw: raw, sid: fmt.Sprintf("%032x", len(name)*1000+int(name[len(name)-1]))}
	c.cond = sync.NewCond(&c.mu)
	ec := &entry.Conn{Net: server}
	secure, web := ts.setup.tls, ts.setup.web
	if ts.setup.mixed {
		n := ts.turn.Add(1)
		secure, web = n&1 == 0, n&2 != 0
	}
	if secure {
		cfg := &tls.Config{Certificates: []tls.Certificate{ts.cert}, DynamicRecordSizingDisabled: true}
		ec.Pipe = entry.NewPipe(server, cfg)
		tc := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
		done := make(chan error, 1)
		go func() { done <- ec.Pipe.TLS.Handshake() }()
		if err := tc.Handshake(); err != nil {
			ts.t.Fatal(err)
		}
		if err := <-done; err != nil {
			ts.t.Fatal(err)
		}
		c.conn = tc
	}
	if web {
		ec.Framing = entry.FramingWebSocket
		c.conn = &webConn{Conn: c.conn}
	}
	return c, ec
}

func (c *client) person() *entry.Person {
	return &entry.Person{Name: c.name, SystemID: c.sid, Addr: netip.MustParseAddr("127.0.0.1")}
}

// readAll collects messages until the connection ends.
func (c *client) readAll() {
	var head [frame.HeaderLen]byte
	for {
		_, err := io.ReadFull(c.conn, head[:])
		var b []byte
		if err == nil {
			b = make([]byte, frame.Len(head[:]))
			copy(b, head[:])
			_, err = io.ReadFull(c.conn, b[frame.HeaderLen:])
		}
		c.mu.Lock()
		if err != nil {
			c.err = err
			c.cond.Broadcast()
			c.mu.Unlock()
			c.raw.Close()
			return
		}
		m, _, _ := frame.Parse(b)
		c.msgs = append(c.msgs, m)
		c.cond.Broadcast()
		c.mu.Unlock()
	}
}

// wait returns the first message from position at on for which ok holds, and
// the position after it.
func (c *client) wait(at int, what string, ok func(frame.Msg) bool) (frame.Msg, int) {
	c.t.Helper()
	timer := time.AfterFunc(patience, func() {
		c.mu.Lock()
		if c.err == nil {
			c.err = errors.New("patience is over")
		}
		c.cond.Broadcast()
		c.mu.Unlock()
	})
	defer timer.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		for ; at < len(c.msgs); at++ {
			if ok(c.msgs[at]) {
				return c.msgs[at], at + 1
			}
		}
		if c.err != nil {
			c.t.Fatalf("%s: waiting for %s: %v (%d messages so far)", c.name, what, c.err, len(c.msgs))
		}
		c.cond.Wait()
	}
}

func (c *client) waitBody(body string) {
	c.t.Helper()
	c.wait(0, fmt.Sprintf("%q", body), func(m frame.Msg) bool { return string(m.Body) == body })
}

func (c *client) waitReply(kind string) map[string]any {
	c.t.Helper()
	var v map[string]any
	c.wait(0, "reply "+kind, func(m frame.Msg) bool {
		if m.Type != frame.TypeServerCommand {
			return false
		}
		v = nil
		return json.Unmarshal(m.Body, &v) == nil && v["type"] == kind
	})
	return v
}

func (c *client) waitEnd() {
	c.t.Helper()
	timer := time.AfterFunc(patience, func() {
		c.t.Errorf("%s: the connection has not ended within %v", c.name, patience)
		c.raw.Close()
	})
	defer timer.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.err == nil {
		c.cond.Wait()
	}
}

func (c *client) send(t frame.Type, body []byte) {
	c.t.Helper()
	if _, err := c.conn.Write(frame.Append(nil, frame.Msg{Type: t, User: c.id, Body: body})); err != nil {
		c.t.Fatalf("%s: send: %v", c.name, err)
	}
}

func (c *client) command(name string, kwargs map[string]any) {
	c.t.Helper()
	b, _ := json.Marshal(map[string]any{"cmd": name, "kwargs": kwargs})
	c.send(frame.TypeServerCommand, b)
}

// history returns what the client has received of the history: everything but
// server commands, pings and disconnects.
func (c *client) history() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b []byte
	for _, m := range c.msgs {
		if m.Type >= 32 {
			b = frame.Append(b, m)
		}
	}
	return b
}

// host hosts a session and uploads n messages as its canvas.
func (ts *testServer) host(name string, n int) (*client, string) {
	ts.t.Helper()
	c, ec := ts.connect(name)
	c.id = 1
	go c.readAll()
	v, _ := frame.ParseVersion("dp:4.25.1")
	p := c.person()
	if ts.setup.conn != nil {
		ts.setup.conn(p, ec)
	}
	err := ts.Host(context.Background(), &entry.HostRequest{Person: p, Conn: ec, UserID: 1, Version: v, AllowWeb: true})
	if err != nil {
		ts.t.Fatalf("host: %v", err)
	}
	r := c.waitReply("result")
	id := r["join"].(map[string]any)["uniqueId"].(string)
	for i := range n {
		c.send(129, fmt.Appendf(nil, "canvas %d", i))
	}
	c.command("sessionconf", map[string]any{"title": "Test", "persistent": true})
	c.command("init-complete", nil)
	c.send(frame.TypeData, []byte("host ready"))
	c.waitBody("host ready")
	return c, id
}

// join joins a session and starts reading.
func (ts *testServer) join(name, session string) *client {
	ts.t.Helper()
	c := ts.joinQuiet(name, session)
	go c.readAll()
	r := c.waitReply("result")
	c.id = uint8(r["join"].(map[string]any)["user"].(float64))
	return c
}

// joinQuiet joins and reads nothing.
func (ts *testServer) joinQuiet(name, session string) *client {
	ts.t.Helper()
	c, ec := ts.connect(name)
	p := c.person()
	if ts.setup.conn != nil {
		ts.setup.conn(p, ec)
	}
	q := &entry.JoinRequest{Person: p, Conn: ec, Session: session}
	if d, ok := ts.Find(session); ok {
		q.PasswordHash = d.PasswordHash
	}
	err := ts.Join(context.Background(), q)
	if err != nil {
		ts.t.Fatalf("join %s: %v", name, err)
	}
	return c
}

// crowd has the next members of a session placed as if it had n more already:
// with plainPerLoop of them, on the loops with least to do.
func (ts *testServer) crowd(id string, n int) {
	r := ts.room(id)
	_ = r.loop.call(func() error { r.members += n; return nil })
}

// setups are the combinations that every behaviour must hold on.
func setups() []setup {
	var out []setup
	for _, kind := range []setup{{}, {tls: true}, {mixed: true}} {
		for _, files := range []bool{false, true} {
			for _, loops := range []int{1, 2, 4} {
				out = append(out, setup{loops: loops, files: files, tls: kind.tls, mixed: kind.mixed})
			}
			out = append(out, setup{loops: 2, transport: TransportGoroutine, files: files, tls: kind.tls, mixed: kind.mixed})
		}
	}
	return out
}

// forSetups runs f on them, or on every other one of each kind.
func forSetups(t *testing.T, f func(*testing.T, setup)) {
	for i, s := range setups() {
		if !*thorough && (i+i/4)%2 == 1 {
			continue
		}
		t.Run(s.String(), func(t *testing.T) { f(t, s) })
	}
}

// TestIdenticalHistory: a host, three members who draw at once and a late
// joiner all end with the same history, byte for byte.
func TestIdenticalHistory(t *testing.T) {
	forSetups(t, func(t *testing.T, s setup) {
		ts := startServer(t, s)
		host, id := ts.host("host", 10)
		members := []*client{ts.join("ann", id), ts.join("bob", id), ts.join("cid", id)}
		var wg sync.WaitGroup
		for _, c := range members {
			wg.Go(func() {
				size := 1
				for i := range 300 {
					size = (size*7 + 13) % 3000
					body := fmt.Appendf(nil, "%s %d %s", c.name, i, strings.Repeat("x", size))
					if i%50 == 49 {
						body = append(body, make([]byte, 60000)...)
					}
					c.send(148, body)
				}
				c.send(frame.TypeData, []byte(c.name+" done"))
			})
		}
		wg.Wait()
		late := ts.join("late", id)
		all := append([]*client{late}, members...)
		host.send(frame.TypeData, []byte("the end"))
		for _, c := range append(all, host) {
			c.waitBody("ann done")
			c.waitBody("bob done")
			c.waitBody("cid done")
			c.waitBody("the end")
		}
		want := late.history()
		for _, c := range members {
			if got := c.history(); !bytes.Equal(got, want) {
				t.Errorf("%s has %d bytes of history, the late joiner %d", c.name, len(got), len(want))
			}
		}
		// The host was not sent its own upload, but everything after it.
		if got := host.history(); !bytes.HasSuffix(want, got[bytes.Index(got, []byte("host ready"))-frame.HeaderLen:]) {
			t.Errorf("the host's history is not the end of the late joiner's")
		}
		n := bytes.Count(want, []byte("canvas "))
		if n != 10 {
			t.Errorf("%d messages of the canvas, want 10", n)
		}
	})
}

// TestManyDirectMessages: more direct messages than one write takes arrive in
// order, and the history after them once.
func TestManyDirectMessages(t *testing.T) {
	for _, s := range []setup{{loops: 1}, {loops: 1, tls: true}, {loops: 1, transport: TransportGoroutine}, {loops: 1, web: true}, {loops: 2, web: true, tls: true}} {
		t.Run(s.String(), func(t *testing.T) {
			ts := startServer(t, s)
			host, id := ts.host("host", 1)
			const chats = 5 * maxDirects
			for i := range chats {
				host.send(frame.TypeChat, fmt.Appendf([]byte{frame.ChatBypass, 0}, "direct %d", i))
				host.send(148, fmt.Appendf(nil, "stored %d", i))
			}
			c := ts.join("ann", id)
			host.send(frame.TypeData, []byte("end"))
			c.waitBody("end")
			host.waitBody("end")
			next, direct := 0, 0
			host.mu.Lock()
			defer host.mu.Unlock()
			for _, m := range host.msgs {
				if string(m.Body) == fmt.Sprintf("stored %d", next) {
					next++
				}
				if m.Type == frame.TypeChat && string(m.Body[2:]) == fmt.Sprintf("direct %d", direct) {
					direct++
				}
			}
			if next != chats || direct != chats {
				t.Errorf("the host got %d stored and %d direct messages in order, want %d each", next, direct, chats)
			}
			if n := bytes.Count(c.history(), []byte("stored ")); n != chats {
				t.Errorf("the joiner got %d stored messages, want %d", n, chats)
			}
		})
	}
}

// TestLongLogReplay: a joiner who is sent more log entries than one write
// takes gets all of them, then the history, once.
func TestLongLogReplay(t *testing.T) {
	for _, s := range []setup{{loops: 1}, {loops: 1, tls: true}, {loops: 1, files: true}, {loops: 1, web: true}} {
		t.Run(s.String(), func(t *testing.T) {
			ts := startServer(t, s)
			host, id := ts.host("host", 3)
			for i := range 3 * maxDirects {
				host.command("sessionconf", map[string]any{"title": fmt.Sprintf("Title %d", i)})
			}
			host.send(frame.TypeData, []byte("end"))
			host.waitBody("end")
			c := ts.join("ann", id)
			c.waitBody("end")
			host.send(frame.TypeData, []byte("more"))
			c.waitBody("more")
			d := ts.join("bob", id)
			d.waitBody("more")
			if a, b := c.history(), d.history(); !bytes.HasPrefix(b, a) {
				t.Errorf("the joiners have different histories: %d and %d bytes", len(a), len(b))
			}
		})
	}
}
