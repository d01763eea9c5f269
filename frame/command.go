package frame

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
)

// Command is a ServerCommand from a client (wire.md §7.1, commands.md §2).
// Reading never fails: what is not as expected counts as empty.
type Command struct {
	Name   string
	Args   []any
	Kwargs map[string]any
}

// ParseCommand reads a ServerCommand payload. Invalid JSON and documents that
// are not objects give an empty command; members of a wrong type count as
// missing, and numbers that float64 cannot hold as nil. The result does not
// refer to b.
func ParseCommand(b []byte) Command {
	var doc map[string]json.RawMessage
	if json.Unmarshal(b, &doc) != nil {
		return Command{}
	}
	// The text is valid JSON, so an error can only mean a missing member, a
	// member of a wrong type, which leaves the field empty, or a number beyond
	// float64 inside, which leaves a nil in its place.
	var c Command
	_ = json.Unmarshal(doc["cmd"], &c.Name)
	_ = json.Unmarshal(doc["args"], &c.Args)
	_ = json.Unmarshal(doc["kwargs"], &c.Kwargs)
	return c
}

// Arg returns argument i, or nil if there are fewer.
func (c Command) Arg(i int) any {
	if i < 0 || i >= len(c.Args) {
		return nil
	}
	return c.Args[i]
}

// Str returns v if it is a string, else "".
func Str(v any) string {
	s, _ := v.(string)
	return s
}

// Bool returns v if it is a bool, else false.
func Bool(v any) bool {
	b, _ := v.(bool)
	return b
}

// Num returns v if it is a number, else 0.
func Num(v any) float64 {
	f, _ := v.(float64)
	return f
}

// Int returns v if it is a whole number in the range of 32 bits, else 0.
func Int(v any) int {
	f, ok := v.(float64)
	if !ok || f != math.Trunc(f) || f < math.MinInt32 || f > math.MaxInt32 {
		return 0
	}
	return int(f)
}

// Object is a JSON object to be sent. As a value inside another one, nil is
// null; clients want an empty object.
type Object map[string]any

// Array is a JSON array to be sent. nil is null; clients want an empty array.
type Array []any

// AppendReply appends a whole ServerCommand message of the server: compact
// JSON with sorted keys, nothing escaped that need not be (wire.md §7.2). It
// returns ErrTooLong, with dst as it was, if the text exceeds MaxPayload
// bytes; callers that can split must split. Bytes that are not UTF-8 become
// U+FFFD.
func AppendReply(dst []byte, user uint8, v Object) ([]byte, error) {
	if v == nil {
		v = Object{}
	}
	start := len(dst)
	out, err := appendObject(AppendHeader(dst, 0, TypeServerCommand, user), v)
	if err != nil {
		return dst, fmt.Errorf("encode reply: %w", err)
	}
	n := len(out) - start - HeaderLen
	if n > MaxPayload {
		return dst, ErrTooLong
	}
	out[start], out[start+1] = byte(n>>8), byte(n)
	return out, nil
}

// unescape puts in their plain form, in place, the characters beyond ASCII
// that encoding/json escapes: U+2028 and U+2029, for the sake of JavaScript,
// and the U+FFFD it writes for what is not UTF-8.
func unescape(text []byte) []byte {
	i := bytes.IndexByte(text, '\\')
	if i < 0 {
		return text
	}
	out := text[:i]
	for i < len(text) {
		if text[i] != '\\' || i+6 > len(text) {
			out = append(out, text[i])
			i++
			continue
		}
		switch string(text[i : i+6]) {
		case `\u2028`:
			out = append(out, "\u2028"...)
			i += 6
		case `\u2029`:
			out = append(out, "\u2029"...)
			i += 6
		case `\ufffd`:
			out = append(out, "\ufffd"...)
			i += 6
		default: // the character behind it may be another backslash
			out = append(out, text[i], text[i+1])
			i += 2
		}
	}
	return out
}
