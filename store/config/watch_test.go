package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fixture is a file with a clock of its own, far ahead of modification times.
type fixture struct {
	t    *testing.T
	path string
	at   time.Time
	mod  time.Time
	*Watcher
}

func newFixture(t *testing.T, text string) *fixture {
	x := &fixture{t: t, path: filepath.Join(t.TempDir(), "drawpile.ini"), at: time.Now().Add(time.Hour), mod: time.Unix(1700000000, 0)}
	if text != "" {
		x.write(text)
	}
	var err error
	if x.Watcher, err = Watch(x.path, func() time.Time { return x.at }); err != nil {
		t.Fatal(err)
	}
	return x
}

func (x *fixture) write(text string) {
	x.t.Helper()
	if err := os.WriteFile(x.path, []byte(text), 0o600); err != nil {
		x.t.Fatal(err)
	}
	x.mod = x.mod.Add(time.Second)
	if err := os.Chtimes(x.path, x.mod, x.mod); err != nil {
		x.t.Fatal(err)
	}
}

// expect polls and compares the title in force.
func (x *fixture) expect(changed bool, title string) {
	x.t.Helper()
	f, got, err := x.Poll()
	if err != nil || got != changed || f.Settings.ServerTitle != title || f != x.Current() {
		x.t.Fatalf("changed %v, title %q, %v; want %v, %q", got, f.Settings.ServerTitle, err, changed, title)
	}
}

func TestLoadMissing(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestWatch(t *testing.T) {
	x := newFixture(t, "title = one\n")
	x.expect(false, "one")
	x.write("title = two\n")
	x.expect(true, "two")
	x.expect(false, "two")
	x.write("title = two\n") // touched only
	x.expect(false, "two")

	x.mod = x.mod.Add(-time.Hour) // older counts too
	x.write("title = three\n")
	x.expect(true, "three")

	if err := os.Remove(x.path); err != nil {
		t.Fatal(err)
	}
	x.expect(false, "three")
	x.write("title = four\n")
	x.expect(true, "four")
}

func TestWatchFileThatAppears(t *testing.T) {
	x := newFixture(t, "")
	x.expect(false, "")
	x.write("title = here\n")
	x.expect(true, "here")
}

func TestWatchHalfWritten(t *testing.T) {
	x := newFixture(t, "title = one\n")
	x.write("")
	x.expect(false, "one")
	x.at = x.at.Add(emptyGrace / 2)
	x.expect(false, "one")
	x.write("title = two\n")
	x.expect(true, "two")

	x.write("")
	x.expect(false, "two")
	x.at = x.at.Add(emptyGrace)
	x.expect(true, "")
}

func TestWatchSameStateTwice(t *testing.T) {
	x := newFixture(t, "title = one\n")
	x.at = x.mod // read within the clock's grain of the change
	x.write("title = two\n")
	x.at = x.mod
	x.expect(true, "two")
	x.mod = x.mod.Add(-time.Second)
	x.write("title = too\n") // same size, same time
	x.expect(true, "too")
	x.at = x.at.Add(time.Hour)
	x.expect(false, "too")
}

// TestWatchChangeWhileReading rewrites the file, same size and same time,
// while it is being read, and then stalls as a busy machine does: what counts
// is how old the file was when reading began.
func TestWatchChangeWhileReading(t *testing.T) {
	for _, first := range []bool{true, false} { // the first look, and a later one
		path := filepath.Join(t.TempDir(), "drawpile.ini")
		mod := time.Unix(1700000000, 0)
		write := func(title string) {
			if err := os.WriteFile(path, []byte("title = "+title+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(path, mod, mod); err != nil {
				t.Fatal(err)
			}
		}
		asked, at := 0, mod
		write("one")
		w, err := Watch(path, func() time.Time {
			// The clock is asked when reading begins or ends; the change
			// falls between.
			asked++
			if first && asked == 1 || !first && asked == 2 {
				write("two")
				at = at.Add(time.Hour)
			}
			return at
		})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if _, _, err := w.Poll(); err != nil {
				t.Fatal(err)
			}
		}
		if title := w.Current().Settings.ServerTitle; title != "two" {
			t.Errorf("first look %v: title %q", first, title)
		}
	}
}

func TestWatchFollowsSymbolicLinks(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a": "title = a\n", "b": "title = b\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Unix(1700000000, 0)
		if err := os.Chtimes(filepath.Join(dir, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("a", link); err != nil {
		t.Fatal(err)
	}
	w, err := Watch(link, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("b", link); err != nil {
		t.Fatal(err)
	}
	if f, changed, err := w.Poll(); err != nil || !changed || f.Settings.ServerTitle != "b" {
		t.Errorf("title %q, changed %v, %v", f.Settings.ServerTitle, changed, err)
	}
}

func TestWatchUnreadable(t *testing.T) {
	x := newFixture(t, "title = one\n")
	x.write(strings.Repeat("# long\n", maxFileSize/7+1))
	f, changed, err := x.Poll()
	if err == nil || changed || f.Settings.ServerTitle != "one" || !strings.Contains(err.Error(), "larger than 16 MiB") {
		t.Fatalf("title %q, changed %v, %v", f.Settings.ServerTitle, changed, err)
	}
	x.expect(false, "one") // told once
	x.write("title = two\n")
	x.expect(true, "two")

	if err := os.Remove(x.path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(x.path, 0o700); err != nil {
		t.Fatal(err)
	}
	if f, changed, err := x.Poll(); err == nil || changed || f.Settings.ServerTitle != "two" {
		t.Fatalf("a folder: changed %v, %v", changed, err)
	}
	if _, err := Watch(x.path, time.Now); err == nil {
		t.Error("a folder was accepted at the start")
	}
}

// TestWatchNotText expects a file that is no text to change nothing: each of
// its lines would be ignored, and with them all accounts and bans.
func TestWatchNotText(t *testing.T) {
	x := newFixture(t, "title = one\n[users]\nmod:plain;pw:MOD\n")
	for _, text := range []string{
		strings.Repeat("\x00", 100), "\xff\xfet\x00i\x00t\x00l\x00e\x00", "\xfe\xff\x00t", "t\x00i\x00t\x00l\x00e\x00 \x00=\x00", "\xff\xfe\xe4\xe4",
	} {
		x.write(text)
		f, changed, err := x.Poll()
		if err == nil || changed || len(f.Accounts) != 1 || !strings.Contains(err.Error(), "UTF-8") {
			t.Errorf("%q: changed %v, %d accounts, %v", text, changed, len(f.Accounts), err)
		}
		if _, err := Watch(x.path, time.Now); err == nil {
			t.Errorf("%q: accepted at the start", text)
		}
		x.write("title = one\n[users]\nmod:plain;pw:MOD\n")
		x.expect(false, "one")
	}
}
