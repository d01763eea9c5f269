package store

import (
	"fmt"
	"testing"
)

func nobody(uint8) bool { return false }

// TestIDQueue is the example of storage.md §12.1.
func TestIDQueue(t *testing.T) {
	q := NewIDQueue()
	next := func(want uint8) {
		t.Helper()
		if got, ok := q.NextFor("", nobody); got != want || !ok {
			t.Errorf("next id %d, %v, want %d", got, ok, want)
		}
	}
	next(1)
	next(2)
	q.Release(3)
	next(4)
	q.remember(5, "hello")
	next(6)
	if q.Last("hello") != 5 || q.Last("world") != 0 || q.Last("Hello") != 0 {
		t.Errorf("names: %v", q.names)
	}
}

func TestNextFor(t *testing.T) {
	q := NewIDQueue()
	q.remember(9, "ada")
	present := map[uint8]bool{}
	used := func(id uint8) bool { return present[id] }
	take := func(name string, want uint8) {
		t.Helper()
		got, ok := q.NextFor(name, used)
		if got != want || !ok {
			t.Errorf("%s gets %d, %v, want %d", name, got, ok, want)
		}
		present[got] = true
	}
	take("ada", 9)
	take("ada", 1) // 9 is in use
	present[2] = true
	take("bob", 3)
	for id := range 256 {
		present[uint8(id)] = true
	}
	delete(present, 200)
	take("carol", 200)
	if id, ok := q.NextFor("dave", used); ok {
		t.Errorf("id %d in a full session", id)
	}

	// Ids come back as late as possible.
	q = NewIDQueue()
	clear(present)
	take("", 1)
	delete(present, 1)
	q.Release(1)
	for want := 2; want <= maxUser; want++ {
		take("", uint8(want))
	}
	take("", 1)

	// Ids no user can have do no harm.
	q.Release(0)
	q.Release(255)
	if len(q.order) != maxUser {
		t.Errorf("the queue has %d ids", len(q.order))
	}
}

// TestNamesAreBounded: of very many names those are forgotten that could not
// have their id back for themselves anyway.
func TestNamesAreBounded(t *testing.T) {
	q := NewIDQueue()
	q.remember(200, "regular")
	for i := range 3 * maxRemembered {
		q.remember(uint8(1+i%100), fmt.Sprint("passer-by ", i))
		if len(q.names) > maxRemembered {
			t.Fatalf("%d names after %d joins", len(q.names), i+1)
		}
	}
	last := 3*maxRemembered - 1
	for name, want := range map[string]uint8{"regular": 200, fmt.Sprint("passer-by ", last): uint8(1 + last%100), "passer-by 0": 0} {
		if got := q.Last(name); got != want {
			t.Errorf("%s had id %d, want %d", name, got, want)
		}
	}
}
