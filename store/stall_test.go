package store_test

import (
	"bytes"
	"errors"
	"syscall"
	"testing"
	"time"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/storetest"
)

// patience is how long a test waits for something that must come.
const patience = 30 * time.Second

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// stallStore opens a store on which delivery waits for the disk as in service.
func stallStore(t *testing.T, fsys store.FS, interval time.Duration, change ...func(*store.Options)) *store.Store {
	return open(t, fsys, newClock(), append(change, func(o *store.Options) {
		o.SyncInterval, o.Grace = interval, store.DefaultGrace
	})...)
}

// retrySoon has failed writes tried again at once, for tests that wait for it.
func retrySoon(o *store.Options) { o.Retry = 10 * time.Millisecond }

func stroke(n int) []byte {
	return frame.Append(nil, frame.Msg{Type: 148, User: 1, Body: bytes.Repeat([]byte{byte(n)}, 100)})
}

func appendStroke(h *store.History, n int) {
	h.Log().Append(stroke(n), 1)
	h.Kick()
}

// TestStallUnderLoad: a session that is drawn in without a pause is stalled
// while its disk is held, and no longer once the disk works again.
func TestStallUnderLoad(t *testing.T) {
	fsys := storetest.New(1)
	s := stallStore(t, fsys, time.Second)
	h := created(t, s)
	n := 0
	draw := func() { // more before the pass that is under way has ended
		appendStroke(h, n)
		n++
	}
	release := fsys.Hold(storetest.Write)
	await(t, "stalled", func() bool { draw(); return h.Stalled() })
	if got, want := h.Deliverable(), h.Log().Size(); got != want {
		t.Errorf("%d bytes are delivered of %d", got, want)
	}
	release()
	await(t, "not stalled", func() bool { draw(); draw(); return !h.Stalled() })
	if st := s.Committer().Stats(); st.Stalls < 1 || st.Stalled != 0 {
		t.Errorf("statistics %+v", st)
	}
	must(t, s.Close())
}

// TestStallFullDisk: what was accepted before the disk was full is delivered after
// the grace, kept, and written once there is space.
func TestStallFullDisk(t *testing.T) {
	fsys := storetest.New(1)
	s := stallStore(t, fsys, time.Second, retrySoon)
	h := created(t, s)
	appendStroke(h, 0)
	must(t, h.Flush())
	fsys.SetFree(50) // not enough for one stroke
	appendStroke(h, 1)
	await(t, "failure", func() bool { return h.Err() != nil })
	if !errors.Is(h.Err(), syscall.ENOSPC) {
		t.Errorf("error %v", h.Err())
	}
	appendStroke(h, 2)
	await(t, "stalled", h.Stalled)
	if st := s.Committer().Stats(); st.Failing != 1 || st.Stalled != 1 {
		t.Errorf("statistics %+v", st)
	}
	if err := h.Flush(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("flush: %v", err)
	}
	fsys.SetFree(-1)
	await(t, "recovery", func() bool { return h.Err() == nil && !h.Stalled() && h.Backlog() == 0 })
	if st := s.Committer().Stats(); st.Failing != 0 || st.Stalled != 0 {
		t.Errorf("statistics %+v", st)
	}
	if got, want := history(t, h), bytes.Join([][]byte{stroke(0), stroke(1), stroke(2)}, nil); !bytes.HasSuffix(got, want) {
		t.Errorf("the file has %d bytes, which do not end with %d", len(got), len(want))
	}
	must(t, s.Close())
}

// TestStallCloseTriesAgain: what could not be written before is tried once
// more when the session is closed.
func TestStallCloseTriesAgain(t *testing.T) {
	fsys := storetest.New(1)
	s := stallStore(t, fsys, time.Second)
	h := created(t, s)
	fsys.SetFree(0)
	appendStroke(h, 1)
	await(t, "failure", func() bool { return h.Err() != nil })
	fsys.SetFree(-1)
	must(t, s.Close())
	h = loadOne(t, stallStore(t, fsys, time.Second))
	if got := history(t, h); !bytes.HasSuffix(got, stroke(1)) {
		t.Errorf("loaded %d bytes", len(got))
	}
}

// TestStallClosedWhileFailing: a session that is given up while its disk is
// full comes to an end, and so do its retries.
func TestStallClosedWhileFailing(t *testing.T) {
	fsys := storetest.New(1)
	s := stallStore(t, fsys, time.Second)
	h := created(t, s)
	fsys.SetFree(0)
	appendStroke(h, 1)
	await(t, "failure", func() bool { return h.Err() != nil })
	if err := h.Close(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("close: %v", err)
	}
	before := s.Committer().Stats()
	if before.Failing != 0 || before.Stalled != 0 {
		t.Errorf("statistics %+v", before)
	}
	h.Kick()
	must(t, s.Close())
	if after := s.Committer().Stats(); after.WriteErrors != before.WriteErrors {
		t.Errorf("statistics %+v, before %+v", after, before)
	}
}

// TestStallSyncFailure: a failed sync sticks although later ones would
// succeed; what is written afterwards still reaches the file.
func TestStallSyncFailure(t *testing.T) {
	for _, interval := range []time.Duration{0, 2 * time.Millisecond} {
		fsys := storetest.New(1)
		s := stallStore(t, fsys, interval, retrySoon)
		h := created(t, s)
		must(t, h.Flush())
		synced := h.Log().Synced()
		fsys.Fail(storetest.Sync, syscall.EIO)
		appendStroke(h, 1)
		await(t, "failure", func() bool { return h.Err() != nil })
		fsys.Fail(storetest.Sync, nil)
		appendStroke(h, 2)
		await(t, "write", func() bool { return h.Log().Written() == h.Log().Size() })
		if err := h.Flush(); !errors.Is(err, syscall.EIO) {
			t.Errorf("interval %v: flush: %v", interval, err)
		}
		if n := h.Log().Synced(); n != synced {
			t.Errorf("interval %v: %d bytes are taken for synced, %d are", interval, n, synced)
		}
		if st := s.Committer().Stats(); st.SyncErrors != 1 || st.Failing != 1 {
			t.Errorf("interval %v: statistics %+v", interval, st)
		}
		if err := s.Close(); !errors.Is(err, syscall.EIO) {
			t.Errorf("interval %v: close: %v", interval, err)
		}
	}
}

// TestStallBacklogCountsJournal: journal lines that wait hold senders back like
// history does.
func TestStallBacklogCountsJournal(t *testing.T) {
	fsys := storetest.New(1)
	s := stallStore(t, fsys, time.Second)
	h := created(t, s)
	must(t, h.Flush())
	release := fsys.Hold(storetest.Write)
	for range 1000 {
		h.Journal("TITLE 89 123456789")
	}
	if n := h.Backlog(); n < 19*900 { // a pass may have begun with some
		t.Errorf("backlog %d", n)
	}
	release()
	must(t, h.Flush())
	if n := h.Backlog(); n != 0 {
		t.Errorf("backlog %d", n)
	}
	must(t, s.Close())
}
