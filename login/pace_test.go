package login

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A burst passes at once, what follows at the rate, and rest is saved up only
// as far as the burst.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pace{every: 10 * time.Millisecond, burst: 50 * time.Millisecond}
		serve := func(n int) time.Duration {
			start := time.Now()
			for range n {
				if !p.wait(t.Context()) {
					t.Fatal("not served")
				}
			}
			return time.Since(start)
		}
		if d := serve(6); d != 0 {
			t.Errorf("the burst took %v", d)
		}
		if d := serve(100); d != time.Second {
			t.Errorf("100 more took %v", d)
		}
		time.Sleep(20 * time.Millisecond)
		if d := serve(2) + serve(1); d != 10*time.Millisecond {
			t.Errorf("after a short rest: %v", d)
		}
		time.Sleep(time.Hour)
		if d := serve(7); d != 10*time.Millisecond {
			t.Errorf("after a long rest: %v", d)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if p.wait(ended) {
			t.Error("served after the end")
		}
	})
}
