package relay

import (
	"crypto/rand"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/entry"
	"drawrelay/store/namefilter"
	"drawrelay/store/password"
	"drawrelay/store/serverlog"
	"drawrelay/store/settings"
)

/* Policy of a session
 *
 * 1. admitHost, admitJoin   a person gets a seat (join.go)
 * 2. fast, appended         runs of opaque messages, appended by the transport itself
 *    receive                every other message, one by one (message.go)
 * 3. add                    a message enters the history, or does not fit (limits.go)
 * 4. left, dismiss          the seat ends (leave.go)
 * 5. tick                   emptiness, idling, timers (tick.go)
 *
 * Everything runs on the session's owner loop: no locks, no goroutines, no
 * clock but the injected one, nothing that blocks. What needs long goes
 * through outlet.offload. The outlet never calls back into the session while
 * one of its methods runs, offload's done included.
 */

// sessionState is where a session is in its life (session.md §3).
type sessionState uint8

const (
	stateInit     sessionState = iota // the host uploads; history is not delivered
	stateRunning                      //
	stateReset                        // an operator uploads a new image; history is not delivered
	stateShutdown                     // over; nothing is added any more
)

var stateNames = [...]string{"initialization", "running", "reset", "shutdown"}

func (s sessionState) String() string { return stateNames[min(int(s), len(stateNames)-1)] }

// sessionEnv is what a session needs from outside. Immutable.
type sessionEnv struct {
	hist     *store.History
	settings *settings.Source
	log      *serverlog.Log
	out      outlet
	now      func() time.Time
	// cryptKey encrypts exported ban lists; nil or not 32 bytes: not configured.
	cryptKey []byte
	// rand is the source of randomness, crypto/rand's if nil; any goroutine.
	rand io.Reader
	// listings and report connect the session with the outside; nil: not
	// configured. report calls done on the owner loop.
	listings Listings
	report   func(r Report, done func(error))
	// passwords is password.Here if nil. It is called off the loop.
	passwords password.Hasher
	// names is shared by all sessions, one of its own if nil.
	names *namefilter.Filter
}

// session is the state of one session and its rules.
// Ownership: the session's owner loop, but for size.
type session struct {
	sessionEnv

	state    sessionState
	stopping bool // the server stops: nothing ends the session any more

	seats    []*seat // members in join order
	byID     [256]*seat
	initSeat *seat // who uploads the initial or the reset image, nil if nobody
	past     map[uint8]pastUser

	image      []byte // messages uploaded for a reset so far
	imageCount int
	imageRoles bool // roles were changed by messages of the image
	replacing  bool // a new history is about to take the place of the old one
	frozen     bool // nothing is appended nor journaled (freeze.go)
	deferred   []func()
	auto       autoreset
	stream     *stream // nil: none
	lists      []listing
	resumed    bool              // lists of before the restart were taken up
	thumb      *thumbnailRequest // nil: none is outstanding
	adminChat  *adminChat        // nil: no administrator listens

	size      *atomic.Int64 // bytes of history, for descriptions; any goroutine reads
	resetBase int64         // size that the autoreset threshold counts from

	active    time.Time // last activity (session.md §21)
	statusAt  time.Time // last status to all
	grown     bool      // something was appended since
	fullAt    time.Time // last warning that something was not stored
	storage   storage
	sweptAt   time.Time // last check for emptiness and idling
	jobs      []job     // commands that wait for slow ones (slow.go)
	jobActive bool
	replay    replay // the log as joiners are sent it
	frameBuf  []byte // one message under construction
	replyBuf  []byte // one reply under construction

	// checkInvite is the view of the invites in descriptions, nil when they
	// have changed.
	checkInvite func(secret, systemID string) entry.RedeemResult
}

// newSession returns a session over a history; start must follow.
func newSession(env sessionEnv) *session {
	if env.passwords == nil {
		env.passwords = password.Here{}
	}
	if env.names == nil {
		env.names = new(namefilter.Filter)
	}
	if env.rand == nil {
		env.rand = rand.Reader
	}
	now := env.now()
	return &session{
		sessionEnv: env,
		past:       make(map[uint8]pastUser),
		size:       new(atomic.Int64),
		active:     now,
		statusAt:   now,
		sweptAt:    now,
	}
}

// start makes the session live: hosted sessions wait for their host's upload,
// loaded ones (and those from templates) run. The configuration is appended to
// the history, for a hosted session as its first message (session.md §4, §31).
func (s *session) start(loaded bool) {
	set := s.settings.Get()
	if loaded {
		s.state = stateRunning
		s.resetBase = s.hist.Log().Size()
	}
	if !s.hist.AutoResetSet() {
		s.hist.SetAutoReset(set.AutoResetThreshold)
	}
	if set.ForceNSFM {
		s.setFlag(store.NSFM, true)
	}
	s.raiseThreshold(set)
	if msg := s.confMessage(true); s.fits(len(msg)) {
		s.keep(msg)
	}
	s.size.Store(s.hist.Log().Size())
	if loaded {
		s.out.setRunning(true)
		return
	}
	aka := ""
	if s.hist.Alias != "" {
		aka = " (AKA " + s.hist.Alias + ")"
	}
	s.event(serverlog.Info, serverlog.Status, nil, "Session "+aka+" created by "+s.hist.Founder())
}

// indexAt returns the text of a history index, "" if it must not be sent:
// unless forced only while the session runs.
func (s *session) indexAt(pos int64, forced bool) string {
	if s.state != stateRunning && !forced {
		return ""
	}
	return frame.HistoryIndex{Start: s.hist.StartStamp, Pos: pos, Session: s.hist.ID}.String()
}

// closed reports whether joiners without privileges are refused (session.md §3).
func (s *session) closed() bool {
	return len(s.seats) >= s.hist.MaxUsers() || s.state != stateInit && s.state != stateRunning
}

// empty reports whether nobody but ghosts is present (session.md §21).
func (s *session) empty() bool {
	return !slices.ContainsFunc(s.seats, func(st *seat) bool { return !st.person.Ghost() })
}

func (s *session) flag(f store.Flags) bool { return s.hist.Flags().Has(f) }

func (s *session) setFlag(f store.Flags, on bool) {
	s.hist.SetFlags(s.hist.Flags().With(f, on))
}

// attributeChanged follows every change that the session list shows, and ends
// the session if nobody is left who keeps it alive (session.md §21).
func (s *session) attributeChanged() {
	if s.state == stateShutdown {
		return
	}
	s.out.publish()
	if !s.empty() || s.stopping {
		return
	}
	s.event(serverlog.Info, serverlog.Status, nil, "Last user left.")
	if !s.flag(store.Persistent) && s.settings.Get().EmptySessionLingerTime <= 0 {
		s.event(serverlog.Info, serverlog.Status, nil, "Closing non-persistent session.")
		s.kill("Session terminated due to being empty")
	}
}

// kill ends the session for good: members are told text, files go.
func (s *session) kill(text string) {
	if s.state == stateShutdown || s.stopping {
		return
	}
	s.state = stateShutdown
	s.initSeat = nil
	s.dropStream()
	s.leaveListings()
	s.clearOut(text, " (terminate=true)")
	s.out.end(true)
	s.log.Forget(s.hist.ID)
}

// killQuietly ends the session for good without its members noticing: each is
// left alone with what it draws (session.md §20).
func (s *session) killQuietly() {
	if s.state == stateShutdown || s.stopping {
		return
	}
	s.state = stateShutdown
	s.initSeat = nil
	s.dropStream()
	s.leaveListings()
	for len(s.seats) > 0 {
		st := s.seats[len(s.seats)-1]
		s.remove(st)
		s.out.leaveAlone(st)
	}
	s.record(serverlog.Info, serverlog.Status, nil, "Quietly terminating session")
	s.out.end(true)
	s.log.Forget(s.hist.ID)
}

// stop ends the session because the server stops: members are told and their
// leaves stored, files stay (storage.md §11.1).
func (s *session) stop() {
	if s.state == stateShutdown || s.stopping {
		return
	}
	if s.frozen {
		s.whenReady(s.stop)
		return
	}
	s.stopping = true
	s.dropStream()
	s.leaveListings()
	s.initSeat = nil
	s.clearOut("Server shutting down", "")
	s.state = stateShutdown
	s.out.end(false)
}

// clearOut disconnects all members. They are not told about each other: each
// is told the same.
func (s *session) clearOut(text, details string) {
	for len(s.seats) > 0 {
		st := s.seats[len(s.seats)-1]
		s.record(serverlog.Info, serverlog.Leave, st, text+details)
		s.remove(st)
		s.out.detach(st, frame.ReasonShutdown, text)
		s.depart(st)
	}
}
