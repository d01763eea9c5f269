package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"drawrelay/store"
	"drawrelay/store/serverlog"
	"drawrelay/store/settings"
)

// defaultPort is the TCP port of the protocol (configuration.md §6).
const defaultPort = 27750

// cryptKeySize is the length of --crypt-key in bytes.
const cryptKeySize = 32

// checksumsFolder is where --data keeps the checksums of recordings, and where
// verify looks for them.
const checksumsFolder = "checksums"

// sessionsFolder is where --data keeps sessions.
const sessionsFolder = "sessions"

// table lists all options: those of the reference (configuration.md §2.2) and
// our own.
var table = []option{
	{name: "help", short: 'h', help: "show this text"},
	{name: "help-all", help: "show this text"},
	{name: "version", short: 'v', help: "show the version"},
	{name: "port", short: 'p', arg: "port", help: "TCP port, 1 to 65535 (default 27750)"},
	{name: "listen", short: 'l', arg: "address", help: "IP address to listen at (default: all)"},
	{name: "websocket-port", arg: "port", help: "WebSocket port, 0 = none (default)"},
	{name: "websocket-listen", arg: "address", help: "IP address to listen at for WebSocket (default: all)"},
	{name: "local-host", arg: "name", help: "host name of this server, as clients know it"},
	{name: "announce-port", arg: "port", help: "port to announce to listing servers (default: the TCP port)"},
	{name: "ssl-cert", arg: "file", help: "TLS certificate chain, PEM"},
	{name: "ssl-key", arg: "file", help: "TLS private key, PEM"},
	{name: "ssl-key-algorithm", arg: "name", help: "guess, rsa, ec, dsa or dh (default guess)"},
	{name: "record", arg: "path", help: "record sessions to files: a folder, or a name with %d (date),\n" +
		"%t or %h (time), %i (session id) and %a (alias)"},
	{name: "web-admin-port", arg: "port", help: "port of the admin API and its page, 0 = off"},
	{name: "web-admin-auth", arg: "user:password", help: "credentials for the admin API; better set the environment\n" +
		"variable DRAWPILESRV_WEB_ADMIN_AUTH"},
	{name: "web-admin-access", arg: "address", help: "who may connect to the admin API: all, ADDRESS or ADDRESS/BITS\n" +
		"(default: only this machine, which always may)"},
	{name: "web-admin-allowed-origin", arg: "origin", help: "other web pages that may use the admin API"},
	{name: "database", short: 'd', arg: "file", help: "configuration database, SQLite; made if it is missing"},
	{name: "config", short: 'c', arg: "file", help: "configuration file"},
	{name: "sessions", short: 's', arg: "folder", help: "keep sessions in files there (default: in memory)"},
	{name: "templates", short: 't', arg: "folder", help: "offer the recordings there as sessions to join"},
	{name: "extauth", arg: "url", help: "external authentication server; the setting extauth switches it on"},
	{name: "crypt-key", arg: "base64", help: "key for the encrypted export of session bans"},
	{name: "generate-crypt-key", help: "print a key for --crypt-key"},
	{name: "report-url", arg: "url", help: "receiver of abuse reports; the setting abusereport switches it on"},
	{name: "gui", help: "show the admin page in a browser; so does a start without any\noptions on a desktop"},
	{name: "no-gui", help: "never show the admin page"},
	{name: "remote", arg: "url", help: "with --gui: administer another server, as in http://host:27780/api,\ninstead of starting one"},

	{name: "data", arg: "folder", own: true, help: "keep everything there: sessions in files, a self-signed certificate\n" +
		"for TLS unless another is given, and the database that init has made"},
	{name: "web-admin-socket", arg: "path", own: true, help: "Unix socket for the admin API, for this account only; ctl uses it"},
	{name: "no-tls", own: true, help: "no TLS with --data"},
	{name: "user", arg: "name", own: true, help: "go on as this account once the ports are open; for a start as root"},
	{name: "websocket-ssl", own: true, help: "TLS on the WebSocket port, with the certificate of --ssl-cert or --data"},
	{name: "single-port", own: true, help: "take WebSocket, with and without TLS, at the TCP port as well"},
	{name: "trusted-proxy", arg: "subnet", own: true, many: true, help: "believe what this proxy says about the addresses of WebSocket clients;\n" +
		"ADDRESS or ADDRESS/BITS, may be repeated. Loopback always is"},
	{name: "log-format", arg: "form", own: true, help: "text or json (default text)"},
	{name: "flight-recorder", own: true, help: "keep a trace of the last seconds for the admin API, for when an\n" +
		"event loop stalls; costs some speed"},
	{name: "pprof", arg: "[address:]port", own: true, help: "serve profiles there over HTTP; only a port means 127.0.0.1"},
	{name: "loops", arg: "number", own: true, help: "event loops (default: one per core, at most 4)"},
	{name: "transport", arg: "kind", own: true, help: "auto, poll or goroutine (default auto)"},
	{name: "checksums", arg: "folder", own: true, help: "keep checksums of the session files there, for drawpile-srv verify\n" +
		"(with --data: in " + checksumsFolder + " beside the sessions)"},
	{name: "sync-interval", arg: "duration", own: true, help: "at most this long until what was received is on the disk, in s,\n" +
		"or with a unit like 200ms (default 1s); 0 = before it is passed on"},
}

// options are the checked options of a start.
type options struct {
	help, version, generateKey bool
	// hashCommand starts a process that computes password hashes, empty = the
	// server computes them itself.
	hashCommand []string

	port         int
	listen       netip.Addr // zero = all addresses
	localHost    string
	user         string         // account to go on as, empty = stay
	proxies      []netip.Prefix // believed about client addresses, besides loopback
	authURL      string         // external authentication server as given, empty = none
	reportURL    string         // receiver of abuse reports, empty = none
	announcePort int            // 0 = the TCP port

	certFile, keyFile string // both or none
	selfSigned        string // folder of the self-signed pair, empty = none
	keyAlgorithm      string // guess, rsa, ec, dsa or dh

	config    string
	database  string
	checksums string // folder of checksums, empty = none
	sessions  string // empty = in memory
	templates string // folder, empty = none
	record    string // folder or pattern, empty = no recordings
	lingering bool   // --data without a configuration file or database
	cryptKey  []byte // nil = none

	admin          adminOptions
	flightRecorder bool
	graphical      graphical

	logFormat    serverlog.Format
	pprof        netip.AddrPort // zero = off
	loops        int            // 0 = default
	transport    string         // auto, poll or goroutine
	syncInterval time.Duration

	activated  bool       // the service manager passes sockets, perhaps one for WebSocket
	webPort    int        // 0 = no WebSocket port
	webListen  netip.Addr // zero = all addresses
	webTLS     bool
	singlePort bool

	listening []string // options given about ports, which passed sockets overrule

	warnings []string // about options without effect that the reference takes
}

// parseOptions reads and checks a command line in the order of
// configuration.md §2.3.
func parseOptions(args []string) (*options, error) {
	g, extra, err := splitArguments(args, table)
	if err != nil {
		return nil, err
	}
	o := &options{
		help: g.has("help") || g.has("help-all"), version: g.has("version"), generateKey: g.has("generate-crypt-key"),
		port: defaultPort, localHost: g["local-host"], config: g["config"], database: g["database"], sessions: g["sessions"], templates: g["templates"],
		activated:    os.Getenv("LISTEN_FDS") != "",
		keyAlgorithm: "guess", transport: "auto", syncInterval: store.DefaultSyncInterval,
	}
	if o.help || o.version {
		return o, nil
	}
	if o.generateKey {
		return o, nil
	}
	if len(extra) > 0 {
		o.warn("ignoring %q: only options have a meaning", extra)
	}
	for _, name := range []string{"port", "listen", "websocket-port", "websocket-listen", "web-admin-port"} {
		if g.has(name) {
			o.listening = append(o.listening, "--"+name)
		}
	}
	for _, check := range []func(given) error{
		o.checkStore, o.checkAuth, o.checkCryptKey, o.checkAnnouncing, o.checkPort, o.checkListen, o.checkTLS, o.checkWebSocket, o.checkAdmin, o.checkGraphical,
		o.checkOwn,
	} {
		if err := check(g); err != nil {
			return nil, err
		}
	}
	return o, nil
}

func (o *options) warn(format string, args ...any) {
	o.warnings = append(o.warnings, fmt.Sprintf(format, args...))
}

func (o *options) checkAuth(g given) error {
	if !g.has("extauth") {
		return nil
	}
	o.authURL = g["extauth"]
	return checkExtAuth(o.authURL)
}

// notInURL are characters that a strict URL does not contain; clients get it
// as it was given.
const notInURL = "\"<>\\^`{|}\x7f"

// checkExtAuth applies the rules for the external authentication server
// (configuration.md §2.2): the public one has exactly one right address.
func checkExtAuth(value string) error {
	u, err := url.Parse(value)
	if err == nil && u.Port() != "" {
		_, err = strconv.ParseUint(u.Port(), 10, 16)
	}
	strange := func(r rune) bool { return r <= ' ' || strings.ContainsRune(notInURL, r) }
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" || strings.ContainsFunc(value, strange) {
		return fmt.Errorf("--extauth %s: write an http or https URL", value)
	}
	host := strings.ToLower(u.Hostname())
	if host != "drawpile.net" && !strings.HasSuffix(host, ".drawpile.net") {
		return nil
	}
	if u.Scheme != "https" || host != "drawpile.net" || u.EscapedPath() != "/api/ext-auth/" || u.Port() != "" && u.Port() != "443" {
		return fmt.Errorf("--extauth %s: write https://drawpile.net/api/ext-auth/", value)
	}
	return nil
}

func (o *options) checkStore(g given) error {
	for _, name := range []string{"config", "database", "sessions", "templates", "record", "data", "checksums"} {
		if g.has(name) && g[name] == "" {
			return fmt.Errorf("--%s: write a path", name)
		}
	}
	if g.has("config") && g.has("database") {
		return fmt.Errorf("--config %s and --database %s: settings come from only one of them; remove the other", g["config"], g["database"])
	}
	o.record = g["record"]
	if rest, ok := strings.CutPrefix(o.record, "~/"); ok {
		o.record = os.Getenv("HOME") + "/" + rest
	}
	return nil
}

func (o *options) checkCryptKey(g given) error {
	value := g["crypt-key"]
	if value == "" {
		return nil
	}
	key, err := base64.StdEncoding.DecodeString(value)
	if err == nil && len(key) != cryptKeySize {
		err = fmt.Errorf("%d bytes instead of %d", len(key), cryptKeySize)
	}
	if err != nil {
		// The key itself is a secret.
		return fmt.Errorf("--crypt-key: %w; write what --generate-crypt-key prints", err)
	}
	o.cryptKey = key
	return nil
}

// checkAnnouncing reads what other services are told and where reports go. An
// invalid receiver of reports switches reports off, as in the reference.
func (o *options) checkAnnouncing(g given) error {
	if g.has("announce-port") {
		n, err := settings.ParseInt(g["announce-port"])
		if err != nil || n > 65535 {
			return fmt.Errorf("--announce-port %s: write a port up to 65535", g["announce-port"])
		}
		o.announcePort = max(n, 0)
	}
	if value := g["report-url"]; value != "" {
		u, err := url.Parse(value)
		if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
			o.warn("no abuse reports: --report-url %s is no http or https URL", value)
			return nil
		}
		o.reportURL = value
	}
	return nil
}

func (o *options) checkPort(g given) error {
	if !g.has("port") {
		return nil
	}
	n, err := settings.ParseInt(g["port"])
	if err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("--port %s: write a port from 1 to 65535", g["port"])
	}
	o.port = n
	return nil
}

func (o *options) checkListen(g given) error {
	if !g.has("listen") {
		return nil
	}
	addr, err := netip.ParseAddr(g["listen"])
	if err != nil {
		return fmt.Errorf("--listen %s: write an IP address", g["listen"])
	}
	o.listen = addr
	return nil
}

func (o *options) checkTLS(g given) error {
	cert, key := g["ssl-cert"], g["ssl-key"]
	switch {
	case cert != "" && key != "":
		if g.has("no-tls") {
			return errors.New("--no-tls contradicts --ssl-cert and --ssl-key; remove one or the others")
		}
		o.certFile, o.keyFile = cert, key
	case cert != "" || key != "":
		o.warn("no TLS: --ssl-cert and --ssl-key work only together, and only one of them was given")
	case g.has("data") && !g.has("no-tls"):
		o.selfSigned = filepath.Join(g["data"], "tls")
	}
	if !g.has("ssl-key-algorithm") {
		return nil
	}
	if o.certFile == "" {
		o.warn("--ssl-key-algorithm has no effect without --ssl-cert and --ssl-key")
		return nil
	}
	switch o.keyAlgorithm = strings.ToLower(g["ssl-key-algorithm"]); o.keyAlgorithm {
	case "guess", "rsa", "ec", "dsa", "dh":
		return nil
	}
	return fmt.Errorf("--ssl-key-algorithm %s: write guess, rsa, ec, dsa or dh", g["ssl-key-algorithm"])
}

// generateCryptKey prints a key for --crypt-key.
func generateCryptKey(w io.Writer, random io.Reader) error {
	key := make([]byte, cryptKeySize)
	if _, err := io.ReadFull(random, key); err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	_, err := fmt.Fprintln(w, base64.StdEncoding.EncodeToString(key))
	return err
}
