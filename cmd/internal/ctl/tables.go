package ctl

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// output is where results go.
type output struct {
	w    io.Writer
	json bool
}

// raw prints an answer of the API, indented.
func (o *output) raw(v any) error {
	e := json.NewEncoder(o.w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// done prints the result of a command that changes something.
func (o *output) done(answer any, format string, args ...any) error {
	if o.json {
		return o.raw(answer)
	}
	_, err := fmt.Fprintf(o.w, format+"\n", args...)
	return err
}

// table prints rows in columns, the first being the headings.
func (o *output) table(rows [][]string) error {
	w := tabwriter.NewWriter(o.w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for i := range row {
			row[i] = clean(row[i])
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}

// clean takes out of a text from strangers what a terminal would obey.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return '·'
		}
		return r
	}, text)
}

// session is what the API says about one, as far as it is used here.
type session struct {
	ID           string `json:"id"`
	Alias        string `json:"alias"`
	Title        string `json:"title"`
	Founder      string `json:"founder"`
	UserCount    int    `json:"userCount"`
	MaxUserCount int    `json:"maxUserCount"`
	Size         int64  `json:"size"`
	StartTime    string `json:"startTime"`
	HasPassword  bool   `json:"hasPassword"`
	Closed       bool   `json:"closed"`
	NSFM         bool   `json:"nsfm"`
	Persistent   bool   `json:"persistent"`
	Users        []user `json:"users"`
}

type user struct {
	ID      int    `json:"id"`
	Name    string `json:"name"`
	IP      string `json:"ip"`
	Online  bool   `json:"online"`
	Op      bool   `json:"op"`
	Mod     bool   `json:"mod"`
	Trusted bool   `json:"trusted"`
	Muted   bool   `json:"muted"`
	Auth    bool   `json:"auth"`
}

// name is what a session is called.
func (s *session) name() string {
	for _, name := range []string{s.Title, s.Alias, s.ID} {
		if name != "" {
			return clean(name)
		}
	}
	return "untitled"
}

// session asks for one by id or alias.
func (c *client) session(idOrAlias string) (*session, error) {
	s := new(session)
	return s, c.sessionInto(idOrAlias, s)
}

func (c *client) sessionInto(idOrAlias string, into any) error {
	err := c.api(http.MethodGet, []string{"sessions", idOrAlias}, nil, nil, into)
	var r *refusal
	if idOrAlias == "" || errors.As(err, &r) && r.status == http.StatusNotFound {
		return fmt.Errorf("there is no session %q; drawpile-srv ctl sessions lists them", idOrAlias)
	}
	return err
}

// member finds a connected user by number or name.
func (s *session) member(who string) (*user, error) {
	number, err := strconv.Atoi(strings.TrimPrefix(who, "#"))
	var found []*user
	for i := range s.Users {
		if u := &s.Users[i]; u.Online && (u.Name == who || err == nil && u.ID == number) {
			found = append(found, u)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, fmt.Errorf("nobody in %q is called %q or has that number; drawpile-srv ctl sessions %s lists the members", s.name(), who, s.ID)
	}
	return nil, fmt.Errorf("%q means several members; write the number with # in front", who)
}

func status(c *client, out *output, _ *choices, _ []string) error {
	var answer struct {
		Started     string `json:"started"`
		Sessions    int    `json:"sessions"`
		MaxSessions int    `json:"maxSessions"`
		Users       int    `json:"users"`
		Host        string `json:"ext_host"`
		Port        int    `json:"ext_port"`
	}
	if err := c.api(http.MethodGet, []string{"status"}, nil, nil, &answer); err != nil {
		return err
	}
	if out.json {
		return out.raw(answer)
	}
	return out.table([][]string{
		{"Running since", when(answer.Started)},
		{"Sessions", fmt.Sprintf("%d of at most %d", answer.Sessions, answer.MaxSessions)},
		{"Users", strconv.Itoa(answer.Users)},
		{"Address", fmt.Sprintf("%s port %d", answer.Host, answer.Port)},
	})
}

func sessions(c *client, out *output, _ *choices, args []string) error {
	if len(args) == 1 {
		return oneSession(c, out, args[0])
	}
	if out.json {
		var answer json.RawMessage
		if err := c.api(http.MethodGet, []string{"sessions"}, nil, nil, &answer); err != nil {
			return err
		}
		return out.raw(answer)
	}
	var list []session
	if err := c.api(http.MethodGet, []string{"sessions"}, nil, nil, &list); err != nil {
		return err
	}
	// Templates have no id.
	list = slices.DeleteFunc(list, func(s session) bool { return s.ID == "" })
	if len(list) == 0 {
		_, err := fmt.Fprintln(out.w, "There are no sessions.")
		return err
	}
	rows := [][]string{{"SESSION", "ALIAS", "USERS", "SIZE", "STARTED", "MARKS", "TITLE"}}
	for i := range list {
		s := &list[i]
		rows = append(rows, []string{s.ID, dash(s.Alias), fmt.Sprintf("%d/%d", s.UserCount, s.MaxUserCount), size(s.Size), when(s.StartTime), s.marks(), s.Title})
	}
	return out.table(rows)
}

func oneSession(c *client, out *output, id string) error {
	if out.json {
		var answer json.RawMessage
		if err := c.sessionInto(id, &answer); err != nil {
			return err
		}
		return out.raw(answer)
	}
	s, err := c.session(id)
	if err != nil {
		return err
	}
	if err := out.table([][]string{
		{"Title", s.Title}, {"Session", s.ID}, {"Alias", dash(s.Alias)}, {"Founder", s.Founder},
		{"Users", fmt.Sprintf("%d of at most %d", s.UserCount, s.MaxUserCount)}, {"Size", size(s.Size)}, {"Started", when(s.StartTime)}, {"Marks", s.marks()},
	}); err != nil {
		return err
	}
	rows := [][]string{{"", "", "", ""}, {"USER", "NAME", "ADDRESS", "MARKS"}}
	for i := range s.Users {
		if u := &s.Users[i]; u.Online {
			rows = append(rows, []string{strconv.Itoa(u.ID), u.Name, u.IP, u.marks()})
		}
	}
	if len(rows) == 2 {
		return nil
	}
	return out.table(rows)
}

func (s *session) marks() string {
	return marks(mark{"closed", s.Closed}, mark{"password", s.HasPassword}, mark{"nsfm", s.NSFM}, mark{"persistent", s.Persistent})
}

func (u *user) marks() string {
	return marks(mark{"moderator", u.Mod}, mark{"operator", u.Op}, mark{"trusted", u.Trusted}, mark{"muted", u.Muted}, mark{"account", u.Auth})
}

type mark struct {
	name string
	set  bool
}

func marks(list ...mark) string {
	var names []string
	for _, m := range list {
		if m.set {
			names = append(names, m.name)
		}
	}
	return dash(strings.Join(names, ","))
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// size formats bytes with factors of 1024.
func size(n int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	f, i := float64(n), 0
	for ; f >= 1024 && i < len(units)-1; i++ {
		f /= 1024
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}

// when shows a time of the API in the zone of the reader.
func when(text string) string {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return text
	}
	return t.Local().Format("2006-01-02 15:04:05")
}
