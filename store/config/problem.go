package config

import (
	"errors"
	"fmt"
)

// Problem is a line of the file that has no effect, or not the one its author
// may expect.
type Problem struct {
	Path string
	Line int // 1-based; 0 = of no file
	// Key and Value are the setting, or empty and the whole line elsewhere.
	Key, Value string
	What       string // what is wrong
	Cure       string // what to write instead
	// Stops says that the server refuses to start with it.
	Stops bool
}

// Error returns "FILE:LINE: KEY = VALUE: what; cure", for a problem of no file
// without the first part.
func (p *Problem) Error() string {
	subject := fmt.Sprintf("%q", p.Value)
	if p.Key != "" {
		subject = fmt.Sprintf("%s = %s", p.Key, p.Value)
	}
	text := subject + ": " + p.What
	if p.Line > 0 {
		text = fmt.Sprintf("%s:%d: %s", p.Path, p.Line, text)
	}
	if p.Cure != "" {
		text += "; " + p.Cure
	}
	return text
}

// Check returns the problems that forbid a start as one error, or nil.
func (f *File) Check() error {
	var errs []error
	for i := range f.Problems {
		if f.Problems[i].Stops {
			errs = append(errs, &f.Problems[i])
		}
	}
	return errors.Join(errs...)
}
