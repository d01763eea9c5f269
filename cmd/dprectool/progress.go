package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Times of the progress line.
const (
	progressAfter = 500 * time.Millisecond // short work has none
	progressEvery = 200 * time.Millisecond
)

// progress shows on a terminal how far long work has come. On anything else it
// shows nothing.
type progress struct {
	out   io.Writer // nil: shows nothing
	in    io.Reader
	size  int64 // of the input in bytes, -1 unknown
	done  int64
	next  time.Time
	shown int // length of the line
}

func newProgress(stderr io.Writer) *progress {
	p := &progress{next: time.Now().Add(progressAfter)}
	if isTerminal(stderr) {
		p.out = stderr
	}
	return p
}

// watch returns in, counted.
func (p *progress) watch(in io.Reader, size int64) io.Reader {
	p.in, p.size = in, size
	return p
}

// Read implements io.Reader.
func (p *progress) Read(b []byte) (int, error) {
	n, err := p.in.Read(b)
	p.done += int64(n)
	if p.out != nil && time.Now().After(p.next) {
		p.next = time.Now().Add(progressEvery)
		line := fmt.Sprintf("%.1f MiB", float64(p.done)/(1<<20))
		if p.size > 0 {
			line = fmt.Sprintf("%3d %% of %.1f MiB", p.done*100/p.size, float64(p.size)/(1<<20))
		}
		fmt.Fprintf(p.out, "\r%s%s", line, strings.Repeat(" ", max(0, p.shown-len(line))))
		p.shown = len(line)
	}
	return n, err
}

// clear makes room for another line.
func (p *progress) clear() {
	if p.shown > 0 {
		fmt.Fprintf(p.out, "\r%s\r", strings.Repeat(" ", p.shown))
		p.shown = 0
	}
}

// end removes the line.
func (p *progress) end() { p.clear() }
