package frame

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Head of a binary recording (wire.md §16, storage.md §3):
//
//	0    6  44 50 52 45 43 00, "DPREC" and a NUL
//	6    2  Metadata length M, big-endian, 1..65535
//	8    M  Metadata, one JSON object
//	8+M  .  Messages in TCP framing to the end of the file

// RecordingMagic starts every binary recording.
const RecordingMagic = "DPREC\x00"

// RecordingPrefix is the bytes before the metadata.
const RecordingPrefix = len(RecordingMagic) + 2

// MaxRecordingHead is the longest head of a recording in bytes.
const MaxRecordingHead = RecordingPrefix + 65535

// ErrNotRecording says that a file is not a readable binary recording.
var ErrNotRecording = errors.New("not a binary recording")

// RecordingHead is the parsed head of a recording.
type RecordingHead struct {
	Len     int             // bytes of the whole head: where the messages start
	Version string          // protocol version of the session, may be empty
	Meta    json.RawMessage // the metadata as it stands in the file
}

// ParseRecordingHead reads the head at the start of b. It returns ErrShort if
// b ends within the head and an error that wraps ErrNotRecording if b is no
// recording: wrong magic, no metadata, or metadata that is not a JSON object.
// The result does not refer to b.
func ParseRecordingHead(b []byte) (RecordingHead, error) {
	for i := 0; i < len(RecordingMagic); i++ {
		if i == len(b) {
			return RecordingHead{}, ErrShort
		}
		if b[i] != RecordingMagic[i] {
			return RecordingHead{}, fmt.Errorf("%w: the first bytes are not DPREC", ErrNotRecording)
		}
	}
	if len(b) < RecordingPrefix {
		return RecordingHead{}, ErrShort
	}
	n := int(b[6])<<8 | int(b[7])
	if n == 0 {
		return RecordingHead{}, fmt.Errorf("%w: no metadata", ErrNotRecording)
	}
	if len(b) < RecordingPrefix+n {
		return RecordingHead{}, ErrShort
	}
	meta := append(json.RawMessage(nil), b[RecordingPrefix:RecordingPrefix+n]...)
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(meta, &fields); err != nil || fields == nil {
		return RecordingHead{}, fmt.Errorf("%w: the metadata is not a JSON object", ErrNotRecording)
	}
	h := RecordingHead{Len: RecordingPrefix + n, Meta: meta}
	// A version of another type counts as missing; the caller decides.
	_ = json.Unmarshal(fields["version"], &h.Version)
	return h, nil
}

// AppendRecordingHead appends a recording's head with the given metadata, one
// JSON object of 1 to 65535 bytes. It returns ErrTooLong for any other length.
func AppendRecordingHead(dst, meta []byte) ([]byte, error) {
	if len(meta) == 0 || len(meta) > 65535 {
		return dst, ErrTooLong
	}
	dst = append(dst, RecordingMagic...)
	dst = append(dst, byte(len(meta)>>8), byte(len(meta)))
	return append(dst, meta...), nil
}

// SessionMeta is the metadata of a session's own recording: version first,
// then streamfork if fork is not negative (storage.md §3.2). fork is a byte
// offset in the previous recording.
func SessionMeta(version string, fork int64) []byte {
	v, _ := json.Marshal(version)
	if fork < 0 {
		return fmt.Appendf(nil, `{"version":%s}`, v)
	}
	return fmt.Appendf(nil, `{"version":%s,"streamfork":%d}`, v, fork)
}

// RecordMeta is the metadata of a recording of a live session (storage.md
// §3.2). A positive fill adds an entry of that many blanks, so that the messages
// begin at a certain place; readers ignore it.
func RecordMeta(version string, fill int) []byte {
	v, _ := json.Marshal(version)
	if fill <= 0 {
		return fmt.Appendf(nil, `{"version":%s,"server-recording":"true"}`, v)
	}
	return fmt.Appendf(nil, `{"version":%s,"server-recording":"true","fill":"%*s"}`, v, fill, "")
}
