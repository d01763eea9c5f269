package admin

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
)

func TestCrew(t *testing.T) {
	c := newCrew(1)
	n, most := 0, 0 // by the one who works only
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if err := c.do(context.Background(), func() {
				n++
				most = max(most, n)
				n--
			}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if most != 1 {
		t.Errorf("%d at a time", most)
	}
	// Who has to wait for too long is not served.
	begun, end := make(chan struct{}), make(chan struct{})
	all.Go(func() { _ = c.do(context.Background(), func() { close(begun); <-end }) })
	<-begun
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := c.do(ctx, func() { t.Error("served all the same") }); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	close(end)
	all.Wait()
	// A panic is the caller's, and the crew goes on.
	func() {
		defer func() {
			if err, _ := recover().(error); err == nil || !strings.Contains(err.Error(), "broken") || !strings.Contains(err.Error(), "crew_test.go") {
				t.Errorf("%v", err)
			}
		}()
		_ = c.do(context.Background(), func() { panic("broken") })
	}()
	if err := c.do(context.Background(), func() {}); err != nil {
		t.Error(err)
	}
	c.close()
	if err := c.do(context.Background(), func() {}); !errors.Is(err, errClosed) {
		t.Errorf("%v", err)
	}
}
