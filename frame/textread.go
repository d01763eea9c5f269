package frame

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
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
		if t.body = parseObject(rest); t.body == nil {
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

// parseObject reads a JSON object, nil if b is anything else. Numbers stay
// text, so that one that is too large is a matter of its field.
func parseObject(b []byte) (v map[string]any) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return nil
	}
	if _, err := d.Token(); err != io.EOF {
		return nil // something follows
	}
	return v
}

// textReader turns the JSON object of one line into a payload.
type textReader struct {
	body map[string]any
	warn func(string)
}

// member returns a member of the object that has type T. One of another type
// is warned about and counts as missing.
func member[T any](t *textReader, name, what string) (v T, ok bool) {
	x, there := t.body[name]
	if v, ok = x.(T); there && !ok {
		t.warn(name + " is not " + what)
	}
	return v, ok
}

// raw reads a message given by type and payload.
func (t *textReader) raw(dst []byte) ([]byte, error) {
	n, _ := member[json.Number](t, "type", "a number")
	typ, err := strconv.ParseUint(n.String(), 10, 8)
	if err != nil {
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
	text, ok := member[string](t, name, "a string")
	if !ok {
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
		x, _ := member[json.Number](t, f.name, "a number")
		return t.number(dst, f, x)
	case kindBool:
		if on, _ := member[bool](t, f.name, "true or false"); on {
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
func (t *textReader) number(dst []byte, f *field, text json.Number) []byte {
	width := max(f.width, 1)
	x := 0.0
	if text != "" {
		x, _ = text.Float64() // infinite if it is too large
	}
	lo, hi := 0.0, math.Ldexp(1, 8*width)-1
	if f.signed {
		lo, hi = -math.Ldexp(1, 8*width-1), math.Ldexp(1, 8*width-1)-1
	}
	scaled := math.Round(x * float64(max(f.parts, 1)))
	if !(scaled >= lo && scaled <= hi) {
		t.warn(fmt.Sprintf("%s: %s is out of range", f.name, quote(text.String())))
		scaled = 0
	}
	n := int64(scaled)
	for i := width - 1; i >= 0; i-- {
		dst = append(dst, byte(n>>(8*i)))
	}
	return dst
}

func (t *textReader) color(dst []byte, name string) []byte {
	text, ok := member[string](t, name, "a string")
	if !ok {
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
	text, ok := member[string](t, name, "a string")
	if !ok {
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
	names, _ := member[[]any](t, f.name, "a list")
	for _, name := range names {
		i := slices.IndexFunc(f.flags, func(flag string) bool { return flag == name })
		if i < 0 {
			t.warn(fmt.Sprintf("%s: %s is none of %s", f.name, quote(fmt.Sprint(name)), strings.Join(f.flags, ", ")))
			continue
		}
		b |= 1 << i
	}
	return b
}

func (t *textReader) text(dst []byte, f *field) []byte {
	s, _ := member[string](t, f.name, "a string")
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
	items, _ := member[[]any](t, f.name, "a list")
	for i, item := range items {
		x, ok := item.(json.Number)
		if !ok {
			t.warn(fmt.Sprintf("%s: item %d is not a number", f.name, i))
		}
		dst = t.number(dst, f, x)
	}
	return dst
}

func (t *textReader) structs(dst []byte, f *field) []byte {
	items, _ := member[[]any](t, f.name, "a list")
	for i, x := range items {
		object, ok := x.(map[string]any)
		if !ok {
			t.warn(fmt.Sprintf("%s: item %d is not an object", f.name, i))
		}
		item := textReader{body: object, warn: t.warn}
		for j := range f.fields {
			dst = item.field(dst, &f.fields[j])
		}
	}
	return dst
}
