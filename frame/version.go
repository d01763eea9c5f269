package frame

import (
	"strconv"
	"strings"
)

// Version is a protocol version "ns:server.major.minor" (wire.md §13).
type Version struct {
	Namespace            string // one or more of a-z
	Server, Major, Minor int    // 0..2147483647
}

// ServerProtocol is the server part every session's version must have.
const ServerProtocol = 4

// OwnVersion is the version this server speaks natively.
var OwnVersion = Version{"dp", ServerProtocol, 25, 1}

// ParseVersion reads a version. Like the reference it tolerates leading blanks
// and a plus sign before each number; ok is false for anything else.
func ParseVersion(s string) (v Version, ok bool) {
	ns, rest, found := strings.Cut(s, ":")
	if !found || ns == "" {
		return Version{}, false
	}
	for i := 0; i < len(ns); i++ {
		if ns[i] < 'a' || ns[i] > 'z' {
			return Version{}, false
		}
	}
	parts := strings.Split(rest, ".")
	if len(parts) != 3 {
		return Version{}, false
	}
	v.Namespace = ns
	for i, p := range [...]*int{&v.Server, &v.Major, &v.Minor} {
		n, ok := versionNumber(parts[i])
		if !ok {
			return Version{}, false
		}
		*p = n
	}
	return v, true
}

// versionNumber parses like C's strtol in base 10, limited to 0..2147483647.
func versionNumber(s string) (int, bool) {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	if neg, ok := strings.CutPrefix(s, "-"); ok {
		// "-0" is the one number with a minus sign inside the range.
		n, ok := versionNumberDigits(neg)
		return 0, ok && n == 0
	}
	return versionNumberDigits(strings.TrimPrefix(s, "+"))
}

func versionNumberDigits(s string) (int, bool) {
	if !digits(s) {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 32)
	return int(n), err == nil
}

// String returns the canonical text without leading zeros.
func (v Version) String() string {
	return v.Namespace + ":" + strconv.Itoa(v.Server) + "." + strconv.Itoa(v.Major) + "." + strconv.Itoa(v.Minor)
}

// Compare orders two versions of the same namespace by server, major, minor.
func (v Version) Compare(w Version) int {
	for _, d := range [...][2]int{{v.Server, w.Server}, {v.Major, w.Major}, {v.Minor, w.Minor}} {
		if d[0] != d[1] {
			if d[0] < d[1] {
				return -1
			}
			return 1
		}
	}
	return 0
}

// NeedsSystemID reports whether clients of this version must send a system id
// and know the lookup step: namespace dp from 4.24.0 on (wire.md §13).
func (v Version) NeedsSystemID() bool {
	return v.Namespace == "dp" && v.Compare(Version{"dp", 4, 24, 0}) >= 0
}
