package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drawrelay/frame"
	"drawrelay/store/template"
)

// seeds are recordings of the reference software and what is made of them; see
// fuzz/testdata/README.md.
func seed(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "fuzz", "testdata", "seeds", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// do runs the tool and fails the test if its status is not want.
func do(t *testing.T, want int, stdin string, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	if got := run(args, strings.NewReader(stdin), &out, &errs); got != want {
		t.Fatalf("%q: status %d, want %d\n%s", args, got, want, errs.String())
	}
	return out.String(), errs.String()
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

const head = "DPREC\x00\x00\x17{\"version\":\"dp:4.25.1\"}"

// TestConvert goes to text and back, through pipes and through files.
func TestConvert(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	for _, in := range []string{
		seed(t, "session.dprec"), seed(t, "client.dprec"),
		head + "\x00\x00\x80\x01",
		"DPREC\x00\x00\x2c{\"version\" : \"dp:4.24.0\",\n\"streamfork\":1234}\x00\x03\xc8\x01abc\x00\x02\x8c\x00\x00\x00",
	} {
		text, _ := do(t, 0, in, "convert")
		if !strings.HasPrefix(text, "!version=dp:4.2") {
			t.Errorf("text begins %.40q", text)
		}
		if back, _ := do(t, 0, text, "convert", "-"); back != in {
			t.Errorf("%d bytes come back as %d others", len(in), len(back))
		}
		write(t, file("in.dprec"), in)
		do(t, 0, "", "convert", "-o", file("out.dptxt"), file("in.dprec"))
		do(t, 0, "", "convert", "-o", file("back.dprec"), file("out.dptxt"))
		if read(t, file("out.dptxt")) != text || read(t, file("back.dprec")) != in {
			t.Error("files and pipes differ")
		}
		same, _ := do(t, 0, in, "convert", "-to", "binary")
		if same != in {
			t.Error("binary to binary changes the recording")
		}
	}
}

// TestConvertErrors checks that errors tell the place, and that a file given
// with -o is not touched then.
func TestConvertErrors(t *testing.T) {
	torn := head + "\x00\x00\x80\x01\x00\x10\x81\x01\x00"
	out := filepath.Join(t.TempDir(), "out.dptxt")
	write(t, out, "old")
	_, errs := do(t, 1, torn, "convert", "-o", out)
	if !strings.Contains(errs, "standard input: offset 35: the recording ends within a message, 5 bytes of it are there; cut it with") {
		t.Error(errs)
	}
	if read(t, out) != "old" {
		t.Error("the output was replaced")
	}
	if files, _ := filepath.Glob(out + "*"); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
	text, errs := do(t, 0, torn, "convert", "-skip")
	if text != "!version=dp:4.25.1\n\n1 undopoint\n" || !strings.Contains(errs, "offset 35") {
		t.Errorf("%q, %s", text, errs)
	}
	for in, want := range map[string]string{
		"":                                  "it is empty",
		"hello":                             "neither a binary recording",
		"DPREC\x00\x00\x17{":                "it ends within its head",
		"DPREC\x00\x00\x02[]":               "not a JSON object",
		"!version=dp:4.25.1\n1 undo\n1 x\n": `line 3: not a message in the text form: there is no message type "x"; correct the line`,
	} {
		if _, errs := do(t, 1, in, "convert"); !strings.Contains(errs, want) {
			t.Errorf("%q: %s", in, errs)
		}
	}
	_, errs = do(t, 0, "!version=dp:4.25.1\n"+strings.Repeat("1 undo {\"redo\":1}\n", 30), "convert")
	if strings.Count(errs, "redo is not true or false") != maxProblems || !strings.Contains(errs, "line 2:") {
		t.Error(errs)
	}
	_, errs = do(t, 1, "", "convert", filepath.Join(filepath.Dir(out), "none"))
	if !strings.Contains(errs, "no such file") {
		t.Error(errs)
	}
	do(t, 2, "", "convert", "-to", "paper")
	do(t, 2, "", "paint")
	do(t, 2, "")
}

func TestExtract(t *testing.T) {
	in := head
	for n := range 9 {
		in += string(frame.Append(nil, frame.Msg{Type: 200, User: uint8(n + 1), Body: []byte{byte(n)}}))
	}
	got, _ := do(t, 0, in, "extract", "-first", "3", "-last", "4")
	if got != head+in[len(head)+10:len(head)+20] {
		t.Errorf("%q", got)
	}
	if got, _ = do(t, 0, in, "extract", "-first", "9", "-to", "text"); got != "!version=dp:4.25.1\n\n9 raw {\"type\":200,\"payload\":\"CA==\"}\n" {
		t.Errorf("%q", got)
	}
	if got, _ = do(t, 0, in, "extract"); got != in {
		t.Error("everything is something else")
	}
	// What lies behind the range need not be readable.
	if got, _ = do(t, 0, in[:len(in)-1], "extract", "-last", "8"); got != in[:len(in)-5] {
		t.Errorf("%q", got)
	}
	for args, want := range map[string]string{"-first 0": "counted from 1", "-first 5 -last 4": "before -first 5", "-first 10": "has only 9 messages"} {
		if _, errs := do(t, 1, in, append([]string{"extract"}, strings.Fields(args)...)...); !strings.Contains(errs, want) {
			t.Errorf("%s: %s", args, errs)
		}
	}
}

func TestCut(t *testing.T) {
	dir := t.TempDir()
	whole := head + "\x00\x00\x80\x01\x00\x00\x00\x00\x00\x01\x4a\x01\x05"
	text := "!version=dp:4.25.1\n\n1 undopoint\n# end\n"
	for in, want := range map[string]string{
		whole: whole, whole + "\x00": whole, whole + "\x00\x05\x81\x01\x01": whole, whole + strings.Repeat("\x00", 403): whole,
		text: text, text + "1 undepth {\"de": text, text + "1 undo": text + "1 undo", "!version=dp:4.25.1\n1 x": "!version=dp:4.25.1\n",
	} {
		path := filepath.Join(dir, "r")
		write(t, path, in)
		if _, errs := do(t, 0, "", "cut", "-in-place", path); read(t, path) != want {
			t.Errorf("%q becomes %q: %s", in, read(t, path), errs)
		}
		if strings.HasPrefix(in, "DPREC") {
			if out, errs := do(t, 0, in, "cut"); out != want || !strings.Contains(errs, "3 messages are whole, up to offset 44") {
				t.Errorf("%q through a pipe becomes %q: %s", in, out, errs)
			}
		}
	}
	path := filepath.Join(dir, "bad")
	bad := "!version=dp:4.25.1\n1 x\n1 undo\n"
	write(t, path, bad)
	if _, errs := do(t, 1, "", "cut", "-in-place", path); !strings.Contains(errs, "line 2") || read(t, path) != bad {
		t.Errorf("damage in the middle: %s", errs)
	}
	do(t, 1, "", "cut", "-in-place", "-o", "x", path)
	do(t, 1, whole, "cut", "-in-place")
}

func TestInfo(t *testing.T) {
	out, _ := do(t, 0, head+"\x00\x05\x20\x03\x01\x03bob\x00\x10\x81\x03"+strings.Repeat("\x00", 6)+"\x02\x80"+strings.Repeat("\x00", 2)+"\x01\xe0"+strings.Repeat("\x00", 4)+
		"\x00\x02\x40\x03\x07\xd0\x00\x00\xc8\x03", "info")
	for _, want := range []string{"binary (dprec)", `"dp:4.25.1"`, "640 x 480", "2s", `["bob"]`, "join", "unknown", "resize"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	out, _ = do(t, 0, "!version=dp:4.25.1\n!password=plain;secret\n1 undo\n", "info")
	if strings.Contains(out, "secret") || !strings.Contains(out, "text (dptxt)") {
		t.Error(out)
	}
	_, errs := do(t, 0, head+"\x00\x00\x80\x01\x00", "info")
	if !strings.Contains(errs, "offset 35") {
		t.Error(errs)
	}
}

// TestTemplate makes templates that the server takes.
func TestTemplate(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.dprec", "a.dptxt"} {
		path := filepath.Join(dir, name)
		do(t, 0, seed(t, "client.dprec"), "template", "-title", "Lobby = 1", "-founder", "Ada", "-max-users", "7", "-password", "secret",
			"-opword", "plain;op", "-persistent", "-nsfm", "-o", path)
		x, err := template.Load(path, "a")
		if err != nil {
			t.Fatal(err)
		}
		if x.Title != "Lobby = 1" || x.Founder != "Ada" || x.MaxUsers != 7 || x.Flags.String() != "persistent nsfm" || !x.HasPassword() ||
			x.Messages == 0 || len(x.Warnings()) != 0 || strings.Contains(read(t, path), "secret") {
			t.Errorf("%s: %+v, %q", name, x, x.Warnings())
		}
		text, _ := do(t, 0, "", "convert", "-to", "text", path)
		if strings.Contains(text, " join ") || strings.Contains(text, "writer") {
			t.Error("people or foreign entries are left")
		}
	}
	for in, want := range map[string]string{
		head + "\x00\x00\x21\x01":                                     "no messages",
		"DPREC\x00\x00\x02{}\x00\x00\x80\x01":                         "cannot be read",
		"DPREC\x00\x00\x16{\"version\":\"dp:5.0.0\"}\x00\x00\x80\x01": "cannot be a template",
	} {
		if _, errs := do(t, 1, in, "template"); !strings.Contains(errs, want) {
			t.Errorf("%q: %s", in, errs)
		}
	}
}

// TestProgress shows a line on a terminal, and nothing else than the result
// is left of it.
func TestProgress(t *testing.T) {
	var out bytes.Buffer
	p := &progress{out: &out}
	in := p.watch(strings.NewReader(strings.Repeat("x", 3<<20)), 4<<20)
	buf := make([]byte, 3<<20)
	if n, err := in.Read(buf); n != len(buf) || err != nil {
		t.Fatal(n, err)
	}
	if out.String() != "\r 75 % of 4.0 MiB" {
		t.Errorf("%q", out.String())
	}
	p.end()
	if !strings.HasSuffix(out.String(), "\r"+strings.Repeat(" ", 16)+"\r") {
		t.Errorf("%q", out.String())
	}
	quiet := newProgress(&out)
	quiet.next = quiet.next.AddDate(-1, 0, 0)
	out.Reset()
	if _, err := quiet.watch(strings.NewReader("x"), -1).Read(buf); err != nil || out.Len() > 0 {
		t.Errorf("%q, %v", out.String(), err)
	}
}
