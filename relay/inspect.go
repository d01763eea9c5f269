package relay

import (
	"cmp"
	"context"
	"slices"
	"time"

	"drawrelay/store"
	"drawrelay/store/entry"
)

// Inspection is everything administrators see of a session, at one moment
// (admin-api.md §4.2). It belongs to the caller.
type Inspection struct {
	Session  *entry.Session // its description at that moment
	Size     int64          // of the history, bytes
	HasFiles bool           // false: it lives in memory, Archive means nothing
	Archive  store.ArchiveMode

	MaxSize, BaseSize, OverrideSize                      int64 // size limits in bytes: effective, from the settings, of the session; 0 = none
	ResetThreshold, EffectiveThreshold, MinimumThreshold int64 // bytes; 0 = off
	Deputies, HasOpword                                  bool

	Members  []Member     // in join order
	Past     []PastMember // by id
	Listings []ListedAt
	Invites  []store.Invite
	Chat     *ChatState // nil: not connected

	// Thumbnail is who was asked for a picture of the canvas; an empty
	// correlator: nobody. ThumbnailAt is when the newest one was made, zero if
	// there is none.
	Thumbnail   ThumbnailRequest
	ThumbnailAt time.Time

	Autoreset AutoresetState
}

// ThumbnailRequest is a picture that a member was asked for.
type ThumbnailRequest struct {
	Member     uint8
	Correlator string
}

// PastMember is somebody who has left.
type PastMember struct {
	ID       uint8
	Name     string
	Addr     string // empty: unknown
	SystemID string
}

// AutoresetState is how far an autoreset is.
type AutoresetState struct {
	Session    string // initialization, running, reset or shutdown
	Request    string // not sent, queried, queried waiting or requested
	Delay      time.Duration
	FirstIndex int64 // of the history, messages
	LastIndex  int64
	// Timer is what is left of the current wait; TimerRuns says that there is one.
	Timer     time.Duration
	TimerRuns bool
	Stream    *StreamState // nil: no image is streamed
}

// StreamState is how far a streamed reset is.
type StreamState struct {
	Prepared   bool // complete, about to be used
	Member     uint8
	Size       int64 // unpacked so far, bytes
	StartIndex int64 // of the history, where the image takes over
	Messages   int   // unpacked so far
}

// Inspect returns everything about the session with this id or alias. It
// blocks for the look at its thumbnail: any goroutine but a loop's.
func (s *Server) Inspect(ctx context.Context, idOrAlias string) (*Inspection, error) {
	r := s.registry.find(idOrAlias)
	if r == nil {
		return nil, ErrNoSession
	}
	v := new(Inspection)
	if err := r.consult(ctx, func(answer func()) { r.session.inspect(v); answer() }); err != nil {
		return nil, err
	}
	v.ThumbnailAt, _ = r.hist.ThumbnailTime() // without: as if there were none
	return v, nil
}

// inspect fills v in, but for what needs a file.
func (s *session) inspect(v *Inspection) {
	set := s.settings.Get()
	*v = Inspection{
		Session: s.describe(), Size: s.hist.Log().Size(), HasFiles: s.hist.HasFiles(), Archive: s.hist.ArchiveMode(),
		MaxSize: s.limit(), BaseSize: min(set.SessionSizeLimit, maxSizeLimit), OverrideSize: s.hist.SizeOverride(),
		ResetThreshold: s.hist.AutoReset(), EffectiveThreshold: s.threshold(), MinimumThreshold: set.MinimumAutoResetThreshold,
		Deputies: s.flag(store.Deputies), HasOpword: s.hist.OpwordHash() != "",
		Listings: s.listedAt(), Chat: s.chatState(), Autoreset: s.autoresetState(),
	}
	v.Members = make([]Member, 0, len(s.seats))
	for _, st := range s.seats {
		v.Members = append(v.Members, s.member(st))
	}
	for _, p := range s.past {
		past := PastMember{ID: p.id, Name: p.name, SystemID: p.systemID}
		if p.addr.IsValid() {
			past.Addr = p.addr.String()
		}
		v.Past = append(v.Past, past)
	}
	slices.SortFunc(v.Past, func(a, b PastMember) int { return cmp.Compare(a.ID, b.ID) })
	for _, i := range s.hist.Invites.All() {
		v.Invites = append(v.Invites, cloneInvite(i))
	}
	if s.thumb != nil {
		v.Thumbnail = ThumbnailRequest{s.thumb.st.id, s.thumb.correlator}
	}
}

func cloneInvite(i *store.Invite) store.Invite {
	c := *i
	c.Uses = slices.Clone(i.Uses)
	return c
}

func (s *session) autoresetState() AutoresetState {
	now := s.now()
	v := AutoresetState{
		Session: s.state.String(), Request: s.auto.status.String(), Delay: max(s.auto.retryAt.Sub(now), 0),
		FirstIndex: s.hist.FirstIndex, LastIndex: s.hist.LastIndex(),
	}
	if !s.auto.deadline.IsZero() {
		v.Timer, v.TimerRuns = max(s.auto.deadline.Sub(now), 0), true
	}
	if x := s.stream; x != nil {
		v.Stream = &StreamState{
			Prepared: x.prepared, Member: x.st.id, StartIndex: x.index, Size: x.unpacked, Messages: x.messages,
		}
	}
	return v
}
