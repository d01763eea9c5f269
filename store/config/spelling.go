package config

import "strings"

// removedKeys had an effect in older versions of the reference and are ignored
// by it today.
var removedKeys = []string{"privateUserList"}

// aliases are spellings of the published example that are no key at all
// (configuration.md §9.3), in lower case.
var aliases = map[string]string{"title": "serverTitle"}

var exactKeys, foldedKeys = indexKeys()

func indexKeys() (exact, folded map[string]*key) {
	exact, folded = make(map[string]*key), make(map[string]*key)
	for i := range keys {
		exact[keys[i].name] = &keys[i]
		folded[strings.ToLower(keys[i].name)] = &keys[i]
	}
	for alias, name := range aliases {
		folded[alias] = exact[name]
	}
	return exact, folded
}

// Keys returns the canonical names of all settings in the order of the
// specification.
func Keys() []string {
	names := make([]string, len(keys))
	for i := range keys {
		names[i] = keys[i].name
	}
	return names
}

// resolve returns the key that a spelling stands for. exact is false for the
// tolerated variants.
func resolve(name string) (k *key, exact bool) {
	if k := exactKeys[name]; k != nil {
		return k, true
	}
	return foldedKeys[strings.ToLower(name)], false
}

// nearest returns the known key most like name, or "" if none is close enough
// to be a likely slip.
func nearest(name string) string {
	best, distance := "", len(name)/3+1
	for i := range keys {
		if d := editDistance(strings.ToLower(name), strings.ToLower(keys[i].name)); d < distance {
			best, distance = keys[i].name, d
		}
	}
	return best
}

// editDistance counts inserted, deleted and replaced bytes.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
