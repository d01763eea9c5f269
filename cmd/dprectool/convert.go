package main

import (
	"errors"
	"flag"
	"fmt"
	"io"

	"drawrelay/store/recording"
)

// defineConvert is "dprectool convert".
func defineConvert(flags *flag.FlagSet) func(*tool, []string) error {
	out := flags.String("o", "", "write to this `file`; .dprec or .dptxt chooses the form")
	skip := flags.Bool("skip", false, "leave out what cannot be read instead of giving up")
	var to form
	flags.Var(&to, "to", "`form` to write, text or binary (default: the other one)")
	return func(x *tool, args []string) error {
		s, err := x.open(args, *skip)
		if err != nil {
			return err
		}
		defer s.close()
		other := recording.Text
		if s.Form == recording.Text {
			other = recording.Binary
		}
		return x.write(*out, to.choose(*out, other), s.Metadata(), s.Schema(), func(w *recording.Writer) error {
			return s.copyRange(w, 1, 0)
		})
	}
}

// copyRange copies the messages number from to to, to the end if to is 0.
func (s *source) copyRange(w *recording.Writer, from, to int64) error {
	for n := int64(1); to == 0 || n <= to; n++ {
		m, err := s.next()
		if err == io.EOF {
			if n <= from && from > 1 {
				return fmt.Errorf("%s has only %d messages; -first %d is behind them", s.name, n-1, from)
			}
			return nil
		}
		if err != nil {
			return err
		}
		if n < from {
			continue
		}
		if err := w.Write(m); err != nil {
			return err
		}
	}
	return nil
}

// defineExtract is "dprectool extract".
func defineExtract(flags *flag.FlagSet) func(*tool, []string) error {
	out := flags.String("o", "", "write to this `file`; .dprec or .dptxt chooses the form")
	skip := flags.Bool("skip", false, "leave out what cannot be read instead of giving up")
	from := flags.Int64("first", 1, "`number` of the first message, from 1")
	last := flags.Int64("last", 0, "`number` of the last message (default: to the end)")
	var to form
	flags.Var(&to, "to", "`form` to write, text or binary (default: as it is read)")
	return func(x *tool, args []string) error {
		switch {
		case *from < 1:
			return errors.New("-first: messages are counted from 1")
		case *last != 0 && *last < *from:
			return fmt.Errorf("-last %d is before -first %d", *last, *from)
		}
		s, err := x.open(args, *skip)
		if err != nil {
			return err
		}
		defer s.close()
		return x.write(*out, to.choose(*out, s.Form), s.Metadata(), s.Schema(), func(w *recording.Writer) error {
			return s.copyRange(w, *from, *last)
		})
	}
}

// defineCut is "dprectool cut".
func defineCut(flags *flag.FlagSet) func(*tool, []string) error {
	out := flags.String("o", "", "write what is whole to this `file`")
	inPlace := flags.Bool("in-place", false, "cut the file itself")
	return func(x *tool, args []string) error {
		named := len(args) == 1 && args[0] != "-"
		switch {
		case *inPlace && (*out != "" || !named):
			return errors.New("-in-place needs a file to read, and no -o")
		case !*inPlace:
			return x.cutCopy(args, *out)
		}
		s, err := x.open(args, false)
		if err != nil {
			return err
		}
		defer s.close()
		whole, messages, err := recording.Whole(s.Reader, nil)
		if err != nil {
			return s.problem(err)
		}
		size := x.progress.size
		if whole == size {
			fmt.Fprintf(x.stderr, "%s is whole: %d messages\n", s.name, messages)
			return nil
		}
		if err := recording.Cut(args[0], whole); err != nil {
			return err
		}
		fmt.Fprintf(x.stderr, "%s: cut at offset %d, %d bytes removed, %d messages stay\n", s.name, whole, size-whole, messages)
		return nil
	}
}

// cutCopy writes the whole messages somewhere else; it works on pipes.
func (x *tool) cutCopy(args []string, out string) error {
	s, err := x.open(args, false)
	if err != nil {
		return err
	}
	defer s.close()
	var to form
	var whole, messages int64
	err = x.write(out, to.choose(out, s.Form), s.Metadata(), s.Schema(), func(w *recording.Writer) (err error) {
		if whole, messages, err = recording.Whole(s.Reader, w.Write); err != nil {
			return s.problem(err)
		}
		return nil
	})
	if err == nil {
		x.progress.clear()
		fmt.Fprintf(x.stderr, "%s: %d messages are whole, up to offset %d of %d\n", s.name, messages, whole, x.progress.done)
	}
	return err
}
