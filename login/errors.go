package login

import (
	"errors"
	"fmt"

	"drawrelay/frame"
	"drawrelay/store/entry"
	"drawrelay/store/serverlog"
)

const tooOld = "Your version of Drawpile is too old. To update, go to drawpile.net and download a newer version."

// Login errors with a code of login.md §18. Returned by a step they are fatal:
// the client gets the error object and is disconnected. errBadPassword alone
// is also sent without ending the connection. Those that relay decides too are
// declared in store/entry.
var (
	errTLSRequired           = &entry.Refusal{Code: "tlsRequired", Message: "TLS required"}
	errClientInfoUnsupported = &entry.Refusal{Code: "clientInfoUnsupported", Message: tooOld}
	errLookupUnsupported     = &entry.Refusal{Code: "clientLookupUnsupported", Message: tooOld}

	errInfoDone       = &entry.Refusal{Code: "cinfoAlreadyDone", Message: "Client info already done"}
	errInfoSyntax     = &entry.Refusal{Code: "syntax", Message: "Expected host name and client info object"}
	errBadVersion     = &entry.Refusal{Code: "badversion", Message: "Invalid client version"}
	errMismatchedHost = &entry.Refusal{Code: "mismatchedHostName", Message: "Invalid host name."}

	errLookupSyntax     = &entry.Refusal{Code: "syntax", Message: "Expected optional session id or alias"}
	errLookupDone       = &entry.Refusal{Code: "lookupAlreadyDone", Message: "Session lookup already done"}
	errLookupRequired   = &entry.Refusal{Code: "lookupRequired", Message: "This server only allows joining sessions through a direct link."}
	errLookupFailed     = &entry.Refusal{Code: "lookupFailed", Message: "Session not found, it may have ended or its invite link has changed"}
	errInviteNotFound   = &entry.Refusal{Code: "inviteNotFound", Message: "Invite is invalid or has been revoked"}
	errInviteLimit      = &entry.Refusal{Code: "inviteLimitReached", Message: "Invite has already been used up"}
	errInviteNoClient   = &entry.Refusal{Code: "inviteNoClientKey", Message: "No client key to use with invite"}
	errLookupHost       = &entry.Refusal{Code: "lookupHostMismatch", Message: "Cannot host when a joining intent was given"}
	errLookupJoin       = &entry.Refusal{Code: "lookupJoinMismatch", Message: "Cannot join when a hosting intent was given"}
	errLookupMismatch   = &entry.Refusal{Code: "lookupMismatch", Message: "Cannot look up one session and then join another"}
	errIdentSyntax      = &entry.Refusal{Code: "syntax", Message: "Expected username and (optional) password"}
	errBadUsername      = &entry.Refusal{Code: "badUsername", Message: "Invalid username"}
	errForbiddenName    = &entry.Refusal{Code: "forbiddenUsername", Message: "Forbidden username"}
	errIdentIntent      = &entry.Refusal{Code: "identError", Message: "Invalid ident intent"}
	errBadPassword      = &entry.Refusal{Code: "badPassword", Message: "Incorrect password"}
	errBannedName       = &entry.Refusal{Code: "bannedName", Message: "This username is banned"}
	errNoGuest          = &entry.Refusal{Code: "noGuest", Message: "Guest logins not allowed"}
	errWebNotAllowed    = &entry.Refusal{Code: "webNotAllowed", Message: "You don't have permission to connect from the web."}
	errGhostsNotAllowed = &entry.Refusal{Code: "ghostsNotAllowed", Message: "Ghost mode not allowed"}
	errGhostWithoutMod  = &entry.Refusal{Code: "ghostWithoutMod", Message: "Ghost mode is only available for moderators"}

	errAuthInternal  = &entry.Refusal{Code: "extAuthError", Message: "Cannot use extauth with an internal user account!"}
	errAuthUnasked   = &entry.Refusal{Code: "extAuthError", Message: "Ext auth not requested!"}
	errAuthSignature = &entry.Refusal{Code: "extAuthError", Message: "Ext auth token signature mismatch!"}
	errAuthToken     = &entry.Refusal{Code: "extAuthError", Message: "Ext auth token is invalid!"}
	errAuthDown      = &entry.Refusal{Code: "noExtAuth", Message: "Authentication server is unavailable!"}
	errAuthOutgroup  = &entry.Refusal{Code: "extauthOutgroup", Message: "This username cannot log in to this server"}
	errAuthLocked    = &entry.Refusal{Code: "extauthLocked", Message: "Username is locked, probably because the associated account was recently deleted"}

	errUnauthorizedHost = &entry.Refusal{Code: "unauthorizedHost", Message: "Hosting not authorized"}
	errPasswordedHost   = &entry.Refusal{Code: "passwordedHost", Message: "You're not allowed to host sessions without a session password"}
	errGhostHost        = &entry.Refusal{Code: "ghostHost", Message: "Hosting not available in ghost mode"}
	errHostProtocol     = &entry.Refusal{Code: "syntax", Message: "Unparseable protocol version"}
	errHostUserID       = &entry.Refusal{Code: "syntax", Message: "Invalid user ID (must be in range 1-254)"}
	errBadAlias         = &entry.Refusal{Code: "badAlias", Message: "Invalid session alias"}

	errJoinSyntax = &entry.Refusal{Code: "syntax", Message: "Expected session ID"}
	errNoWebJoin  = &entry.Refusal{Code: "noWebJoin", Message: "This session does not allow joining from the web"}

	// errInternal answers failures of our own. It shares its code with the
	// one error of the protocol that says so.
	errInternal = entry.ErrIDInUse
)

func errAuthStatus(status string) *entry.Refusal {
	return &entry.Refusal{Code: "extauth", Message: "Unexpected ext-auth response: " + status}
}

func errNamespace(minimum string) *entry.Refusal {
	return &entry.Refusal{Code: "protoverns", Message: "Mismatched protocol namespace, minimum protocol version is " + minimum}
}

func errOldProtocol(minimum string) *entry.Refusal {
	return &entry.Refusal{Code: "protoverold", Message: "Your protocol version is too old, the minimum on this server is " + minimum +
		". That probably means your version of Drawpile is too old. To update, go to drawpile.net and download a newer version."}
}

func errBanned(id int) *entry.Refusal {
	return &entry.Refusal{Code: "banned", Message: fmt.Sprintf("You have been banned from this session (ban %d)", id)}
}

// How a connection's login ends otherwise.
var (
	errSeated   = errors.New("seated in a session")      // relay owns the connection
	errPeerGone = errors.New("peer closed")              // nobody is there to be told
	errWoken    = errors.New("awaited work has ended")   // internal to await
	errSevered  = errors.New("connection was cut by us") // the socket is closed already
)

// violation ends a login without an error object (login.md §1). The detail is
// for the log only.
type violation struct{ detail string }

func (v *violation) Error() string { return "invalid message: " + v.detail }

// farewell ends a login with a Disconnect message and an orderly close
// (wire.md §12.2).
type farewell struct {
	reason  uint8
	text    string
	details string // for the log only
}

func (f *farewell) Error() string { return f.text }

// logged returns the log entry of a disconnect.
func (f *farewell) logged() (serverlog.Topic, string) {
	topic, text := serverlog.Leave, f.text
	if f.reason == frame.ReasonKick {
		topic, text = serverlog.Kick, "Kicked by "+f.text
	}
	if f.details != "" {
		text += " (" + f.details + ")"
	}
	return topic, text
}

var (
	byeShutdown  = &farewell{reason: frame.ReasonShutdown, text: "Server shutting down"}
	byeLingering = &farewell{reason: frame.ReasonKick, text: "the server (lingering without session)"}
)

// aborted ends a login by closing the socket hard, without a message
// (wire.md §12.4). The entry says why.
type aborted struct {
	topic serverlog.Topic
	text  string
}

func (a *aborted) Error() string { return a.text }
