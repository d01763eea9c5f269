package config

import (
	"maps"
	"slices"
	"strings"

	"drawrelay/store/settings"
)

// FromValues returns the settings that result from the defaults and stored
// values by key, as a database holds them. Keys count in their exact spelling
// only. A value that does not parse leaves the default, and one that is no
// truth value means false (configuration.md §7); both, and keys that do not
// exist, are reported as problems in the order of their keys. None of them
// stops the start: the database may be that of a newer version.
func FromValues(values map[string]string) (s *settings.Settings, problems []Problem) {
	s = settings.Default()
	for _, name := range slices.Sorted(maps.Keys(values)) {
		text := values[name]
		problem := Problem{Key: name, Value: text}
		k := exactKeys[name]
		if k == nil {
			if removed(name) {
				continue
			}
			problem.What, problem.Cure = "unknown setting", "remove the row"
			if best := nearest(name); best != "" {
				problem.Cure = "did you mean " + best + "?"
			}
			problems = append(problems, problem)
			continue
		}
		if err := k.parse(s, text); err != nil {
			problem.What, problem.Cure = err.Error()+"; the default holds", k.cure()
			if k.kind == Bool {
				problem.What = err.Error()
			}
			problems = append(problems, problem)
			continue
		}
		if k.check != nil && text != "" {
			if err := k.check(text); err != nil {
				problem.What, problem.Cure = err.Error(), k.cure()
				problems = append(problems, problem)
			}
		}
		for i := range clamps {
			if c := &clamps[i]; c.name == name && c.outside(s) {
				problem.What, problem.Cure = c.what(s), "write the number that is meant"
				problems = append(problems, problem)
			}
		}
	}
	return s, problems
}

// Accepted returns those of the requested changes that have an effect under the
// rules of the admin API (admin-api.md §3.2), in the form in which a store
// keeps them: keys that do not exist and values that do not parse are left
// out.
func Accepted(changes map[string]string) map[string]string {
	accepted := make(map[string]string, len(changes))
	for name, text := range changes {
		if _, err := With(settings.Default(), name, text); err == nil {
			accepted[name] = Written(name, text)
		}
	}
	return accepted
}

func removed(name string) bool {
	return slices.ContainsFunc(removedKeys, func(r string) bool { return strings.EqualFold(r, name) })
}
