package relay

import (
	"strings"
	"unicode/utf8"

	"drawrelay/store/settings"
)

// Texts and numbers as they come from members and go to them.

// sizeOption reads a number of bytes or a text like "10 mb". ok is false for
// anything else and for negative numbers.
func sizeOption(v any) (n int64, ok bool) {
	switch v := v.(type) {
	case float64:
		if v < 0 || v != float64(int64(v)) || v > maxSizeLimit {
			return 0, false
		}
		return int64(v), true
	case string:
		n, err := settings.ParseSize(trim(v))
		return n, err == nil
	}
	return 0, false
}

// cutUTF16 returns as much of s as fits into n UTF-16 units.
func cutUTF16(s string, n int) string {
	for i, r := range s {
		if n--; r > 0xffff {
			n--
		}
		if n < 0 {
			return s[:i]
		}
	}
	return s
}

// cleanText replaces control characters by spaces, as the store does, so that
// what is compared is what is kept.
func cleanText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

func trim(s string) string { return strings.TrimSpace(s) }

// capital returns s with its first letter in upper case.
func capital(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return strings.ToUpper(string(r)) + s[n:]
}

// cutText returns at most n bytes of s, not ending within a character.
func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n]
}
