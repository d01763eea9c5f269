// Package recording reads and writes recordings in both forms, binary (dprec)
// and text (dptxt), one message at a time (storage.md §3, §15).
package recording

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"drawrelay/frame"
)

const (
	// maxLine bounds a line of a text recording in bytes: the longest message,
	// as a list of one-byte structures, takes less than half of it.
	maxLine = 4 << 20
	// maxHead bounds the lines before the first message that decide which form
	// a file has, in bytes.
	maxHead = 1 << 20
	// bufferSize is how much is read at a time, in bytes.
	bufferSize = 128 << 10
)

// Form is how a recording is written.
type Form uint8

const (
	Binary Form = iota
	Text
)

// ErrForm says that the input is no recording in either form.
var ErrForm = errors.New("neither a binary recording (DPREC) nor a text recording (first line !version=…)")

// Torn is the error of a binary recording that ends within a message.
type Torn struct {
	Offset int64 // where the message begins, bytes from the start of the file
	Have   int64 // bytes of it that are there
}

func (e *Torn) Error() string {
	return fmt.Sprintf("offset %d: the recording ends within a message, %d bytes of it are there", e.Offset, e.Have)
}

// BadLine is the error of a line of a text recording that is no message. The
// lines behind it can be read.
type BadLine struct {
	Line int // from 1
	Err  error
}

func (e *BadLine) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }
func (e *BadLine) Unwrap() error { return e.Err }

// Reader reads a recording.
// Ownership: one goroutine.
type Reader struct {
	Form   Form
	Fields []frame.HeaderField // header, in its order
	// Warn is told about doubtful fields of text messages, by line; may be nil.
	Warn func(line int, problem string)

	in     *bufio.Reader
	schema *frame.Schema
	meta   []byte // of the binary form
	lines  []int  // of the header entries of a text recording
	offset int64  // of the next message; of text, of the next line
	line   int    // lines read so far
	held   []byte // the line that ended the header; nil: none
	start  int64  // of the last line
	ended  bool   // it had its line break
	buf    []byte // the current message
	long   []byte // a line that did not fit into the input's buffer
}

// NewReader reads the header. The error of input that is no recording wraps
// ErrForm or frame.ErrNotRecording.
func NewReader(in io.Reader) (*Reader, error) {
	r := &Reader{in: bufio.NewReaderSize(in, bufferSize)}
	start, err := r.in.Peek(len(frame.RecordingMagic))
	switch {
	case string(start) == frame.RecordingMagic:
		err = r.readHead()
	case err != nil && err != io.EOF:
	case len(start) == 0:
		return nil, fmt.Errorf("%w: it is empty", ErrForm)
	default:
		r.Form = Text
		err = r.readHeader()
	}
	if err != nil {
		return nil, err
	}
	v, _ := r.Version()
	r.schema = frame.SchemaOf(v)
	return r, nil
}

// readHead reads the head of a binary recording.
func (r *Reader) readHead() error {
	head := make([]byte, frame.RecordingPrefix)
	if _, err := io.ReadFull(r.in, head); err != nil {
		return headError(err)
	}
	rest := make([]byte, int(head[6])<<8|int(head[7]))
	if _, err := io.ReadFull(r.in, rest); err != nil {
		return headError(err)
	}
	h, err := frame.ParseRecordingHead(append(head, rest...))
	if err == nil {
		r.Fields, err = frame.HeaderFields(h.Meta)
	}
	r.meta, r.offset = h.Meta, int64(h.Len)
	return err
}

func headError(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("%w: it ends within its head", frame.ErrNotRecording)
	}
	return err
}

// readHeader reads the header of a text recording up to the first message.
// Comments may stand before it.
func (r *Reader) readHeader() error {
	for {
		line, err := r.readLine()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if !significant(line) {
			if len(r.Fields) == 0 && r.offset > maxHead {
				return ErrForm
			}
			continue
		}
		f, ok := frame.ParseHeaderLine(line)
		if !ok {
			r.held = bytes.Clone(line)
			break
		}
		r.Fields = append(r.Fields, f)
		r.lines = append(r.lines, r.line)
	}
	if len(r.Fields) == 0 {
		return ErrForm
	}
	meta, err := frame.TextMetadata(r.Fields)
	if err != nil {
		return fmt.Errorf("the header is longer than 65535 bytes: %w", err)
	}
	r.meta = meta
	return nil
}

// significant reports whether a line is neither blank nor a comment.
func significant(line []byte) bool {
	line = bytes.TrimLeft(line, " \t\v\f\r\n")
	return len(line) > 0 && line[0] != '#'
}

// readLine returns the next line.
// Valid until: the next call.
func (r *Reader) readLine() ([]byte, error) {
	line, err := r.in.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		r.long = r.long[:0]
		for err == bufio.ErrBufferFull {
			if r.long = append(r.long, line...); len(r.long) > maxLine {
				return nil, fmt.Errorf("line %d is longer than %d bytes", r.line+1, maxLine)
			}
			line, err = r.in.ReadSlice('\n')
		}
		r.long = append(r.long, line...)
		line = r.long
	}
	if err == io.EOF && len(line) > 0 {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	r.line++
	r.start = r.offset
	r.offset += int64(len(line))
	r.ended = line[len(line)-1] == '\n'
	return line, nil
}

// Version returns the protocol version; ok is false if it is missing or not
// readable.
func (r *Reader) Version() (v frame.Version, ok bool) {
	return frame.ParseVersion(r.Value("version"))
}

// Value returns a header entry as text, "" if it is missing.
func (r *Reader) Value(key string) string { return frame.HeaderValue(r.Fields, key) }

// HeaderLine returns the line of a header entry of a text recording, 1 if there
// is none.
func (r *Reader) HeaderLine(key string) int {
	line := 1
	for i, f := range r.Fields {
		if i < len(r.lines) && f.Key == key {
			line = r.lines[i]
			if key == "version" {
				break
			}
		}
	}
	return line
}

// Raw returns a header entry as JSON, nil if it is missing. In a text
// recording all are strings.
func (r *Reader) Raw(key string) json.RawMessage {
	if r.Form == Text {
		for _, f := range r.Fields {
			if f.Key == key {
				return frame.AppendString(nil, r.Value(key))
			}
		}
		return nil
	}
	var all map[string]json.RawMessage
	_ = json.Unmarshal(r.meta, &all) // it was checked when it was read
	return all[key]
}

// Metadata returns the metadata of the recording, or the one it would have in
// the binary form.
func (r *Reader) Metadata() []byte { return r.meta }

// Schema returns the names and layouts of the recording's protocol version.
func (r *Reader) Schema() *frame.Schema { return r.schema }

// Offset returns where the next message begins, in bytes. Of a text recording
// it is where the next line does, behind any that is held back.
func (r *Reader) Offset() int64 { return r.offset }

// Line returns the number of the line of the last message, 0 for a binary
// recording.
func (r *Reader) Line() int { return r.line }

// Next returns the next message and io.EOF behind the last one. A *BadLine is
// no obstacle to reading on; all other errors are final.
// Valid until: the next call.
func (r *Reader) Next() (frame.Msg, error) {
	if r.Form == Text {
		return r.nextLine()
	}
	if cap(r.buf) == 0 {
		r.buf = make([]byte, frame.MaxFrame)
	}
	n, err := io.ReadFull(r.in, r.buf[:frame.HeaderLen])
	if err == nil {
		size := frame.Len(r.buf)
		var more int
		more, err = io.ReadFull(r.in, r.buf[frame.HeaderLen:size])
		n += more
		if err == nil {
			m, _, perr := frame.Parse(r.buf[:size])
			r.offset += int64(size)
			return m, perr
		}
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
	}
	if err == io.ErrUnexpectedEOF {
		err = &Torn{r.offset, int64(n)}
	} else if err != io.EOF {
		err = fmt.Errorf("offset %d: %w", r.offset, err)
	}
	return frame.Msg{}, err
}

// nextLine returns the next message of a text recording.
func (r *Reader) nextLine() (frame.Msg, error) {
	line := r.held
	r.held = nil
	for line == nil {
		var err error
		if line, err = r.readLine(); err != nil {
			return frame.Msg{}, err
		}
		if !significant(line) {
			line = nil
		}
	}
	var err error
	r.buf, err = r.schema.AppendMessage(r.buf[:0], line, func(problem string) {
		if r.Warn != nil {
			r.Warn(r.line, problem)
		}
	})
	if err != nil {
		return frame.Msg{}, &BadLine{r.line, err}
	}
	m, _, err := frame.Parse(r.buf)
	return m, err
}
