package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWithAccount(t *testing.T) {
	carol := Account{Name: "carol", Password: "plain;new", Flags: []string{"MOD", "HOST"}}
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", "[users]\ncarol:plain;new:MOD,HOST\n"},
		{"no section", "a = b", "a = b\n\n[users]\ncarol:plain;new:MOD,HOST\n"},
		{"no section, line ends of the file", "a = b\r\n", "a = b\r\n\r\n[users]\r\ncarol:plain;new:MOD,HOST\r\n"},
		{"empty section", "[users]", "[users]\ncarol:plain;new:MOD,HOST\n"},
		{"added", "[users]\nbob:plain;x:\n\n# end\n[config]\na = b\n", "[users]\nbob:plain;x:\ncarol:plain;new:MOD,HOST\n\n# end\n[config]\na = b\n"},
		{"replaced", "# head\n[USERS]\n  carol:plain;old:\nbob:plain;x:", "# head\n[USERS]\ncarol:plain;new:MOD,HOST\nbob:plain;x:"},
		{"last line replaced", "[users]\ncarol:plain;old:X", "[users]\ncarol:plain;new:MOD,HOST"},
		{"the one in force", "[users]\ncarol:plain;a:\ncarol:plain;b:\n", "[users]\ncarol:plain;a:\ncarol:plain;new:MOD,HOST\n"},
		{"bad hash replaced", "[users]\r\ncarol:md5;x:\r\n", "[users]\r\ncarol:plain;new:MOD,HOST\r\n"},
		{"other names", "[users]\nCarol:plain;x:\ncarol :plain;x:\ncarol:x\n", "[users]\nCarol:plain;x:\ncarol :plain;x:\ncarol:x\ncarol:plain;new:MOD,HOST\n"},
		{"other sections", "[config]\ncarol:plain;x:\n[users]\n[ipbans]\n1.2.3.4\n", "[config]\ncarol:plain;x:\n[users]\ncarol:plain;new:MOD,HOST\n[ipbans]\n1.2.3.4\n"},
		{"unknown section goes on", "[users]\n[nonsense]\ncarol:plain;x:\n", "[users]\n[nonsense]\ncarol:plain;new:MOD,HOST\n"},
		{"byte order mark", "\ufeff[users]\ncarol:plain;x:\n", "\ufeff[users]\ncarol:plain;new:MOD,HOST\n"},
		{"two sections", "[users]\nx:plain;x:\n[config]\n[users]\ny:plain;x:\n", "[users]\nx:plain;x:\n[config]\n[users]\ny:plain;x:\ncarol:plain;new:MOD,HOST\n"},
	} {
		got, err := WithAccount(tt.text, carol)
		if err != nil || got != tt.want {
			t.Errorf("%s: %q, %v; want %q", tt.name, got, err, tt.want)
			continue
		}
		a, ok := Parse("f", got, nil).Account("carol")
		if !ok || a.Password != "plain;new" || strings.Join(a.Flags, " ") != "MOD HOST" {
			t.Errorf("%s: read again: %+v", tt.name, a)
		}
		if _, ok := Parse("f", WithoutAccount(got, "carol"), nil).Account("carol"); ok {
			t.Errorf("%s: still there", tt.name)
		}
	}
}

func TestWithoutAccount(t *testing.T) {
	text := "[users]\r\n# carol:plain;x:\r\ncarol:plain;a:\r\nbob:plain;x:\r\ncarol:plain;b:MOD\r\n[config]\r\ncarol:x:y\r\n"
	want := "[users]\r\n# carol:plain;x:\r\nbob:plain;x:\r\n[config]\r\ncarol:x:y\r\n"
	if got := WithoutAccount(text, "carol"); got != want {
		t.Errorf("%q", got)
	}
	if got := WithoutAccount(text, "eve"); got != text {
		t.Errorf("%q", got)
	}
}

func TestAccountsThatDoNotFit(t *testing.T) {
	for _, name := range []string{"", "a:b", " a", "a ", "[a", "#a", `a"b`, "a\nb", "\xff", strings.Repeat("x", 23), strings.Repeat("\U0001F58C", 12)} {
		if CheckAccountName(name) == nil {
			t.Errorf("name %q accepted", name)
		}
		if _, err := WithAccount("", Account{Name: name, Password: "plain;x"}); err == nil {
			t.Errorf("name %q written", name)
		}
	}
	for _, name := range []string{"a", "a b", "a#[b", strings.Repeat("x", 22), strings.Repeat("\U0001F58C", 11)} {
		if err := CheckAccountName(name); err != nil {
			t.Errorf("name %q: %v", name, err)
		}
	}
	for _, a := range []Account{
		{Name: "a", Password: ""}, {Name: "a", Password: "md5;x"}, {Name: "a", Password: "plain;a:b"}, {Name: "a", Password: "plain;a\nb"},
		{Name: "a", Password: "plain;x", Flags: []string{""}}, {Name: "a", Password: "plain;x", Flags: []string{"A,B"}},
	} {
		if _, err := WithAccount("", a); err == nil {
			t.Errorf("%+v written", a)
		}
	}
}

func TestEdit(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "real.ini"), filepath.Join(dir, "link.ini")
	add := func(text string) (string, error) { return text + "x", nil }
	if err := Edit(path, add); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != newFilePerm {
		t.Errorf("made: %v, %v", info, err)
	}
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := Edit(link, add); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	info, serr := os.Lstat(link)
	if err != nil || serr != nil || string(text) != "xx" || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("%q, %v, %v", text, info.Mode(), errors.Join(err, serr))
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("changed: %v, %v", info.Mode(), err)
	}
	// What fails, or changes nothing, leaves the file and no other one.
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	bad := errors.New("no")
	if err := Edit(path, func(string) (string, error) { return "", bad }); err != bad {
		t.Error(err)
	}
	if err := Edit(path, func(text string) (string, error) { return text, nil }); err != nil {
		t.Error(err)
	}
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
		t.Errorf("replaced: %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("%v, %v", entries, err)
	}
	if err := Edit(filepath.Join(dir, "missing", "x.ini"), add); err == nil || !strings.Contains(err.Error(), "change configuration") {
		t.Error(err)
	}
}
