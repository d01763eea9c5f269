package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"drawrelay/store"
	"drawrelay/store/config"
	"drawrelay/store/db"
	"drawrelay/store/serverlog"
	"drawrelay/store/settings"
	"drawrelay/store/template"
)

func init() { subcommands["check"] = check }

// secretText stands for values that do not belong into a report that people
// show to others.
const secretText = "(secret)"

// secretOptions and secretSettings are not printed.
var (
	secretOptions  = map[string]bool{"crypt-key": true, "web-admin-auth": true}
	secretSettings = map[string]bool{"reporttoken": true}
)

// environmentVariables are those that have an effect (configuration.md §3), and
// whether they are secret.
var environmentVariables = []struct {
	name   string
	secret bool
}{
	{"DRAWPILESRV_WEB_ADMIN_AUTH", true}, {"DRAWPILE_SRV_WEB_ADMIN_AUTH", true},
	{"LISTEN_FDS", false}, {"LISTEN_PID", false}, {"LISTEN_FDNAMES", false},
	{"NOTIFY_SOCKET", false}, {"WATCHDOG_USEC", false}, {"WATCHDOG_PID", false}, {"GOMAXPROCS", false},
}

// checkReport is what check prints: a table of everything in force, then what is
// wrong.
type checkReport struct {
	table    *tabwriter.Writer
	errors   []string // would stop a start
	warnings []string
}

func (r *checkReport) row(key, value, source string) {
	if strings.ContainsFunc(value, unicode.IsControl) {
		value = strconv.Quote(value) // of several lines, from a database
	}
	fmt.Fprintf(r.table, "%s\t= %s\t%s\n", key, value, source)
}

// bad notes an error, line by line if several were joined.
func (r *checkReport) bad(err error) {
	if err != nil {
		r.errors = append(r.errors, strings.Split(err.Error(), "\n")...)
	}
}

func (r *checkReport) odd(text string) { r.warnings = append(r.warnings, text) }

// check takes the options of a start, prints every effective option and
// setting with its source, and says whether a start would work. It changes
// nothing, and a server may be running meanwhile.
func check(args []string, stdout, stderr io.Writer) int {
	g, _, err := splitArguments(args, table)
	if err != nil {
		return fail(stderr, err)
	}
	if g.has("help") {
		fmt.Fprint(stdout, "Usage: drawpile-srv check [options]\n\nPrints every option and setting as it would be with these options of the server, where it comes\n"+
			"from, and what is wrong. The exit status is 1 if the server would not start.\n")
		return exitOK
	}
	r := &checkReport{table: tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)}
	o, err := parseOptions(args)
	r.bad(err)
	if err != nil {
		o = &options{config: g["config"], database: g["database"], authURL: g["extauth"], reportURL: g["report-url"]}
	}
	for _, text := range o.warnings {
		r.odd(text)
	}
	r.options(g, o)
	certificate := ""
	if err == nil {
		certificate = r.certificate(o)
		if o.user != "" { // from here on like the server
			r.bad(becomeUser(o.user))
		}
	}
	r.settings(o)
	fmt.Fprint(r.table, certificate)
	if err == nil {
		r.files(o)
	}
	if err := r.table.Flush(); err != nil {
		return fail(stderr, err)
	}
	for _, text := range r.warnings {
		fmt.Fprintf(stderr, "warning: %s\n", text)
	}
	for _, text := range r.errors {
		fmt.Fprintf(stderr, "error: %s\n", text)
	}
	if len(r.errors) > 0 {
		fmt.Fprintf(stdout, "\nNot good: the server would not start (%d errors, %d warnings).\n", len(r.errors), len(r.warnings))
		return exitFailed
	}
	fmt.Fprintf(stdout, "\nGood (%d warnings).\n", len(r.warnings))
	return exitOK
}

// inHelp finds the default in the help text of an option.
var inHelp = regexp.MustCompile(`\(default:? ([^)]*)\)`)

// options prints the options, those that follow from --data too, and the
// environment.
func (r *checkReport) options(g given, parsed *options) {
	implied := make(map[string]string)
	if g.has("data") {
		implied["sessions"], implied["database"] = parsed.sessions, parsed.database
		if parsed.selfSigned != "" {
			implied["ssl-cert"] = "made in " + parsed.selfSigned
			implied["ssl-key"] = implied["ssl-cert"]
		}
	}
	fmt.Fprintln(r.table, "Options")
	for i := range table {
		o := &table[i]
		value, ok := g[o.name]
		switch {
		case strings.HasPrefix(o.name, "help") || o.name == "version" || o.name == "generate-crypt-key":
		case ok && o.arg == "":
			r.row("--"+o.name, "on", "command line")
		case ok && secretOptions[o.name]:
			r.row("--"+o.name, secretText, "command line")
		case ok:
			r.row("--"+o.name, withoutPassword(value), "command line")
		case implied[o.name] != "":
			r.row("--"+o.name, implied[o.name], "--data")
		case o.arg != "":
			value := "none"
			if m := inHelp.FindStringSubmatch(strings.ReplaceAll(o.help, "\n", " ")); m != nil {
				value = m[1]
			}
			r.row("--"+o.name, value, "default")
		}
	}
	fmt.Fprintln(r.table, "\nEnvironment")
	for _, v := range environmentVariables {
		value := os.Getenv(v.name)
		if value == "" {
			continue
		}
		if v.secret {
			value = secretText
		}
		r.row(v.name, value, "environment")
	}
}

// settings prints the settings in force, and what the store holds besides.
func (r *checkReport) settings(o *options) {
	fmt.Fprintln(r.table, "\nSettings")
	in, source := inFile(config.Parse("", "", nil)), func(v config.Value) string { return "default" }
	counts := ""
	switch {
	case o.config != "":
		file, err := config.Load(o.config)
		if errors.Is(err, fs.ErrNotExist) {
			r.odd(o.config + " does not exist: the defaults hold until it does")
			break
		}
		if err != nil {
			r.bad(err)
			break
		}
		in, source = inFile(file), func(v config.Value) string { return fmt.Sprintf("%s:%d", file.Path, v.Line) }
		for i := range file.Problems {
			r.problem(file.Problems[i])
		}
		counts = fmt.Sprintf("%d accounts, %d IP bans, %d system bans, %d user bans, %d listing servers on the whitelist",
			len(file.Accounts), len(file.IPBans), len(file.SystemBans), len(file.UserBans), len(file.Whitelist))
	case o.database != "":
		state, warnings, err := db.Inspect(o.database)
		r.warnings = append(r.warnings, warnings...)
		if errors.Is(err, fs.ErrNotExist) {
			r.odd(o.database + " does not exist yet: it will be made, with the defaults")
			break
		}
		if err != nil {
			r.bad(err)
			break
		}
		in, source = inDatabase(o.database, state), func(config.Value) string { return o.database }
		counts = fmt.Sprintf("%d accounts, %d IP bans, %d system bans, %d user bans, %d expressions on the whitelist",
			len(state.Accounts), len(state.IPBans), len(state.SystemBans), len(state.UserBans), len(state.Whitelist))
	case o.lingering:
		in.settings = lingering(in.settings)
		changed := config.Parse("", "", nil).Settings
		source = func(v config.Value) string {
			if config.Get(changed, v.Key) != config.Get(in.settings, v.Key) {
				return "--data"
			}
			return "default"
		}
	}
	for _, problem := range withoutEffect(in, o) {
		r.problem(problem)
	}
	for _, key := range config.Keys() {
		value := config.Get(in.settings, key)
		if value == nil {
			continue // kept by the server for itself
		}
		text := settingText(key, value)
		if secretSettings[key] && text != "" {
			text = secretText
		}
		v, ok := in.value(key)
		from := "default"
		if v.Key = key; ok || o.lingering {
			from = source(v)
		}
		r.row(key, text, from)
	}
	if counts != "" {
		fmt.Fprintln(r.table, "\n"+counts)
	}
}

func (r *checkReport) problem(p config.Problem) {
	if p.Stops {
		r.bad(&p)
	} else {
		r.odd(p.Error())
	}
}

// settingText returns a value as it could be written in a configuration file.
func settingText(key string, value any) string {
	kind, _ := config.KindOf(key)
	switch v := value.(type) {
	case bool:
		return settings.FormatBool(v)
	case int64:
		switch kind {
		case config.Duration:
			return strconv.FormatInt(v, 10) + "s"
		case config.Size:
			return strconv.FormatInt(v, 10) + "b"
		}
		return strconv.FormatInt(v, 10)
	case string:
		if key == "extBansUrl" {
			return hidePath(v)
		}
		return withoutPassword(v)
	}
	return fmt.Sprint(value)
}

// withoutPassword hides the password in a URL.
func withoutPassword(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.User == nil {
		return text
	}
	if _, has := u.User.Password(); !has {
		return text
	}
	return u.Redacted()
}

// hidePath shows only whose list it is: addresses of ban lists hold a key.
func hidePath(text string) string {
	u, err := url.Parse(text)
	if text == "" || err != nil || u.Host == "" {
		return withoutPassword(text)
	}
	return u.Scheme + "://" + u.Host + "/… " + secretText
}

// certificate loads the TLS files, as root if the server would be started by
// it, and returns what there is to tell about them.
func (r *checkReport) certificate(o *options) string {
	if o.certFile == "" {
		return ""
	}
	pair, err := loadKeyPair(o, time.Now())
	if err != nil {
		r.bad(err)
		return ""
	}
	days := pair.DaysLeft(time.Now())
	if days < 0 {
		r.odd(fmt.Sprintf("%s has expired: renew it", o.certFile))
		return ""
	}
	return fmt.Sprintf("\nTLS certificate valid for %d days\n", days)
}

// files looks at the files and folders that a start needs.
func (r *checkReport) files(o *options) {
	if o.templates != "" {
		r.templates(o.templates)
	}
	if o.selfSigned != "" {
		r.bad(r.folder("--data", o.selfSigned, true))
	}
	if o.sessions != "" {
		r.bad(r.folder("--sessions", o.sessions, true))
	}
	if o.checksums != "" {
		r.bad(r.folder("--checksums", o.checksums, true))
	}
	if o.record != "" {
		r.recordings(o.record)
	}
	if o.admin.socket != "" {
		if _, err := socketThere(o.admin.socket); err != nil {
			r.bad(err)
		} else {
			r.bad(r.folder("--web-admin-socket", filepath.Dir(o.admin.socket), false))
		}
	}
	if o.database == "" {
		return
	}
	r.bad(r.folder("--database", filepath.Dir(o.database), false))
	if _, err := store.OS.Stat(o.database); err == nil {
		if err := mayUse(o.database, false); err != nil {
			r.bad(fmt.Errorf("--database: %w; let the server's user read and write it", err))
		}
	}
}

// recordings looks at the folder of the recordings, which is made with the first
// of them: a start does without.
func (r *checkReport) recordings(path string) {
	if info, err := store.OS.Stat(path); err != nil || !info.IsDir() {
		path = filepath.Dir(path)
		if at := strings.IndexByte(path, '%'); at >= 0 { // perhaps %d, %i or the like: what is above it is known
			path = filepath.Dir(path[:at] + "x")
		}
	}
	if err := r.folder("--record", path, true); err != nil {
		r.odd(err.Error() + "; until then there are no recordings")
	}
}

// templates reads all templates as a start does, which leaves out those that
// cannot be used.
func (r *checkReport) templates(dir string) {
	f, err := template.Open(dir, template.Options{Now: time.Now, Log: func(level serverlog.Level, text string) {
		if level <= serverlog.Warn {
			r.odd(text)
		}
	}})
	if err != nil {
		r.bad(fmt.Errorf("--templates %s: %w", dir, err))
		return
	}
	fmt.Fprintf(r.table, "\n%d usable templates\n", len(f.List()))
}

// folder looks whether the server can use a folder, or make it if it makes that
// one, and returns why not.
func (r *checkReport) folder(option, dir string, made bool) error {
	info, err := store.OS.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) && made {
		r.odd(dir + " does not exist yet: it will be made")
		for errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir) {
			dir = filepath.Dir(dir)
			info, err = store.OS.Stat(dir)
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", option, err)
	}
	if !info.IsDir() {
		return fmt.Errorf("%s: %s is not a folder", option, dir)
	}
	if err := mayUse(dir, true); err != nil {
		return fmt.Errorf("%s: %w; let the server's user read and write there", option, err)
	}
	return nil
}
