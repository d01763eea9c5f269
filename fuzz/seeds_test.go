package fuzz

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"drawrelay/frame"
)

// seed returns a file of testdata/seeds; its README says where they are from.
func seed(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "seeds", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// recorded returns the messages of a recording among the seeds.
func recorded(t testing.TB, name string) []byte {
	t.Helper()
	b := seed(t, name)
	h, err := frame.ParseRecordingHead(b)
	if err != nil {
		t.Fatal(err)
	}
	return b[h.Len:]
}

// oneOfEach returns the first message of every type in stream.
func oneOfEach(t testing.TB, stream []byte) []frame.Msg {
	t.Helper()
	var seen [256]bool
	var all []frame.Msg
	for len(stream) > 0 {
		m, rest, err := frame.Parse(stream)
		if err != nil {
			t.Fatal(err)
		}
		if !seen[m.Type] {
			seen[m.Type] = true
			m.Body = bytes.Clone(m.Body)
			all = append(all, m)
		}
		stream = rest
	}
	return all
}

// same compares two messages.
func same(a, b frame.Msg) bool {
	return a.Type == b.Type && a.User == b.User && bytes.Equal(a.Body, b.Body)
}
