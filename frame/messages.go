package frame

import "unicode/utf8"

// Reasons of a Disconnect message (wire.md §6).
const (
	ReasonError    = 0
	ReasonKick     = 1
	ReasonShutdown = 2
	ReasonOther    = 3
)

// Flags of a Join message (wire.md §6).
const (
	JoinAuth = 0x01 // logged in with an account
	JoinMod  = 0x02 // moderator
	JoinBot  = 0x04 // never set by this server
	JoinOld  = 0x08 // older protocol minor version than the session
)

// Flags of a Chat message (wire.md §6). Unknown bits are relayed.
const (
	ChatBypass = 0x01 // transient flag: do not store

	ChatShout  = 0x01
	ChatAction = 0x02
	ChatPin    = 0x04
	ChatAlert  = 0x08
	ChatRoll   = 0x10
)

// MaxJoinName is the longest user name of a Join in bytes: its length is one
// byte.
const MaxJoinName = 255

// Join is a view of a Join payload.
//
//	0    1  Flags
//	1    1  L
//	2    L  Name
//	2+L  .  Avatar, to the end
//
// Valid until: the buffer it was parsed from is reused.
type Join struct {
	Flags  uint8
	Name   []byte
	Avatar []byte
}

// ParseJoin reads a Join payload. It returns ErrMalformed if the payload is
// shorter than its name.
func ParseJoin(b []byte) (Join, error) {
	if len(b) < 2 || len(b) < 2+int(b[1]) {
		return Join{}, ErrMalformed
	}
	n := 2 + int(b[1])
	return Join{Flags: b[0], Name: b[2:n:n], Avatar: b[n:]}, nil
}

// AppendJoin appends a whole Join message of user. Names are cut to
// MaxJoinName bytes, between two characters; an avatar that does not fit into
// the message is left out.
func AppendJoin(dst []byte, user uint8, flags uint8, name string, avatar []byte) []byte {
	name = cutText(name, MaxJoinName)
	if 2+len(name)+len(avatar) > MaxPayload {
		avatar = nil
	}
	dst = AppendHeader(dst, 2+len(name)+len(avatar), TypeJoin, user)
	dst = append(dst, flags, byte(len(name)))
	dst = append(dst, name...)
	return append(dst, avatar...)
}

// AppendLeave appends a whole Leave message of user.
func AppendLeave(dst []byte, user uint8) []byte {
	return AppendHeader(dst, 0, TypeLeave, user)
}

// AppendSoftReset appends a whole SoftReset message of the server.
func AppendSoftReset(dst []byte) []byte {
	return AppendHeader(dst, 0, TypeSoftReset, 0)
}

// AppendUsers appends a SessionOwner or TrustedUsers message: t says which,
// user is its context id, ids are at most 255 user ids.
func AppendUsers(dst []byte, t Type, user uint8, ids []uint8) []byte {
	dst = AppendHeader(dst, len(ids), t, user)
	return append(dst, ids...)
}

// Chat is a view of a Chat payload.
//
//	0  1  Transient flags
//	1  1  Opaque flags
//	2  .  Text, UTF-8, to the end
//
// Valid until: the buffer it was parsed from is reused.
type Chat struct {
	Transient uint8
	Opaque    uint8
	Text      []byte
}

// ParseChat reads a Chat payload. It returns ErrMalformed below 2 bytes.
func ParseChat(b []byte) (Chat, error) {
	if len(b) < 2 {
		return Chat{}, ErrMalformed
	}
	return Chat{Transient: b[0], Opaque: b[1], Text: b[2:]}, nil
}

// AppendChat appends a whole Chat message of user.
func AppendChat(dst []byte, user uint8, c Chat) []byte {
	dst = AppendHeader(dst, 2+len(c.Text), TypeChat, user)
	dst = append(dst, c.Transient, c.Opaque)
	return append(dst, c.Text...)
}

// PrivateChat is a view of a PrivateChat payload.
//
//	0  1  Target user
//	1  1  Opaque flags
//	2  .  Text, UTF-8, to the end
//
// Valid until: the buffer it was parsed from is reused.
type PrivateChat struct {
	Target uint8
	Opaque uint8
	Text   []byte
}

// ParsePrivateChat reads a PrivateChat payload. It returns ErrMalformed below
// 2 bytes.
func ParsePrivateChat(b []byte) (PrivateChat, error) {
	if len(b) < 2 {
		return PrivateChat{}, ErrMalformed
	}
	return PrivateChat{Target: b[0], Opaque: b[1], Text: b[2:]}, nil
}

// AppendPrivateChat appends a whole PrivateChat message of user.
func AppendPrivateChat(dst []byte, user uint8, c PrivateChat) []byte {
	dst = AppendHeader(dst, 2+len(c.Text), TypePrivateChat, user)
	dst = append(dst, c.Target, c.Opaque)
	return append(dst, c.Text...)
}

// Disconnect is a view of a Disconnect payload.
//
//	0  1  Reason
//	1  .  Text, UTF-8, to the end
//
// Valid until: the buffer it was parsed from is reused.
type Disconnect struct {
	Reason uint8
	Text   []byte
}

// ParseDisconnect reads a Disconnect payload. It returns ErrMalformed for an
// empty one.
func ParseDisconnect(b []byte) (Disconnect, error) {
	if len(b) < 1 {
		return Disconnect{}, ErrMalformed
	}
	return Disconnect{Reason: b[0], Text: b[1:]}, nil
}

// AppendDisconnect appends a whole Disconnect message of the server. Text that
// does not fit is cut between two characters.
func AppendDisconnect(dst []byte, reason uint8, text string) []byte {
	text = cutText(text, MaxPayload-1)
	dst = AppendHeader(dst, 1+len(text), TypeDisconnect, 0)
	dst = append(dst, reason)
	return append(dst, text...)
}

// ParsePing reads a Ping payload: exactly one byte, non-zero for a pong. It
// returns ErrMalformed for any other length.
func ParsePing(b []byte) (pong bool, err error) {
	if len(b) != 1 {
		return false, ErrMalformed
	}
	return b[0] != 0, nil
}

// AppendPing appends a whole Ping message of the server.
func AppendPing(dst []byte, pong bool) []byte {
	dst = AppendHeader(dst, 1, TypePing, 0)
	if pong {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// AppendKeepAlive appends a whole KeepAlive message of the server.
func AppendKeepAlive(dst []byte) []byte {
	return AppendHeader(dst, 0, TypeKeepAlive, 0)
}

// cutText cuts s to at most n bytes without leaving a part of a character.
func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for i := n; i > n-utf8.UTFMax && i >= 0; i-- {
		if utf8.RuneStart(s[i]) {
			return s[:i]
		}
	}
	return s[:n] // no text
}
