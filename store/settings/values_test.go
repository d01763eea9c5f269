package settings

import (
	"errors"
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	for _, tt := range []struct {
		text string
		want int64 // seconds
		err  error
	}{
		// Asserted in configuration.md §7.
		{"30", 30, nil}, {"60s", 60, nil}, {"1m", 60, nil}, {"2 m", 120, nil}, {"1h", 3600, nil},
		{"1.5H", 5400, nil}, {"1.5  h", 5400, nil}, {"2d", 172800, nil}, {"invalid", 0, ErrSyntax},
		{"3h", 10800, nil}, {"0", 0, nil}, {"0.9", 0, nil}, {"0.1m", 6, nil}, {"007", 7, nil}, {"1\th", 3600, nil},
		{"2147483647", 2147483647, nil}, {"16777217", 16777217, nil},
		{"2147483648", 0, ErrRange}, {"24855.2d", 0, ErrRange}, {"99999999999999999999", 0, ErrRange},
		{"", 0, ErrSyntax}, {" 30", 0, ErrSyntax}, {"30 ", 0, ErrSyntax}, {"-1", 0, ErrSyntax}, {"+1", 0, ErrSyntax},
		{".5h", 0, ErrSyntax}, {"5.", 0, ErrSyntax}, {"5.h", 0, ErrSyntax}, {"1.2.3", 0, ErrSyntax}, {"1e3", 0, ErrSyntax},
		{"1w", 0, ErrSyntax}, {"1hh", 0, ErrSyntax}, {"1h ", 0, ErrSyntax}, {"1 h 2", 0, ErrSyntax}, {"١", 0, ErrSyntax},
		{"1/2", 0, ErrSyntax}, {"0x10", 0, ErrSyntax}, {"1_000", 0, ErrSyntax},
	} {
		got, err := ParseDuration(tt.text)
		if got != time.Duration(tt.want)*time.Second || !errors.Is(err, tt.err) {
			t.Errorf("ParseDuration(%q) = %v, %v; want %d s, %v", tt.text, got, err, tt.want, tt.err)
		}
	}
}

func TestParseSize(t *testing.T) {
	for _, tt := range []struct {
		text string
		want int64
		err  error
	}{
		{"10", 10, nil}, {"100b", 100, nil}, {"100 b", 100, nil}, {"1kb", 1024, nil}, {"1mb", 1048576, nil},
		{"1.5   mb", 1572864, nil}, {"1GB", 1073741824, nil},
		{"15MB", 15728640, nil}, {"99mb", 103809024, nil}, {"1.9b", 1, nil}, {"0.001kb", 1, nil}, {"1Kb", 1024, nil},
		{"2gb", 0, ErrRange}, {"1.9999999990686774253845214843750gb", 2147483647, nil}, {"2147483647", 2147483647, nil},
		{"33554433", 33554433, nil}, // not a 32-bit float
		{"1k", 0, ErrSyntax}, {"1M", 0, ErrSyntax}, {"1KiB", 0, ErrSyntax}, {"mb", 0, ErrSyntax}, {"", 0, ErrSyntax},
		{"1 ", 0, ErrSyntax}, {"-1kb", 0, ErrSyntax}, {"1,5mb", 0, ErrSyntax},
	} {
		got, err := ParseSize(tt.text)
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("ParseSize(%q) = %v, %v; want %d, %v", tt.text, got, err, tt.want, tt.err)
		}
	}
}

func TestParseInt(t *testing.T) {
	for _, tt := range []struct {
		text string
		want int
		err  error
	}{
		{"0", 0, nil}, {"25", 25, nil}, {"+5", 5, nil}, {"-5", -5, nil}, {"2147483647", 2147483647, nil},
		{"-2147483648", -2147483648, nil}, {"2147483648", 0, ErrRange}, {"-2147483649", 0, ErrRange},
		{"", 0, ErrSyntax}, {"+", 0, ErrSyntax}, {"1.0", 0, ErrSyntax}, {" 1", 0, ErrSyntax}, {"1_0", 0, ErrSyntax},
		{"0x1", 0, ErrSyntax}, {"--1", 0, ErrSyntax},
	} {
		got, err := ParseInt(tt.text)
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("ParseInt(%q) = %v, %v; want %d, %v", tt.text, got, err, tt.want, tt.err)
		}
	}
}

func TestParseBool(t *testing.T) {
	for _, tt := range []struct {
		text        string
		want, known bool
	}{
		{"1", true, true}, {"true", true, true}, {"True", true, true}, {"TRUE", true, true},
		{"false", false, true}, {"0", false, true}, {"", false, true}, {"FALSE", false, true},
		{"yes", false, false}, {"2", false, false}, {"on", false, false}, {"true ", false, false},
	} {
		got, known := ParseBool(tt.text)
		if got != tt.want || known != tt.known {
			t.Errorf("ParseBool(%q) = %v, %v; want %v, %v", tt.text, got, known, tt.want, tt.known)
		}
	}
	// Written back as asserted in configuration.md §7.
	for text, want := range map[string]string{"True": "true", "1": "true", "false": "false", "0": "false", "": "false"} {
		value, _ := ParseBool(text)
		if got := FormatBool(value); got != want {
			t.Errorf("%q written back is %q, want %q", text, got, want)
		}
	}
}
