package main

import (
	"errors"
	"strings"

	"drawrelay/store/config"
)

// withoutEffect returns the settings of a file that are valid but cannot act,
// because of the options of this start or of another setting. Only the switch
// of a feature stops the start: whoever turned it on relies on it, while its
// details may wait in the file for the day it is turned on.
func withoutEffect(f *config.File, o *options) []config.Problem {
	var problems []config.Problem
	report := func(v config.Value, what, cure string, stops bool) {
		problems = append(problems, config.Problem{Path: f.Path, Line: v.Line, Key: v.Key, Value: v.Text, What: what, Cure: cure, Stops: stops})
	}
	if v, ok := f.Value("extBansUrl"); ok && v.Text != "" {
		report(v, "shared ban lists are not available in this version yet", "remove the line", true)
	}
	if v, ok := f.Value("abusereport"); ok && f.Settings.AbuseReport && o.reportURL == "" {
		report(v, "has no effect without --report-url", "start with --report-url URL or write false", false)
	}
	if v, ok := f.Value("announceWhitelist"); ok && f.Settings.AnnounceWhitelist && len(f.Whitelist) == 0 {
		report(v, "no session can be announced, because [announceWhitelist] has no URL", "add the URLs of listing servers or write false", false)
	}
	if o.authURL == "" {
		for _, key := range config.Keys() {
			v, ok := f.Value(key)
			switch {
			case !ok || !strings.HasPrefix(strings.ToLower(key), "extauth"):
			case key != "extauth":
				report(v, "has no effect without --extauth", "start with --extauth URL or remove the line", false)
			case f.Settings.ExtAuth:
				report(v, "has no effect without --extauth", "start with --extauth URL or write false", true)
			}
		}
		return problems
	}
	if v, ok := f.Value("extauth"); ok && f.Settings.ExtAuth && f.Settings.ExtAuthKey == "" {
		report(v, "nobody can log in with an external account, because extauthkey is missing",
			"set extauthkey to the public key of the authentication server", false)
	}
	return problems
}

// stops returns the problems that forbid a start as one error, or nil.
func stops(problems []config.Problem) error {
	var errs []error
	for i := range problems {
		if problems[i].Stops {
			errs = append(errs, &problems[i])
		}
	}
	return errors.Join(errs...)
}
