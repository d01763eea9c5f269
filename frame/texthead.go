package frame

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// HeaderField is an entry of a recording's header, as the text form has it: a
// line "!Key=Value". All values are strings there.
type HeaderField struct{ Key, Value string }

// exactKey names the header line that carries the metadata of a binary
// recording as base64, when the other lines do not tell all of it: other types
// than strings, unusual spacing. It is this project's own; others ignore it.
const exactKey = "dprec-metadata"

// HeaderFields lists the entries of a binary recording's metadata in their
// order, as lines of the text form have them. It returns an error that wraps
// ErrNotRecording if meta is not a JSON object.
func HeaderFields(meta []byte) ([]HeaderField, error) {
	d := json.NewDecoder(bytes.NewReader(meta))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("%w: the metadata is not a JSON object", ErrNotRecording)
	}
	var fields []HeaderField
	for d.More() {
		key, err := d.Token()
		var value json.RawMessage
		if err == nil {
			err = d.Decode(&value)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: the metadata is not a JSON object", ErrNotRecording)
		}
		text := string(value)
		if value[0] == '"' {
			_ = json.Unmarshal(value, &text) // it has been decoded once already
		}
		fields = append(fields, HeaderField{oneLine(strings.ReplaceAll(fmt.Sprint(key), "=", " ")), oneLine(text)})
	}
	return fields, nil
}

// oneLine makes s fit into a header line.
func oneLine(s string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return ' '
		}
		return r
	}, s), blanks)
}

// AppendTextHeader appends the header lines for a binary recording's metadata.
// Guarantee: TextMetadata turns them back into the same bytes.
func AppendTextHeader(dst, meta []byte) ([]byte, error) {
	fields, err := HeaderFields(meta)
	if err != nil {
		return dst, err
	}
	for _, f := range fields {
		dst = append(dst, '!')
		dst = append(dst, f.Key...)
		dst = append(dst, '=')
		dst = append(append(dst, f.Value...), '\n')
	}
	taken := func(f HeaderField) bool { return f.Key == exactKey }
	if len(fields) == 0 || slices.ContainsFunc(fields, taken) || !bytes.Equal(stringMetadata(fields), meta) {
		dst = append(dst, "!"+exactKey+"="...)
		dst = append(base64.StdEncoding.AppendEncode(dst, meta), '\n')
	}
	return dst, nil
}

// ParseHeaderLine reads "!key=value" with blanks around the parts. It reports
// false for any other line.
func ParseHeaderLine(line []byte) (HeaderField, bool) {
	text, ok := strings.CutPrefix(strings.Trim(string(line), blanks), "!")
	if !ok {
		return HeaderField{}, false
	}
	key, value, _ := strings.Cut(text, "=")
	return HeaderField{strings.Trim(key, blanks), strings.Trim(value, blanks)}, true
}

// TextMetadata returns the metadata of the binary recording that header lines
// stand for: a JSON object of strings, or the metadata the lines were made of
// if they have not been changed since. It returns ErrTooLong if it does not
// fit into a recording's head.
func TextMetadata(fields []HeaderField) ([]byte, error) {
	var exact []byte
	fields = slices.Clone(fields)
	fields = slices.DeleteFunc(fields, func(f HeaderField) bool {
		if f.Key != exactKey {
			return false
		}
		exact, _ = base64.StdEncoding.DecodeString(f.Value)
		return true
	})
	if json.Valid(exact) {
		same, err := HeaderFields(exact)
		same = slices.DeleteFunc(same, func(f HeaderField) bool { return f.Key == exactKey })
		if err == nil && slices.Equal(same, fields) {
			return exact, nil
		}
	}
	meta := stringMetadata(fields)
	if len(meta) > 65535 {
		return nil, ErrTooLong
	}
	return meta, nil
}

// stringMetadata writes fields as a JSON object of strings.
func stringMetadata(fields []HeaderField) []byte {
	b := []byte{'{'}
	for i, f := range fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(AppendString(b, f.Key), ':')
		b = AppendString(b, f.Value)
	}
	return append(b, '}')
}

// HeaderValue returns the value of a key, the last one if it is repeated but
// the first one for "version"; "" if there is none (storage.md §15).
func HeaderValue(fields []HeaderField, key string) string {
	value := ""
	for _, f := range fields {
		if f.Key == key {
			value = f.Value
			if key == "version" {
				break
			}
		}
	}
	return value
}
