package recording

import (
	"bufio"
	"fmt"
	"io"

	"drawrelay/frame"
)

// Writer writes a recording.
// Ownership: one goroutine.
type Writer struct {
	form   Form
	out    *bufio.Writer
	schema *frame.Schema
	buf    []byte
}

// NewWriter writes the head for metadata of the binary form. schema is needed
// for the text form only. What is written is complete after Flush.
func NewWriter(out io.Writer, form Form, meta []byte, schema *frame.Schema) (*Writer, error) {
	w := &Writer{form: form, out: bufio.NewWriterSize(out, bufferSize), schema: schema}
	var err error
	if form == Text {
		if w.buf, err = frame.AppendTextHeader(nil, meta); err == nil {
			w.buf = append(w.buf, '\n')
		}
	} else {
		w.buf, err = frame.AppendRecordingHead(nil, meta)
	}
	if err != nil {
		return nil, fmt.Errorf("write the head: %w", err)
	}
	_, err = w.out.Write(w.buf)
	return w, err
}

// Write adds a message.
func (w *Writer) Write(m frame.Msg) error {
	if w.form == Text {
		w.buf = append(w.schema.AppendText(w.buf[:0], m), '\n')
	} else {
		w.buf = frame.Append(w.buf[:0], m)
	}
	_, err := w.out.Write(w.buf)
	return err
}

// Flush hands over what is buffered.
func (w *Writer) Flush() error { return w.out.Flush() }
