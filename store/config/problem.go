package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Problem is a line of the file that has no effect, or not the one its author
// may expect.
type Problem struct {
	Path string
	Line int // 1-based; 0 = of no file
	// Key and Value are the setting, or empty and the whole line elsewhere.
	Key, Value string
	What       string // what is wrong
	Cure       string // what to write instead
	// Stops says that the server refuses to start with it.
	Stops bool
}

// Error returns "FILE:LINE: KEY = VALUE: what; cure", for a problem of no file
// without the first part. It goes into logs, so what may be a password is left
// out.
func (p *Problem) Error() string {
	subject := strconv.Quote(withoutSecrets(p.Value))
	if p.Key != "" {
		value := withoutSecrets(p.Value)
		if secretKey(p.Key) && value != "" {
			value = hidden
		}
		subject = printable(withoutSecrets(p.Key) + " = " + value)
	}
	text := subject + ": " + p.What
	if p.Line > 0 {
		text = fmt.Sprintf("%s:%d: %s", p.Path, p.Line, text)
	}
	if p.Cure != "" {
		text += "; " + p.Cure
	}
	return text
}

// hidden stands for what is not repeated.
const hidden = "…"

// secretKey reports whether the value of a setting is nobody else's business:
// those that are (reporttoken, and extBansUrl, whose path holds a key) and what
// may be a slip of them or of something alike.
func secretKey(name string) bool {
	name = strings.ToLower(name + " " + nearest(name))
	return slices.ContainsFunc([]string{"token", "passw", "secret", "crypt", "bansurl", "banscache"}, func(part string) bool {
		return strings.Contains(name, part)
	})
}

// withoutSecrets cuts a text that was not understood where a password may
// begin: an account's line outside [users], a password hash, or credentials in
// a URL.
func withoutSecrets(text string) string {
	end := strings.IndexByte(text, ';')
	if n := strings.Count(text, ":"); n == 2 && !strings.Contains(text, "::") || n > 2 && strings.Trim(text, addressCharacters) != "" ||
		n > 0 && strings.Contains(text, "@") {
		if colon := strings.IndexByte(text, ':'); end < 0 || colon < end {
			end = colon
		}
	}
	if end < 0 {
		return text
	}
	return text[:end+1] + hidden
}

// addressCharacters are those of IPv6 addresses with a prefix length.
const addressCharacters = "0123456789abcdefABCDEF:./%"

// printable keeps control characters from forging lines of a log.
func printable(text string) string {
	if strings.ContainsFunc(text, unicode.IsControl) {
		return strconv.Quote(text)
	}
	return text
}

// Check returns the problems that forbid a start as one error, or nil.
func (f *File) Check() error {
	var errs []error
	for i := range f.Problems {
		if f.Problems[i].Stops {
			errs = append(errs, &f.Problems[i])
		}
	}
	return errors.Join(errs...)
}
