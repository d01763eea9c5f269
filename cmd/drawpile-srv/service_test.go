//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// notifySocket is the service manager's end of NOTIFY_SOCKET.
type notifySocket struct {
	t    *testing.T
	conn *net.UnixConn
	path string
	seen []string // everything received, line by line
}

func newNotifySocket(t *testing.T) *notifySocket {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &notifySocket{t: t, conn: conn, path: path}
}

// await reads until one message has all these lines.
func (n *notifySocket) await(lines ...string) {
	n.t.Helper()
	if err := n.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		n.t.Fatal(err)
	}
	b := make([]byte, 4096)
	for {
		size, err := n.conn.Read(b)
		if err != nil {
			n.t.Fatalf("no message %q: %v; got %q", lines, err, n.seen)
		}
		got := strings.Split(strings.TrimSuffix(string(b[:size]), "\n"), "\n")
		n.seen = append(n.seen, got...)
		missing := slices.ContainsFunc(lines, func(l string) bool {
			return !slices.ContainsFunc(got, func(g string) bool { return g == l || strings.HasSuffix(l, "=") && strings.HasPrefix(g, l) })
		})
		if !missing {
			return
		}
	}
}

// configuration.md §23 item 10, integrations.md §9 item 48.
func TestRunNotifies(t *testing.T) {
	n := newNotifySocket(t)
	port := freePort(t)
	c := command("--port", strconv.Itoa(port), "--listen", "127.0.0.1")
	c.Env = append(c.Env, "NOTIFY_SOCKET="+n.path, "WATCHDOG_USEC=200000")
	s := launchCommand(t, c, port)
	n.await("READY=1", "STATUS=0 users and 0 sessions")
	conn, _ := s.connect() // who is told READY can connect
	for range 3 {
		n.await("WATCHDOG=1")
	}
	n.await("STATUS=1 users and 0 sessions")
	conn.host("watched")
	n.await("STATUS=1 users and 1 sessions")
	_ = conn.conn.Close()
	n.await("STATUS=0 users and 0 sessions")
	s.signal(syscall.SIGHUP)
	n.await("RELOADING=1", "MONOTONIC_USEC=")
	n.await("READY=1")
	if status := s.stop(syscall.SIGTERM); status != exitOK {
		t.Errorf("exit status %d", status)
	}
	n.await("STOPPING=1")
}

// A watchdog for another process is not fed, and without one there is no food.
func TestRunForeignWatchdog(t *testing.T) {
	n := newNotifySocket(t)
	port := freePort(t)
	c := command("--port", strconv.Itoa(port), "--listen", "127.0.0.1")
	c.Env = append(c.Env, "NOTIFY_SOCKET="+n.path, "WATCHDOG_USEC=1000", "WATCHDOG_PID=1")
	s := launchCommand(t, c, port)
	n.await("READY=1")
	s.connect()
	n.await("STATUS=1 users and 0 sessions") // takes longer than many meals
	s.stop(syscall.SIGTERM)
	n.await("STOPPING=1")
	if slices.Contains(n.seen, "WATCHDOG=1") {
		t.Errorf("fed: %q", n.seen)
	}
}

func TestRunNobodyToNotify(t *testing.T) {
	port := freePort(t)
	c := command("--port", strconv.Itoa(port), "--listen", "127.0.0.1")
	c.Env = append(c.Env, "NOTIFY_SOCKET="+filepath.Join(t.TempDir(), "gone"), "WATCHDOG_USEC=soon")
	s := launchCommand(t, c, port)
	s.stop(syscall.SIGTERM)
	if got := s.log.String(); strings.Count(got, "Cannot tell the service manager") != 1 || !strings.Contains(got, "The watchdog stays off") {
		t.Errorf("log:\n%s", got)
	}
}

// A service manager that does not read holds up neither the server nor its end.
func TestRunServiceManagerHangs(t *testing.T) {
	t.Parallel()
	n := newNotifySocket(t)
	port := freePort(t)
	c := command("--port", strconv.Itoa(port), "--listen", "127.0.0.1")
	c.Env = append(c.Env, "NOTIFY_SOCKET="+n.path, "WATCHDOG_USEC=2000")
	s := launchCommand(t, c, port)
	s.awaitLog("Cannot tell the service manager")
	if status := s.stop(syscall.SIGTERM); status != exitOK {
		t.Errorf("exit status %d:\n%s", status, s.log.String())
	}
}

// passing returns a command that starts the server with sockets passed to it,
// as a service manager does: the shell becomes the server and so knows its
// process id.
func passing(t *testing.T, names string, files []*os.File, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.Command("/bin/sh", append([]string{"-c", `LISTEN_PID=$$ exec "$0" "$@"`, os.Args[0]}, args...)...)
	c.Env = append(os.Environ(), runAsServer+"=1", "GORACE=atexit_sleep_ms=0", "LISTEN_FDS="+strconv.Itoa(len(files)))
	if names != "" {
		c.Env = append(c.Env, "LISTEN_FDNAMES="+names)
	}
	c.ExtraFiles = files
	return c
}

// listening returns a listening TCP socket as a file, and its port.
func listening(t *testing.T) (*os.File, int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, l.Addr().(*net.TCPAddr).Port
}

// configuration.md §23 item 9: one passed socket, and the end on its own.
func TestRunPassedSocket(t *testing.T) {
	for _, names := range []string{"", "drawpile-srv.socket", "tcp"} {
		t.Run(names, func(t *testing.T) {
			f, port := listening(t)
			unused := freePort(t)
			s := launchCommand(t, passing(t, names, []*os.File{f}, "--port", strconv.Itoa(unused), "--listen", "127.0.0.1"), port)
			s.awaitLog("Warn/Status --port, --listen: ignored, because the service manager has passed sockets")
			if conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(unused))); err == nil {
				conn.Close()
				t.Error("listens at --port")
			}
			c, _ := s.connect()
			c.host("short")
			_ = c.conn.Close()
			<-s.done
			if status := s.cmd.ProcessState.ExitCode(); status != exitOK || !strings.Contains(s.log.String(), "Info/Status Autostopping due to lack of sessions.\n") {
				t.Errorf("exit status %d\n%s", status, s.log)
			}
			// The service manager's socket is as it was: the next connection waits there.
			conn, err := net.Dial("tcp", s.addr)
			if err != nil {
				t.Fatal(err)
			}
			conn.Close()
		})
	}
}

// Sockets for somebody else are not touched.
func TestRunSocketsOfOthers(t *testing.T) {
	f, _ := listening(t)
	port := freePort(t)
	c := passing(t, "", []*os.File{f}, "--port", strconv.Itoa(port), "--listen", "127.0.0.1")
	c.Args[2] = `LISTEN_PID=1 exec "$0" "$@"`
	s := launchCommand(t, c, port)
	s.connect()
}

func TestRunBadPassedSockets(t *testing.T) {
	tcp, _ := listening(t)
	more, _ := listening(t)
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	datagrams, err := udp.(*net.UDPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer datagrams.Close()
	local, err := net.Listen("unix", filepath.Join(t.TempDir(), "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	path, err := local.(*net.UnixListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer path.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, tt := range []struct {
		names string
		files []*os.File
		want  string
	}{
		{"", []*os.File{datagrams}, "socket 1 (LISTEN_FD_3) passed by the service manager: not a listening TCP socket"},
		{"", []*os.File{tcp, path}, "socket 2 (LISTEN_FD_4)"},
		{"", []*os.File{file}, "not a socket"},
		{"", []*os.File{tcp, more, tcp, more}, "4, but at most 3 are used: tcp, admin, websocket"},
		{"tcp:tcp", []*os.File{tcp, more}, "two are named tcp"},
		{"admin", []*os.File{tcp}, "none is named tcp"},
	} {
		c := passing(t, tt.names, tt.files)
		out, err := c.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != exitFailed || !strings.Contains(string(out), tt.want) {
			t.Errorf("%s: %v\n%s", tt.want, err, out)
		}
	}
}

// Names say which socket is which, if all of them are ours.
func TestAssignSockets(t *testing.T) {
	for _, tt := range []struct{ names, want string }{
		{"a", "a"}, {"a b", "a b"}, {"a b c", "a b c"},
		{"tcp websocket", "tcp - websocket"},
		{"websocket admin tcp", "tcp admin websocket"},
		{"admin tcp other", "admin tcp other"}, // one is not ours: the order counts
	} {
		var list []passedSocket
		for _, name := range strings.Fields(tt.names) {
			list = append(list, passedSocket{name, namedListener{name: name}})
		}
		s, err := assignSockets(list)
		if err != nil {
			t.Errorf("%s: %v", tt.names, err)
			continue
		}
		var got []string
		for _, l := range []net.Listener{s.tcp, s.admin, s.websocket} {
			name := "-"
			if l != nil {
				name = l.(namedListener).name
			}
			got = append(got, name)
		}
		if text := strings.TrimRight(strings.Join(got, " "), " -"); text != tt.want {
			t.Errorf("%s: %s, want %s", tt.names, text, tt.want)
		}
	}
}

type namedListener struct {
	net.Listener
	name string
}

// A port that takes no more connections is noticed.
func TestDoorStuck(t *testing.T) {
	d := newDoor(nil, nil, "TCP")
	if err := d.stuck(); err != nil {
		t.Error(err)
	}
	d.busy.Store(time.Now().UnixNano())
	if err := d.stuck(); err != nil {
		t.Error(err)
	}
	d.busy.Store(time.Now().Add(-2 * doorStall).UnixNano())
	if err := d.stuck(); err == nil || !strings.Contains(err.Error(), "the TCP port") {
		t.Error(err)
	}
}

// The watchdog starves while a port is stuck, and that is logged once.
func TestWatchdogStarves(t *testing.T) {
	n := newNotifySocket(t)
	t.Setenv("NOTIFY_SOCKET", n.path)
	t.Setenv("WATCHDOG_USEC", "200000")
	o, err := parseOptions([]string{"--port", fmt.Sprint(freePort(t)), "--listen", "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	log := new(logBuffer)
	p, err := start(o, log, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop(make(chan os.Signal))
	n.await("WATCHDOG=1")
	if err := p.works(context.Background()); err != nil {
		t.Error(err)
	}
	for end := time.Now().Add(patience); !strings.Contains(log.String(), "The watchdog is not fed: the TCP port"); time.Sleep(time.Millisecond) {
		p.doors[0].busy.Store(1) // again, as the port may only now begin to wait
		if time.Now().After(end) {
			t.Fatalf("not noticed:\n%s", log)
		}
	}
	p.doors[0].busy.Store(0)
	n.await("WATCHDOG=1")
	if got := strings.Count(log.String(), "The watchdog is not fed"); got != 1 {
		t.Errorf("logged %d times", got)
	}
}

// upgrade asks a port for a WebSocket connection and returns the status line.
func upgrade(t *testing.T, port int) string {
	t.Helper()
	c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	fmt.Fprint(c, "GET /any HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// configuration.md §23 item 9: three passed sockets are TCP, admin API and
// WebSocket in this order, or what their names say; options about ports do not
// count.
func TestRunThreePassedSockets(t *testing.T) {
	const tcp, admin, web = 0, 1, 2
	for _, tt := range []struct {
		names string
		order [3]int
	}{
		{"", [3]int{tcp, admin, web}},
		{"websocket:tcp:admin", [3]int{web, tcp, admin}},
	} {
		var files []*os.File
		var port [3]int
		for _, what := range tt.order {
			f, p := listening(t)
			files = append(files, f)
			port[what] = p
		}
		unused := strconv.Itoa(freePort(t))
		s := launchCommand(t, passing(t, tt.names, files, "--port", unused, "--websocket-port", unused, "--web-admin-port", unused), port[tcp])
		if _, g := s.connect(); g.Version != 4 {
			t.Errorf("%q: greeting %+v", tt.names, g)
		}
		if line := upgrade(t, port[web]); line != "HTTP/1.1 101 Switching Protocols" {
			t.Errorf("%q: WebSocket: %s", tt.names, line)
		}
		for range 2 {
			// Who connects while the port is reopened may be cut off.
			s.await("the admin API", func() bool {
				status, body := get(t, port[admin], "/api/status/", "")
				return status == 200 && strings.Contains(body, fmt.Sprintf(`"ext_port":%d`, port[tcp]))
			})
			s.signal(syscall.SIGUSR1) // the socket stays what it is
		}
		if conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", unused)); err == nil {
			conn.Close()
			t.Error("listens at --port")
		}
		s.awaitLog("--port, --websocket-port, --web-admin-port: ignored")
	}
}
