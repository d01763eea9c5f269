package config

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"drawrelay/frame"
	"drawrelay/store/settings"
)

// Bounds of extBansCheckInterval, seconds (configuration.md §8.6): below, the
// list's server would be flooded; above, the timers of the reference overflow.
const (
	minExtBansInterval     = 60
	maxExtBansInterval     = 2147483
	defaultExtBansInterval = 900
)

// ed25519KeySize is the length of extauthkey's key in bytes.
const ed25519KeySize = 32

// target is what a key writes to.
type target struct {
	settings *settings.Settings
	server   *Server
}

// key describes one setting of the reference.
type key struct {
	name string
	// apply stores a value. On error nothing is changed.
	apply func(t target, text string) error
	// advice is what to write if apply fails.
	advice string
	// later says that the key is known and valid, but that what it controls
	// is not part of this version; set only for keys whose silent absence
	// would hurt.
	later string
}

const (
	adviceBool     = "write true or false"
	adviceInt      = "write a whole number"
	adviceDuration = "write a number with an optional unit d, h, m or s, as in 90s or 1.5h"
	adviceSize     = "write a number with an optional unit b, kb, mb or gb, as in 99mb"
)

var errNotBool = errors.New("not a truth value, so it would mean false")

func boolKey(name string, field func(t target) *bool) key {
	return key{name: name, advice: adviceBool, apply: func(t target, text string) error {
		value, known := settings.ParseBool(text)
		if !known {
			return errNotBool
		}
		*field(t) = value
		return nil
	}}
}

func intKey(name string, field func(t target) *int) key {
	return key{name: name, advice: adviceInt, apply: func(t target, text string) error {
		return assign(field(t), text, settings.ParseInt)
	}}
}

func durationKey(name string, field func(t target) *time.Duration) key {
	return key{name: name, advice: adviceDuration, apply: func(t target, text string) error {
		return assign(field(t), text, settings.ParseDuration)
	}}
}

func sizeKey(name string, field func(t target) *int64) key {
	return key{name: name, advice: adviceSize, apply: func(t target, text string) error {
		return assign(field(t), text, settings.ParseSize)
	}}
}

func textKey(name string, field func(t target) *string) key {
	return key{name: name, apply: func(t target, text string) error {
		*field(t) = text
		return nil
	}}
}

// checkedKey is a text key whose value must satisfy check if it is not empty.
func checkedKey(name, advice string, field func(t target) *string, check func(string) error) key {
	return key{name: name, advice: advice, apply: func(t target, text string) error {
		if text != "" {
			if err := check(text); err != nil {
				return err
			}
		}
		*field(t) = text
		return nil
	}}
}

// keptKey is a key that the reference keeps for itself in this store.
func keptKey(name string) key {
	return key{name: name, apply: func(target, string) error { return nil }}
}

func assign[T any](field *T, text string, parse func(string) (T, error)) error {
	value, err := parse(text)
	if err != nil {
		return err
	}
	*field = value
	return nil
}

// keys are all settings of configuration.md §8 in its order.
var keys = []key{
	durationKey("clientTimeout", func(t target) *time.Duration { return &t.settings.ClientTimeout }),
	sizeKey("sessionSizeLimit", func(t target) *int64 { return &t.settings.SessionSizeLimit }),
	sizeKey("autoResetThreshold", func(t target) *int64 { return &t.settings.AutoResetThreshold }),
	sizeKey("minimumAutoResetThreshold", func(t target) *int64 { return &t.settings.MinimumAutoResetThreshold }),
	intKey("sessionCountLimit", func(t target) *int { return &t.settings.SessionCountLimit }),
	intKey("sessionUserLimit", func(t target) *int { return &t.settings.SessionUserLimit }),
	boolKey("persistence", func(t target) *bool { return &t.settings.Persistence }),
	boolKey("archive", func(t target) *bool { return &t.settings.Archive }),
	durationKey("idleTimeLimit", func(t target) *time.Duration { return &t.settings.IdleTimeLimit }),
	boolKey("allowIdleOverride", func(t target) *bool { return &t.settings.AllowIdleOverride }),
	durationKey("emptySessionLingerTime", func(t target) *time.Duration { return &t.settings.EmptySessionLingerTime }),
	durationKey("sessionLessClientLingerTime", func(t target) *time.Duration { return &t.settings.SessionLessClientLingerTime }),

	// Own keys.
	intKey("rateLimitGuestMessages", func(t target) *int { return &t.settings.Rates[settings.TierGuest].Messages }),
	sizeKey("rateLimitGuestBytes", func(t target) *int64 { return &t.settings.Rates[settings.TierGuest].Bytes }),
	intKey("rateLimitRegisteredMessages", func(t target) *int { return &t.settings.Rates[settings.TierRegistered].Messages }),
	sizeKey("rateLimitRegisteredBytes", func(t target) *int64 { return &t.settings.Rates[settings.TierRegistered].Bytes }),
	intKey("rateLimitTrustedMessages", func(t target) *int { return &t.settings.Rates[settings.TierTrusted].Messages }),
	sizeKey("rateLimitTrustedBytes", func(t target) *int64 { return &t.settings.Rates[settings.TierTrusted].Bytes }),
	intKey("rateLimitOperatorMessages", func(t target) *int { return &t.settings.Rates[settings.TierOperator].Messages }),
	sizeKey("rateLimitOperatorBytes", func(t target) *int64 { return &t.settings.Rates[settings.TierOperator].Bytes }),
	durationKey("rateLimitPatience", func(t target) *time.Duration { return &t.settings.RatePatience }),

	checkedKey("redirectHosts", "write a URL like drawpile://example.org",
		func(t target) *string { return &t.settings.RedirectHosts }, settings.CheckRedirect),
	checkedKey("redirectSessions", "write pairs like demo=drawpile://example.org, separated by blanks",
		func(t target) *string { return &t.settings.RedirectSessions }, settings.CheckRedirectSessions),
	boolKey("acceptRedirects", func(t target) *bool { return &t.settings.AcceptRedirects }),

	textKey("serverTitle", func(t target) *string { return &t.settings.ServerTitle }),
	textKey("welcomeMessage", func(t target) *string { return &t.settings.WelcomeMessage }),
	textKey("ruleText", func(t target) *string { return &t.settings.RuleText }),
	textKey("loginInfoUrl", func(t target) *string { return &t.settings.LoginInfoURL }),
	boolKey("preferWebSockets", func(t target) *bool { return &t.settings.PreferWebSockets }),
	boolKey("requireMatchingHost", func(t target) *bool { return &t.settings.RequireMatchingHost }),

	boolKey("allowGuests", func(t target) *bool { return &t.settings.AllowGuests }),
	boolKey("allowGuestHosts", func(t target) *bool { return &t.settings.AllowGuestHosts }),
	boolKey("allowGuestWeb", func(t target) *bool { return &t.settings.AllowGuestWeb }),
	boolKey("allowGuestWebHosts", func(t target) *bool { return &t.settings.AllowGuestWebHosts }),
	boolKey("allowGuestWebSession", func(t target) *bool { return &t.settings.AllowGuestWebSession }),
	boolKey("passwordDependentWebSession", func(t target) *bool { return &t.settings.PasswordDependentWebSession }),
	boolKey("enableGhosts", func(t target) *bool { return &t.settings.EnableGhosts }),
	boolKey("customAvatars", func(t target) *bool { return &t.settings.CustomAvatars }),
	boolKey("forceNsfm", func(t target) *bool { return &t.settings.ForceNSFM }),
	boolKey("invites", func(t target) *bool { return &t.settings.Invites }),
	boolKey("mandatoryLookup", func(t target) *bool { return &t.settings.MandatoryLookup }),
	checkedKey("minimumProtocolVersion", "write a version like dp:4.24.0",
		func(t target) *string { return &t.settings.MinimumProtocolVersion }, checkVersion),
	checkedKey("unlistedHostPolicy", "write ALL, WEB or nothing",
		func(t target) *string { return &t.settings.UnlistedHostPolicy }, checkHostPolicy),
	textKey("forbiddenNameRegex", func(t target) *string { return &t.settings.ForbiddenNameRegex }),
	textKey("filterNameRegex", func(t target) *string { return &t.settings.FilterNameRegex }),

	boolKey("announceWhitelist", func(t target) *bool { return &t.server.AnnounceWhitelist }),
	boolKey("abusereport", func(t target) *bool { return &t.settings.AbuseReport }),
	textKey("reporttoken", func(t target) *string { return &t.settings.ReportToken }),
	intKey("logpurgedays", func(t target) *int { return &t.server.LogPurgeDays }),

	boolKey("extauth", func(t target) *bool { return &t.settings.ExtAuth }),
	checkedKey("extauthkey", "write the base64 form of the 32-byte public key",
		func(t target) *string { return &t.settings.ExtAuthKey }, checkPublicKey),
	textKey("extauthgroup", func(t target) *string { return &t.settings.ExtAuthGroup }),
	boolKey("extauthfallback", func(t target) *bool { return &t.settings.ExtAuthFallback }),
	boolKey("extauthmod", func(t target) *bool { return &t.settings.ExtAuthMod }),
	boolKey("extauthhost", func(t target) *bool { return &t.settings.ExtAuthHost }),
	boolKey("extauthbanexempt", func(t target) *bool { return &t.settings.ExtAuthBanExempt }),
	boolKey("extauthghosts", func(t target) *bool { return &t.settings.ExtAuthGhosts }),
	boolKey("extauthweb", func(t target) *bool { return &t.settings.ExtAuthWeb }),
	boolKey("extauthwebhost", func(t target) *bool { return &t.settings.ExtAuthWebHost }),
	boolKey("extauthwebsession", func(t target) *bool { return &t.settings.ExtAuthWebSession }),
	boolKey("extauthpersist", func(t target) *bool { return &t.settings.ExtAuthPersist }),
	boolKey("extAuthAvatars", func(t target) *bool { return &t.settings.ExtAuthAvatars }),

	later(textKey("extBansUrl", func(t target) *string { return &t.server.ExtBansURL }),
		"shared ban lists are not available in this version yet"),
	{name: "extBansCheckInterval", advice: adviceDuration, apply: applyExtBansInterval},
	keptKey("extBansCacheUrl"),
	keptKey("extBansCacheKey"),
	keptKey("extBansCacheResponse"),
}

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

// later marks a key whose feature is missing in this version.
func later(k key, why string) key {
	k.later = why
	return k
}

func checkVersion(text string) error {
	if _, ok := frame.ParseVersion(text); !ok {
		return errors.New("not a protocol version")
	}
	return nil
}

func checkHostPolicy(text string) error {
	if !strings.Contains(text, "ALL") && !strings.Contains(text, "WEB") {
		return errors.New("contains neither ALL nor WEB, so it has no effect")
	}
	return nil
}

// checkPublicKey counts what lenient decoding leaves of a key: padding may be
// missing, and characters outside the alphabet are skipped (integrations.md
// §3.5).
func checkPublicKey(text string) error {
	digits := 0
	for _, r := range text {
		if r == '+' || r == '/' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			digits++
		}
	}
	if n := digits * 6 / 8; n != ed25519KeySize {
		return fmt.Errorf("%d bytes instead of %d", n, ed25519KeySize)
	}
	return nil
}

func applyExtBansInterval(t target, text string) error {
	d, err := settings.ParseDuration(text)
	if err != nil {
		return err
	}
	t.server.ExtBansInterval = min(max(int(d/time.Second), minExtBansInterval), maxExtBansInterval)
	return nil
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
