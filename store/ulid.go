package store

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"
)

// base32 is the alphabet of session ids and invite secrets: Crockford's, in
// lower case.
const base32 = "0123456789abcdefghjkmnpqrstvwxyz"

// Lengths of identifiers in characters.
const (
	ulidLen   = 26
	secretLen = 8
	maxAlias  = 32
)

// ULID is a session id: 48 bits of Unix time in milliseconds, then 80 random
// bits (storage.md §2.1).
type ULID [16]byte

// newULID makes an id for a time.
func newULID(now time.Time, random io.Reader) (ULID, error) {
	var u ULID
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(now.UnixMilli()))
	copy(u[:6], ms[2:])
	if _, err := io.ReadFull(random, u[6:]); err != nil {
		return ULID{}, fmt.Errorf("make session id: %w", err)
	}
	return u, nil
}

// String returns the 26 characters, most significant bits first; the first
// character carries 3 bits only.
func (u ULID) String() string {
	hi, lo := binary.BigEndian.Uint64(u[:8]), binary.BigEndian.Uint64(u[8:])
	var b [ulidLen]byte
	for i := ulidLen - 1; i >= 0; i-- {
		b[i] = base32[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return string(b[:])
}

// ParseULID reads an id in either case. Anything that is not an id gives the
// zero ULID.
func ParseULID(s string) ULID {
	if len(s) != ulidLen {
		return ULID{}
	}
	var hi, lo uint64
	for i := 0; i < ulidLen; i++ {
		d, ok := digit32(s[i])
		if !ok {
			return ULID{}
		}
		hi = hi<<5 | lo>>59
		lo = lo<<5 | uint64(d)
	}
	var u ULID
	binary.BigEndian.PutUint64(u[:8], hi)
	binary.BigEndian.PutUint64(u[8:], lo)
	return u
}

func digit32(c byte) (int, bool) {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	for i := 0; i < len(base32); i++ {
		if base32[i] == c {
			return i, true
		}
	}
	return 0, false
}

// newSecret makes the 8 characters of an invite: three digits of the time,
// lowest first, and five random ones (storage.md §2.3).
func newSecret(now time.Time, random io.Reader) (string, error) {
	var b [secretLen]byte
	if _, err := io.ReadFull(random, b[3:]); err != nil {
		return "", fmt.Errorf("make invite secret: %w", err)
	}
	n := now.Unix() % 1000000
	for i := range b {
		if i < 3 {
			b[i] = base32[n&31]
			n >>= 5
		} else {
			b[i] = base32[b[i]&31]
		}
	}
	return string(b[:]), nil
}

// ValidAlias reports whether s may be a session's alias: 1 to 32 characters
// from A-Z a-z 0-9 and -, and neither a session id nor a GUID (storage.md §2.2).
func ValidAlias(s string) bool {
	if s == "" || len(s) > maxAlias {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-') {
			return false
		}
	}
	return ParseULID(s) == ULID{}
}
