package store_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/diskspace"
	"drawrelay/store/storetest"
)

// TestRoom follows a disk of 100 GiB that fills up and is cleared again: every
// mark is left only once there is a quarter more than it asks for.
func TestRoom(t *testing.T) {
	const mib = 1 << 20
	for _, tt := range []struct {
		total uint64
		steps []uint64 // free space
		want  []store.Room
	}{
		{100 << 30, []uint64{50 << 30, 1024 * mib, 1023 * mib, 256 * mib, 255 * mib, 64 * mib, 63 * mib, 79 * mib, 80 * mib, 319 * mib, 320 * mib, 1279 * mib, 1280 * mib},
			[]store.Room{store.RoomEnough, store.RoomEnough, store.RoomLow, store.RoomLow, store.RoomShort, store.RoomShort, store.RoomNone, store.RoomNone,
				store.RoomShort, store.RoomShort, store.RoomLow, store.RoomLow, store.RoomEnough}},
		{100 << 30, []uint64{mib, 50 << 30}, []store.Room{store.RoomNone, store.RoomEnough}},
		// On a small disk the parts count: 10, 5 and 2 %.
		{100 * mib, []uint64{100 * mib, 10 * mib, 9 * mib, 4 * mib, mib}, []store.Room{store.RoomEnough, store.RoomEnough, store.RoomLow, store.RoomShort, store.RoomNone}},
	} {
		var free atomic.Uint64
		free.Store(tt.total)
		s := open(t, storetest.New(1), newClock(), func(o *store.Options) {
			o.SpaceEvery = time.Millisecond
			o.Space = func(string) (diskspace.Space, error) { return diskspace.Space{Free: free.Load(), Total: tt.total}, nil }
		})
		for i, f := range tt.steps {
			free.Store(f)
			deadline := time.Now().Add(10 * time.Second)
			for s.Room() != tt.want[i] && time.Now().Before(deadline) {
				time.Sleep(time.Millisecond)
			}
			time.Sleep(3 * time.Millisecond) // and stays
			if got := s.Room(); got != tt.want[i] {
				t.Fatalf("disk of %d, step %d, %d free: %d, want %d", tt.total, i, f, got, tt.want[i])
			}
		}
		must(t, s.Close())
	}
}

// TestNoRoom: new sessions are refused before there is no room, sessions that
// are there take nothing more then, and can be closed in order all the same.
func TestNoRoom(t *testing.T) {
	var free atomic.Uint64
	free.Store(1 << 40)
	fsys := storetest.New(1)
	log, warned := warnings()
	s := open(t, fsys, newClock(), func(o *store.Options) {
		o.Log = log
		o.SpaceEvery = time.Millisecond
		o.Space = func(string) (diskspace.Space, error) { return diskspace.Space{Free: free.Load(), Total: 1 << 40}, nil }
	})
	h := created(t, s)
	told := make(chan struct{}, 100)
	h.OnCommit = func() { told <- struct{}{} }
	until := func(r store.Room) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); s.Room() != r; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d, want %d", s.Room(), r)
			}
		}
	}
	free.Store(200 << 20)
	until(store.RoomShort)
	if h.Err() != nil {
		t.Errorf("the session: %v", h.Err())
	}
	if _, err := s.Create(store.Create{Version: frame.OwnVersion}); !errors.Is(err, store.ErrNoRoom) || len(fsys.Files(dir)) != 3 {
		t.Errorf("create: %v, files %q", err, names(fsys))
	}
	free.Store(1)
	<-told
	if !errors.Is(h.Err(), store.ErrNoRoom) {
		t.Errorf("the session: %v", h.Err())
	}
	must(t, h.Flush())
	free.Store(1 << 40)
	for h.Err() != nil {
		<-told
	}
	free.Store(1)
	until(store.RoomNone)
	must(t, s.Close())
	for _, want := range []string{"nobody can host; free some space", "sessions take no more drawing", "free for the sessions folder again"} {
		if w := warned(); !strings.Contains(w, want) {
			t.Errorf("%q is not in %q", want, w)
		}
	}
	s = open(t, fsys, newClock())
	if g := loadOne(t, s); g.StartStamp != h.StartStamp {
		t.Error("not stopped in order")
	}
}
