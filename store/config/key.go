package config

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"drawrelay/store/settings"
)

// Kind is the type of a setting's value (configuration.md §7).
type Kind uint8

const (
	Text     Kind = iota // anything
	Bool                 // "1" and "true" mean true
	Int                  // whole number
	Duration             // seconds, with an optional unit
	Size                 // bytes, with an optional unit
)

// advice is what to write if a value is not of the kind.
var advice = [...]string{
	Bool:     "write true or false",
	Int:      "write a whole number",
	Duration: "write a number with an optional unit d, h, m or s, as in 90s or 1.5h",
	Size:     "write a number with an optional unit b, kb, mb or gb, as in 99mb",
}

var errNotBool = errors.New("not a truth value, so it would mean false")

// key describes one setting.
type key struct {
	name string
	kind Kind
	// field returns what the key writes to: *string, *bool, *int,
	// *time.Duration or *int64, by kind; nil for a key that the server only
	// keeps.
	field func(s *settings.Settings) any
	// check refuses values that have their kind but no meaning. Only files
	// are checked: the admin API stores them, as the reference does.
	check func(text string) error
	// advice is what to write if check fails.
	advice string
}

func textKey(name string, field func(s *settings.Settings) *string) key {
	return key{name: name, kind: Text, field: func(s *settings.Settings) any { return field(s) }}
}

func boolKey(name string, field func(s *settings.Settings) *bool) key {
	return key{name: name, kind: Bool, field: func(s *settings.Settings) any { return field(s) }}
}

func intKey(name string, field func(s *settings.Settings) *int) key {
	return key{name: name, kind: Int, field: func(s *settings.Settings) any { return field(s) }}
}

func durationKey(name string, field func(s *settings.Settings) *time.Duration) key {
	return key{name: name, kind: Duration, field: func(s *settings.Settings) any { return field(s) }}
}

func sizeKey(name string, field func(s *settings.Settings) *int64) key {
	return key{name: name, kind: Size, field: func(s *settings.Settings) any { return field(s) }}
}

// checkedKey is a text key whose value must satisfy check if it is not empty.
func checkedKey(name, advice string, field func(s *settings.Settings) *string, check func(string) error) key {
	k := textKey(name, field)
	k.check, k.advice = check, advice
	return k
}

// keptKey is a key that the server keeps for itself; it has no field.
func keptKey(name string) key { return key{name: name} }

// parse stores text in the key's field if it is of the key's kind. Texts that
// are no truth value become false, with errNotBool.
func (k *key) parse(s *settings.Settings, text string) (err error) {
	if k.field == nil {
		return nil
	}
	switch field := k.field(s).(type) {
	case *string:
		*field = text
	case *bool:
		known := false
		if *field, known = settings.ParseBool(text); !known {
			return errNotBool
		}
	case *int:
		err = assign(field, text, settings.ParseInt)
	case *time.Duration:
		err = assign(field, text, settings.ParseDuration)
	case *int64:
		err = assign(field, text, settings.ParseSize)
	default:
		panic(fmt.Sprintf("internal error: setting %s has a field of type %T", k.name, field))
	}
	return err
}

// apply stores a value that has a meaning. On error nothing is changed.
func (k *key) apply(s *settings.Settings, text string) error {
	if k.check != nil && text != "" {
		if err := k.check(text); err != nil {
			return err
		}
	}
	c := *s
	if err := k.parse(&c, text); err != nil {
		return err
	}
	*s = c
	return nil
}

// cure is what to write if apply fails.
func (k *key) cure() string {
	if k.advice != "" {
		return k.advice
	}
	return advice[k.kind]
}

func assign[T any](field *T, text string, parse func(string) (T, error)) error {
	value, err := parse(text)
	if err != nil {
		return err
	}
	*field = value
	return nil
}

// KindOf returns the kind of a setting; ok is false if there is no such key.
// Keys are compared exactly.
func KindOf(name string) (kind Kind, ok bool) {
	k := exactKeys[name]
	if k == nil {
		return 0, false
	}
	return k.kind, true
}

// Get returns what a setting is in s: a string, a bool, or an int64 for the
// other kinds (durations in seconds, sizes in bytes). It returns nil for
// unknown keys and for those that the server only keeps (extBansCache…).
func Get(s *settings.Settings, name string) any {
	k := exactKeys[name]
	if k == nil || k.field == nil {
		return nil
	}
	switch field := k.field(s).(type) {
	case *string:
		return *field
	case *bool:
		return *field
	case *int:
		return int64(*field)
	case *time.Duration:
		return int64(*field / time.Second)
	case *int64:
		return *field
	}
	return nil
}

// With returns a copy of s with one setting changed, under the rules of the
// admin API (configuration.md §7): a number that does not parse is an error
// and changes nothing, every text is a truth value, and texts are not looked
// into.
func With(s *settings.Settings, name, text string) (*settings.Settings, error) {
	k := exactKeys[name]
	if k == nil {
		return nil, fmt.Errorf("%s: %w", name, ErrNoKey)
	}
	c := *s
	if err := k.parse(&c, text); err != nil && !errors.Is(err, errNotBool) {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &c, nil
}

// ErrNoKey is the error for a setting that does not exist.
var ErrNoKey = errors.New("there is no such setting")

// Written returns the form in which a store keeps a value (configuration.md
// §7): true and false for truth values, numbers in decimal, everything else
// as it is.
func Written(name, text string) string {
	k := exactKeys[name]
	if k == nil {
		return text
	}
	switch k.kind {
	case Bool:
		value, _ := settings.ParseBool(text)
		return settings.FormatBool(value)
	case Int:
		if n, err := settings.ParseInt(text); err == nil {
			return strconv.Itoa(n)
		}
	}
	return text
}
