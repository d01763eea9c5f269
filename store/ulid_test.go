package store

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// TestULID has the vectors of storage.md §2.1.
func TestULID(t *testing.T) {
	u, err := newULID(time.UnixMilli(1700000000000), bytes.NewReader([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}))
	if err != nil || u.String() != "01hf7yat00000g40r40m30e209" {
		t.Errorf("%v, %v", u, err)
	}
	if got := (ULID{}).String(); got != strings.Repeat("0", 26) {
		t.Errorf("the zero id is %q", got)
	}
	for _, s := range []string{"01hf7yat00000g40r40m30e209", "7zzzzzzzzzzzzzzzzzzzzzzzzz", strings.Repeat("0", 26)} {
		if got := ParseULID(s).String(); got != s {
			t.Errorf("%s is parsed as %s", s, got)
		}
		if ParseULID(strings.ToUpper(s)) != ParseULID(s) {
			t.Errorf("%s: upper case differs", s)
		}
	}
	for _, s := range []string{"", "01hf7yat00000g40r40m30e20", "01hf7yat00000g40r40m30e2090", "01hf7yat00000g40r40m30e20i",
		"01hf7yat00000g40r40m30e20l", "01hf7yat00000g40r40m30e20o", "01hf7yat00000g40r40m30e20u", "01hf7yat00000g40r40m30e2-9"} {
		if (ParseULID(s) != ULID{}) {
			t.Errorf("%q is parsed", s)
		}
	}
	if _, err := newULID(time.Now(), bytes.NewReader(nil)); err == nil {
		t.Error("an id without randomness")
	}
}

// TestSecret has the vector of storage.md §2.3.
func TestSecret(t *testing.T) {
	s, err := newSecret(time.Unix(1700123456, 0), bytes.NewReader([]byte{0, 31, 32, 33, 255}))
	if err != nil || s != "0jr0z01z" {
		t.Errorf("%q, %v", s, err)
	}
}

func TestValidAlias(t *testing.T) {
	for s, want := range map[string]bool{
		"demo": true, "A-z-0-9": true, "-": true, strings.Repeat("x", 32): true, strings.Repeat("0", 26): true,
		"": false, strings.Repeat("x", 33): false, "a b": false, "a_b": false, "a/b": false, "\u00e4": false,
		"01hf7yat00000g40r40m30e209": false, "01HF7YAT00000G40R40M30E209": false,
		"123e4567-e89b-12d3-a456-426614174000": false,
	} {
		if got := ValidAlias(s); got != want {
			t.Errorf("ValidAlias(%q) = %v", s, got)
		}
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct{ plain, encoded string }{
		{"", ""},
		{"bob smith", "bob%20smith"},
		{"b\u00f6b", "b%C3%B6b"},
		{"azAZ09-._~", "azAZ09-._~"},
		{"troll user with a long \\ \"name}%[", "troll%20user%20with%20a%20long%20%5C%20%22name%7D%25%5B"},
		{"\x00\n\r\x7f", "%00%0A%0D%7F"},
		{"internal:7", "internal%3A7"},
		{"?", "%3F"},
	} {
		if got := encode(c.plain); got != c.encoded {
			t.Errorf("encode(%q) = %q", c.plain, got)
		}
		if got := decode(c.encoded); got != c.plain {
			t.Errorf("decode(%q) = %q", c.encoded, got)
		}
	}
	for in, want := range map[string]string{"%c3%b6": "\u00f6", "%": "%", "%4": "%4", "%zz": "%zz", "%%41": "%A", "a%20": "a ", "%ff": "\uFFFD"} {
		if got := decode(in); got != want {
			t.Errorf("decode(%q) = %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{"plain \u00e4": "plain \u00e4", "a\nb\rc\x00d\te\x7f": "a b c d e ", "\xff": "\uFFFD", "": ""} {
		if got := blank(in); got != want {
			t.Errorf("blank(%q) = %q, want %q", in, got, want)
		}
	}
}
