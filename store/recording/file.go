package recording

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"drawrelay/frame"
)

// newFilePerm is for recordings made by tools: the umask decides.
const newFilePerm = 0o666

// Open opens a recording for NewReader and returns its size, -1 if it has none
// because it is a pipe.
func Open(path string) (in io.ReadCloser, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	st, err := f.Stat()
	if err == nil && st.IsDir() {
		err = &os.PathError{Op: "read", Path: path, Err: errors.New("it is a folder")}
	}
	if err != nil {
		_ = f.Close()
		return nil, 0, err
	}
	if !st.Mode().IsRegular() {
		return f, -1, nil
	}
	return f, st.Size(), nil
}

// Output is a file that comes to be as a whole or not at all; an existing one
// is replaced in the end.
type Output struct {
	*os.File
	path  string
	whole bool // path is what is written to: a pipe or device
}

// Create starts a file.
func Create(path string) (*Output, error) {
	if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		return &Output{f, path, true}, err
	}
	f, err := os.OpenFile(path+".part", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, newFilePerm)
	if err != nil {
		return nil, err
	}
	return &Output{f, path, false}, nil
}

// Commit makes the file what was written.
func (o *Output) Commit() error {
	err := o.Close()
	if err == nil && !o.whole {
		err = os.Rename(o.Name(), o.path)
	}
	return err
}

// Discard removes what was written.
func (o *Output) Discard() {
	_ = o.Close()
	if !o.whole {
		_ = os.Remove(o.Name())
	}
}

// Whole walks a recording to its end and returns how many bytes of it are
// whole messages, with the head, and how many messages those are. Each of them
// is handed to each, which may be nil. Empty server commands at the end do not
// count: nobody writes them, zeros are what a power cut leaves. In a text
// recording a last line without a line break that is no message does not
// count. Other damage is the error.
func Whole(r *Reader, each func(frame.Msg) error) (bytes, messages int64, err error) {
	bytes = r.offset // of a text recording it is not used
	empty := 0       // messages since bytes
	for {
		m, err := r.Next()
		var torn *Torn
		var bad *BadLine
		switch {
		case err == nil:
		case err == io.EOF && r.Form == Text:
			return r.offset, messages, nil // comments stay
		case errors.As(err, &bad) && !r.ended:
			return r.start, messages, nil
		case err == io.EOF, errors.As(err, &torn):
			return bytes, messages, nil
		default:
			return bytes, messages, err
		}
		if r.Form == Binary && m.Type == frame.TypeServerCommand && m.User == 0 && len(m.Body) == 0 {
			empty++
			continue
		}
		for ; each != nil && empty > 0; empty, messages = empty-1, messages+1 {
			if err := each(frame.Msg{}); err != nil {
				return bytes, messages, err
			}
		}
		if each != nil {
			if err := each(m); err != nil {
				return bytes, messages, err
			}
		}
		messages += int64(empty) + 1
		empty = 0
		bytes = r.offset
	}
}

// Cut truncates a file to size bytes.
func Cut(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err = f.Truncate(size); err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("cut %s: %w", filepath.Base(path), err)
	}
	return nil
}
