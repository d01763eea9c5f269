package config

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"drawrelay/frame"
	"drawrelay/store/namefilter"
	"drawrelay/store/settings"
)

// ed25519KeySize is the length of extauthkey's key in bytes.
const ed25519KeySize = 32

// keys are all settings of configuration.md §8 in its order.
var keys = []key{
	durationKey("clientTimeout", func(s *settings.Settings) *time.Duration { return &s.ClientTimeout }),
	sizeKey("sessionSizeLimit", func(s *settings.Settings) *int64 { return &s.SessionSizeLimit }),
	sizeKey("autoResetThreshold", func(s *settings.Settings) *int64 { return &s.AutoResetThreshold }),
	sizeKey("minimumAutoResetThreshold", func(s *settings.Settings) *int64 { return &s.MinimumAutoResetThreshold }),
	intKey("sessionCountLimit", func(s *settings.Settings) *int { return &s.SessionCountLimit }),
	intKey("sessionUserLimit", func(s *settings.Settings) *int { return &s.SessionUserLimit }),
	boolKey("persistence", func(s *settings.Settings) *bool { return &s.Persistence }),
	boolKey("archive", func(s *settings.Settings) *bool { return &s.Archive }),
	durationKey("idleTimeLimit", func(s *settings.Settings) *time.Duration { return &s.IdleTimeLimit }),
	boolKey("allowIdleOverride", func(s *settings.Settings) *bool { return &s.AllowIdleOverride }),
	durationKey("emptySessionLingerTime", func(s *settings.Settings) *time.Duration { return &s.EmptySessionLingerTime }),
	durationKey("sessionLessClientLingerTime", func(s *settings.Settings) *time.Duration { return &s.SessionLessClientLingerTime }),

	// Own keys.
	intKey("rateLimitGuestMessages", func(s *settings.Settings) *int { return &s.Rates[settings.TierGuest].Messages }),
	sizeKey("rateLimitGuestBytes", func(s *settings.Settings) *int64 { return &s.Rates[settings.TierGuest].Bytes }),
	intKey("rateLimitRegisteredMessages", func(s *settings.Settings) *int { return &s.Rates[settings.TierRegistered].Messages }),
	sizeKey("rateLimitRegisteredBytes", func(s *settings.Settings) *int64 { return &s.Rates[settings.TierRegistered].Bytes }),
	intKey("rateLimitTrustedMessages", func(s *settings.Settings) *int { return &s.Rates[settings.TierTrusted].Messages }),
	sizeKey("rateLimitTrustedBytes", func(s *settings.Settings) *int64 { return &s.Rates[settings.TierTrusted].Bytes }),
	intKey("rateLimitOperatorMessages", func(s *settings.Settings) *int { return &s.Rates[settings.TierOperator].Messages }),
	sizeKey("rateLimitOperatorBytes", func(s *settings.Settings) *int64 { return &s.Rates[settings.TierOperator].Bytes }),
	durationKey("rateLimitPatience", func(s *settings.Settings) *time.Duration { return &s.RatePatience }),

	checkedKey("redirectHosts", "write a URL like drawpile://example.org",
		func(s *settings.Settings) *string { return &s.RedirectHosts }, settings.CheckRedirect),
	checkedKey("redirectSessions", "write pairs like demo=drawpile://example.org, separated by blanks",
		func(s *settings.Settings) *string { return &s.RedirectSessions }, settings.CheckRedirectSessions),
	boolKey("acceptRedirects", func(s *settings.Settings) *bool { return &s.AcceptRedirects }),
	checkedKey("webSocketOrigins", "write origins like https://web.drawpile.net, separated by blanks",
		func(s *settings.Settings) *string { return &s.WebSocketOrigins }, settings.CheckOrigins),

	textKey("serverTitle", func(s *settings.Settings) *string { return &s.ServerTitle }),
	textKey("welcomeMessage", func(s *settings.Settings) *string { return &s.WelcomeMessage }),
	textKey("ruleText", func(s *settings.Settings) *string { return &s.RuleText }),
	textKey("loginInfoUrl", func(s *settings.Settings) *string { return &s.LoginInfoURL }),
	boolKey("preferWebSockets", func(s *settings.Settings) *bool { return &s.PreferWebSockets }),
	boolKey("requireMatchingHost", func(s *settings.Settings) *bool { return &s.RequireMatchingHost }),

	boolKey("allowGuests", func(s *settings.Settings) *bool { return &s.AllowGuests }),
	boolKey("allowGuestHosts", func(s *settings.Settings) *bool { return &s.AllowGuestHosts }),
	boolKey("allowGuestWeb", func(s *settings.Settings) *bool { return &s.AllowGuestWeb }),
	boolKey("allowGuestWebHosts", func(s *settings.Settings) *bool { return &s.AllowGuestWebHosts }),
	boolKey("allowGuestWebSession", func(s *settings.Settings) *bool { return &s.AllowGuestWebSession }),
	boolKey("passwordDependentWebSession", func(s *settings.Settings) *bool { return &s.PasswordDependentWebSession }),
	boolKey("enableGhosts", func(s *settings.Settings) *bool { return &s.EnableGhosts }),
	boolKey("customAvatars", func(s *settings.Settings) *bool { return &s.CustomAvatars }),
	boolKey("forceNsfm", func(s *settings.Settings) *bool { return &s.ForceNSFM }),
	boolKey("invites", func(s *settings.Settings) *bool { return &s.Invites }),
	boolKey("mandatoryLookup", func(s *settings.Settings) *bool { return &s.MandatoryLookup }),
	checkedKey("minimumProtocolVersion", "write a version like dp:4.24.0",
		func(s *settings.Settings) *string { return &s.MinimumProtocolVersion }, checkVersion),
	checkedKey("unlistedHostPolicy", "write ALL, WEB or nothing",
		func(s *settings.Settings) *string { return &s.UnlistedHostPolicy }, checkHostPolicy),
	checkedKey("forbiddenNameRegex", "write a regular expression as in Perl",
		func(s *settings.Settings) *string { return &s.ForbiddenNameRegex }, checkExpression),
	checkedKey("filterNameRegex", "write a regular expression as in Perl",
		func(s *settings.Settings) *string { return &s.FilterNameRegex }, checkExpression),

	boolKey("announceWhitelist", func(s *settings.Settings) *bool { return &s.AnnounceWhitelist }),
	boolKey("abusereport", func(s *settings.Settings) *bool { return &s.AbuseReport }),
	textKey("reporttoken", func(s *settings.Settings) *string { return &s.ReportToken }),
	intKey("logpurgedays", func(s *settings.Settings) *int { return &s.LogPurgeDays }),

	boolKey("extauth", func(s *settings.Settings) *bool { return &s.ExtAuth }),
	checkedKey("extauthkey", "write the base64 form of the 32-byte public key",
		func(s *settings.Settings) *string { return &s.ExtAuthKey }, checkPublicKey),
	textKey("extauthgroup", func(s *settings.Settings) *string { return &s.ExtAuthGroup }),
	boolKey("extauthfallback", func(s *settings.Settings) *bool { return &s.ExtAuthFallback }),
	boolKey("extauthmod", func(s *settings.Settings) *bool { return &s.ExtAuthMod }),
	boolKey("extauthhost", func(s *settings.Settings) *bool { return &s.ExtAuthHost }),
	boolKey("extauthbanexempt", func(s *settings.Settings) *bool { return &s.ExtAuthBanExempt }),
	boolKey("extauthghosts", func(s *settings.Settings) *bool { return &s.ExtAuthGhosts }),
	boolKey("extauthweb", func(s *settings.Settings) *bool { return &s.ExtAuthWeb }),
	boolKey("extauthwebhost", func(s *settings.Settings) *bool { return &s.ExtAuthWebHost }),
	boolKey("extauthwebsession", func(s *settings.Settings) *bool { return &s.ExtAuthWebSession }),
	boolKey("extauthpersist", func(s *settings.Settings) *bool { return &s.ExtAuthPersist }),
	boolKey("extAuthAvatars", func(s *settings.Settings) *bool { return &s.ExtAuthAvatars }),

	textKey("extBansUrl", func(s *settings.Settings) *string { return &s.ExtBansURL }),
	durationKey("extBansCheckInterval", func(s *settings.Settings) *time.Duration { return &s.ExtBansCheckInterval }),
	keptKey("extBansCacheUrl"),
	keptKey("extBansCacheKey"),
	keptKey("extBansCacheResponse"),
}

func checkExpression(text string) error {
	_, err := namefilter.Compile(text)
	return err
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

// clamp is a setting that is brought into bounds when it is used.
type clamp struct {
	name    string
	outside func(s *settings.Settings) bool
	what    func(s *settings.Settings) string
}

var clamps = []clamp{
	{"sessionUserLimit",
		func(s *settings.Settings) bool { return s.UserLimit() != s.SessionUserLimit },
		func(s *settings.Settings) string {
			return fmt.Sprintf("outside of 2 to 254, taken as %d", s.UserLimit())
		}},
	{"extBansCheckInterval",
		func(s *settings.Settings) bool { return s.ExtBansInterval() != s.ExtBansCheckInterval },
		func(s *settings.Settings) string {
			return fmt.Sprintf("outside of 60 to 2147483 seconds, taken as %d", s.ExtBansInterval()/time.Second)
		}},
}
