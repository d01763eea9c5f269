package template_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/password"
	"drawrelay/store/serverlog"
	"drawrelay/store/storetest"
	"drawrelay/store/template"
)

const head = "!version=dp:4.25.1\n"

const canvas = `1 resize {"right":1000,"bottom":800}` + "\n"

// binary makes a binary recording.
func binary(meta string, messages ...frame.Msg) string {
	b, err := frame.AppendRecordingHead(nil, []byte(meta))
	if err != nil {
		panic(err)
	}
	for _, m := range messages {
		b = frame.Append(b, m)
	}
	return string(b)
}

var resize = frame.Msg{Type: frame.TypeResize, User: 1, Body: make([]byte, 16)}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, name, text string) (*template.Template, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	write(t, path, text)
	return template.Load(path, "alias")
}

func mustLoad(t *testing.T, name, text string) *template.Template {
	t.Helper()
	x, err := load(t, name, text)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// instantiate makes the session of a template and returns it with its messages.
func instantiate(t *testing.T, x *template.Template, dir string) (*store.History, []frame.Msg) {
	t.Helper()
	s, err := store.Open(store.Options{Dir: dir, FS: storetest.New(1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	c, opword, err := x.Session()
	if err != nil {
		t.Fatal(err)
	}
	h, err := s.Create(c)
	if err == nil {
		err = x.Fill(h, opword)
	}
	if err != nil {
		t.Fatal(err)
	}
	var b []byte
	if l := h.Log(); l.HasFile() {
		b = make([]byte, l.Size())
		if err := l.ReadAt(b, 0); err != nil {
			t.Fatal(err)
		}
	} else {
		var span store.Span
		for at := int64(0); at < l.Size(); at = span.To {
			if !l.Acquire(&span, at, l.Size()) {
				t.Fatal("not in memory")
			}
			b = append(b, bytes.Join(span.Vectors[:span.N], nil)...)
			span.Release()
		}
	}
	var all []frame.Msg
	for len(b) > 0 {
		m, rest, err := frame.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
		b = rest
	}
	if int64(len(all)) != h.Log().Count() {
		t.Fatalf("%d messages are counted, %d are there", h.Log().Count(), len(all))
	}
	return h, all
}

// TestHeader is storage.md §20 item 30: defaults, bool and int rules.
func TestHeader(t *testing.T) {
	flags := "nsfm persistent preserveChat deputies authOnly idleOverride allowWeb invites unlisted"
	all := store.NSFM | store.Persistent | store.PreserveChat | store.Deputies | store.AuthOnly | store.IdleOverride |
		store.AllowWeb | store.Invites | store.Unlisted
	header := func(value string) string {
		text := head
		for key := range strings.FieldsSeq(flags) {
			text += "!" + key + "=" + value + "\n"
		}
		return text + canvas
	}
	meta := func(value string) string {
		text := `{"version":"dp:4.25.1"`
		for key := range strings.FieldsSeq(flags) {
			text += `,"` + key + `":` + value
		}
		return binary(text+"}", resize)
	}
	for text, want := range map[string]store.Flags{
		head + canvas: 0, header(""): 0, header("false"): 0, header("FALSE"): 0, header("true"): all, header("0"): all, header("no"): all,
		meta("true"): all, meta("false"): 0, meta("1"): all, meta("0"): 0, meta("-0.5"): all, meta(`"false"`): 0, meta(`"0"`): all,
		meta("null"): 0, meta("[1]"): 0, meta(`""`): 0,
	} {
		if x := mustLoad(t, "x.dptxt", text); x.Flags != want {
			t.Errorf("%.60q: flags %v, want %v", text, x.Flags, want)
		}
	}
	for value, want := range map[string]int{
		`"12"`: 12, `12`: 12, `12.9`: 12, `0`: 25, `-1`: 25, `"x"`: 25, `""`: 25, `null`: 25, `true`: 25, `255`: 255, `1000`: 255, `"254"`: 254, `1e30`: 25,
	} {
		if x := mustLoad(t, "x.dprec", binary(`{"version":"dp:4.25.1","maxUserCount":`+value+`}`, resize)); x.MaxUsers != want {
			t.Errorf("maxUserCount %s: %d, want %d", value, x.MaxUsers, want)
		}
	}
	x := mustLoad(t, "x.dptxt", head+canvas)
	if x.Title != "" || x.Founder != "-" || x.MaxUsers != 25 || x.HasPassword() || x.Announce != "" || len(x.Warnings()) != 0 {
		t.Errorf("defaults: %+v", x)
	}
	x = mustLoad(t, "x.dptxt", head+"! title = A = b \n!founder=Ada\n!announce=https://list.example/\n!writer=me\n!maxUserCount=300\n"+canvas)
	if x.Title != "A = b" || x.Founder != "Ada" || x.Announce != "https://list.example/" || x.MaxUsers != 255 {
		t.Errorf("header: %+v", x)
	}
	h, _ := instantiate(t, x, "sessions")
	if h.MaxUsers() != 254 || h.Title() != "A = b" || h.Founder() != "Ada" || !slices.Equal(h.Announcements(), []string{"https://list.example/"}) {
		t.Errorf("session: %d, %q, %q, %v", h.MaxUsers(), h.Title(), h.Founder(), h.Announcements())
	}
}

// TestPasswords is storage.md §20 item 30: hashes stay, the rest is hashed.
func TestPasswords(t *testing.T) {
	x := mustLoad(t, "x.dptxt", head+"!password=secret\n!opword=s+sha1;00;34e7a3\n"+canvas)
	if !x.HasPassword() || len(x.Warnings()) != 1 || !strings.Contains(x.Warnings()[0], "x.dptxt, line 2: ") || strings.Contains(x.Warnings()[0], "secret") {
		t.Errorf("warnings %q", x.Warnings())
	}
	h, _ := instantiate(t, x, "")
	if !password.Check(h.PasswordHash(), "secret") || strings.Contains(h.PasswordHash(), "secret") || h.OpwordHash() != "s+sha1;00;34e7a3" {
		t.Errorf("password %q, operator password %q", h.PasswordHash(), h.OpwordHash())
	}
	again, _, _ := x.Session()
	if again.PasswordHash != h.PasswordHash() {
		t.Error("the password is hashed for every session")
	}
	h, _ = instantiate(t, mustLoad(t, "x.dprec", binary(`{"version":"dp:4.25.1","password":"plain;qwerty123","opword":"op"}`, resize)), "")
	if h.PasswordHash() != "plain;qwerty123" || !password.Check(h.OpwordHash(), "op") {
		t.Errorf("password %q, operator password %q", h.PasswordHash(), h.OpwordHash())
	}
}

// TestVersions is storage.md §20 items 31 and 33, and wire.md §19 item 39.
func TestVersions(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{ // want: part of the error; empty: usable
		{"a.dptxt", head + canvas, ""},
		{"a.dptxt", "!version=dp:4.25.0\n" + canvas, ""},
		{"a.dptxt", "!version=dp:4.25.77\n1 undopoint\n", ""},
		{"a.dptxt", "!title=x\n" + canvas, ""},
		{"a.dptxt", "!title=x\n1 undopoint\n", "a.dptxt: line 1: it has neither a version nor a canvas"},
		{"a.dptxt", "# made by hand\n\n  # twice\n" + head + canvas, ""},
		{"a.dptxt", "!title=x\n!version=dp:4.24.0\n" + canvas, "a.dptxt: line 2: protocol version dp:4.24.0"},
		{"a.dptxt", "!version=dp:4.26.0\n" + canvas, "line 1: protocol version"},
		{"a.dptxt", "!version=dp:5.25.1\n" + canvas, "line 1: protocol version"},
		{"a.dptxt", "!version=xx:4.25.1\n" + canvas, "line 1: protocol version"},
		{"a.dptxt", "!version=4.25.1\n" + canvas, `line 1: "4.25.1" is no protocol version`},
		{"a.dptxt", "!version=dp:4.25.1\n!version=dp:5.0.0\n" + canvas, ""},
		{"a.dptxt", head, "no messages"},
		{"a.dptxt", head + "1 chat {\"message\":\"hi\"}\n", "no messages"},
		{"empty.dptxt", "", "it is empty"},
		{"a.dptxt", "# only a comment\n", "neither a binary recording"},
		{"a.dptxt", canvas, "neither a binary recording"},
		{"a.dprec", binary(`{"version":"dp:4.25.1"}`, resize), ""},
		{"a.dprec", binary(`{"version":"dp:4.24.0"}`, resize), ""},
		{"a.dprec", binary(`{"version":"dp:4.99.0"}`, resize), ""},
		{"a.dprec", binary(`{}`, resize), ""},
		{"a.dprec", binary(`{}`, frame.Msg{Type: 200}), "neither a version nor a canvas"},
		{"a.dprec", binary(`{"version":4}`, resize), "metadata: "},
		{"a.dprec", binary(`{"version":"xx:4.25.1"}`, resize), "metadata: protocol version"},
		{"a.dprec", binary(`{"version":"dp:5.0.0"}`, resize), "metadata: protocol version"},
		{"a.dprec", binary(`{"version":"dp:4.25.1"}`), "no messages"},
		{"a.dprec", binary(`{"version":"dp:4.25.1"}`)[:12], "it ends within its head"},
		{"a.dprec", "DPREC\x00\x00\x02[]", "not a JSON object"},
		{"a.dprec", binary(`{"version":"dp:4.25.1"}`, resize)[:40], "no messages"},
	} {
		_, err := load(t, c.name, c.text)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60q: %v, want %q", c.text, err, c.want)
		}
	}
}

// TestReferenceTemplate is storage.md §20 item 32.
func TestReferenceTemplate(t *testing.T) {
	x := mustLoad(t, "x.dptxt", head+"!maxUserCount=1\n!founder=Test\n!password=plain;qwerty123\n!title=Hello\n\n"+
		`1 resize {"right":"3000","bottom":3000}`+"\n"+`1 layertreecreate {"id":257,"title":"background"}`+"\n")
	if x.Messages != 2 || x.MaxUsers != 1 || len(x.Warnings()) != 1 || !strings.Contains(x.Warnings()[0], "line 7: right is not a number") {
		t.Errorf("%d messages, %d users, warnings %q", x.Messages, x.MaxUsers, x.Warnings())
	}
	h, all := instantiate(t, x, "sessions")
	if len(all) != 2 || h.MaxUsers() != 1 || !password.Check(h.PasswordHash(), "qwerty123") || !bytes.Equal(all[0].Body[4:8], make([]byte, 4)) {
		t.Errorf("%v, %d users, %q", all, h.MaxUsers(), h.PasswordHash())
	}
}

// TestMessages checks which messages a session takes (storage.md §16.5, wire.md
// §19 item 40) for both layouts, and that doubtful lines are skipped and told.
func TestMessages(t *testing.T) {
	var in []frame.Msg
	for n := range 256 {
		in = append(in, frame.Msg{Type: frame.Type(n), User: uint8(n), Body: []byte{1, 2, 3, 4, 5, 6}})
	}
	for version, keep := range map[string]int{"dp:4.25.1": 4, "dp:4.24.0": 3} {
		_, all := instantiate(t, mustLoad(t, "x.dprec", binary(`{"version":"`+version+`"}`, in...)), "sessions")
		var want []frame.Msg
		for _, m := range in[64:] {
			switch m.Type {
			case 68, 75:
				continue
			case 69:
				m.Body = m.Body[:keep]
			}
			want = append(want, m)
		}
		if !slices.EqualFunc(all, want, func(a, b frame.Msg) bool {
			return a.Type == b.Type && a.User == b.User && bytes.Equal(a.Body, b.Body)
		}) {
			t.Errorf("%s: %d messages, want %d", version, len(all), len(want))
		}
	}
	x := mustLoad(t, "x.dptxt", head+"1 nonsense\n"+canvas+"x undo\n"+strings.Repeat("2 wrong\n", 50))
	if x.Messages != 1 || len(x.Warnings()) != 11 || !strings.Contains(x.Warnings()[1], "x.dptxt, line 4: ") {
		t.Errorf("%d messages, %d warnings: %q", x.Messages, len(x.Warnings()), x.Warnings())
	}
	x = mustLoad(t, "x.dprec", binary(`{"version":"dp:4.25.1"}`, resize, resize)[:60])
	if x.Messages != 1 || len(x.Warnings()) != 1 || !strings.Contains(x.Warnings()[0], "offset 51: the file ends within a message") {
		t.Errorf("torn: %d messages, warnings %q", x.Messages, x.Warnings())
	}
}

// TestLargeTemplate fills a history in more than one batch.
func TestLargeTemplate(t *testing.T) {
	var in []frame.Msg
	for n := range 150 {
		in = append(in, frame.Msg{Type: 136, User: uint8(n), Body: bytes.Repeat([]byte{byte(n)}, 60000)})
	}
	_, all := instantiate(t, mustLoad(t, "x.dprec", binary(`{"version":"dp:4.25.1"}`, in...)), "sessions")
	if len(all) != len(in) || all[149].User != 149 || all[149].Body[59999] != 149 {
		t.Errorf("%d messages", len(all))
	}
}

// watched is a folder with what it logs.
type watched struct {
	*template.Folder
	t    *testing.T
	dir  string
	told []string
	ids  int
	now  time.Time
}

func watch(t *testing.T) *watched {
	w := &watched{t: t, dir: t.TempDir(), now: time.Now().Add(time.Hour)}
	w.open()
	return w
}

func (w *watched) open() {
	var err error
	w.Folder, err = template.Open(w.dir, template.Options{
		Log: func(level serverlog.Level, text string) {
			if level <= serverlog.Warn {
				w.told = append(w.told, text)
			}
		}, Now: func() time.Time { return w.now },
		NewID: func() (string, error) { w.ids++; return strings.Repeat("i", w.ids), nil },
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *watched) put(name, text string) { w.t.Helper(); write(w.t, filepath.Join(w.dir, name), text) }

// expect looks at the folder and compares the aliases, with titles.
func (w *watched) expect(want string) {
	w.t.Helper()
	w.Look()
	var got []string
	for _, x := range w.List() {
		got = append(got, strings.TrimSuffix(x.Alias+"="+x.Title, "="))
	}
	if strings.Join(got, " ") != want {
		w.t.Errorf("templates %q, want %q", strings.Join(got, " "), want)
	}
}

// TestFolder is storage.md §20 item 29, in place and by renaming, and §16.1.
func TestFolder(t *testing.T) {
	w := watch(t)
	w.expect("")
	w.put("one.dptxt", head+"!title=1\n"+canvas)
	w.expect("one=1")
	w.put("new.tmp", head+"!title=2\n"+canvas)
	w.expect("one=1")
	if err := os.Rename(filepath.Join(w.dir, "new.tmp"), filepath.Join(w.dir, "Two.DPTXT.archived")); err != nil {
		t.Fatal(err)
	}
	w.expect("Two=2 one=1")
	w.put("one.dptxt", head+"!title=changed\n"+canvas) // in place, another size
	w.expect("Two=2 one=changed")
	w.put("one.dptxt", head+"!title=CHANGED\n"+canvas)
	later := time.Now().Add(time.Minute)
	if err := os.Chtimes(filepath.Join(w.dir, "one.dptxt"), later, later); err != nil {
		t.Fatal(err)
	}
	w.expect("Two=2 one=CHANGED")
	w.put("one.dptxt", "broken")
	w.expect("Two=2")
	if n := len(w.told); n != 1 || !strings.Contains(w.told[0], "one.dptxt: neither") {
		t.Errorf("told %q", w.told)
	}
	w.expect("Two=2") // and not again
	if len(w.told) != 1 {
		t.Errorf("told %q", w.told)
	}
	for _, name := range []string{"a b.dptxt", "bad!.dptxt", ".hidden.dptxt", "notes.txt", "xdptxt", "01hf7yat00000g40r40m30e209.dprec", strings.Repeat("x", 33) + ".dprec"} {
		w.put(name, head+canvas)
	}
	if err := os.Mkdir(filepath.Join(w.dir, "folder.dprec"), 0o700); err != nil {
		t.Fatal(err)
	}
	w.expect("Two=2")
	w.put("two.dprec", binary(`{"version":"dp:4.25.1","title":"binary"}`, resize))
	w.put("two.dptxt", head+"!title=text\n"+canvas)
	w.expect("Two=2 two=text") // the later name wins
	if err := os.Remove(filepath.Join(w.dir, "two.dptxt")); err != nil {
		t.Fatal(err)
	}
	w.expect("Two=2 two=binary")
	if err := os.RemoveAll(w.dir); err != nil {
		t.Fatal(err)
	}
	w.expect("Two=2 two=binary") // a folder that cannot be read takes nothing away
}

// TestReservedIDs is storage.md §20 item 34: the id of a lookup stays until a
// session has taken it.
func TestReservedIDs(t *testing.T) {
	w := watch(t)
	w.put("one.dptxt", head+canvas)
	w.expect("one")
	if _, _, ok := w.Lookup("none"); ok {
		t.Error("a template that is not there is found")
	}
	x, id, ok := w.Lookup("one")
	if !ok || x.Alias != "one" || id != "i" {
		t.Fatalf("%v, %q, %v", x, id, ok)
	}
	if _, again, _ := w.Lookup("one"); again != id {
		t.Errorf("the id changes to %q", again)
	}
	if y, same, ok := w.Lookup(id); !ok || y != x || same != id {
		t.Errorf("by id: %v, %q, %v", y, same, ok)
	}
	w.Used("one", "another")
	if _, again, _ := w.Lookup("one"); again != id {
		t.Error("somebody else's session takes the id")
	}
	w.Used("one", id)
	if _, _, ok := w.Lookup(id); ok {
		t.Error("an id that was used is found")
	}
	if _, again, _ := w.Lookup("one"); again == id {
		t.Error("an id is given twice")
	}
}

func TestOpenFails(t *testing.T) {
	_, err := template.Open(filepath.Join(t.TempDir(), "none"), template.Options{})
	if err == nil || !strings.Contains(err.Error(), "create it") {
		t.Errorf("error %v", err)
	}
}

// TestChanged: a session is made of what was checked, or not at all.
func TestChanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.dptxt")
	write(t, path, head+canvas)
	x, err := template.Load(path, "a")
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, head) // an editor begins to write it anew
	s, err := store.Open(store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	h, err := s.Create(store.Create{Alias: "a", Version: frame.OwnVersion})
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Fill(h, ""); !errors.Is(err, template.ErrChanged) {
		t.Errorf("error %v", err)
	}
	h.Discard()
}
