package main

import (
	"strings"

	"golang.org/x/net/idna"
)

// hostForms returns the spellings of a host name that clients may use for it,
// besides the given one: an internationalised name as people read it and as it
// is in the DNS (configuration.md §2.2), an IPv6 address without brackets.
// What is no such name has no other form.
func hostForms(name string) (forms []string) {
	if address, ok := strings.CutPrefix(name, "["); ok {
		return []string{strings.TrimSuffix(address, "]")}
	}
	for _, convert := range []func(string) (string, error){idna.Lookup.ToASCII, idna.Lookup.ToUnicode} {
		if form, err := convert(name); err == nil && form != name && form != "" {
			forms = append(forms, form)
		}
	}
	return forms
}
