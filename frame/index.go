package frame

import (
	"strconv"
	"strings"
)

// HistoryIndex names a position in a session's history so that a client can
// resume there after it lost its connection (session.md §11). Its text form is
// "START:POS:ID".
type HistoryIndex struct {
	Start   int64  // stamp of the history: Unix seconds at creation or load, milliseconds after a reset
	Pos     int64  // index of a message
	Session string // session id
}

// Valid reports whether the index may be sent: all three parts are set.
func (x HistoryIndex) Valid() bool { return x.Session != "" && x.Start > 0 && x.Pos > 0 }

// String returns the text form, or "" for an index that is not valid.
func (x HistoryIndex) String() string {
	if !x.Valid() {
		return ""
	}
	return strconv.FormatInt(x.Start, 10) + ":" + strconv.FormatInt(x.Pos, 10) + ":" + x.Session
}

// ParseHistoryIndex reads the text form: digits, colon, digits, colon, at
// least one character. ok is false for anything else and for indexes that are
// not valid.
func ParseHistoryIndex(s string) (x HistoryIndex, ok bool) {
	start, rest, ok1 := strings.Cut(s, ":")
	pos, id, ok2 := strings.Cut(rest, ":")
	if !ok1 || !ok2 || !digits(start) || !digits(pos) {
		return HistoryIndex{}, false
	}
	var err error
	if x.Start, err = strconv.ParseInt(start, 10, 64); err != nil {
		return HistoryIndex{}, false
	}
	if x.Pos, err = strconv.ParseInt(pos, 10, 64); err != nil {
		return HistoryIndex{}, false
	}
	x.Session = id
	return x, x.Valid()
}

func digits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
