package main

import (
	"slices"
	"testing"
)

func TestHostForms(t *testing.T) {
	for name, want := range map[string][]string{
		"":                       nil,
		"draw.example":           nil,
		"Draw.Example":           {"draw.example", "draw.example"},
		"Bücher.example":         {"xn--bcher-kva.example", "bücher.example"},
		"xn--bcher-kva.example":  {"bücher.example"},
		"[2001:db8::1]":          {"2001:db8::1"},
		"2001:db8::1":            nil,
		"192.0.2.1":              nil,
		"under_score.example":    nil,
		"xn--\xff.example":       nil,
		"Ёж.рф":                  {"xn--f1a7c.xn--p1ai", "ёж.рф"},
		"a..b":                   nil,
		"example.org:27750":      nil,
		"http://example.org/äöü": nil,
	} {
		if got := hostForms(name); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
