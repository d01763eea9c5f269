package relay

import (
	"drawrelay/store"
	"drawrelay/store/entry"
)

// describe returns the session as it is seen from outside now. Redeem is left
// to the transport, which can reach the owner loop: it must end in redeem.
func (s *session) describe() *entry.Session {
	flags := s.hist.Flags()
	members := make([]entry.Member, 0, len(s.seats))
	for _, st := range s.seats {
		p := st.person
		members = append(members, entry.Member{
			ID: st.id, Name: p.Name, AuthID: p.AuthID, SystemID: p.SystemID, LastDrawing: &st.lastDrawing,
		})
	}
	return &entry.Session{
		ID:           s.hist.ID,
		Alias:        s.hist.Alias,
		Version:      s.hist.Version,
		Founder:      s.hist.Founder(),
		Title:        s.hist.Title(),
		AutoTitle:    flags.Has(store.AutoTitle),
		PasswordHash: s.hist.PasswordHash(),
		MaxUsers:     s.hist.MaxUsers(),
		UserCount:    len(s.seats),
		Closed:       s.closed(),
		AuthOnly:     flags.Has(store.AuthOnly),
		NSFM:         flags.Has(store.NSFM),
		Persistent:   flags.Has(store.Persistent),
		Invites:      flags.Has(store.Invites),
		Unlisted:     flags.Has(store.Unlisted),
		IdleOverride: flags.Has(store.IdleOverride),
		AllowWeb:     flags.Has(store.AllowWeb),
		StartTime:    s.hist.Started,
		Size:         s.size,
		Members:      members,
		Banned:       s.hist.Bans.Matcher(),
		CheckInvite:  s.inviteCheck(),
	}
}
