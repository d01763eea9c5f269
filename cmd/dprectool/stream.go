package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"drawrelay/frame"
	"drawrelay/store/recording"
)

// maxProblems is how many doubtful lines are told one by one.
const maxProblems = 20

// source is an open input.
type source struct {
	*recording.Reader
	name     string // for messages
	x        *tool
	skip     bool // go on behind what cannot be read
	close    func() error
	problems int
}

// open opens the one input that args name. skip says to go on behind lines and
// ends that cannot be read.
func (x *tool) open(args []string, skip bool) (*source, error) {
	if len(args) > 1 {
		return nil, fmt.Errorf("%d inputs were given, one at a time is possible; write options before the file", len(args))
	}
	s := &source{name: "standard input", x: x, skip: skip, close: func() error { return nil }}
	in, size := x.stdin, int64(-1)
	if len(args) == 1 && args[0] != "-" {
		f, n, err := recording.Open(args[0])
		if err != nil {
			return nil, err
		}
		s.name, s.close, in, size = args[0], f.Close, f, n
	}
	r, err := recording.NewReader(x.progress.watch(in, size))
	if err != nil {
		_ = s.close()
		return nil, s.problem(err)
	}
	s.Reader = r
	r.Warn = func(line int, problem string) { s.warn(fmt.Sprintf("line %d: %s", line, problem)) }
	return s, nil
}

func (s *source) problem(err error) error { return fmt.Errorf("%s: %w", s.name, err) }

func (s *source) warn(text string) {
	s.problems++
	switch {
	case s.problems <= maxProblems:
		s.x.progress.clear()
		fmt.Fprintf(s.x.stderr, "dprectool: %s: %s\n", s.name, text)
	case s.problems == maxProblems+1:
		s.x.progress.clear()
		fmt.Fprintf(s.x.stderr, "dprectool: %s: there is more like this\n", s.name)
	}
}

// next returns the next message; io.EOF behind the last.
func (s *source) next() (frame.Msg, error) {
	for {
		m, err := s.Next()
		var bad *recording.BadLine
		var torn *recording.Torn
		switch {
		case err == nil || err == io.EOF:
			return m, err
		case !s.skip:
			cure := ""
			switch {
			case errors.As(err, &torn):
				cure = "; cut it with \"dprectool cut\", or leave it out with -skip"
			case errors.As(err, &bad):
				cure = "; correct the line, or leave it out with -skip"
			}
			return m, fmt.Errorf("%w%s", s.problem(err), cure)
		case errors.As(err, &bad):
			s.warn(err.Error() + "; left out")
		case errors.As(err, &torn):
			s.warn(err.Error() + "; left out")
			return m, io.EOF
		default:
			return m, s.problem(err)
		}
	}
}

// form is the value of -to.
type form struct {
	set  bool
	form recording.Form
}

func (f *form) String() string { return "" }

// Set implements flag.Value.
func (f *form) Set(text string) error {
	switch text {
	case "binary", "dprec":
		f.set, f.form = true, recording.Binary
	case "text", "dptxt":
		f.set, f.form = true, recording.Text
	default:
		return errors.New("write text or binary")
	}
	return nil
}

// choose returns the form to write: that of -to, that of the name of the
// output, or the given one.
func (f *form) choose(out string, otherwise recording.Form) recording.Form {
	switch ext := strings.ToLower(filepath.Ext(out)); {
	case f.set:
		return f.form
	case ext == ".dprec":
		return recording.Binary
	case ext == ".dptxt":
		return recording.Text
	}
	return otherwise
}

// write writes a recording to the file out, or to standard output. content
// writes the messages.
func (x *tool) write(out string, f recording.Form, meta []byte, schema *frame.Schema, content func(*recording.Writer) error) error {
	if out == "" || out == "-" {
		if f == recording.Binary && isTerminal(x.stdout) {
			return errors.New("a binary recording would garble the terminal; write it to a file with -o FILE, or choose -to text")
		}
		return x.fill(x.stdout, f, meta, schema, content)
	}
	o, err := recording.Create(out)
	if err != nil {
		return err
	}
	if err = x.fill(o, f, meta, schema, content); err != nil {
		o.Discard()
		return err
	}
	return o.Commit()
}

func (x *tool) fill(out io.Writer, f recording.Form, meta []byte, schema *frame.Schema, content func(*recording.Writer) error) error {
	w, err := recording.NewWriter(out, f, meta, schema)
	if err == nil {
		err = content(w)
	}
	if err == nil {
		err = w.Flush()
	}
	return err
}

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&(os.ModeDevice|os.ModeCharDevice) == os.ModeDevice|os.ModeCharDevice
}
