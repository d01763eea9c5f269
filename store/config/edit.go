package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"drawrelay/store/password"
)

// newFilePerm are the permissions of a file made here: it holds passwords.
const newFilePerm = 0o600

// maxAccountName is the longest user name, in UTF-16 units (configuration.md
// §11).
const maxAccountName = 22

// CheckAccountName says why an account of this name cannot be written to a
// configuration file, or returns nil.
func CheckAccountName(name string) error {
	switch n := len(utf16.Encode([]rune(name))); {
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return r < 0x20 || r == 0x7f }):
		return errors.New("names cannot hold control characters")
	case n < 1 || n > maxAccountName:
		return fmt.Errorf("names have 1 to %d characters", maxAccountName)
	case strings.Contains(name, `"`):
		return errors.New(`names cannot hold "`)
	case strings.Contains(name, ":"):
		return errors.New("names in a configuration file cannot hold ':'; use a database for this one")
	case strings.TrimSpace(name) != name:
		return errors.New("names in a configuration file cannot begin or end with a blank")
	case name[0] == '[' || name[0] == '#':
		return errors.New("names in a configuration file cannot begin with [ or #")
	}
	return nil
}

// WithAccount returns text with the account's line in [users]: it takes the
// place of the one that is in force, or is added. Everything else stays as it
// is, comments and line ends included.
func WithAccount(text string, a Account) (string, error) {
	if err := CheckAccountName(a.Name); err != nil {
		return "", err
	}
	if !password.Valid(a.Password) || strings.ContainsAny(a.Password, ":\r\n") || strings.TrimSpace(a.Password) != a.Password {
		return "", errors.New("this password hash does not fit into a configuration file")
	}
	for _, f := range a.Flags {
		if f == "" || strings.ContainsAny(f, ":,\r\n") || strings.TrimSpace(f) != f {
			return "", fmt.Errorf("not a flag: %q", f)
		}
	}
	line := a.Name + ":" + a.Password + ":" + strings.Join(a.Flags, ",")
	lines, end := splitLines(text)
	last, users := -1, -1
	eachLine(lines, func(i int, s section, content string) {
		if s == sectionUsers {
			users = i // the last line of the section, or its heading
			if accountName(content) == a.Name {
				last = i
			}
		}
	})
	switch {
	case last >= 0:
		lines[last] = line + ending(lines[last], "")
	case users >= 0:
		lines[users] = strings.TrimRight(lines[users], "\r\n") + ending(lines[users], end)
		lines = append(lines[:users+1], append([]string{line + end}, lines[users+1:]...)...)
	default:
		if n := len(lines); n > 0 {
			lines[n-1] = strings.TrimRight(lines[n-1], "\r\n") + ending(lines[n-1], end)
			lines = append(lines, end)
		}
		lines = append(lines, "[users]"+end, line+end)
	}
	return strings.Join(lines, ""), nil
}

// WithoutAccount returns text without any line of the account in [users].
func WithoutAccount(text, name string) string {
	lines, _ := splitLines(text)
	var gone []int
	eachLine(lines, func(i int, s section, content string) {
		if s == sectionUsers && accountName(content) == name {
			gone = append(gone, i)
		}
	})
	for n := len(gone) - 1; n >= 0; n-- {
		lines = append(lines[:gone[n]], lines[gone[n]+1:]...)
	}
	return strings.Join(lines, "")
}

// splitLines returns the lines with their ends, and the end that new lines
// get.
func splitLines(text string) (lines []string, end string) {
	for line := range strings.Lines(text) {
		lines = append(lines, line)
	}
	if len(lines) > 0 && strings.HasSuffix(lines[0], "\r\n") {
		return lines, "\r\n"
	}
	return lines, "\n"
}

// ending returns the line end of line, or other if it has none.
func ending(line, other string) string {
	if e := line[len(strings.TrimRight(line, "\r\n")):]; e != "" {
		return e
	}
	return other
}

// eachLine calls f with every line that is not empty nor a comment, headings
// included, and the section that it belongs to.
func eachLine(lines []string, f func(i int, s section, content string)) {
	s := sectionConfig
	for i, line := range lines {
		if i == 0 {
			line = strings.TrimPrefix(line, byteOrderMark)
		}
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if line[0] == '[' {
			if next, ok := sections[strings.ToLower(line)]; ok {
				s = next
			}
			f(i, s, "")
			continue
		}
		f(i, s, line)
	}
}

// accountName returns the name in a line of [users], "" for other lines.
func accountName(line string) string {
	if strings.Count(line, ":") != 2 {
		return ""
	}
	name, _, _ := strings.Cut(line, ":")
	return name
}

// Edit changes the text of a configuration file, which is made if it is
// missing, and replaces it in one step, so that a running server never reads
// half of it. Symbolic links stay; permissions and owner too, as far as the
// caller has the right. An error of change is returned as it is.
func Edit(path string, change func(text string) (string, error)) (err error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	perm := fs.FileMode(newFilePerm)
	info, err := os.Stat(path)
	text := ""
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("change configuration: %w", err)
	default:
		perm = info.Mode().Perm()
		if text, err = read(path); err != nil {
			return err
		}
	}
	changed, err := change(text)
	if err != nil || changed == text && info != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".drawpile-srv-*")
	if err != nil {
		return fmt.Errorf("change configuration %s: %w; make its folder, or give the right to write there", path, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temp.Name())
			err = fmt.Errorf("change configuration %s: %w", path, err)
		}
	}()
	if info != nil {
		keepOwner(temp, info)
	}
	_, err = temp.WriteString(changed)
	for _, step := range []func() error{func() error { return temp.Chmod(perm) }, temp.Sync} {
		if err == nil {
			err = step()
		}
	}
	if cerr := temp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	return err
}
