package main

import (
	"cmp"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"drawrelay/frame"
	"drawrelay/store/recording"
)

// statistics are what "dprectool info" counts.
type statistics struct {
	messages, bytes int64
	longest         int
	types           [256]struct{ messages, bytes int64 }
	users           [256]struct{ messages, bytes int64 }
	names           [256][]string
	pauses          time.Duration
	canvas          [4]int64 // top, right, bottom, left, as moved so far
	resized         bool
}

// defineInfo is "dprectool info".
func defineInfo(*flag.FlagSet) func(*tool, []string) error {
	return func(x *tool, args []string) error {
		s, err := x.open(args, true)
		if err != nil {
			return err
		}
		defer s.close()
		var c statistics
		for {
			m, err := s.next()
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
			c.add(m)
		}
		x.progress.clear()
		return c.print(x.stdout, s)
	}
}

func (c *statistics) add(m frame.Msg) {
	size := int64(m.Size())
	c.messages++
	c.bytes += size
	c.longest = max(c.longest, m.Size())
	c.types[m.Type].messages++
	c.types[m.Type].bytes += size
	c.users[m.User].messages++
	c.users[m.User].bytes += size
	switch m.Type {
	case frame.TypeJoin:
		if j, err := frame.ParseJoin(m.Body); err == nil && !slices.Contains(c.names[m.User], string(j.Name)) {
			c.names[m.User] = append(c.names[m.User], string(j.Name))
		}
	case frame.TypeInterval:
		if len(m.Body) == 2 {
			c.pauses += time.Duration(binary.BigEndian.Uint16(m.Body)) * time.Millisecond
		}
	case frame.TypeResize:
		if len(m.Body) == 16 {
			c.resized = true
			for i := range c.canvas {
				c.canvas[i] += int64(int32(binary.BigEndian.Uint32(m.Body[4*i:])))
			}
		}
	}
}

func (c *statistics) print(out io.Writer, s *source) error {
	t := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	kind := "binary (dprec)"
	if s.Form == recording.Text {
		kind = "text (dptxt)"
	}
	fmt.Fprintf(t, "Form\t%s\n", kind)
	for _, f := range s.Fields {
		value := f.Value
		if f.Key == "password" || f.Key == "opword" {
			value = "(set)"
		}
		fmt.Fprintf(t, "!%s\t%q\n", f.Key, value)
	}
	fmt.Fprintf(t, "Messages\t%d\n", c.messages)
	fmt.Fprintf(t, "Bytes of messages\t%d\n", c.bytes)
	fmt.Fprintf(t, "Longest message\t%d bytes\n", c.longest)
	if c.resized {
		fmt.Fprintf(t, "Canvas at the end\t%d x %d pixels\n", c.canvas[1]+c.canvas[3], c.canvas[0]+c.canvas[2])
	}
	if c.pauses > 0 {
		fmt.Fprintf(t, "Recorded pauses\t%v\n", c.pauses)
	}
	if s.problems > 0 {
		fmt.Fprintf(t, "Problems\t%d, see above\n", s.problems)
	}
	fmt.Fprint(t, "\nType\tNumber\tMessages\tBytes\tShare\n")
	for _, n := range ranked(func(n int) int64 { return c.types[n].bytes }) {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%.1f %%\n", s.Schema().Name(frame.Type(n)), n, c.types[n].messages, c.types[n].bytes,
			100*float64(c.types[n].bytes)/float64(c.bytes))
	}
	fmt.Fprint(t, "\nUser\tMessages\tBytes\tNames\n")
	for _, n := range ranked(func(n int) int64 { return c.users[n].bytes }) {
		fmt.Fprintf(t, "%d\t%d\t%d\t%q\n", n, c.users[n].messages, c.users[n].bytes, c.names[n])
	}
	return t.Flush()
}

// ranked returns the numbers that have something, most first.
func ranked(bytes func(int) int64) []int {
	var all []int
	for n := range 256 {
		if bytes(n) > 0 {
			all = append(all, n)
		}
	}
	slices.SortStableFunc(all, func(a, b int) int { return cmp.Compare(bytes(b), bytes(a)) })
	return all
}
