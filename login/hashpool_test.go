package login

import (
	"context"
	"errors"
	"sync"
	"testing"
)

// The pool runs as many hashes as it has threads, gives up with the context,
// and ends.
func TestHashPool(t *testing.T) {
	p := newHashPool(2)
	ctx := context.Background()
	var mu sync.Mutex
	running, most := 0, 0
	gate := make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, err := pooled(ctx, p, func() (int, error) {
				mu.Lock()
				running++
				most = max(most, running)
				mu.Unlock()
				<-gate
				mu.Lock()
				running--
				mu.Unlock()
				return 0, nil
			})
			if err != nil {
				t.Errorf("pooled: %v", err)
			}
		})
	}
	waitFor(t, "two hashes", func() bool { mu.Lock(); defer mu.Unlock(); return running == 2 })
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := p.check(ended, "plain;x", "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("check with a dead context: %v", err)
	}
	close(gate)
	wg.Wait()
	if most != 2 {
		t.Errorf("%d hashes at once, want 2", most)
	}
	if ok, err := p.check(ctx, "plain;x", "x"); !ok || err != nil {
		t.Errorf("check = %v, %v", ok, err)
	}
	if ok, err := p.check(ctx, "plain;x", "y"); ok || err != nil {
		t.Errorf("check = %v, %v", ok, err)
	}
	p.close()
	p.close()
	if _, err := p.check(ctx, "plain;x", "x"); !errors.Is(err, errHashClosed) {
		t.Errorf("check of a closed pool: %v", err)
	}
}
