package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// printed returns what a sub-command prints.
func printed(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if status := run(args, &out, &errs); status != exitOK {
		t.Fatalf("%q: status %d, %s", args, status, errs.String())
	}
	return out.String()
}

// Every option is completed by every shell, with all its forms.
func TestCompletionCoversOptions(t *testing.T) {
	bash, zsh, fish := printed(t, "completion", "bash"), printed(t, "completion", "zsh"), printed(t, "completion", "fish")
	page := printed(t, "manpage")
	for i := range table {
		o := &table[i]
		long := "--" + o.name
		if got := slices.Contains(strings.FieldsFunc(bash, func(r rune) bool { return strings.ContainsRune(" '|)\n\t", r) }), long); !got {
			t.Errorf("bash: --%s is missing", o.name)
		}
		if got := strings.Contains(zsh, long+"[") || strings.Contains(zsh, long+"=[") || strings.Contains(zsh, long+"}") || strings.Contains(zsh, long+"=}"); !got {
			t.Errorf("zsh: --%s is missing", o.name)
		}
		if got := strings.Contains(fish, " -l "+o.name+" "); !got {
			t.Errorf("fish: --%s is missing", o.name)
		}
		if got := strings.Contains(page, roff(long)+`\fR`); !got {
			t.Errorf("manual: --%s is missing", o.name)
		}
	}
	for _, text := range []string{bash, zsh, fish, page} {
		for _, name := range commandNames() {
			if !strings.Contains(text, name) {
				t.Errorf("command %s is missing in %.40q", name, text)
			}
		}
		if strings.Contains(text, "@") {
			t.Errorf("something is left to be filled in: %.40q", text[strings.Index(text, "@"):])
		}
	}
}

// What the completion proposes is accepted.
func TestCompletionChoices(t *testing.T) {
	for name, values := range choices {
		if !slices.ContainsFunc(table, func(o option) bool { return o.name == name }) {
			t.Errorf("there is no option --%s", name)
		}
		for _, v := range values {
			if _, err := parseOptions([]string{"--ssl-cert=a", "--ssl-key=b", "--" + name, v}); err != nil {
				t.Errorf("--%s %s: %v", name, v, err)
			}
		}
	}
}

// The script runs in a real bash, if there is one.
func TestCompletionInBash(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash")
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "se ssions"), 0o700); err != nil {
		t.Fatal(err)
	}
	writeTo(t, filepath.Join(dir, "script"), printed(t, "completion", "bash"))
	for _, tt := range []struct{ words, want string }{
		{`drawpile-srv --ann`, "--announce-port"},
		{`drawpile-srv --log-format ''`, "text json"},
		{`drawpile-srv --log-format = j`, "json"},
		{`drawpile-srv --log-format =`, "text json"},
		{`drawpile-srv --sessions se`, "se ssions"},
		{`drawpile-srv --config scr`, "script"},
		{`drawpile-srv -s scr`, ""},
		{`drawpile-srv --port ''`, ""},
		{`drawpile-srv comp`, "completion"},
		{`drawpile-srv --no-tls comp`, ""},
	} {
		c := exec.Command(bash, "-c", `compopt() { :; }; source ./script; COMP_WORDS=(`+tt.words+`); COMP_CWORD=$((${#COMP_WORDS[@]}-1)); _drawpile_srv; echo "${COMPREPLY[*]}"`)
		c.Dir = dir
		out, err := c.CombinedOutput()
		if got := strings.TrimSpace(string(out)); got != tt.want || err != nil {
			t.Errorf("%s: %q, %v; want %q", tt.words, got, err, tt.want)
		}
	}
}

func TestCompletionErrors(t *testing.T) {
	for _, args := range [][]string{{"completion"}, {"completion", "sh"}, {"completion", "bash", "zsh"}, {"manpage", "x"}} {
		var out, errs bytes.Buffer
		if status := run(args, &out, &errs); status != exitFailed || out.Len() > 0 || !strings.HasPrefix(errs.String(), "drawpile-srv: ") {
			t.Errorf("%q: %d, %q, %q", args, status, out.String(), errs.String())
		}
	}
}

func writeTo(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Every sub-command says what it does.
func TestSubcommandsHelp(t *testing.T) {
	for _, name := range commandNames() {
		if text := printed(t, name, "--help"); !strings.HasPrefix(text, "Usage: drawpile-srv "+name) {
			t.Errorf("%s --help prints %q", name, text)
		}
	}
}
