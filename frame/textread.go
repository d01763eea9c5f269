package frame

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ErrNotText says that a line is no message in the text form.
var ErrNotText = errors.New("not a message in the text form")

// blanks separate the parts of a line.
const blanks = " \t\n\v\f\r"

// AppendMessage appends the message that line stands for, in TCP framing
// (storage.md §15). Fields that are missing are zero or empty; one of a wrong
// type or out of range is told to warn, which may be nil, and counts as
// missing. A line that is no message gives an error that wraps ErrNotText.
func (s *Schema) AppendMessage(dst []byte, line []byte, warn func(problem string)) ([]byte, error) {
	if warn == nil {
		warn = func(string) {}
	}
	user, rest := cutWord(line)
	id, err := strconv.ParseUint(user, 10, 8)
	if err != nil {
		return dst, fmt.Errorf("%w: %s is no user from 0 to 255", ErrNotText, quote(user))
	}
	name, rest := cutWord(rest)
	if name == "" {
		return dst, fmt.Errorf("%w: the message type is missing", ErrNotText)
	}
	t := textReader{warn: warn}
	if rest = bytes.Trim(rest, blanks); len(rest) > 0 {
		if err := json.Unmarshal(rest, &t.body); err != nil || t.body == nil {
			return dst, fmt.Errorf("%w: what follows %s is not a JSON object", ErrNotText, name)
		}
	}
	start := len(dst)
	dst = append(dst, 0, 0, 0, byte(id))
	if name == rawName {
		dst, err = t.raw(dst)
	} else {
		l := s.byName[name]
		if l == nil {
			return dst[:start], fmt.Errorf("%w: there is no message type %s", ErrNotText, quote(name))
		}
		dst[start+2] = byte(l.typ)
		for i := range l.fields {
			dst = t.field(dst, &l.fields[i])
		}
	}
	n := len(dst) - start - HeaderLen
	if err == nil && n > MaxPayload {
		err = fmt.Errorf("%w: %s has %d bytes, more than %d", ErrNotText, name, n, MaxPayload)
	}
	if err != nil {
		return dst[:start], err
	}
	dst[start], dst[start+1] = byte(n>>8), byte(n)
	return dst, nil
}

func cutWord(b []byte) (word string, rest []byte) {
	b = bytes.TrimLeft(b, blanks)
	if i := bytes.IndexAny(b, blanks); i >= 0 {
		return string(b[:i]), b[i:]
	}
	return string(b), nil
}

// quote makes a piece of a line fit for an error.
func quote(s string) string { return strconv.Quote(cutText(s, 40)) }

// textReader turns the JSON object of one line into a payload.
type textReader struct {
	body map[string]json.RawMessage
	warn func(string)
}

// value decodes a member of the object into v. It reports false if there is
// none or it has another type, which is warned about.
func (t *textReader) value(name string, v any, what string) bool {
	raw, ok := t.body[name]
	if !ok {
		return false
	}
	// null would decode into anything.
	if err := json.Unmarshal(raw, v); err != nil || raw[0] == 'n' {
		t.warn(fmt.Sprintf("%s is not %s", name, what))
		return false
	}
	return true
}

// raw reads a message given by type and payload.
func (t *textReader) raw(dst []byte) ([]byte, error) {
	var typ float64
	if !t.value("type", &typ, "a number") || typ != math.Trunc(typ) || typ < 0 || typ > 255 {
		return dst, fmt.Errorf("%w: raw needs a type from 0 to 255", ErrNotText)
	}
	dst[len(dst)-HeaderLen+2] = byte(typ)
	payload, ok := t.bytes("payload")
	if !ok {
		return dst, fmt.Errorf("%w: the payload of raw is not base64", ErrNotText)
	}
	return append(dst, payload...), nil
}

// bytes returns a member that is base64; ok is false if it is something else.
func (t *textReader) bytes(name string) (b []byte, ok bool) {
	var text string
	if !t.value(name, &text, "a string") {
		_, there := t.body[name]
		return nil, !there
	}
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	return b, err == nil
}

// field appends one field of a payload.
func (t *textReader) field(dst []byte, f *field) []byte {
	switch f.kind {
	case kindInt, kindEnum:
		var x float64
		t.value(f.name, &x, "a number")
		return t.number(dst, f, x)
	case kindBool:
		var on bool
		t.value(f.name, &on, "true or false")
		if on {
			return append(dst, 1)
		}
		return append(dst, 0)
	case kindColor:
		return t.color(dst, f.name)
	case kindBlend:
		return append(dst, t.blend(f.name))
	case kindFlags:
		return append(dst, t.flags(f))
	case kindShort, kindStr:
		return t.text(dst, f)
	case kindBytes:
		b, ok := t.bytes(f.name)
		if !ok {
			t.warn(f.name + " is not base64")
			return dst
		}
		return append(dst, b...)
	case kindList:
		return t.list(dst, f)
	}
	return t.structs(dst, f)
}

// number appends x in parts of a unit, rounded half away from zero; what is
// out of range is zero.
func (t *textReader) number(dst []byte, f *field, x float64) []byte {
	width := max(f.width, 1)
	lo, hi := 0.0, math.Ldexp(1, 8*width)-1
	if f.signed {
		lo, hi = -math.Ldexp(1, 8*width-1), math.Ldexp(1, 8*width-1)-1
	}
	scaled := math.Round(x * float64(max(f.parts, 1)))
	if !(scaled >= lo && scaled <= hi) {
		t.warn(fmt.Sprintf("%s: %v is out of range", f.name, x))
		scaled = 0
	}
	n := int64(scaled)
	for i := width - 1; i >= 0; i-- {
		dst = append(dst, byte(n>>(8*i)))
	}
	return dst
}

func (t *textReader) color(dst []byte, name string) []byte {
	var text string
	if !t.value(name, &text, "a string") {
		return append(dst, 0, 0, 0, 0)
	}
	hex, ok := strings.CutPrefix(text, "#")
	if ok && len(hex) == 6 {
		hex = "ff" + hex
	}
	n, err := strconv.ParseUint(hex, 16, 32)
	if !ok || len(hex) != 8 || err != nil {
		t.warn(name + ": " + quote(text) + " is not #rrggbb or #aarrggbb")
		n = 0
	}
	return append(dst, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

func (t *textReader) blend(name string) uint8 {
	var text string
	if !t.value(name, &text, "a string") {
		return blendNormal
	}
	n, ok := blendNumber()[text]
	if !ok {
		t.warn(name + ": " + quote(text) + " is no blend mode")
		return blendNormal
	}
	return n
}

func (t *textReader) flags(f *field) (b uint8) {
	var names []json.RawMessage
	if !t.value(f.name, &names, "a list") {
		return 0
	}
next:
	for _, raw := range names {
		var name string
		if err := json.Unmarshal(raw, &name); err == nil {
			for i := range f.flags {
				if f.flags[i] == name {
					b |= 1 << i
					continue next
				}
			}
		}
		t.warn(fmt.Sprintf("%s: %s is none of %s", f.name, quote(string(raw)), strings.Join(f.flags, ", ")))
	}
	return b
}

func (t *textReader) text(dst []byte, f *field) []byte {
	var s string
	t.value(f.name, &s, "a string")
	if strings.IndexByte(s, 0) >= 0 {
		t.warn(f.name + " contains a NUL character")
		s = ""
	}
	if f.kind == kindShort {
		if len(s) > 255 {
			t.warn(f.name + " is longer than 255 bytes")
			s = ""
		}
		dst = append(dst, byte(len(s)))
	}
	return append(dst, s...)
}

func (t *textReader) list(dst []byte, f *field) []byte {
	var items []json.RawMessage
	if !t.value(f.name, &items, "a list") {
		return dst
	}
	for i, raw := range items {
		var x float64
		if err := json.Unmarshal(raw, &x); err != nil || raw[0] == 'n' {
			t.warn(fmt.Sprintf("%s: item %d is not a number", f.name, i))
			x = 0
		}
		dst = t.number(dst, f, x)
	}
	return dst
}

func (t *textReader) structs(dst []byte, f *field) []byte {
	var items []json.RawMessage
	if !t.value(f.name, &items, "a list") {
		return dst
	}
	for i, raw := range items {
		item := textReader{warn: t.warn}
		if err := json.Unmarshal(raw, &item.body); err != nil || item.body == nil {
			t.warn(fmt.Sprintf("%s: item %d is not an object", f.name, i))
		}
		for j := range f.fields {
			dst = item.field(dst, &f.fields[j])
		}
	}
	return dst
}
