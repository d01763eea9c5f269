package store

import (
	"strings"
	"unicode/utf8"
)

// blank makes s safe for a raw field of the journal: control characters become
// spaces, so that no text can end its line, and bytes that are not UTF-8
// become U+FFFD (storage.md §4.3). It is applied before storing, so that
// memory and journal agree.
func blank(s string) string {
	clean := utf8.ValidString(s)
	for i := 0; clean && i < len(s); i++ {
		clean = !control(rune(s[i]))
	}
	if clean {
		return s
	}
	return strings.Map(func(r rune) rune {
		if control(r) {
			return ' '
		}
		return r
	}, s)
}

func control(r rune) bool { return r < 0x20 || r == 0x7f }

const upperHex = "0123456789ABCDEF"

// encode percent-encodes s: everything but A-Z a-z 0-9 - . _ ~ becomes %HH with
// upper-case digits (storage.md §0).
func encode(s string) string {
	plain := true
	for i := 0; plain && i < len(s); i++ {
		plain = unreserved(s[i])
	}
	if plain {
		return s
	}
	b := make([]byte, 0, 3*len(s))
	for i := 0; i < len(s); i++ {
		if c := s[i]; unreserved(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return string(b)
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}

// decode reverses encode. Digits may be of either case, and a percent sign
// without two digits stands for itself. Bytes that are not UTF-8 become U+FFFD.
func decode(s string) string {
	if !strings.Contains(s, "%") {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, ok1 := unhex(s[i+1])
			lo, ok2 := unhex(s[i+2])
			if ok1 && ok2 {
				b = append(b, hi<<4|lo)
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return strings.ToValidUTF8(string(b), "\uFFFD")
}

func unhex(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// trim removes the white space of storage.md §0 at both ends.
func trim(s string) string { return strings.Trim(s, " \t\n\v\f\r") }
