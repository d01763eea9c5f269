// Package namefilter decides which user names and session titles are
// forbidden (configuration.md §8.3, forbiddenNameRegex and filterNameRegex).
//
// The expressions are Perl's, look-around included, and may take exponential
// time; so every match is bounded, and only a few run at a time.
package namefilter

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/dlclark/regexp2"
)

const (
	// matchTimeout bounds one match. Names have at most 100 characters; honest
	// expressions take microseconds.
	matchTimeout = 100 * time.Millisecond
	// matchesAtOnce bounds how many processors expressions may keep busy that
	// run into matchTimeout.
	matchesAtOnce = 2
	// maxExpression bounds an expression in bytes: what somebody has typed.
	maxExpression = 16 << 10
)

// options are those of configuration.md §8.3: case-insensitive, dot matches
// line breaks, plain groups do not capture. RE2 switches Perl's spellings on
// that .NET does not have, and takes nothing away.
const options = regexp2.IgnoreCase | regexp2.Singleline | regexp2.ExplicitCapture | regexp2.RE2

// Compile reads an expression as the settings hold it, nil for an empty one.
// The error says what is wrong with it.
func Compile(pattern string) (*regexp2.Regexp, error) {
	pattern = strings.TrimSpace(pattern)
	switch {
	case pattern == "":
		return nil, nil
	case len(pattern) > maxExpression:
		return nil, fmt.Errorf("longer than %d bytes", maxExpression)
	}
	re, err := regexp2.Compile(pattern, options)
	if err != nil {
		return nil, err
	}
	re.MatchTimeout = matchTimeout
	return re, nil
}

// Filter applies both expressions. They are compiled when they are first used
// and again after a change. The zero value is ready. Any goroutine that may
// wait, so no event loop.
type Filter struct {
	mu                sync.Mutex
	forbidden, filter string // as configured
	compiled          bool
	slow              bool            // a match took too long, and it was reported
	deny, strip       *regexp2.Regexp // nil = off

	once  sync.Once
	slots chan struct{} // one per match under way
}

// Forbids reports whether name is forbidden: what filter matches is taken out,
// then forbidden must not match anywhere. Bad expressions are told to report
// once and count as empty; filter counts only if forbidden is good. A name for
// which an expression takes too long is forbidden, and that is reported once.
func (f *Filter) Forbids(forbidden, filter, name string, report func(string)) bool {
	deny, strip := f.expressions(forbidden, filter, report)
	if deny == nil {
		return false
	}
	f.once.Do(func() { f.slots = make(chan struct{}, matchesAtOnce) })
	f.slots <- struct{}{} // free within matchTimeout or two
	defer func() { <-f.slots }()
	match, err := false, error(nil)
	if strip != nil {
		name, err = strip.Replace(name, "", -1, -1)
		err = because("filterNameRegex", err)
	}
	if err == nil {
		match, err = deny.MatchString(name)
		err = because("forbiddenNameRegex", err)
	}
	if err == nil {
		return match
	}
	f.mu.Lock()
	told := f.slow
	f.slow = true
	f.mu.Unlock()
	if !told {
		report(err.Error())
	}
	return true
}

func because(key string, err error) error {
	if err == nil {
		return nil
	}
	// The library's error repeats the name and the expression.
	return errors.New(key + " took too long for a name, which counts as forbidden; write an expression that does not nest repetitions")
}

// expressions returns what the settings say, compiled.
func (f *Filter) expressions(forbidden, filter string, report func(string)) (deny, strip *regexp2.Regexp) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.compiled && f.forbidden == forbidden && f.filter == filter {
		return f.deny, f.strip
	}
	f.forbidden, f.filter, f.compiled, f.slow = forbidden, filter, true, false
	f.deny, f.strip = compile("forbiddenNameRegex", forbidden, report), nil
	if f.deny != nil {
		f.strip = compile("filterNameRegex", filter, report)
	}
	return f.deny, f.strip
}

func compile(key, pattern string, report func(string)) *regexp2.Regexp {
	re, err := Compile(pattern)
	if err != nil {
		report(key + " is off because it cannot be used: " + err.Error())
		return nil
	}
	return re
}
