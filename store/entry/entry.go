// Package entry is the vocabulary that login and relay share: who wants to
// enter a session, over which connection, what a session looks like from
// outside, and why entering was refused. Login never imports relay and relay
// never imports login; both speak in these types.
package entry

import (
	"context"
	"net"
	"net/netip"
	"time"

	"drawrelay/frame"
)

// Flags of a login that the server itself acts upon (login.md §10.5). The
// complete list sent to the client is kept by login.
type Flags uint16

const (
	FlagMod        Flags = 1 << iota // MOD: moderator
	FlagGhost                        // GHOST: moderator in ghost mode
	FlagHost                         // HOST: may host
	FlagBanExempt                    // BANEXEMPT: server IP bans do not apply
	FlagWeb                          // WEB: may log in from a browser
	FlagWebHost                      // WEBHOST: may host from a browser
	FlagWebSession                   // WEBSESSION: may control browser allowance
	FlagPersist                      // PERSIST: may make sessions persistent
	FlagTrusted                      // TRUSTED: trusted in every session
)

// Has reports whether all of g are set.
func (f Flags) Has(g Flags) bool { return f&g == g }

// Person is who is at the other end of a connection. Immutable once login has
// handed it over.
type Person struct {
	Name     string
	AuthID   string // "internal:…" or "<host>:…", empty for guests
	SystemID string // client system id, 32 hex digits, may be empty
	Addr     netip.Addr
	Flags    Flags
	Avatar   []byte // bytes for Join, may be empty
	Browser  bool   // WebSocket connection with an Origin header
	TLS      bool
	Info     string // compact JSON of the client info for the log, may be empty

	KeepAlive    bool // capability KEEPALIVE
	Thumbnail    bool // capability THUMBNAIL
	Incompatible bool // kwarg oldv: older protocol minor version than the session
}

// Moderator reports whether the person is a moderator.
func (p *Person) Moderator() bool { return p.Flags.Has(FlagMod) }

// Ghost reports whether the person is a moderator in ghost mode.
func (p *Person) Ghost() bool { return p.Flags.Has(FlagMod | FlagGhost) }

// Framing is how messages are delimited on a connection.
type Framing uint8

const (
	FramingTCP       Framing = iota // 4-byte header (wire.md §2)
	FramingWebSocket                // WebSocket binary messages (wire.md §3)
)

// Conn is a connection that has finished its login.
// Ownership: passes from login to relay when Host or Join returns nil, and
// stays with login when they return an error. While Host or Join runs, login
// neither reads nor writes.
type Conn struct {
	// ID names the connection for administrators, from accept to close
	// (NextConnID); 0 in tests.
	ID      uint64
	Net     net.Conn // the socket: *net.TCPConn or another net.Conn without buffered bytes
	Pipe    *Pipe    // non-nil: a finished TLS handshake over Net
	Framing Framing
	Pending []byte // bytes login has read from Net (decrypted) beyond the last login message
	// IdleTimeout cuts the connection after this long without a received
	// byte; 0 = never. Read once, when the connection was accepted (wire.md §8).
	IdleTimeout time.Duration
	// Sever, if set, is when the connection must be cut without notice: the
	// person is banned with the reaction "timer" (login.md §14.2).
	Sever time.Time
}

// JoinRequest asks for a seat in a live session.
type JoinRequest struct {
	Person  *Person
	Conn    *Conn
	Session string // unique id
	Index   frame.HistoryIndex
	// Invited says that an invite was redeemed: full sessions, auth-only and
	// the password do not matter any more.
	Invited *Invite
	// PasswordHash is the stored form of the session password that the
	// person's was checked against, empty if there was none.
	PasswordHash string
}

// Invite is a redeemed invite.
type Invite struct {
	Secret  string
	Creator string // empty = a server administrator
	Op      bool   // becomes operator on entry
	Trust   bool   // becomes trusted on entry
}

// HostRequest asks for a new session.
type HostRequest struct {
	Person       *Person
	Conn         *Conn
	UserID       uint8 // 1..254, chosen by the client
	Alias        string
	Version      frame.Version // server part 4
	PasswordHash string        // hashed by login, empty = none
	AllowWeb     bool
	Unlisted     bool
	// Listing makes the messages, whole and in TCP framing, that tell the host
	// about its own session as everybody who chooses is told; they precede the
	// result. May be nil. Called on the session's loop: it must not block.
	Listing func(*Session) []byte
}

// Seater gives seats. Implemented by relay, used by login from any goroutine.
type Seater interface {
	// Host creates a session and seats the person in it as its host. On
	// success the connection belongs to the session, the "host" result has
	// been queued and login must not touch the connection again. A *Refusal
	// says why not.
	Host(ctx context.Context, r *HostRequest) error
	// Join seats the person in a live session, under the same rules as Host.
	// The checks of login.md §13.1 rows 10 to 14 are repeated on the session's
	// own loop, so what it answers is final; of the password only that it is
	// still the one that was checked (ErrPasswordChanged).
	Join(ctx context.Context, r *JoinRequest) error
}

// Refusal is an answer to Host or Join with an error code of login.md §18.
type Refusal struct {
	Code    string
	Message string
}

func (r *Refusal) Error() string { return r.Code + ": " + r.Message }

// Refusals that relay itself decides.
var (
	ErrServerFull  = &Refusal{"closed", "This server is full."}
	ErrClosed      = &Refusal{"closed", "This session is closed"}
	ErrNotFound    = &Refusal{"notFound", "Session not found!"}
	ErrIDInUse     = &Refusal{"idInUse", "An internal server error occurred."}
	ErrBadProtocol = &Refusal{"badProtocol", "This server does not support this protocol version."}
	ErrAuthOnly    = &Refusal{"authOnly", "This session does not allow guest logins"}
	ErrNameInUse   = &Refusal{"nameInuse", "This username is already in use"}
	// ErrPasswordChanged: the password that was checked is not the session's
	// any more. Login checks again.
	ErrPasswordChanged = &Refusal{"badPassword", "Incorrect password"}
)
