package db

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Looking changes nothing, and sees what a running server has.
func TestInspect(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.db")
	if _, _, err := Inspect(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	d, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.SetSettings(map[string]string{"serverTitle": "Hello"}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.conn.ExecContext(t.Context(), "INSERT INTO settings VALUES ('sessionCountLimit', 'many')"); err != nil {
		t.Fatal(err)
	}
	s, warnings, err := Inspect(path)
	if err != nil || s.Settings.ServerTitle != "Hello" || len(warnings) != 1 || !strings.Contains(warnings[0], "sessionCountLimit = many") {
		t.Errorf("%+v, %q, %v", s, warnings, err)
	}

	empty := filepath.Join(t.TempDir(), "empty.db")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if s, warnings, err := Inspect(empty); err != nil || len(s.Accounts) != 0 || len(warnings) != len(schema) || !strings.Contains(warnings[5], "table users is missing") {
		t.Errorf("no tables: %q, %v", warnings, err)
	}
	if info, err := os.Stat(empty); err != nil || info.Size() != 0 {
		t.Errorf("changed: %v, %v", info, err)
	}
	text := filepath.Join(t.TempDir(), "text.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Inspect(text); err == nil || !strings.Contains(err.Error(), "it is no SQLite database") {
		t.Errorf("text: %v", err)
	}
}
