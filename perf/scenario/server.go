//go:build linux

package scenario

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"drawrelay/perf/load"
	"drawrelay/perf/machine"
	"drawrelay/perf/proto"
)

// Spec says how to get at a server: by its address, or by a command to start.
type Spec struct {
	Name     string
	Addr     string   // host:port of a server that runs already; else Command
	PID      int      // of such a server, to read its usage; 0 = unknown
	Command  []string // words with variables
	Baseline bool     // one of the built-in servers: no files, and TLS only for the twin
}

// Placeholders of a command. Words that consist of one of the last five alone
// become any number of words.
//
//	{port} {dir} {config} {sessions} {cert} {key}   values
//	{file}    --sessions DIR with --file, else nothing
//	{tls}     --ssl-cert FILE --ssl-key FILE with --tls, else nothing
//	{plain}   nothing with --tls, else --no-tls
//	{web}     --websocket-port PORT --websocket-listen 127.0.0.1 with --ws, and
//	          --websocket-ssl with --tls as well; else nothing
//	{admin}   --web-admin-port PORT if the scenario calls the admin API, else nothing
const standardOptions = "--port {port} --listen 127.0.0.1 --config {config} {file} {tls} {web} {admin}"

// ParseSpec reads NAME, NAME=COMMAND or NAME=HOST:PORT[#PID]. The names twin
// and floor alone are the built-in servers. A command of one word gets the
// options appended that every Drawpile server takes, for the name "ours" with
// {plain}, for "ref" with --ssl-key-algorithm ec.
func ParseSpec(text string) (Spec, error) {
	name, rest, found := strings.Cut(text, "=")
	if !found {
		if name != "twin" && name != "floor" {
			return Spec{}, fmt.Errorf("server %q: must be twin, floor, NAME=COMMAND or NAME=HOST:PORT", text)
		}
		self, err := os.Executable()
		if err != nil {
			return Spec{}, err
		}
		return Spec{Name: name, Baseline: true, Command: []string{self, "serve-" + name, "--port", "{port}", "{tls}"}}, nil
	}
	words := strings.Fields(rest)
	if name == "" || len(words) == 0 {
		return Spec{}, fmt.Errorf("server %q: name or command is missing", text)
	}
	if len(words) == 1 {
		addr, pid, _ := strings.Cut(words[0], "#")
		if host, port, err := net.SplitHostPort(addr); err == nil && !strings.Contains(host, "/") {
			s := Spec{Name: name, Addr: addr}
			if _, err := strconv.ParseUint(port, 10, 16); err != nil {
				return Spec{}, fmt.Errorf("server %q: bad port %q", text, port)
			}
			if pid != "" {
				if s.PID, err = strconv.Atoi(pid); err != nil {
					return Spec{}, fmt.Errorf("server %q: bad process id %q", text, pid)
				}
			}
			return s, nil
		}
		words = append(words, strings.Fields(standardOptions)...)
		switch name {
		case "ours":
			words = append(words, "{plain}")
		case "ref":
			words = append(words, "--ssl-key-algorithm", "ec")
		}
	}
	if !strings.Contains(strings.Join(words, " "), "{port}") {
		return Spec{}, fmt.Errorf("server %q: the command has no {port}", text)
	}
	return Spec{Name: name, Command: words}, nil
}

// configText lifts the limits that the scenarios would run into. Clients ping
// every 15 s, so the idle timeout stays as it is. The reset threshold is not 0
// because the reference then asks for resets all the time.
// The accounts are there to be attacked.
var configText = `[config]
sessionSizeLimit = 0
autoResetThreshold = 2047mb
sessionCountLimit = 1000
persistence = true
[users]
` + accountLines()

// memberName and memberPassword are an account that nobody attacks.
const memberName, memberPassword = "member", "qwerty123"

// accountLines are the accounts of the flood scenario, with a hash of the
// usual cost (configuration.md §12).
func accountLines() string {
	var b strings.Builder
	for i := range floodAccounts + 1 {
		name := memberName
		if i < floodAccounts {
			name = load.FloodAccount(i)
		}
		b.WriteString(name + ":sodium;$argon2id$v=19$m=65536,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$BGHlZF2JSyEnPOHI5A0zk2O66M8Tt3TOoRZvesS7JBI:\n")
	}
	return b.String()
}

// Server is a server under test.
type Server struct {
	Addr   string
	Admin  string          // address of the admin API, empty if there is none
	Target *machine.Target // nil if unknown
	proc   *machine.Process
	dir    string
	argv   []string
	cpu    int
}

// startTimeout is how long a server may take until it greets.
const startTimeout = 30 * time.Second

// start starts the server, or looks at one that runs, and waits for its
// greeting.
func (s Spec) start(o *Options) (*Server, error) {
	if s.Baseline && (o.Files || o.Web || o.TLS && s.Name == "floor") || s.Name == "ref" && o.Web && o.TLS {
		return nil, ErrNotApplicable
	}
	if s.Addr != "" {
		srv := &Server{Addr: s.Addr}
		if s.PID != 0 {
			srv.Target = machine.NewTarget(s.PID)
		}
		return srv, nil
	}
	dir, err := os.MkdirTemp(o.TempDir, "perf-")
	if err != nil {
		return nil, err
	}
	srv := &Server{dir: dir}
	if err := srv.launch(s, o); err != nil {
		srv.Stop()
		return nil, fmt.Errorf("server %s: %w", s.Name, err)
	}
	return srv, nil
}

func (srv *Server) launch(s Spec, o *Options) error {
	ports, err := freePorts(3)
	if err != nil {
		return err
	}
	port, webPort, adminPort := ports[0], 0, 0
	if o.Web {
		webPort = ports[1]
	}
	if o.Admin {
		adminPort = ports[2]
		if !s.Baseline {
			srv.Admin = net.JoinHostPort("127.0.0.1", strconv.Itoa(adminPort))
		}
	}
	if srv.argv, err = s.expand(srv.dir, port, webPort, adminPort, o); err != nil {
		return err
	}
	port = or(webPort, port)
	srv.cpu = -1
	if o.Pin {
		srv.cpu = o.ServerCPU
	}
	srv.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	return srv.begin(o)
}

// begin starts the process and waits for its greeting.
func (srv *Server) begin(o *Options) (err error) {
	if srv.proc, err = machine.Start(srv.argv, srv.cpu, filepath.Join(srv.dir, "output")); err != nil {
		return err
	}
	d := proto.Dialer{Addr: srv.Addr, TLS: o.TLS, Web: o.Web, Timeout: 5 * time.Second}
	for deadline := time.Now().Add(startTimeout); ; {
		if ended, err := srv.proc.Ended(0); ended {
			return err
		}
		c, err := d.Dial("probe")
		if err == nil {
			c.Close()
			break
		}
		var op *net.OpError
		if !errors.As(err, &op) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
	srv.Target = machine.NewTarget(srv.proc.PID)
	return nil
}

// expand fills in the variables and makes the files they name.
func (s Spec) expand(dir string, port, webPort, adminPort int, o *Options) ([]string, error) {
	config, sessions := filepath.Join(dir, "config.ini"), filepath.Join(dir, "sessions")
	if err := os.WriteFile(config, []byte(configText), 0o600); err != nil {
		return nil, err
	}
	if err := os.Mkdir(sessions, 0o700); err != nil {
		return nil, err
	}
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if err := writeCertificate(cert, key); err != nil {
		return nil, err
	}
	if err := openToAll(dir, sessions); err != nil {
		return nil, err
	}
	values := strings.NewReplacer("{port}", strconv.Itoa(port), "{dir}", dir, "{config}", config,
		"{sessions}", sessions, "{cert}", cert, "{key}", key)
	var argv []string
	for _, w := range s.Command {
		switch {
		case w == "{file}" && o.Files:
			argv = append(argv, "--sessions", sessions)
		case w == "{tls}" && o.TLS:
			argv = append(argv, "--ssl-cert", cert, "--ssl-key", key)
		case w == "{plain}" && !o.TLS:
			argv = append(argv, "--no-tls")
		case w == "{web}" && o.Web:
			argv = append(argv, "--websocket-port", strconv.Itoa(webPort), "--websocket-listen", "127.0.0.1")
			if o.TLS {
				argv = append(argv, "--websocket-ssl")
			}
		case w == "{admin}" && o.Admin:
			argv = append(argv, "--web-admin-port", strconv.Itoa(adminPort))
		case w == "{admin}" || w == "{file}" || w == "{tls}" || w == "{plain}" || w == "{web}":
		default:
			argv = append(argv, values.Replace(w))
		}
	}
	return argv, nil
}

// openToAll lets a server read its files and write its sessions that changes
// to another user when it starts. There is nothing secret in them.
func openToAll(dir, sessions string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return err
	}
	for _, f := range files {
		err = errors.Join(err, os.Chmod(f, 0o644))
	}
	return errors.Join(err, os.Chmod(sessions, 0o777), os.Chmod(dir, 0o755))
}

// Stop ends a server that was started here and removes its files.
func (srv *Server) Stop() error {
	var err error
	if srv.proc != nil {
		err = srv.proc.Stop()
	}
	if srv.dir != "" {
		os.RemoveAll(srv.dir)
	}
	return err
}

// freePorts returns n different ports that nobody listened on a moment ago.
func freePorts(n int) ([]int, error) {
	ports := make([]int, n)
	for i := range ports {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer ln.Close() // not before all are chosen
		ports[i] = ln.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}
