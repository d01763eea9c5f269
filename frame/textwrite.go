package frame

import (
	"encoding/base64"
	"math/bits"
	"strconv"
	"unicode/utf8"
)

/* Text form of messages (storage.md §15)
 *
 *	USER NAME {"FIELD":VALUE,…}
 *
 * Fields stand in the order of their names, structures last; what is empty is
 * left out. What the notation cannot express exactly - types without a name,
 * payloads that break their layout, undefined bits, text that is not UTF-8 -
 * is written as
 *
 *	USER raw {"type":NUMBER,"payload":"BASE64"}
 *
 * which is this project's own: other programs skip the line. So what is
 * written here always reads back to the same bytes.
 */

// rawName is the name of the line for messages that have no other text form.
const rawName = "raw"

// AppendText appends m in the text form, without a line break.
// Guarantee: AppendMessage turns the line back into the same message.
func (s *Schema) AppendText(dst []byte, m Msg) []byte {
	start := len(dst)
	dst = strconv.AppendUint(dst, uint64(m.User), 10)
	dst = append(dst, ' ')
	if l := s.byType[m.Type]; l != nil {
		if out, ok := l.appendText(dst, m.Body); ok {
			return out
		}
	}
	dst = strconv.AppendUint(dst[:start], uint64(m.User), 10)
	dst = append(dst, ` raw {"type":`...)
	dst = strconv.AppendUint(dst, uint64(m.Type), 10)
	if len(m.Body) > 0 {
		dst = append(dst, `,"payload":"`...)
		dst = append(base64.StdEncoding.AppendEncode(dst, m.Body), '"')
	}
	return append(dst, '}')
}

// appendText reports false if the payload has no exact text form.
func (l *layout) appendText(dst, body []byte) ([]byte, bool) {
	var parts [maxFields][]byte
	if !l.split(body, &parts) {
		return dst, false
	}
	dst = append(dst, l.name...)
	open := false
	for _, i := range l.order {
		f, part := &l.fields[i], parts[i]
		if f.left(part) {
			continue
		}
		if open {
			dst = append(dst, ',')
		} else {
			dst = append(dst, ' ', '{')
			open = true
		}
		dst = append(dst, '"')
		dst = append(dst, f.name...)
		dst = append(dst, '"', ':')
		var ok bool
		if dst, ok = f.appendValue(dst, part); !ok {
			return dst, false
		}
	}
	if open {
		dst = append(dst, '}')
	}
	return dst, true
}

// split cuts a payload into its fields. It reports false if they do not make
// up the payload exactly.
func (l *layout) split(body []byte, parts *[maxFields][]byte) bool {
	for i := range l.fields {
		f := &l.fields[i]
		n := len(body)
		switch f.kind {
		case kindInt:
			n = f.width
		case kindColor:
			n = 4
		case kindBool, kindEnum, kindBlend, kindFlags:
			n = 1
		case kindShort:
			if len(body) == 0 {
				return false
			}
			n = int(body[0])
			body = body[1:]
		case kindList, kindStruct:
			if n%f.width != 0 {
				return false
			}
		}
		if n > len(body) {
			return false
		}
		parts[i], body = body[:n], body[n:]
	}
	return len(body) == 0
}

// left reports whether a field with this content is left out of the text.
func (f *field) left(b []byte) bool {
	switch f.kind {
	case kindFlags:
		return b[0] == 0
	case kindBytes, kindList, kindStruct:
		return len(b) == 0
	}
	return false
}

// appendValue reports false if the content has no exact text form.
func (f *field) appendValue(dst, b []byte) ([]byte, bool) {
	switch f.kind {
	case kindInt:
		return f.appendNumber(dst, b), true
	case kindBool:
		return strconv.AppendBool(dst, b[0] != 0), b[0] <= 1
	case kindEnum:
		return strconv.AppendUint(dst, uint64(b[0]), 10), true
	case kindColor:
		return appendColor(dst, b), true
	case kindBlend:
		name := blendName(b[0])
		return AppendString(dst, name), name != ""
	case kindFlags:
		return f.appendFlags(dst, b[0])
	case kindShort, kindStr:
		text := string(b)
		for i := range b {
			if b[i] == 0 {
				return dst, false
			}
		}
		return AppendString(dst, text), utf8.ValidString(text)
	case kindBytes:
		dst = base64.StdEncoding.AppendEncode(append(dst, '"'), b)
		return append(dst, '"'), true
	case kindList:
		dst = append(dst, '[')
		for i := 0; i < len(b); i += f.width {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = f.appendNumber(dst, b[i:i+f.width])
		}
		return append(dst, ']'), true
	}
	return f.appendStructs(dst, b), true
}

func (f *field) appendStructs(dst, b []byte) []byte {
	dst = append(dst, '[')
	for first := true; len(b) > 0; first = false {
		if !first {
			dst = append(dst, ',')
		}
		dst = append(dst, '{')
		for i := range f.fields {
			part := &f.fields[i]
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, '"')
			dst = append(dst, part.name...)
			dst = append(dst, '"', ':')
			dst = part.appendNumber(dst, b[:part.width])
			b = b[part.width:]
		}
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// integer returns the value of a big-endian integer.
func (f *field) integer(b []byte) int64 {
	var n int64
	for _, c := range b[:f.width] {
		n = n<<8 | int64(c)
	}
	if shift := 64 - 8*f.width; f.signed {
		n = n << shift >> shift
	}
	return n
}

// appendNumber appends an integer in units, with all the decimals it needs.
func (f *field) appendNumber(dst, b []byte) []byte {
	n := f.integer(b)
	if f.parts == 1 {
		return strconv.AppendInt(dst, n, 10)
	}
	if n < 0 {
		dst = append(dst, '-')
		n = -n
	}
	dst = strconv.AppendInt(dst, n/f.parts, 10)
	if n %= f.parts; n == 0 {
		return dst
	}
	// parts is a power of two: its logarithm is how many decimals there are.
	dst = append(dst, '.')
	for range bits.TrailingZeros64(uint64(f.parts)) {
		n *= 10
		dst = append(dst, byte('0'+n/f.parts))
		if n %= f.parts; n == 0 {
			break
		}
	}
	return dst
}

// appendColor appends #rrggbb for what is opaque, else #aarrggbb.
func appendColor(dst, b []byte) []byte {
	dst = append(dst, '"', '#')
	if b[0] == 0xff {
		b = b[1:]
	}
	for _, c := range b {
		dst = append(dst, lowerHex[c>>4], lowerHex[c&15])
	}
	return append(dst, '"')
}

func (f *field) appendFlags(dst []byte, b uint8) ([]byte, bool) {
	dst = append(dst, '[')
	first := true
	for i, name := range f.flags {
		if b&(1<<i) == 0 {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = AppendString(dst, name)
	}
	return append(dst, ']'), bits.Len8(b) <= len(f.flags)
}
