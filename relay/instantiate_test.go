package relay

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/entry"
	"drawrelay/store/settings"
)

// pattern is a template's session: one drawing command.
func pattern(alias string) store.Create {
	return store.Create{Alias: alias, Founder: "-", Version: frame.OwnVersion, MaxUsers: 25, Flags: store.PreserveChat}
}

func fill(h *store.History) error {
	h.SetTitle("Lobby")
	h.Log().Append(frame.Append(nil, frame.Msg{Type: stroke, User: 7, Body: []byte("pattern")}), 1)
	h.Kick()
	return h.Flush()
}

// files returns the names of what is in the session folder.
func (ts *testServer) files() (names []string) {
	ts.t.Helper()
	entries, err := os.ReadDir(ts.dir)
	if err != nil {
		ts.t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestInstantiate: many who join a template at once get one session, which
// runs from the start, whatever the limit of sessions.
func TestInstantiate(t *testing.T) {
	for _, files := range []bool{false, true} {
		ts := startServer(t, setup{loops: 2, files: files, edit: func(s *settings.Settings) { s.SessionCountLimit = 0 }})
		var made atomic.Int32
		ids := make([]string, 20)
		var wg sync.WaitGroup
		for i := range ids {
			wg.Go(func() {
				d, err := ts.Instantiate(context.Background(), pattern("lobby"), func(h *store.History) error {
					made.Add(1)
					return fill(h)
				})
				if err != nil {
					t.Error(err)
					return
				}
				ids[i] = d.ID
			})
		}
		wg.Wait()
		if slices.Sort(ids); made.Load() != 1 || ids[0] != ids[19] || len(ts.All()) != 1 {
			t.Fatalf("%d sessions were made: %q", made.Load(), ids)
		}
		d, _ := ts.Find("lobby")
		if d.Title != "Lobby" || d.UserCount != 0 || d.Closed || d.MaxUsers != 25 {
			t.Errorf("description %+v", d)
		}
		a := ts.join("ann", ids[0])
		a.waitBody("pattern")
		a.wait(0, "the operator's rights", func(m frame.Msg) bool {
			return m.Type == frame.TypeSessionOwner && slices.Contains(m.Body, a.id)
		})
		if !strings.Contains(ts.out.String(), "Session instantiated from template lobby") {
			t.Errorf("log:\n%s", ts.out)
		}
		// With a reserved id, and while the alias is reserved for a host.
		c := pattern("hall")
		c.ID, _ = ts.store.NewID()
		if d, err := ts.Instantiate(context.Background(), c, fill); err != nil || d.ID != c.ID {
			t.Errorf("%+v, %v", d, err)
		}
	}
}

// TestInstantiateFails: nothing is left of a session that cannot be made, even
// with archiving, and the template can be tried again.
func TestInstantiateFails(t *testing.T) {
	ts := startServer(t, setup{loops: 1, files: true, record: true, edit: func(s *settings.Settings) { s.Archive = true }})
	broken := errors.New("broken")
	if _, err := ts.Instantiate(context.Background(), pattern("lobby"), func(*store.History) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	if _, ok := ts.Find("lobby"); ok || len(ts.files()) != 0 {
		t.Errorf("left behind: %q", ts.files())
	}
	// Somebody takes the id meanwhile: the recording that was begun is complete.
	first, err := ts.Instantiate(context.Background(), pattern("one"), fill)
	if err != nil {
		t.Fatal(err)
	}
	h, err := ts.store.Create(pattern("one"))
	if err == nil {
		err = fill(h)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := ts.Adopt(h); !errors.Is(err, entry.ErrIDInUse) {
		t.Errorf("a second session with the alias: %v", err)
	}
	h.Discard()
	// An alias that is about to be hosted is waited for.
	if err := ts.registry.reserve("lobby", 100); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := ts.Instantiate(ctx, pattern("lobby"), fill); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	ts.registry.unreserve("lobby")
	if _, err := ts.Instantiate(context.Background(), pattern("lobby"), fill); err != nil {
		t.Errorf("after that: %v", err)
	}
	ts.stopped.Do(ts.stop)
	if got := len(ts.files()); got != 4 {
		t.Errorf("files %q", ts.files())
	}
	for _, id := range []string{first.ID, h.ID} {
		if got := ts.recorded(id + ".dprec"); !slices.Equal(got, []string{"pattern"}) {
			t.Errorf("recording of %s: %q", id, got)
		}
	}
	if all, _ := filepath.Glob(filepath.Join(ts.records, "*")); len(all) != 3 {
		t.Errorf("recordings %q", all)
	}
	if _, err := ts.Instantiate(context.Background(), pattern("late"), fill); !errors.Is(err, entry.ErrNotFound) {
		t.Errorf("after the stop: %v", err)
	}
}
