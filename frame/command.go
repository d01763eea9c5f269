package frame

import (
	"bytes"
	"encoding/json"
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
// missing. The result does not refer to b.
func ParseCommand(b []byte) Command {
	var doc map[string]json.RawMessage
	if json.Unmarshal(b, &doc) != nil {
		return Command{}
	}
	var c Command
	if json.Unmarshal(doc["cmd"], &c.Name) != nil {
		c.Name = ""
	}
	if json.Unmarshal(doc["args"], &c.Args) != nil {
		c.Args = nil
	}
	if json.Unmarshal(doc["kwargs"], &c.Kwargs) != nil {
		c.Kwargs = nil
	}
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

// Object is a JSON object to be sent.
type Object map[string]any

// Array is a JSON array to be sent.
type Array []any

// AppendReply appends a whole ServerCommand message of the server: compact
// JSON with sorted keys, nothing escaped that need not be (wire.md §7.2). It
// returns ErrTooLong, with dst as it was, if the text exceeds MaxPayload
// bytes; callers that can split must split.
func AppendReply(dst []byte, user uint8, v Object) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(map[string]any(v)); err != nil {
		return dst, err
	}
	text := bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
	if len(text) > MaxPayload {
		return dst, ErrTooLong
	}
	dst = AppendHeader(dst, len(text), TypeServerCommand, user)
	return append(dst, text...), nil
}
