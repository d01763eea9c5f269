// Package template knows the session templates of a folder: recordings, binary
// or text, that become sessions when somebody joins them by name
// (storage.md §16).
package template

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/password"
	"drawrelay/store/recording"
)

// Defaults and bounds of header entries (storage.md §16.3).
const (
	defaultUsers   = 25
	mostUsers      = 255 // of the header; a session takes 254
	defaultFounder = "-"
)

// textMajor is the major protocol version a text template must have: the
// notation is that of 2.3. Its minor number does not matter (storage.md §16.2).
const textMajor = 25

// maxWarnings is how many doubtful lines of one template are told one by one.
const maxWarnings = 10

// Template is a usable template as it was when it was read. Immutable but for
// the hashes of plain passwords, which are made when they are first needed.
type Template struct {
	Alias    string
	Path     string
	Version  frame.Version
	Title    string
	Founder  string
	Announce string // URL of a listing server, may be empty
	MaxUsers int    // 1..255
	Flags    store.Flags
	Messages int // that a session begins with

	state    fs.FileInfo // of the file as it was read
	warnings []string
	password secret
	opword   secret
}

// secret is a password of the header: a hash, or plain text.
type secret struct {
	text string // as in the header, empty = none
	once sync.Once
	hash string
	err  error
}

// stored returns the form that sessions keep. It may take long.
func (s *secret) stored() (string, error) {
	if s.text == "" || password.Valid(s.text) {
		return s.text, nil
	}
	s.once.Do(func() { s.hash, s.err = password.Hash(s.text) })
	return s.hash, s.err
}

// HasPassword reports whether joiners need a password.
func (t *Template) HasPassword() bool { return t.password.text != "" }

// Warnings returns what is doubtful about the file and no obstacle, each with
// file and line.
func (t *Template) Warnings() []string { return t.warnings }

func (t *Template) warn(place, what string) {
	switch {
	case len(t.warnings) < maxWarnings:
		t.warnings = append(t.warnings, fmt.Sprintf("%s, %s: %s", t.Path, place, what))
	case len(t.warnings) == maxWarnings:
		t.warnings = append(t.warnings, t.Path+": there is more like this")
	}
}

// Load reads a template and checks all of it. Errors name file, place, reason
// and, where it is not obvious, a cure.
func Load(path, alias string) (*Template, error) {
	t := &Template{Alias: alias, Path: path}
	fail := func(err error) (*Template, error) { return nil, fmt.Errorf("template %s: %w", path, err) }
	f, err := os.Open(path)
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	if t.state, err = f.Stat(); err != nil {
		return fail(err)
	}
	r, err := recording.NewReader(f)
	if err != nil {
		return fail(err)
	}
	if err := t.readHeader(r); err != nil {
		return fail(err)
	}
	canvas := false
	r.Warn = func(line int, problem string) { t.warn("line "+strconv.Itoa(line), problem) }
	if err := t.walk(r, func(m frame.Msg) error {
		canvas = canvas || m.Type == frame.TypeResize
		t.Messages++
		return nil
	}); err != nil {
		return fail(err)
	}
	switch {
	case t.Messages == 0:
		return fail(errors.New("it has no messages a session could begin with; add at least a resize message"))
	case r.Value("version") == "" && !canvas:
		return fail(fmt.Errorf("line 1: it has neither a version nor a canvas; add a line !version=%v", frame.OwnVersion))
	}
	return t, nil
}

// readHeader takes the header over.
func (t *Template) readHeader(r *recording.Reader) error {
	text := r.Value("version")
	v, ok := frame.ParseVersion(text)
	switch {
	case text == "" && r.Raw("version") == nil:
		v = frame.OwnVersion
	case !ok:
		return fmt.Errorf("%s: %q is no protocol version; write one like %v", place(r, "version"), text, frame.OwnVersion)
	case v.Namespace != frame.OwnVersion.Namespace || v.Server != frame.ServerProtocol:
		return fmt.Errorf("%s: protocol version %s; only dp:%d can be used", place(r, "version"), text, frame.ServerProtocol)
	case r.Form == recording.Text && v.Major != textMajor:
		return fmt.Errorf("%s: protocol version %s; text templates must have dp:%d.%d", place(r, "version"), text, frame.ServerProtocol, textMajor)
	}
	t.Version = v
	t.Title, t.Founder, t.Announce = str(r, "title"), str(r, "founder"), str(r, "announce")
	if t.Founder == "" {
		t.Founder = defaultFounder
	}
	t.password.text, t.opword.text = str(r, "password"), str(r, "opword")
	for _, key := range [...]string{"password", "opword"} {
		if text := str(r, key); text != "" && !password.Valid(text) {
			t.warn(place(r, key), key+" is no hash in a known form and is taken as plain text; write a hash, or plain;… to say so")
		}
	}
	t.MaxUsers = defaultUsers
	if raw := r.Raw("maxUserCount"); raw != nil {
		n, ok := integer(raw)
		if n > 0 {
			t.MaxUsers = int(min(n, mostUsers))
		}
		if !ok || n < 1 || n > mostUsers {
			t.warn(place(r, "maxUserCount"), fmt.Sprintf("maxUserCount is no number from 1 to 254 and counts as %d", t.MaxUsers))
		}
	}
	for key, flag := range flagKeys {
		if truth(r.Raw(key)) {
			t.Flags |= flag
		}
	}
	return nil
}

var flagKeys = map[string]store.Flags{
	"nsfm": store.NSFM, "persistent": store.Persistent, "preserveChat": store.PreserveChat, "deputies": store.Deputies,
	"authOnly": store.AuthOnly, "idleOverride": store.IdleOverride, "allowWeb": store.AllowWeb,
	"invites": store.Invites, "unlisted": store.Unlisted,
}

// place says where a header entry stands.
func place(r *recording.Reader, key string) string {
	if r.Form == recording.Binary {
		return "metadata"
	}
	return "line " + strconv.Itoa(r.HeaderLine(key))
}

// str returns a header entry that is a string.
func str(r *recording.Reader, key string) (s string) {
	if json.Unmarshal(r.Raw(key), &s) != nil {
		return ""
	}
	return s
}

// integer reads a number, cut to an integer, or a string of decimal digits.
func integer(raw json.RawMessage) (n int64, ok bool) {
	var x float64
	if json.Unmarshal(raw, &x) == nil && x > -1e9 && x < 1e9 {
		return int64(x), raw[0] != 'n'
	}
	var s string
	_ = json.Unmarshal(raw, &s) // another type is no number either
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 32)
	return n, err == nil
}

// truth reads a boolean: strings are true unless empty or "false".
func truth(raw json.RawMessage) bool {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return false
	}
	switch v := v.(type) {
	case bool:
		return v
	case float64:
		return v != 0
	case string:
		return v != "" && !strings.EqualFold(v, "false")
	}
	return false
}

// walk calls add for every message that a session takes from the template.
// Lines that are no message, and a torn end, are warned about; other errors
// end it.
func (t *Template) walk(r *recording.Reader, add func(frame.Msg) error) error {
	for {
		m, err := r.Next()
		var bad *recording.BadLine
		var torn *recording.Torn
		switch {
		case err == nil:
		case err == io.EOF:
			return nil
		case errors.As(err, &bad):
			t.warn("line "+strconv.Itoa(bad.Line), bad.Err.Error())
			continue
		case errors.As(err, &torn):
			t.warn(fmt.Sprintf("offset %d", torn.Offset), "the file ends within a message")
			return nil
		default:
			return err
		}
		if m, keep := Admit(m, t.Version); keep {
			if err := add(m); err != nil {
				return err
			}
		}
	}
}

// Admit drops what belongs to the people of a recording and not to its canvas
// (storage.md §16.5 step 3): everything below the opaque types, user locks and
// data. Layer locks lose their list of users.
func Admit(m frame.Msg, v frame.Version) (frame.Msg, bool) {
	switch m.Type {
	case frame.TypeUserACL, frame.TypeData:
		return m, false
	case frame.TypeLayerACL:
		keep := 4 // the id of the layer, and flags
		if v.Major < frame.OwnVersion.Major {
			keep = 3
		}
		m.Body = m.Body[:min(keep, len(m.Body))]
	}
	return m, m.Type.Opaque()
}

// aliasOf returns the alias of a file name, "" if it cannot be a template.
func aliasOf(name string) string {
	lower := strings.ToLower(name)
	form := false
	for _, suffix := range [...]string{".dprec", ".dptxt"} {
		form = form || strings.HasSuffix(lower, suffix) || strings.Contains(lower, suffix+".")
	}
	alias, _, _ := strings.Cut(filepath.Base(name), ".")
	if !form || !store.ValidAlias(alias) {
		return ""
	}
	return alias
}
