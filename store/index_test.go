package store_test

import (
	"testing"

	"drawrelay/frame"
	"drawrelay/store"
	"drawrelay/store/storetest"
)

// after returns how many messages follow history index i, as a member who has
// come that far is sent them, and the index of the last one. Indices below the
// history count as the one before it.
func after(t *testing.T, h *store.History, i int64) (messages int, last int64) {
	t.Helper()
	l := h.Log()
	skip := max(i+1-h.FirstIndex, 0)
	m := l.MarkBefore(skip)
	b := history(t, h)
	if !l.HasFile() {
		var span store.Span
		if !l.Acquire(&span, 0, l.Size()) {
			t.Fatal("not in memory")
		}
		b = b[:0]
		for _, v := range span.Vectors[:span.N] {
			b = append(b, v...)
		}
		span.Release()
	}
	at, n := m.Offset, m.Index
	for ; at < int64(len(b)); at += int64(frame.Len(b[at:])) {
		if n >= skip {
			messages++
		}
		n++
	}
	return messages, h.FirstIndex + n - 1
}

// TestIndices is the table of storage.md §5.2 (§20 items 9 and 12), for both
// backends; what is there about blocks has no counterpart in a log.
func TestIndices(t *testing.T) {
	for _, folder := range []string{dir, ""} {
		fsys := storetest.New(1)
		clock := newClock()
		s := open(t, fsys, clock, func(o *store.Options) { o.Dir = folder })
		h := created(t, s)
		h.Log().Append(nil, 0)
		base := h.Log().Count() // what created has put there
		add := func(h *store.History, n int) {
			for range n {
				h.Log().Append(frame.Append(nil, frame.Msg{Type: 200, User: 1, Body: make([]byte, 40000)}), 1)
				h.Kick()
			}
		}
		check := func(h *store.History, step string, from int64, want int, wantLast int64) {
			t.Helper()
			if n, last := after(t, h, from); n != want || last != wantLast {
				t.Errorf("folder %q, %s: after %d come %d messages up to %d, want %d up to %d", folder, step, from, n, last, want, wantLast)
			}
		}
		add(h, int(3-base))
		check(h, "3 messages", -100, 3, 2)
		for i, want := range []int{3, 2, 1, 0} {
			check(h, "3 messages", int64(i)-1, want, 2)
		}
		add(h, 2)
		check(h, "5 messages", 2, 2, 4)
		add(h, 1)
		check(h, "6 messages", 4, 1, 5)
		if folder != "" {
			must(t, s.Close())
			s = open(t, fsys, clock)
			h = loadOne(t, s)
			check(h, "loaded", -1, 6, 5)
		}
		old := h.Log()
		if folder != "" {
			r, err := h.NewRecording(-1)
			must(t, err)
			f, head := r.File()
			image := frame.Append(frame.Append(nil, frame.Msg{Type: 200}), frame.Msg{Type: 201})
			_, err = f.WriteAt(image, head)
			must(t, err)
			_, err = h.CommitRecording(r)
			must(t, err)
			h.FirstIndex += old.Count()
			h.SetLog(store.OpenLog(f, head, int64(len(image)), nil, 2))
			must(t, old.Release())
		} else {
			h.FirstIndex += old.Count()
			l := store.NewLog()
			l.Append(frame.Append(frame.Append(nil, frame.Msg{Type: 200}), frame.Msg{Type: 201}), 2)
			h.SetLog(l)
			must(t, old.Release())
		}
		check(h, "reset to 2", 1, 2, 7)
		check(h, "reset to 2", 6, 1, 7)
		check(h, "reset to 2", 7, 0, 7)
		must(t, s.Close())
	}
}
