package store_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"drawrelay/frame"
	"drawrelay/store"
)

// model is a session as plain values: its history in one slice, and its
// metadata as the text of every state it has been in.
type model struct {
	rnd     *rand.Rand
	content []byte   // of the history
	states  []string // metadata after every step
	names   []string
}

func newModel(seed uint64) *model {
	return &model{
		rnd:   rand.New(rand.NewPCG(seed, 0x3d)),
		names: []string{"alice", "b\u00f6b", "c d", "%41", "\u732b", "e\nf", "0"},
	}
}

// state renders the metadata of a session.
func state(h *store.History) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%q %q %q %q %d %d %d %d %s\n", h.Founder(), h.Title(), h.PasswordHash(), h.OpwordHash(), h.MaxUsers(),
		h.AutoReset(), h.SizeOverride(), h.ArchiveMode(), h.Flags())
	for _, n := range newModel(0).names {
		fmt.Fprintf(&b, "%d %v %v\n", h.IDs.Last(n), h.IsAuthOp(n), h.IsAuthTrusted(n))
	}
	for _, id := range slices.Sorted(maps.Keys(h.AuthNames())) {
		fmt.Fprintf(&b, "%q=%q\n", id, h.AuthNames()[id])
	}
	fmt.Fprintf(&b, "%+v\n%q\n", h.Bans.All(), h.Announcements())
	for _, v := range h.Invites.All() {
		fmt.Fprintf(&b, "%s %v %d %v %v %q", v.Secret, v.At, v.MaxUses, v.Trust, v.Op, v.Creator)
		for _, u := range v.Uses {
			fmt.Fprintf(&b, " %s=%q", u.SystemID, u.Name)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func (m *model) create(t testing.TB, s *store.Store, c *clock) *store.History {
	t.Helper()
	h, err := s.Create(store.Create{Alias: "alias", Founder: "f", Version: frame.OwnVersion, MaxUsers: 20, AutoReset: 1000})
	must(t, err)
	m.states = []string{state(h)}
	return h
}

// step does one random thing: it adds messages, or changes something that is
// one line of the journal at most.
func (m *model) step(t testing.TB, h *store.History) {
	t.Helper()
	r := m.rnd
	name := m.names[r.IntN(len(m.names))]
	switch r.IntN(20) {
	case 0:
		h.SetFounder(name)
	case 1:
		h.SetTitle(name + "\n" + name)
	case 2:
		h.SetPasswordHash([]string{"", someHash, "*", "plain;x"}[r.IntN(4)])
	case 3:
		h.SetOpwordHash([]string{"", someHash}[r.IntN(2)])
	case 4:
		h.SetMaxUsers(r.IntN(300))
	case 5:
		h.SetAutoReset(r.Int64N(1 << 32))
	case 6:
		h.SetSizeOverride(r.Int64N(1 << 32))
	case 7:
		h.SetArchiveMode(store.ArchiveMode(r.IntN(3)))
	case 8:
		h.SetFlags(store.Flags(r.IntN(1 << 10)))
	case 9:
		h.RememberUser(uint8(1+r.IntN(254)), name)
	case 10:
		h.SetAuthOp(name, r.IntN(2) == 0)
	case 11:
		h.SetAuthTrusted(name, r.IntN(2) == 0)
	case 12:
		h.SetAuthName("id"+name, m.names[r.IntN(len(m.names))])
	case 13:
		b := store.Ban{Name: name, By: m.names[r.IntN(len(m.names))]}
		if r.IntN(2) == 0 {
			b.Addr = netip.AddrFrom4([4]byte{byte(r.IntN(2)*117 + 10), 0, 0, byte(r.IntN(4))})
		}
		if r.IntN(2) == 0 {
			b.SystemID = fmt.Sprint(r.IntN(3))
		}
		h.AddBan(b, nil)
	case 14:
		h.RemoveBan(1 + r.IntN(10))
	case 15:
		if r.IntN(2) == 0 {
			h.AddAnnouncement("https://" + name)
		} else {
			h.RemoveAnnouncement("https://" + name)
		}
	case 16:
		if len(h.Invites.All()) < 5 {
			h.Invites.Create(name, r.IntN(60), r.IntN(2) == 0, r.IntN(2) == 0)
		} else {
			h.Invites.Remove(h.Invites.All()[r.IntN(5)].Secret)
		}
	case 17:
		if all := h.Invites.All(); len(all) > 0 {
			h.Invites.Redeem(all[r.IntN(len(all))].Secret, fmt.Sprint(r.IntN(4)), name)
		}
	default:
		m.append(h)
	}
	if s := state(h); m.states[len(m.states)-1] != s {
		m.states = append(m.states, s)
	}
}

// append adds some messages to a session.
func (m *model) append(h *store.History) {
	run := m.messages()
	_, n := frame.Whole(run)
	h.Log().Append(run, n)
	h.Kick()
	m.content = append(m.content, run...)
}

// messages makes some messages, now and then a large one, people coming and
// going among them.
func (m *model) messages() []byte {
	var run []byte
	for range 1 + m.rnd.IntN(4) {
		id := uint8(1 + m.rnd.IntN(5))
		switch m.rnd.IntN(6) {
		case 0:
			run = frame.AppendJoin(run, id, 0, "name", nil)
		case 1:
			run = frame.AppendLeave(run, id)
		default:
			body := make([]byte, m.rnd.IntN([]int{20, 300, 30000}[m.rnd.IntN(3)]))
			for i := range body {
				body[i] = byte(1 + m.rnd.IntN(255)) // zeros are what a power cut leaves
			}
			run = frame.Append(run, frame.Msg{Type: 200, User: id, Body: body})
		}
	}
	return run
}

// leaves returns the leave messages a load appends to content.
func leaves(content []byte) []byte {
	inside := make(map[uint8]bool)
	for b := content; len(b) > 0; b = b[frame.Len(b):] {
		switch frame.Type(b[2]) {
		case frame.TypeJoin:
			inside[b[3]] = true
		case frame.TypeLeave:
			delete(inside, b[3])
		}
	}
	var out []byte
	for _, id := range slices.Sorted(maps.Keys(inside)) {
		out = frame.AppendLeave(out, id)
	}
	return out
}

// compare checks that a session loaded after a stop in order is complete, and
// goes on from there.
func (m *model) compare(t testing.TB, h *store.History, where string) {
	t.Helper()
	if got, want := state(h), m.states[len(m.states)-1]; got != want {
		t.Fatalf("%s: loaded\n%swant\n%s", where, got, want)
	}
	m.content = append(m.content, leaves(m.content)...)
	if got := history(t, h); !bytes.Equal(got, m.content) {
		t.Fatalf("%s: %d bytes of history, want %d", where, len(got), len(m.content))
	}
	if _, n := frame.Whole(m.content); h.Log().Count() != int64(n) {
		t.Fatalf("%s: %d messages, want %d", where, h.Log().Count(), n)
	}
}
