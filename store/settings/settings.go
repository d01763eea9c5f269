// Package settings holds the run-time settings of the server
// (configuration.md §8) as immutable snapshots.
package settings

import (
	"sync"
	"sync/atomic"
	"time"
)

// Settings is one immutable snapshot. Field comments name the key.
type Settings struct {
	ClientTimeout               time.Duration // clientTimeout; 0 = never
	SessionSizeLimit            int64         // sessionSizeLimit, bytes; 0 = unlimited
	AutoResetThreshold          int64         // autoResetThreshold, bytes; 0 = off
	MinimumAutoResetThreshold   int64         // minimumAutoResetThreshold, bytes
	SessionCountLimit           int           // sessionCountLimit
	SessionUserLimit            int           // sessionUserLimit; use UserLimit for the clamped value
	Persistence                 bool          // persistence
	Archive                     bool          // archive
	IdleTimeLimit               time.Duration // idleTimeLimit; 0 = never
	AllowIdleOverride           bool          // allowIdleOverride
	EmptySessionLingerTime      time.Duration // emptySessionLingerTime
	SessionLessClientLingerTime time.Duration // sessionLessClientLingerTime; 0 = never

	// Rates bound what members may send, by tier; own keys of this server,
	// rateLimit<Tier>Messages and rateLimit<Tier>Bytes. All off by default.
	Rates [Tiers]Rate
	// RatePatience is how long a member may be held back without a pause
	// before it is disconnected (rateLimitPatience); 0 = for ever.
	RatePatience time.Duration

	// Redirects, own keys of this server (login.md §17): where hosts are sent
	// (redirectHosts, a URL), where joiners of sessions are sent
	// (redirectSessions, "SESSION=URL …"), and whether clients that another
	// server has sent are welcome (acceptRedirects).
	RedirectHosts    string
	RedirectSessions string
	AcceptRedirects  bool

	// WebSocketOrigins are the origins of web pages that may connect, separated
	// by blanks (webSocketOrigins, an own key); empty = all of them.
	WebSocketOrigins string

	ServerTitle         string // serverTitle
	WelcomeMessage      string // welcomeMessage
	RuleText            string // ruleText
	LoginInfoURL        string // loginInfoUrl
	PreferWebSockets    bool   // preferWebSockets
	RequireMatchingHost bool   // requireMatchingHost

	AllowGuests                 bool   // allowGuests
	AllowGuestHosts             bool   // allowGuestHosts
	AllowGuestWeb               bool   // allowGuestWeb
	AllowGuestWebHosts          bool   // allowGuestWebHosts
	AllowGuestWebSession        bool   // allowGuestWebSession
	PasswordDependentWebSession bool   // passwordDependentWebSession
	EnableGhosts                bool   // enableGhosts
	CustomAvatars               bool   // customAvatars
	ForceNSFM                   bool   // forceNsfm
	Invites                     bool   // invites
	MandatoryLookup             bool   // mandatoryLookup
	MinimumProtocolVersion      string // minimumProtocolVersion
	UnlistedHostPolicy          string // unlistedHostPolicy
	ForbiddenNameRegex          string // forbiddenNameRegex
	FilterNameRegex             string // filterNameRegex

	AnnounceWhitelist bool   // announceWhitelist
	AbuseReport       bool   // abusereport
	ReportToken       string // reporttoken
	LogPurgeDays      int    // logpurgedays; <= 0 = never

	ExtAuth           bool   // extauth
	ExtAuthKey        string // extauthkey
	ExtAuthGroup      string // extauthgroup
	ExtAuthFallback   bool   // extauthfallback
	ExtAuthMod        bool   // extauthmod
	ExtAuthHost       bool   // extauthhost
	ExtAuthBanExempt  bool   // extauthbanexempt
	ExtAuthGhosts     bool   // extauthghosts
	ExtAuthWeb        bool   // extauthweb
	ExtAuthWebHost    bool   // extauthwebhost
	ExtAuthWebSession bool   // extauthwebsession
	ExtAuthPersist    bool   // extauthpersist
	ExtAuthAvatars    bool   // extAuthAvatars

	ExtBansURL           string        // extBansUrl; empty = off
	ExtBansCheckInterval time.Duration // extBansCheckInterval; use ExtBansInterval for the clamped value

	// WebSockets says that a WebSocket listener runs. Not a key: the source
	// sees to it.
	WebSockets bool
}

// Tier is how far a member is trusted with the server's resources.
type Tier uint8

const (
	TierGuest Tier = iota
	TierRegistered
	TierTrusted
	TierOperator
	Tiers // number of tiers
)

// Rate bounds a flow, per second; 0 = unlimited.
type Rate struct {
	Messages int
	Bytes    int64
}

// Default returns the defaults of configuration.md §8.
func Default() *Settings {
	return &Settings{
		ClientTimeout:        60 * time.Second,
		SessionSizeLimit:     99 << 20,
		AutoResetThreshold:   15 << 20,
		SessionCountLimit:    25,
		SessionUserLimit:     254,
		AllowIdleOverride:    true,
		RatePatience:         2 * time.Minute,
		AllowGuests:          true,
		AllowGuestHosts:      true,
		AllowGuestWeb:        true,
		AllowGuestWebHosts:   true,
		AllowGuestWebSession: true,
		CustomAvatars:        true,
		Invites:              true,
		ExtAuthFallback:      true,
		ExtAuthMod:           true,
		ExtAuthHost:          true,
		ExtAuthAvatars:       true,
		ExtBansCheckInterval: 15 * time.Minute,
	}
}

// UserLimit returns sessionUserLimit clamped to 2..254.
func (s *Settings) UserLimit() int { return min(max(s.SessionUserLimit, 2), 254) }

// Bounds of extBansCheckInterval (configuration.md §8.6): below, the list's
// server would be flooded; above, the timers of the reference overflow.
const (
	minExtBansInterval = 60 * time.Second
	maxExtBansInterval = 2147483 * time.Second
)

// ExtBansInterval returns extBansCheckInterval clamped to 60..2147483 s.
func (s *Settings) ExtBansInterval() time.Duration {
	return min(max(s.ExtBansCheckInterval, minExtBansInterval), maxExtBansInterval)
}

// Source hands out the current snapshot and tells about replacements. Safe for
// any goroutine.
type Source struct {
	current atomic.Pointer[Settings]

	mu       sync.Mutex // protects what follows
	web      bool
	watchers map[int]func(old, new *Settings)
	next     int
}

// NewSource returns a source whose current snapshot is s.
func NewSource(s *Settings) *Source {
	src := &Source{watchers: make(map[int]func(old, new *Settings))}
	src.current.Store(s)
	return src
}

// Get returns the current snapshot, which must not be changed.
func (s *Source) Get() *Settings { return s.current.Load() }

// Set replaces the snapshot and calls the watchers.
func (s *Source) Set(n *Settings) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.web && !n.WebSockets {
		c := *n
		c.WebSockets = true
		n = &c
	}
	old := s.current.Swap(n)
	for _, w := range s.watchers {
		w(old, n)
	}
}

// EnableWebSockets says that a WebSocket listener runs, in the current snapshot
// and all later ones.
func (s *Source) EnableWebSockets() {
	s.mu.Lock()
	s.web = true
	s.mu.Unlock()
	s.Set(s.Get())
}

// Watch calls w after every replacement, from the goroutine that replaces; w
// must not block nor call the source. The returned function ends it.
func (s *Source) Watch(w func(old, new *Settings)) (cancel func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.next
	s.next++
	s.watchers[id] = w
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.watchers, id)
	}
}
