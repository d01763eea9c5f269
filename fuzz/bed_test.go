package fuzz

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"drawrelay/frame"
	"drawrelay/login"
	"drawrelay/store/entry"
	"drawrelay/store/password"
	"drawrelay/store/serverlog"
	"drawrelay/store/settings"
)

// Variants of the server under test: bits of a number.
const (
	guestsOff = 1 << iota
	mandatoryLookup
	minimumVersion
	matchingHost
	extAuth
	withTLS
	seaterRefuses
	withTemplates
	bansOn
	busyDirectory
	reactionShift = iota // three bits from here on
)

// What clients have to know to get in.
const (
	knownSystem   = "0123456789abcdef0123456789abcdef"
	bannedSystem  = "fedcba9876543210fedcba9876543210"
	accountSecret = "swordfish"
	sessionSecret = "correct horse"
	inviteSecret  = "0jrabcde"
	nonce         = 0x0101010101010101 // from ones
)

// ones is a random source that is always the same, so that tokens can be made
// before their nonce is.
type ones struct{}

func (ones) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 1
	}
	return len(b), nil
}

var authKey = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))

// authToken signs what the authentication server would say about a user.
func authToken(payload string) string {
	text := "1." + base64.StdEncoding.EncodeToString([]byte(payload))
	return text + "." + base64.StdEncoding.EncodeToString(ed25519.Sign(authKey, []byte(text)))
}

// sessions are live on every server: open and closed ones, with and without
// everything a join can need.
var sessions = []*entry.Session{
	{ID: "01k0000000000000000000000a", Alias: "open", Version: "dp:4.25.1", Founder: "alice", Title: "Open", MaxUsers: 254, UserCount: 1, StartTime: startTime,
		Members: []entry.Member{{ID: 1, Name: "alice", SystemID: "11111111111111111111111111111111"}}},
	{ID: "01k0000000000000000000000b", Alias: "locked", Version: "dp:4.24.0", Founder: "bob", MaxUsers: 254, PasswordHash: "plain;" + sessionSecret, StartTime: startTime,
		Redeem: func(secret string, p *entry.Person) (*entry.Invite, entry.RedeemResult) {
			if secret != inviteSecret {
				return nil, entry.RedeemUnknown
			}
			return &entry.Invite{Secret: secret}, entry.RedeemOK
		},
		CheckInvite: func(secret, systemID string) entry.RedeemResult {
			if secret != inviteSecret {
				return entry.RedeemUnknown
			}
			return entry.RedeemOK
		}},
	{ID: "01k0000000000000000000000c", Alias: "full", Version: "dp:4.25.1", MaxUsers: 2, UserCount: 2, StartTime: startTime},
	{ID: "01k0000000000000000000000d", Alias: "members", Version: "dp:4.25.1", MaxUsers: 9, AuthOnly: true, Unlisted: true, StartTime: startTime},
	{ID: "01k0000000000000000000000e", Alias: "banned", Version: "other:4.0.0", MaxUsers: 9, StartTime: startTime,
		Banned: func(name, _, _ string, _ netip.Addr) int { return len(name) % 2 }},
}

func findSession(id string) (*entry.Session, bool) {
	for _, s := range sessions {
		if id != "" && (s.ID == id || s.Alias == id) {
			return s, true
		}
	}
	return nil, false
}

// directory knows the sessions above.
type directory struct {
	busy     bool // there is news at once
	watchers atomic.Int64
}

func (d *directory) All() []*entry.Session { return slices.Clone(sessions) }

func (d *directory) Find(id string) (*entry.Session, bool) { return findSession(id) }

func (d *directory) Watch(w func(string, *entry.Session)) (cancel func()) {
	d.watchers.Add(1)
	if d.busy {
		go func() {
			w(sessions[1].ID, sessions[1])
			w(sessions[2].ID, nil)
		}()
	}
	return func() { d.watchers.Add(-1) }
}

// templates has one template, which becomes the first session.
type templates struct{}

func (templates) List() []login.Template { return []login.Template{template} }

func (templates) Lookup(id string) (login.Template, string, bool) {
	return template, sessions[0].ID, id == template.Alias
}

func (templates) Instantiate(_ context.Context, id string) (*entry.Session, error) {
	if id != template.Alias {
		return nil, entry.ErrNotFound
	}
	return sessions[0], nil
}

var template = login.Template{Alias: "template", Version: "dp:4.25.1", MaxUsers: 25, Title: "Template"}

// authServer answers by the name's first letter.
type authServer struct{}

func (authServer) Query(_ context.Context, name, _ string) (string, error) {
	switch {
	case strings.HasPrefix(name, "a"):
		return "auth", nil
	case strings.HasPrefix(name, "o"):
		return "outgroup", nil
	case strings.HasPrefix(name, "b"):
		return "banned", nil
	case strings.HasPrefix(name, "e"):
		return "", io.ErrUnexpectedEOF
	case strings.HasPrefix(name, "j"):
		return "", fmt.Errorf("query: %w", login.ErrAuthReply)
	}
	return "guest", nil
}

type reports struct{}

func (reports) Submit(login.Report) {}

// seater takes connections, or refuses them, and keeps what it was asked. It
// is the directory, too.
type seater struct {
	directory
	wire   *wire
	refuse bool

	mu    sync.Mutex
	calls int
	host  *entry.HostRequest
	join  *entry.JoinRequest
	rest  []byte // what is left of the stream
}

func (s *seater) take(conn *entry.Conn) error {
	s.calls++
	if s.refuse {
		return entry.ErrServerFull
	}
	s.rest = append(slices.Clone(conn.Pending), s.wire.seat(s.watchers.Load() > 0)...)
	return nil
}

func (s *seater) Host(_ context.Context, r *entry.HostRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.host = r
	return s.take(r.Conn)
}

func (s *seater) Join(_ context.Context, r *entry.JoinRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.join = r
	return s.take(r.Conn)
}

// quiet is a log that nobody reads.
var quiet = sync.OnceValue(func() *serverlog.Log { return serverlog.New(io.Discard, serverlog.FormatText, nil) })

var tlsConfig = sync.OnceValue(func() *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
})

// newServer returns a server of a variant.
func newServer(variant uint16, s *seater) *login.Server {
	has := func(bit int) bool { return variant&uint16(bit) != 0 }
	set := settings.Default()
	set.AllowGuests = !has(guestsOff)
	set.MandatoryLookup = has(mandatoryLookup)
	set.RequireMatchingHost = has(matchingHost)
	set.ServerTitle = "Title"
	set.ForbiddenNameRegex = "^admin"
	set.FilterNameRegex = "[ _]"
	set.AbuseReport = true
	if has(minimumVersion) {
		set.MinimumProtocolVersion = "dp:4.24.0"
	}
	cfg := login.Config{
		Log: quiet(), Directory: &s.directory, Seater: s, Reports: reports{}, LocalHost: "example.org", Version: "1",
		Users: users{"mod": {ID: "1", Name: "mod", PasswordHash: "plain;" + accountSecret, Flags: []string{"MOD", "HOST"}},
			"locked": {ID: "2", Name: "locked", PasswordHash: "*"}},
		Now: func() time.Time { return startTime }, Rand: ones{},
		// What unknown names are compared with costs 64 MiB each time.
		Passwords: cheapHasher{},
	}
	if has(extAuth) {
		set.ExtAuth = true
		set.ExtAuthKey = base64.StdEncoding.EncodeToString(authKey.Public().(ed25519.PublicKey))
		cfg.AuthServer, cfg.AuthURL = authServer{}, "https://auth.example.org/api"
	}
	if has(withTLS) {
		cfg.TLS = tlsConfig
	}
	if has(withTemplates) {
		cfg.Templates = templates{}
	}
	if has(bansOn) {
		cfg.Bans = bans{Source: "database", ID: 1, Reaction: reactionOf(variant), Reason: "x"}
	}
	cfg.Settings = settings.NewSource(set)
	s.refuse, s.busy = has(seaterRefuses), has(busyDirectory)
	return login.New(cfg)
}

func reactionOf(variant uint16) login.Reaction {
	return login.Reaction(variant >> reactionShift % 5)
}

// command makes a message out of the text of a command.
func command(text string) []byte {
	return frame.Append(nil, frame.Msg{Body: []byte(text)})
}

// users are accounts by name.
type users map[string]login.Account

func (u users) Find(name string) (login.Account, bool) { a, ok := u[name]; return a, ok }
func (u users) Any() bool                              { return len(u) > 0 }

// bans is what one system and one user are banned with.
type bans login.Ban

func (b bans) Address(netip.Addr) (login.Ban, bool) { return login.Ban{}, false }
func (b bans) System(id string) (login.Ban, bool)   { return login.Ban(b), id == bannedSystem }
func (b bans) User(id int64) (login.Ban, bool)      { return login.Ban(b), id == 7 }

// cheapHasher checks only what costs little.
type cheapHasher struct{ password.Here }

func (cheapHasher) Check(stored, pass string) (bool, error) {
	return password.Cheap(stored) && password.Check(stored, pass), nil
}
