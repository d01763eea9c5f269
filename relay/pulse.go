package relay

import (
	"context"
	"fmt"
	"time"
)

// pulseEvery is how often Pulse looks whether the loops have moved on.
const pulseEvery = 5 * time.Millisecond

// Pulse makes every loop run a turn and waits until all have finished one. If
// ctx ends first, the error names a loop that has not. What feeds a watchdog
// or a health check asks here: a loop that hangs does not answer. Any
// goroutine except loops.
func (s *Server) Pulse(ctx context.Context) error {
	before := make([]uint64, len(s.loops))
	for i, l := range s.loops {
		before[i] = l.turns.Load()
		l.wake()
	}
	tick := time.NewTicker(pulseEvery)
	defer tick.Stop()
	for i, l := range s.loops {
		for l.turns.Load() == before[i] {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return fmt.Errorf("loop %d has not finished a turn: %w", l.id, ctx.Err())
			}
		}
	}
	return nil
}
