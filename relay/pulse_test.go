package relay

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// A loop that hangs has no pulse; idle ones do.
func TestPulse(t *testing.T) {
	for _, transport := range []Transport{TransportAuto, TransportGoroutine} {
		s := startServer(t, setup{loops: 2, transport: transport})
		if err := s.Pulse(context.Background()); err != nil {
			t.Fatal(err)
		}
		hold := make(chan struct{})
		inside := make(chan struct{})
		s.loops[0].do(func() {
			close(inside)
			<-hold
		})
		<-inside
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := s.Pulse(ctx); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "loop 0") {
			t.Errorf("%v", err)
		}
		close(hold)
		if err := s.Pulse(context.Background()); err != nil {
			t.Error(err)
		}
	}
}
