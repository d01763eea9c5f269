package ctl

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// command is one thing to do.
type command struct {
	name, args, help string
	least, most      int // how many arguments; most -1: any number
	run              func(c *client, out *output, o *choices, args []string) error
}

var commands = []command{
	{"status", "", "what the server does", 0, 0, status},
	{"sessions", "[SESSION]", "all sessions, or one with its members", 0, 1, sessions},
	{"kick", "SESSION USER [REASON …]", "disconnect a member, by number or name", 2, -1, kick},
	{"message", "SESSION TEXT …", "write to the members of a session, or of --all", 1, -1, message},
	{"terminate", "SESSION [REASON …]", "end a session; what was drawn in it is deleted", 1, -1, terminate},
	{"reload", "", "look at configuration and certificates again", 0, 0, reload},
}

// choices are the options of a call.
type choices struct {
	socket string
	json   bool
	all    bool // message: to all sessions
	alert  bool // message: as an alert
	quiet  bool // terminate: leave members connected
	help   bool
}

// Usage writes the help text.
func Usage(w io.Writer, defaultSocket string) {
	fmt.Fprintf(w, "Usage: drawpile-srv ctl [options] command\n\nControls a server that was started with --web-admin-socket.\n\nCommands:\n")
	for _, c := range commands {
		fmt.Fprintf(w, "  %-36s%s\n", c.name+" "+c.args, c.help)
	}
	fmt.Fprintf(w, `
SESSION is an id or an alias.

Options:
  --socket PATH                       socket of the server (default %s)
  --json                              print what the API answers instead of tables
  --alert                             message: as an alert that nobody can miss
  --all                               message: to all sessions; leave SESSION out
  --quiet                             terminate: leave members connected, cut off from each other
`, defaultSocket)
}

// Run does what the arguments after "ctl" say and returns what went wrong.
func Run(args []string, defaultSocket string, stdout io.Writer) error {
	o := &choices{socket: defaultSocket}
	rest, err := o.parse(args)
	if err != nil {
		return err
	}
	if o.help {
		Usage(stdout, defaultSocket)
		return nil
	}
	if len(rest) == 0 {
		return errors.New("no command; drawpile-srv ctl --help lists them")
	}
	for i := range commands {
		c := &commands[i]
		if c.name != rest[0] {
			continue
		}
		args := rest[1:]
		if o.all && c.name == "message" {
			args = append([]string{""}, args...)
		}
		if len(args) < c.least || c.most >= 0 && len(args) > c.most {
			return fmt.Errorf("write: drawpile-srv ctl %s %s", c.name, c.args)
		}
		if err := o.fits(c.name); err != nil {
			return err
		}
		return c.run(newClient(o.socket), &output{w: stdout, json: o.json}, o, args)
	}
	return fmt.Errorf("unknown command %q; drawpile-srv ctl --help lists them", rest[0])
}

// parse takes the options, which may stand anywhere before "--", out of the
// arguments.
func (o *choices) parse(args []string) (rest []string, err error) {
	flags := map[string]*bool{"json": &o.json, "all": &o.all, "alert": &o.alert, "quiet": &o.quiet, "help": &o.help}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		name, value, attached := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		switch {
		case arg == "--":
			return append(rest, args[i+1:]...), nil
		case arg == "-h":
			o.help = true
		case !strings.HasPrefix(arg, "--"):
			rest = append(rest, arg)
		case flags[name] != nil && !attached:
			*flags[name] = true
		case name != "socket":
			return nil, fmt.Errorf("unknown option %s; drawpile-srv ctl --help lists all", arg)
		case attached:
			o.socket = value
		case i+1 == len(args):
			return nil, errors.New("--socket needs a value: --socket PATH")
		default:
			i++
			o.socket = args[i]
		}
	}
	return rest, nil
}

// fits refuses options without effect.
func (o *choices) fits(name string) error {
	switch {
	case (o.all || o.alert) && name != "message":
		return errors.New("--all and --alert are for message only")
	case o.quiet && name != "terminate":
		return errors.New("--quiet is for terminate only")
	}
	return nil
}

func kick(c *client, out *output, _ *choices, args []string) error {
	s, err := c.session(args[0])
	if err != nil {
		return err
	}
	m, err := s.member(args[1])
	if err != nil {
		return err
	}
	query := url.Values{}
	if reason := strings.Join(args[2:], " "); reason != "" {
		query.Set("message", reason)
	}
	var answer struct {
		Status string `json:"status"`
		Force  bool   `json:"force"`
	}
	if err := c.api(http.MethodDelete, []string{"sessions", s.ID, strconv.Itoa(m.ID)}, query, nil, &answer); err != nil {
		return fmt.Errorf("%s was not disconnected: %w", clean(m.Name), err)
	}
	return out.done(answer, "%s was disconnected from %q.", clean(m.Name), s.name())
}

func message(c *client, out *output, o *choices, args []string) error {
	text := strings.TrimSpace(strings.Join(args[1:], " "))
	if text == "" {
		return errors.New("write a text: drawpile-srv ctl message SESSION TEXT")
	}
	kind := "message"
	if o.alert {
		kind = "alert"
	}
	path, whom := []string{"sessions"}, "all sessions"
	if !o.all {
		s, err := c.session(args[0])
		if err != nil {
			return err
		}
		path, whom = append(path, s.ID), strconv.Quote(s.name())
	}
	if err := c.api(http.MethodPut, path, nil, map[string]string{kind: text}, nil); err != nil {
		return fmt.Errorf("nothing was sent: %w", err)
	}
	return out.done(map[string]string{"status": "ok"}, "Sent to %s.", whom)
}

func terminate(c *client, out *output, o *choices, args []string) error {
	s, err := c.session(args[0])
	if err != nil {
		return err
	}
	query := url.Values{}
	if reason := strings.TrimSpace(strings.Join(args[1:], " ")); reason != "" {
		query.Set("reason", reason)
	}
	if o.quiet {
		query.Set("quiet", "true")
	}
	if err := c.api(http.MethodDelete, []string{"sessions", s.ID}, query, nil, nil); err != nil {
		return fmt.Errorf("%q goes on: %w", s.name(), err)
	}
	return out.done(map[string]string{"status": "ok"}, "%q was terminated.", s.name())
}

// reloadPath is where a server looks at its files again: admin.ReloadPath, which
// is not imported so that a shell command does not drag in the server.
const reloadPath = "/ctl/reload"

func reload(c *client, out *output, _ *choices, _ []string) error {
	if err := c.call(http.MethodPost, reloadPath, struct{}{}, nil); err != nil {
		return err
	}
	return out.done(map[string]string{"status": "ok"}, "The server has looked at its files; its log tells what has changed.")
}
