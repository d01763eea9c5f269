package main

import (
	"errors"
	"strings"

	"drawrelay/store/config"
	"drawrelay/store/db"
	"drawrelay/store/settings"
)

// configured are the settings of a file or a database and where they are.
type configured struct {
	path     string
	settings *settings.Settings
	value    func(key string) (config.Value, bool) // as it is written there
	lists    int                                   // on the whitelist of listing servers
}

// configured returns what is in force.
func (r *reloader) configured() configured {
	if r.db != nil {
		return inDatabase(r.db.Path(), r.db.Current())
	}
	return inFile(r.file.Load())
}

func inDatabase(path string, state *db.State) configured {
	return configured{path, state.Settings, func(key string) (config.Value, bool) {
		text, ok := state.Value(key)
		return config.Value{Key: key, Text: text}, ok
	}, len(state.Whitelist)}
}

func inFile(f *config.File) configured {
	return configured{f.Path, f.Settings, f.Value, len(f.Whitelist)}
}

// idleOptions returns warnings about options whose settings are off.
func idleOptions(o *options, s *settings.Settings) (warnings []string) {
	if o.authURL != "" && !s.ExtAuth {
		warnings = append(warnings, "--extauth has no effect until the setting extauth is true")
	}
	if o.reportURL != "" && !s.AbuseReport {
		warnings = append(warnings, "--report-url has no effect until the setting abusereport is true")
	}
	return warnings
}

// withoutEffect returns the settings that are valid but cannot act, because of
// the options of this start or of another setting. Only the switch of a feature
// in a file stops the start: whoever turned it on relies on it, while its
// details may wait in the file for the day it is turned on.
func withoutEffect(f configured, o *options) []config.Problem {
	var problems []config.Problem
	report := func(v config.Value, what, cure string, stops bool) {
		problems = append(problems, config.Problem{Path: f.path, Line: v.Line, Key: v.Key, Value: v.Text, What: what, Cure: cure, Stops: stops})
	}
	if v, ok := f.value("abusereport"); ok && f.settings.AbuseReport && o.reportURL == "" {
		report(v, "has no effect without --report-url", "start with --report-url URL or write false", false)
	}
	if v, ok := f.value("announceWhitelist"); ok && f.settings.AnnounceWhitelist && f.lists == 0 {
		report(v, "no session can be announced, because the whitelist is empty", "add listing servers to it or write false", false)
	}
	if o.webPort == 0 && !o.singlePort && !o.activated {
		for _, key := range webKeys {
			if v, ok := f.value(key); ok {
				report(v, "has no effect without WebSocket", "start with --websocket-port or --single-port, or remove the line", false)
			}
		}
	}
	if o.authURL == "" {
		for _, key := range config.Keys() {
			v, ok := f.value(key)
			switch {
			case !ok || !strings.HasPrefix(strings.ToLower(key), "extauth"):
			case key != "extauth":
				report(v, "has no effect without --extauth", "start with --extauth URL or remove the line", false)
			case f.settings.ExtAuth:
				report(v, "has no effect without --extauth", "start with --extauth URL or write false", true)
			}
		}
		return problems
	}
	if v, ok := f.value("extauth"); ok && f.settings.ExtAuth && f.settings.ExtAuthKey == "" {
		report(v, "nobody can log in with an external account, because extauthkey is missing",
			"set extauthkey to the public key of the authentication server", false)
	}
	return problems
}

// webKeys are settings about browsers, which only WebSocket lets in
// (configuration.md §23 item 40), and who of them may connect.
var webKeys = []string{"preferWebSockets", "allowGuestWeb", "allowGuestWebSession", "passwordDependentWebSession",
	"extauthweb", "extauthwebsession", "webSocketOrigins"}

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
