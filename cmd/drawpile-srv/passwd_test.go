package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drawrelay/store/config"
	"drawrelay/store/db"
	"drawrelay/store/password"
)

// runWith runs the program with standard input.
func runWith(t *testing.T, input string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	c := command(args...)
	c.Stdin = strings.NewReader(input)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil && c.ProcessState == nil {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), out.String(), errs.String()
}

// account is what a store says about one; hash is what to look up a password
// with.
type account struct {
	hash, flags string
	locked      bool
}

func TestPasswd(t *testing.T) {
	for _, store := range []string{"--config", "--database"} {
		t.Run(store, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store")
			find := func() (a account, ok bool) {
				t.Helper()
				if store == "--config" {
					f, err := config.Load(path)
					if err != nil {
						t.Fatal(err)
					}
					u, ok := f.Account("Carol ☺")
					if !ok {
						return a, false
					}
					return account{strings.TrimPrefix(u.Password, "*"), strings.Join(u.Flags, ","), password.Disabled(u.Password)}, true
				}
				d, err := db.Open(path, db.Options{})
				if err != nil {
					t.Fatal(err)
				}
				defer d.Close()
				u, ok := d.Current().Account("Carol ☺")
				return account{u.PasswordHash, u.Flags, u.Locked}, ok
			}
			for _, tt := range []struct {
				input, args, want string
				password, flags   string // afterwards; no password = no account
				locked            bool
			}{
				{"first\n", "", "Account Carol ☺ is made.", "first", "", false},
				{"second\r\nrest", "", "Account Carol ☺ is changed.", "second", "", false},
				{"", "--flags=mod,Host", "Account Carol ☺ is changed.", "second", "MOD,HOST", false},
				{"", "--lock", "Account Carol ☺ is changed, and is locked.", "second", "MOD,HOST", true},
				{"third", "", "Account Carol ☺ is changed, and is locked.", "third", "MOD,HOST", true},
				{"", "--flags=", "Account Carol ☺ is changed, and is locked.", "third", "", true},
				{"", "--unlock", "Account Carol ☺ is changed.", "third", "", false},
				{"", "--delete", "Account Carol ☺ is removed.", "", "", false},
				{"again", "--flags=TRUSTED", "Account Carol ☺ is made.", "again", "TRUSTED", false},
			} {
				args := []string{"passwd", store, path, "Carol ☺"}
				if tt.args != "" {
					args = append(args, tt.args)
				}
				status, stdout, stderr := runWith(t, tt.input, args...)
				if status != exitOK || stdout != tt.want+"\n" || strings.Contains(stderr, "warning") {
					t.Fatalf("%q: %d, %s, %s", args, status, stdout, stderr)
				}
				a, ok := find()
				if ok != (tt.password != "") || ok && (!password.Check(a.hash, tt.password) || a.flags != tt.flags || a.locked != tt.locked) {
					t.Errorf("%q: %+v, %v", args, a, ok)
				}
				if ok && !strings.HasPrefix(a.hash, "sodium;") {
					t.Errorf("hash %q", a.hash)
				}
			}
			info, err := os.Stat(path)
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%v, %v", info, err)
			}
		})
	}
}

func TestPasswdRefusals(t *testing.T) {
	file := writeFile(t, "settings.ini", "[users]\ncarol:plain;pw:MOD\n")
	database := filepath.Join(t.TempDir(), "config.db")
	for _, tt := range []struct {
		input string
		args  []string
		want  string
	}{
		{"", nil, "write the name of one account"},
		{"", []string{"--config", file, "a", "b"}, "write the name of one account"},
		{"", []string{"carol"}, "write --config FILE or --database FILE"},
		{"", []string{"--config=", "carol"}, "write --config FILE or --database FILE"},
		{"", []string{"--config", file, "--database", database, "carol"}, "write --config FILE or --database FILE"},
		{"", []string{"--nonsense", "carol"}, "unknown option --nonsense"},
		{"", []string{"--config", file, "carol"}, "no password"},
		{"\n", []string{"--database", database, "carol"}, "no password"},
		{strings.Repeat("x", maxPassword+1), []string{"--config", file, "carol"}, "at most 4096 bytes"},
		{"x", []string{"--config", file, "--flags", "MOD,ROOT", "carol"}, "--flags ROOT: no such flag"},
		{"x", []string{"--config", file, "--lock", "--unlock", "carol"}, "--lock contradicts --unlock"},
		{"x", []string{"--config", file, "--lock", "--delete", "carol"}, "--delete leaves nothing to change"},
		{"x", []string{"--config", file, "--delete", "eve"}, "there is no account eve in " + file},
		{"x", []string{"--database", database, "--delete", "eve"}, "there is no account eve in " + database},
		{"x", []string{"--config", file, "a:b"}, "cannot hold ':'"},
		{"x", []string{"--database", database, strings.Repeat("x", 23)}, "is no user name"},
		{"x", []string{"--config", filepath.Join(file, "sub"), "carol"}, "not a directory"},
		{"x", []string{"--database", file, "carol"}, "it is no SQLite database"},
	} {
		status, stdout, stderr := runWith(t, tt.input, append([]string{"passwd"}, tt.args...)...)
		if status != exitFailed || stdout != "" || !strings.Contains(stderr, tt.want) {
			t.Errorf("%q: %d, %s, %s", tt.args, status, stdout, stderr)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "[users]\ncarol:plain;pw:MOD\n" {
		t.Errorf("%q, %v", text, err)
	}
	status, stdout, _ := runWith(t, "", "passwd", "--help")
	if status != exitOK || !strings.HasPrefix(stdout, "Usage: drawpile-srv passwd ") || !strings.Contains(stdout, "--unlock") {
		t.Errorf("--help: %d, %s", status, stdout)
	}
}

// A running server lets the new account in at once.
func TestPasswdWhileRunning(t *testing.T) {
	for _, store := range []string{"--config", "--database"} {
		path := filepath.Join(t.TempDir(), "store")
		s := launch(t, store, path)
		if status, _, stderr := runWith(t, "secret\n", "passwd", store, path, "--flags", "MOD", "carol"); status != exitOK {
			t.Fatal(stderr)
		}
		c, g := s.connect()
		if g.Methods["auth"] == nil {
			t.Errorf("%s: methods %v", store, g.Methods)
		}
		c.send(`{"cmd":"ident","args":["carol","secret"]}`)
		if got := c.reply(`"state"`); !strings.Contains(got, `"identOk"`) || !strings.Contains(got, `"MOD"`) {
			t.Errorf("%s: %s", store, got)
		}
	}
}

// TestPasswdMakesNoDatabaseForNothing mistypes the path.
func TestPasswdMakesNoDatabaseForNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mistyped.db")
	for _, args := range [][]string{{"--delete", "carol"}, {"carol"}, {"--lock", "carol"}} {
		status, _, stderr := runWith(t, "", append([]string{"passwd", "--database", path}, args...)...)
		if _, err := os.Stat(path); status != exitFailed || !os.IsNotExist(err) {
			t.Errorf("%q: exit status %d, %v, %s", args, status, err, stderr)
		}
	}
	if status, _, stderr := runWith(t, "pass\n", "passwd", "--database", path, "carol"); status != exitOK {
		t.Errorf("exit status %d, %s", status, stderr)
	}
}
