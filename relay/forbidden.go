package relay

import (
	"regexp"

	"drawrelay/store/settings"
)

// forbiddenName reports whether a title breaks the configured rule: what
// filterNameRegex matches is taken out, then forbiddenNameRegex must not match
// (session.md §22). Titles change rarely, so nothing is kept compiled.
func forbiddenName(set *settings.Settings, name string) bool {
	forbidden := namePattern(set.ForbiddenNameRegex)
	if forbidden == nil {
		return false
	}
	if filter := namePattern(set.FilterNameRegex); filter != nil {
		name = filter.ReplaceAllString(name, "")
	}
	return forbidden.MatchString(name)
}

// namePattern compiles a pattern of the settings, nil for none. Patterns that
// do not compile forbid nothing; the settings check reports them.
func namePattern(pattern string) *regexp.Regexp {
	if pattern == "" {
		return nil
	}
	re, err := regexp.Compile("(?is)" + pattern)
	if err != nil {
		return nil
	}
	return re
}
