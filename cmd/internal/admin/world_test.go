package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"drawrelay/cmd/internal/extbans"
	"drawrelay/frame"
	"drawrelay/login"
	"drawrelay/relay"
	"drawrelay/store"
	"drawrelay/store/config"
	"drawrelay/store/db"
	"drawrelay/store/serverlog"
	"drawrelay/store/settings"
)

// patience is how long a test waits for something that must come.
const patience = 30 * time.Second

// clock is a clock that can be set forward.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	c.ahead += d
	c.mu.Unlock()
}

// setup says what a world is made of.
type setup struct {
	database bool
	files    bool
	config   func(*Config)
	settings func(*settings.Settings)
	listings relay.Listings
	prepare  func(*Server) // before anybody connects
}

// world is a server with its admin API, over real sockets.
type world struct {
	t     testing.TB
	clock *clock
	relay *relay.Server
	login *login.Server
	log   *serverlog.Log
	admin *Server
	db    *db.DB
	addr  string // of the drawing port
	url   string // of the admin port
	auth  string // user:password, empty = none
	mu    sync.Mutex
	lines []string // of the access log

	unlock bool // see fuzzed
}

// memorySettings last until the end.
type memorySettings struct {
	*settings.Source
	db *db.DB
}

func (m memorySettings) Look() {
	if m.db != nil {
		m.db.Refresh()
	}
}

func (m memorySettings) SetSettings(values map[string]string) error {
	if m.db != nil {
		return m.db.SetSettings(values)
	}
	s := m.Get()
	for key, text := range config.Accepted(values) {
		if changed, err := config.With(s, key, text); err == nil {
			s = changed
		}
	}
	m.Set(s)
	return nil
}

type nobody struct{}

func (nobody) Announce(_, _ string, _ bool)   {}
func (nobody) Unlist(session, listURL string) {}

func newWorld(t testing.TB, s setup) *world {
	t.Helper()
	w := &world{t: t, clock: new(clock), log: serverlog.New(io.Discard, serverlog.FormatText, nil)}
	set := settings.Default()
	if s.settings != nil {
		s.settings(set)
	}
	source := settings.NewSource(set)
	var err error
	if s.database {
		w.db, err = db.Open(filepath.Join(t.TempDir(), "config.db"), db.Options{Publish: func(now *settings.Settings) {
			c := *now
			c.WebSockets = set.WebSockets // no key, but fixed for the process
			source.Set(&c)
		}})
		if err != nil {
			t.Fatal(err)
		}
		w.log.Attach(w.db)
	}
	folder := ""
	if s.files {
		folder = t.TempDir()
	}
	disk, err := store.Open(store.Options{Dir: folder, Log: w.log, SyncInterval: time.Second, Grace: store.DefaultGrace})
	if err != nil {
		t.Fatal(err)
	}
	if s.listings == nil {
		s.listings = nobody{}
	}
	w.relay, err = relay.New(relay.Config{Store: disk, Settings: source, Log: w.log, Listings: s.listings, Passwords: cheapHasher{}, Now: w.clock.now, Loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	w.login = login.New(login.Config{Passwords: cheapHasher{}, Settings: source, Log: w.log, Directory: w.relay, Seater: w.relay})
	port := w.listen()
	w.addr = port.Addr().String()
	go w.login.Serve(port)
	external := extbans.New(extbans.Options{Log: w.log, Now: time.Now})
	external.Start(source.Get())
	cancel := source.Watch(func(_, now *settings.Settings) { external.Update(now) })

	cfg := Config{
		Relay: w.relay, Login: w.login, Log: w.log, Settings: memorySettings{source, w.db}, Database: w.db, ExtBans: external, Passwords: cheapHasher{},
		LocalHost: "pile.example", Port: 27750, Started: time.Now(), Now: w.clock.now, Commits: disk.Committer(), Folder: folder,
		AccessLog: func(r Request) {
			w.mu.Lock()
			w.lines = append(w.lines, fmt.Sprintf("%d %s %s", r.Status, r.Method, r.Path))
			w.mu.Unlock()
		},
	}
	if s.config != nil {
		s.config(&cfg)
	}
	w.admin = New(cfg)
	if s.prepare != nil {
		s.prepare(w.admin)
	}
	l := w.listen()
	w.url = "http://" + l.Addr().String()
	go w.admin.Serve(l)
	t.Cleanup(func() {
		ctx, end := context.WithTimeout(context.Background(), patience)
		defer end()
		w.admin.Close()
		cancel()
		external.Stop()
		_ = w.login.Stop(ctx)
		_ = w.relay.Stop(ctx)
		if err := disk.Close(); err != nil {
			t.Error(err)
		}
		w.log.Close(patience)
		if w.db != nil {
			_ = w.db.Close()
		}
	})
	return w
}

func (w *world) listen() net.Listener {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

// object is a decoded JSON object.
type object = map[string]any

// answer is what came back from the API.
type answer struct {
	status int
	header http.Header
	body   string
	v      any // decoded body, nil if there is none
}

func (a answer) object(t testing.TB) object {
	t.Helper()
	o, isObject := a.v.(map[string]any)
	if !isObject {
		t.Fatalf("%d %s is not an object", a.status, a.body)
	}
	return o
}

// request sends a request; body is JSON text, or empty.
func (w *world) request(method, path, body string, headers ...string) answer {
	w.t.Helper()
	r, err := http.NewRequest(method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if user, password, some := strings.Cut(w.auth, ":"); some {
		r.SetBasicAuth(user, password)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	a := answer{status: reply.StatusCode, header: reply.Header, body: string(text)}
	if strings.HasPrefix(reply.Header.Get("Content-Type"), "application/json") && len(text) > 0 {
		if err := json.Unmarshal(text, &a.v); err != nil {
			w.t.Fatalf("%s %s: %v in %s", method, path, err, text)
		}
	}
	return a
}

// call is a request to the API that must be answered with this status.
func (w *world) call(status int, method, path, body string) answer {
	w.t.Helper()
	a := w.request(method, "/api/"+path, body)
	if a.status != status {
		w.t.Fatalf("%s %s %s: %d %s, want %d", method, path, body, a.status, a.body, status)
	}
	return a
}

// ok is call for an object.
func (w *world) ok(method, path, body string) object {
	w.t.Helper()
	return w.call(200, method, path, body).object(w.t)
}

// refuse checks the standard error answer.
func (w *world) refuse(status int, text, method, path, body string) {
	w.t.Helper()
	o := w.call(status, method, path, body).object(w.t)
	if o["status"] != "error" || o["message"] != text {
		w.t.Errorf("%s %s %s: %v, want %q", method, path, body, o, text)
	}
}

func (w *world) equal(what string, got, want any) {
	w.t.Helper()
	if !reflect.DeepEqual(got, want) {
		w.t.Errorf("%s: got %#v, want %#v", what, got, want)
	}
}

func (w *world) await(what string, ready func() bool) {
	w.t.Helper()
	for end := time.Now().Add(patience); !ready(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// logged waits for a log entry that holds text.
func (w *world) logged(text string) {
	w.t.Helper()
	w.await("log entry "+text, func() bool {
		return len(w.log.Recent(serverlog.Debug, func(e *serverlog.Entry) bool {
			return strings.Contains(e.Topic.String()+" "+e.Message, text)
		})) > 0
	})
}

// person is somebody who draws.
type person struct {
	w       *world
	conn    net.Conn
	name    string
	session string // id
	id      uint8

	mu    sync.Mutex
	heard []frame.Msg
	ended bool
}

const sid = "0123456789abcdef0123456789abcdef"

// connect opens a connection without identifying.
func (w *world) connect(name string) *person {
	w.t.Helper()
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	p := &person{w: w, conn: conn, name: name}
	go p.listen()
	p.hear("greeting", func(m frame.Msg) bool { return strings.Contains(string(m.Body), `"type":"login"`) })
	return p
}

func (p *person) listen() {
	var in []byte
	chunk := make([]byte, 64<<10)
	for {
		n, err := p.conn.Read(chunk)
		in = append(in, chunk[:n]...)
		p.mu.Lock()
		for {
			m, rest, bad := frame.Parse(in)
			if bad != nil {
				break
			}
			m.Body = bytes.Clone(m.Body)
			p.heard = append(p.heard, m)
			in = rest
		}
		p.ended = p.ended || err != nil
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// gone reports whether the server has closed the connection.
func (p *person) gone() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

// find returns the first message for which want is true.
func (p *person) find(want func(frame.Msg) bool) (frame.Msg, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.heard {
		if want(m) {
			return m, true
		}
	}
	return frame.Msg{}, false
}

// hear waits for such a message.
func (p *person) hear(what string, want func(frame.Msg) bool) (m frame.Msg) {
	p.w.t.Helper()
	p.w.await(p.name+" hears "+what, func() (found bool) { m, found = p.find(want); return found })
	return m
}

// told waits for a reply that holds all parts.
func (p *person) told(parts ...string) object {
	p.w.t.Helper()
	m := p.hear(strings.Join(parts, " "), func(m frame.Msg) bool { return m.Type == frame.TypeServerCommand && holds(m, parts) })
	var o object
	if err := json.Unmarshal(m.Body, &o); err != nil {
		p.w.t.Fatal(err)
	}
	return o
}

func holds(m frame.Msg, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(string(m.Body), part) {
			return false
		}
	}
	return true
}

// bye waits for the Disconnect message and returns reason and text.
func (p *person) bye() (reason uint8, text string) {
	p.w.t.Helper()
	m := p.hear("goodbye", func(m frame.Msg) bool { return m.Type == frame.TypeDisconnect })
	return m.Body[0], string(m.Body[1:])
}

func (p *person) send(t frame.Type, body []byte) {
	p.w.t.Helper()
	if _, err := p.conn.Write(frame.Append(nil, frame.Msg{Type: t, User: p.id, Body: body})); err != nil {
		p.w.t.Fatal(err)
	}
}

func (p *person) command(name string, kwargs object, args ...any) {
	p.w.t.Helper()
	text, err := json.Marshal(object{"cmd": name, "args": args, "kwargs": kwargs})
	if err != nil {
		p.w.t.Fatal(err)
	}
	p.send(frame.TypeServerCommand, text)
}

// enter identifies and waits for the list of sessions.
func (w *world) enter(name string) *person {
	w.t.Helper()
	p := w.connect(name)
	p.command("ident", nil, name)
	p.told(`"identOk"`)
	return p
}

const allCapabilities = "KEEPALIVE,THUMBNAIL"

// host opens a session and initialises it.
func (w *world) host(name, alias string) *person {
	w.t.Helper()
	p := w.enter(name)
	kwargs := object{"protocol": "dp:4.24.0", "user_id": 1, "s": sid, "capabilities": allCapabilities}
	if alias != "" {
		kwargs["alias"] = alias
	}
	p.command("host", kwargs)
	p.seated(p.told(`"state":"host"`))
	p.command("init-complete", nil)
	w.await("session runs", func() bool {
		return w.ok("GET", "sessions/"+p.session, "")["autoreset"].(object)["sessionState"] == "running"
	})
	return p
}

// join enters a session.
func (w *world) join(name, session string, more object) *person {
	w.t.Helper()
	p := w.enter(name)
	kwargs := object{"s": strings.Repeat(fmt.Sprintf("%02x", name[0]), 16), "capabilities": allCapabilities}
	for k, v := range more {
		kwargs[k] = v
	}
	p.command("join", kwargs, session)
	p.seated(p.told(`"state":"join"`))
	return p
}

func (p *person) seated(result object) {
	join := result["join"].(object)
	p.session, p.id = join["uniqueId"].(string), uint8(join["user"].(float64))
}

// users returns the users of a list by name.
func users(v any) map[string]object {
	out := make(map[string]object)
	for _, u := range v.([]any) {
		o := u.(object)
		out[o["name"].(string)] = o
	}
	return out
}
