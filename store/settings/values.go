package settings

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// Value types of configuration.md §7. All values are text; these functions
// read them exactly, without the rounding of the reference.

// maxNumber is the largest result of a duration (seconds) or size (bytes):
// everything above is invalid, as the reference keeps them in 32 bits.
const maxNumber = math.MaxInt32

// maxNumberLength bounds the text of a number, in bytes; longer ones could
// only be valid with leading zeros or a pointless fraction.
const maxNumberLength = 64

// Errors of the parsers, wrapped with the offending text.
var (
	ErrSyntax = errors.New("not a valid value")
	ErrRange  = errors.New("value out of range")
)

var durationUnits = map[string]int64{"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}

var sizeUnits = map[string]int64{"": 1, "b": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30}

// ParseDuration reads "digits[.digits] [d|h|m|s]" as whole seconds; a fraction
// of a second is cut off. The unit may be in either case and defaults to
// seconds. Fails with ErrSyntax, or with ErrRange above 2147483647 s.
func ParseDuration(s string) (time.Duration, error) {
	n, err := parseScaled(s, durationUnits)
	if err != nil {
		return 0, fmt.Errorf("duration %q: %w", s, err)
	}
	return time.Duration(n) * time.Second, nil
}

// ParseSize reads "digits[.digits] [b|kb|mb|gb]" as bytes, with factors of
// 1024; a fraction of a byte is cut off. Fails like ParseDuration.
func ParseSize(s string) (int64, error) {
	n, err := parseScaled(s, sizeUnits)
	if err != nil {
		return 0, fmt.Errorf("size %q: %w", s, err)
	}
	return n, nil
}

// ParseInt reads an optional sign and decimal digits that fit 32 bits.
func ParseInt(s string) (int, error) {
	digits := s
	if s != "" && (s[0] == '+' || s[0] == '-') {
		digits = s[1:]
	}
	if digits == "" || countDigits(digits) != len(digits) {
		return 0, fmt.Errorf("integer %q: %w", s, ErrSyntax)
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("integer %q: %w", s, ErrRange)
	}
	return int(n), nil
}

// ParseBool returns true for "1" and "true" in any case, and false for
// everything else. known reports whether s is one of the spellings that mean a
// truth value to a reader: true, false, 1, 0 or nothing.
func ParseBool(s string) (value, known bool) {
	switch strings.ToLower(s) {
	case "1", "true":
		return true, true
	case "", "0", "false":
		return false, true
	}
	return false, false
}

// FormatBool returns the stored form of b.
func FormatBool(b bool) string { return strconv.FormatBool(b) }

// parseScaled returns floor(number × unit).
func parseScaled(s string, units map[string]int64) (int64, error) {
	n := countDigits(s)
	if n == 0 {
		return 0, ErrSyntax
	}
	if n < len(s) && s[n] == '.' {
		fraction := countDigits(s[n+1:])
		if fraction == 0 {
			return 0, ErrSyntax
		}
		n += 1 + fraction
	}
	suffix := strings.TrimLeft(s[n:], " \t")
	unit, ok := units[strings.ToLower(suffix)]
	if !ok || suffix == "" && n < len(s) {
		return 0, ErrSyntax
	}
	if n > maxNumberLength {
		return 0, ErrRange
	}
	number, ok := new(big.Rat).SetString(s[:n])
	if !ok {
		return 0, ErrSyntax
	}
	number.Mul(number, new(big.Rat).SetInt64(unit))
	result := new(big.Int).Quo(number.Num(), number.Denom())
	if result.Cmp(big.NewInt(maxNumber)) > 0 {
		return 0, ErrRange
	}
	return result.Int64(), nil
}

func countDigits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}
