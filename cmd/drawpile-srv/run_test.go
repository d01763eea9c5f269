package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"drawrelay/frame"
)

// runAsServer makes the test binary be the server, so that what the tests run
// is always what they were built from, race detector included.
const runAsServer = "DRAWRELAY_TEST_SERVER"

// patience is how long anything may take before a test gives up on it. Nothing
// is measured with it.
const patience = 2 * time.Minute

func TestMain(m *testing.M) {
	if os.Getenv(runAsServer) != "" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

func command(args ...string) *exec.Cmd {
	c := exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), runAsServer+"=1", "GORACE=atexit_sleep_ms=0")
	return c
}

// runOnce runs the server to its end.
func runOnce(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, os.Args[0], args...)
	c.Env = append(os.Environ(), runAsServer+"=1", "GORACE=atexit_sleep_ms=0")
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("%q: %v, %v\n%s", args, err, ctx.Err(), errs.String())
	}
	return c.ProcessState.ExitCode(), out.String(), errs.String()
}

// testServer is a server process.
type testServer struct {
	t    *testing.T
	cmd  *exec.Cmd
	log  *logBuffer
	addr string // host:port
	done chan struct{}

	clients []*client
}

// logBuffer collects standard error.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// nextPort numbers the ports that freePort hands out; processes that run at the
// same time begin at different places.
var nextPort atomic.Uint32

func init() { nextPort.Store(uint32(os.Getpid()) * 64) }

// freePort returns a port that was free a moment ago and is given to no other
// test. It is below those that systems give to whoever does not ask for one, so
// that no connection has it either by the time the server opens it.
func freePort(t *testing.T) int {
	t.Helper()
	const first, ports = 12_000, 20_000
	for range ports {
		port := first + int(nextPort.Add(1)%ports)
		l, err := net.Listen("tcp", ":"+strconv.Itoa(port))
		if err != nil {
			continue
		}
		l.Close()
		return port
	}
	t.Fatal("no port is free")
	return 0
}

// launch starts a server at a free port of 127.0.0.1 and waits until it listens.
func launch(t *testing.T, args ...string) *testServer {
	t.Helper()
	port := freePort(t)
	args = append([]string{"--port", strconv.Itoa(port), "--listen", "127.0.0.1"}, args...)
	return launchCommand(t, command(args...), port)
}

// launchCommand starts a server that will listen at a port of 127.0.0.1 and
// waits until it does.
func launchCommand(t *testing.T, cmd *exec.Cmd, port int) *testServer {
	t.Helper()
	s := &testServer{t: t, cmd: cmd, log: new(logBuffer), done: make(chan struct{}),
		addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	s.cmd.Stderr = s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = s.cmd.Wait() // the status is in ProcessState
		close(s.done)
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill() // it may have ended already
		<-s.done
		if t.Failed() {
			t.Logf("log of %q:\n%s", cmd.Args, s.log)
		}
	})
	s.await("listening", func() bool {
		return strings.Contains(s.log.String(), "Started listening for TCP connections on port "+strconv.Itoa(port))
	})
	return s
}

// awaitLog waits until text is in the log, which is written when the client may
// have its answer already.
func (s *testServer) awaitLog(text string) {
	s.t.Helper()
	s.await(fmt.Sprintf("%q in the log", text), func() bool { return strings.Contains(s.log.String(), text) })
}

// await waits until ready.
func (s *testServer) await(what string, ready func() bool) {
	s.t.Helper()
	for end := time.Now().Add(patience); !ready(); time.Sleep(5 * time.Millisecond) {
		select {
		case <-s.done:
			s.t.Fatalf("%s: the server ended: %v\n%s", what, s.cmd.ProcessState, s.log)
		default:
		}
		if time.Now().After(end) {
			s.t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

func (s *testServer) signal(sig os.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// stop hangs up, ends the server with a signal and returns its exit status.
func (s *testServer) stop(sig os.Signal) int {
	s.t.Helper()
	for _, c := range s.clients {
		_ = c.conn.Close()
	}
	s.signal(sig)
	select {
	case <-s.done:
	case <-time.After(patience):
		s.t.Fatalf("the server does not stop")
	}
	return s.cmd.ProcessState.ExitCode()
}

// client is one connection to a server.
type client struct {
	t    *testing.T
	conn net.Conn
	buf  []byte
}

// greeting is the part of the hello that the tests look at.
type greeting struct {
	Type, Message string
	Version       int
	Flags         []string
	Rules         string
	Methods       map[string]any
}

// dial connects without reading the greeting.
func (s *testServer) dial() *client {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		s.t.Fatal(err)
	}
	return &client{t: s.t, conn: conn}
}

func (s *testServer) connect() (*client, greeting) {
	s.t.Helper()
	c := s.dial()
	s.clients = append(s.clients, c)
	var g greeting
	if err := json.Unmarshal(c.next(frame.TypeServerCommand), &g); err != nil {
		s.t.Fatal(err)
	}
	return c, g
}

// read returns the next message.
func (c *client) read() (frame.Msg, error) {
	for {
		m, rest, err := frame.Parse(c.buf)
		if err == nil {
			c.buf = rest
			return m, nil
		}
		chunk := make([]byte, 4096)
		n, err := c.conn.Read(chunk)
		if err != nil {
			return frame.Msg{}, err
		}
		c.buf = append(slices.Clone(c.buf), chunk[:n]...)
	}
}

// next skips to the next message of a type and returns its payload.
func (c *client) next(want frame.Type) []byte {
	c.t.Helper()
	for {
		m, err := c.read()
		if err != nil {
			c.t.Fatalf("waiting for message type %d: %v", want, err)
		}
		if m.Type == want {
			return m.Body
		}
	}
}

func (c *client) send(text string) {
	c.t.Helper()
	c.write(frame.Append(nil, frame.Msg{Type: frame.TypeServerCommand, Body: []byte(text)}))
}

func (c *client) write(b []byte) {
	c.t.Helper()
	if _, err := c.conn.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

// reply waits for a reply that holds text.
func (c *client) reply(text string) string {
	c.t.Helper()
	for {
		if body := string(c.next(frame.TypeServerCommand)); strings.Contains(body, text) {
			return body
		}
	}
}

func (c *client) host(alias string) {
	c.t.Helper()
	c.send(`{"cmd":"ident","args":["alice"]}`)
	c.reply(`"identOk"`)
	c.send(fmt.Sprintf(`{"cmd":"host","kwargs":{"protocol":"dp:4.24.0","user_id":1,"alias":%q,"s":%q}}`, alias, strings.Repeat("a", 32)))
	c.reply(`"Starting new session!"`)
	c.send(`{"cmd":"init-complete"}`)
	c.next(frame.TypeJoin)
}

func TestRunRefusals(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.pem")
	mistaken := writeFile(t, "mistaken.ini", "[config]\nsesionCountLimit = 3\nclientTimeout = soon\n")
	for _, tt := range []struct {
		args []string
		want []string
	}{
		{[]string{"--nonsense"}, []string{"unknown option --nonsense"}},
		{[]string{"--port", "0"}, []string{"--port 0: write a port"}},
		{[]string{"--database", filepath.Join(missing, "x.db")}, []string{"open the database", "make its folder"}},
		{[]string{"--database", mistaken}, []string{"open the database " + mistaken, "check the path"}},
		{[]string{"-d", "x.db", "-c", mistaken}, []string{"--config " + mistaken + " and --database x.db: settings come from only one of them"}},
		{[]string{"--ssl-cert", missing, "--ssl-key", missing}, []string{"Couldn't load TLS certificate", "missing.pem", "--ssl-cert", "check the path"}},
		{[]string{"--config", mistaken}, []string{
			mistaken + ":2: sesionCountLimit = 3: unknown setting; did you mean sessionCountLimit?",
			mistaken + `:3: clientTimeout = soon: duration "soon": not a valid value`}},
		{[]string{"--config", t.TempDir()}, []string{"--config " + os.TempDir(), "is a folder; name a file"}},
		{[]string{"--data", filepath.Join(mistaken, "sub")}, []string{"TLS certificate", mistaken, "choose another --data"}},
		{[]string{"--listen", "192.0.2.1", "--port", strconv.Itoa(freePort(t))}, []string{"cannot listen on TCP port", "correct --listen"}},
		{[]string{"--sessions", filepath.Join(mistaken, "sub")}, []string{"session folder", mistaken, "choose another --sessions"}},
	} {
		status, _, stderr := runOnce(t, tt.args...)
		if status != exitFailed {
			t.Errorf("%q: exit status %d", tt.args, status)
		}
		for _, want := range tt.want {
			if !strings.Contains(stderr, want) {
				t.Errorf("%q: %q is not in\n%s", tt.args, want, stderr)
			}
		}
	}
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRunInformation(t *testing.T) {
	status, stdout, _ := runOnce(t, "--version")
	if status != exitOK || !strings.HasPrefix(stdout, "drawpile-srv "+version+"\nProtocol version: 25.1\n") {
		t.Errorf("--version: %d, %q", status, stdout)
	}
	if status, stdout, _ = runOnce(t, "-h"); status != exitOK || !strings.HasPrefix(stdout, "Usage: ") {
		t.Errorf("-h: %d, %q", status, stdout)
	}
	status, key, _ := runOnce(t, "--generate-crypt-key")
	if status != exitOK || len(key) != 45 {
		t.Fatalf("--generate-crypt-key: %d, %q", status, key)
	}
	s := launch(t, "--crypt-key", strings.TrimSpace(key))
	if _, g := s.connect(); !slices.Contains(g.Flags, "CBANIMPEX") {
		t.Errorf("flags %q", g.Flags)
	}
}

// TestRunStop stops a server with somebody logging in and somebody in a
// session, on each transport.
func TestRunStop(t *testing.T) {
	for _, transport := range []string{"auto", "goroutine"} {
		for _, sig := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
			t.Run(fmt.Sprintf("%s/%v", transport, sig), func(t *testing.T) {
				s := launch(t, "--transport", transport, "--loops", "2")
				waiting, g := s.connect()
				if g.Type != "login" || g.Version != 4 || g.Message != "Drawpile server "+version || slices.Contains(g.Flags, "TLS") {
					t.Errorf("greeting %+v", g)
				}
				host, _ := s.connect()
				host.host("stopping")
				s.signal(sig)
				for _, c := range []*client{waiting, host} {
					if body := c.next(frame.TypeDisconnect); string(body) != "\x02Server shutting down" {
						t.Errorf("told %q", body)
					}
					_ = c.conn.Close() // as clients do
				}
				<-s.done
				if status := s.cmd.ProcessState.ExitCode(); status != exitOK {
					t.Errorf("exit status %d", status)
				}
				for _, want := range []string{"Info/Status Stopping server and kicking out ", "Info/Status Server stopped.\n"} {
					if !strings.Contains(s.log.String(), want) {
						t.Errorf("%q is not in the log", want)
					}
				}
			})
		}
	}
}

func TestRunTwice(t *testing.T) {
	dir := t.TempDir()
	first := launch(t, "--sessions", dir)
	_, port, err := net.SplitHostPort(first.addr)
	if err != nil {
		t.Fatal(err)
	}
	status, _, stderr := runOnce(t, "--port", port, "--listen", "127.0.0.1")
	if status != exitFailed || !strings.Contains(stderr, "cannot listen on TCP port "+port) || !strings.Contains(stderr, "another program") {
		t.Errorf("same port: %d, %s", status, stderr)
	}
	status, _, stderr = runOnce(t, "--port", strconv.Itoa(freePort(t)), "--sessions", dir)
	if status != exitFailed || !strings.Contains(stderr, "another server process is using this folder") {
		t.Errorf("same folder: %d, %s", status, stderr)
	}
}

// TestRunKeepsSessions hosts a session and finds it again after a stop and
// after a kill.
func TestRunKeepsSessions(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there", "yet")
	settings := writeFile(t, "settings.ini", "persistence = true\n")
	s := launch(t, "--sessions", dir, "--config", settings)
	c, _ := s.connect()
	c.host("kept")
	c.send(`{"cmd":"sessionconf","kwargs":{"persistent":true}}`)
	c.reply(`"persistent":true`)
	if status := s.stop(syscall.SIGTERM); status != exitOK {
		t.Fatalf("exit status %d", status)
	}
	for _, sig := range []os.Signal{os.Kill, syscall.SIGTERM} {
		s = launch(t, "--sessions", dir, "--config", settings)
		c, _ = s.connect()
		c.send(`{"cmd":"ident","args":["bob"]}`)
		c.reply(`"alias":"kept"`)
		s.stop(sig)
	}
}

func TestRunDataFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	var certificate []byte
	for _, alias := range []string{"one", "two"} {
		s := launch(t, "--data", dir)
		c, g := s.connect()
		if !slices.Contains(g.Flags, "TLS") || !slices.Contains(g.Flags, "SECURE") {
			t.Fatalf("flags %q", g.Flags)
		}
		c.send(`{"cmd":"startTls"}`)
		c.reply(`"startTls":true`)
		secure := tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true}) // the certificate is compared below
		if err := secure.Handshake(); err != nil {
			t.Fatal(err)
		}
		presented := secure.ConnectionState().PeerCertificates[0].Raw
		if certificate != nil && !bytes.Equal(certificate, presented) {
			t.Error("another certificate after the restart")
		}
		certificate = presented
		c.conn = secure
		c.host(alias)
		if status := s.stop(syscall.SIGTERM); status != exitOK {
			t.Errorf("exit status %d", status)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 3 {
		t.Fatalf("%v, %v", entries, err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || info.Mode().Perm() != dataPerm {
			t.Errorf("%s: %v, %v", e.Name(), info.Mode(), err)
		}
	}
	if _, g := launch(t, "--data", t.TempDir(), "--no-tls").connect(); slices.Contains(g.Flags, "TLS") {
		t.Errorf("flags with --no-tls: %q", g.Flags)
	}
}

func TestRunHalfOfTLS(t *testing.T) {
	s := launch(t, "--ssl-cert", "nowhere.pem")
	if _, g := s.connect(); slices.Contains(g.Flags, "TLS") {
		t.Errorf("flags %q", g.Flags)
	}
	s.awaitLog("Warn/Status no TLS: --ssl-cert and --ssl-key work only together")
}

func TestRunReloadsSettings(t *testing.T) {
	path := writeFile(t, "settings.ini", "ruleText = first\n")
	s := launch(t, "--config", path)
	if _, g := s.connect(); g.Rules != "first" || g.Methods["auth"] != nil {
		t.Fatalf("greeting %+v", g)
	}
	if err := os.WriteFile(path, []byte("ruleText = second rules\nsessionCountLimit = oops\n[users]\ncarol:plain;pw:MOD\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// The very next connection sees it.
	_, g := s.connect()
	if g.Rules != "second rules" || g.Methods["auth"] == nil || !slices.Contains(g.Flags, "MULTI") {
		t.Errorf("greeting %+v", g)
	}
	s.awaitLog(`:2: sessionCountLimit = oops`)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for _, sig := range harmlessSignals {
		s.signal(sig)
	}
	if _, g := s.connect(); g.Rules != "second rules" {
		t.Errorf("greeting %+v", g)
	}
	if status := s.stop(syscall.SIGTERM); status != exitOK {
		t.Errorf("exit status %d", status)
	}
}

func TestRunJSONLog(t *testing.T) {
	s := launch(t, "--log-format", "json", "--data", t.TempDir(), "--sync-interval", "0")
	s.stop(syscall.SIGTERM)
	entries := 0
	for line := range strings.Lines(s.log.String()) {
		if strings.HasPrefix(line, "drawpile-srv: warning: this program should not be run as root") {
			continue
		}
		var e struct{ Time, Level, Topic, Message string }
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Level == "" || e.Message == "" {
			t.Errorf("%q: %+v, %v", line, e, err)
		}
		entries++
	}
	if entries < 3 {
		t.Errorf("only %d entries", entries)
	}
}

func TestRunProfiles(t *testing.T) {
	port := freePort(t)
	s := launch(t, "--pprof", strconv.Itoa(port))
	resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/debug/pprof/goroutine?debug=1", port))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || !bytes.Contains(body, []byte("goroutine profile")) {
		t.Errorf("%v, %v\n%s", resp.Status, err, body)
	}
	// The command line is not among them: it may contain passwords.
	line, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/debug/pprof/cmdline", port))
	if err != nil {
		t.Fatal(err)
	}
	defer line.Body.Close()
	if line.StatusCode != http.StatusNotFound {
		t.Errorf("command line: %s", line.Status)
	}
	if status := s.stop(syscall.SIGTERM); status != exitOK {
		t.Errorf("exit status %d", status)
	}
}
