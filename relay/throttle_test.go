package relay

import (
	"testing"
	"time"

	"drawrelay/frame"
	"drawrelay/store/entry"
	"drawrelay/store/settings"
)

func TestSpend(t *testing.T) {
	for _, tt := range []struct {
		budget, rate, past, n, left, debt float64
	}{
		{100, 100, 0, 50, 50, -0.5},
		{100, 100, 0, 150, -50, 0.5},
		{0, 100, 1, 0, 100, -1},
		{150, 100, 10, 0, 200, -2}, // never more than the burst
		{-50, 100, 1, 100, -50, 0.5},
		{7, 0, 1, 1000, 7, -burst}, // no limit
	} {
		b := tt.budget
		if debt := spend(&b, tt.rate, tt.past, tt.n); b != tt.left || debt != tt.debt {
			t.Errorf("spend(%v, rate %v, past %v, %v): left %v debt %v, want %v %v", tt.budget, tt.rate, tt.past, tt.n, b, debt, tt.left, tt.debt)
		}
	}
}

func TestTier(t *testing.T) {
	for _, tt := range []struct {
		seat *seat
		want settings.Tier
	}{
		{&seat{person: &entry.Person{}}, settings.TierGuest},
		{&seat{person: &entry.Person{AuthID: "internal:1"}}, settings.TierRegistered},
		{&seat{person: &entry.Person{}, trusted: true}, settings.TierTrusted},
		{&seat{person: &entry.Person{}, trusted: true, op: true}, settings.TierOperator},
		{&seat{person: &entry.Person{Flags: entry.FlagMod}}, settings.TierOperator},
	} {
		tt.seat.setTier()
		if got := settings.Tier(tt.seat.tier.Load()); got != tt.want {
			t.Errorf("tier %d, want %d", got, tt.want)
		}
	}
}

// TestRateLimit: a guest over the limit is slowed down, loses nothing and
// disturbs nobody; an operator has another limit; a limit that is lifted while
// the server runs holds nobody back any more.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	for _, s := range []setup{{loops: 1}, {loops: 2, tls: true}, {loops: 2, transport: TransportGoroutine}} {
		s.edit = func(set *settings.Settings) {
			set.Rates[settings.TierGuest].Messages = 100
			set.RatePatience = 0
		}
		t.Run(s.String(), func(t *testing.T) {
			ts := startServer(t, s)
			host, id := ts.host("host", 3)
			ann := ts.join("ann", id)
			began := time.Now()
			const n = 100*burst + 50 // half a second in debt
			for range n - 1 {
				ann.send(148, []byte("guest"))
			}
			ann.send(frame.TypeData, []byte("ann in debt"))
			host.waitBody("ann in debt")
			ann.send(148, []byte("guest"))
			ann.send(frame.TypeData, []byte("ann done"))
			for range 1000 {
				host.send(148, []byte("operator"))
			}
			host.send(frame.TypeData, []byte("host done"))
			host.waitBody("host done")
			host.waitBody("ann done")
			if spent := time.Since(began); spent < 400*time.Millisecond {
				t.Errorf("%d messages of a guest took %v at 100/s", n, spent)
			}
			if got := countBodies(host, "guest"); got != n {
				t.Errorf("%d messages of the guest arrived, want %d", got, n)
			}
			for range n {
				ann.send(148, []byte("guest"))
			}
			lifted := *ts.settings.Get()
			lifted.Rates = [settings.Tiers]settings.Rate{}
			ts.settings.Set(&lifted)
			for range 5000 {
				ann.send(148, []byte("free"))
			}
			ann.send(frame.TypeData, []byte("ann free"))
			host.waitBody("ann free")
		})
	}
}

// TestRatePatience: who floods without a pause is told and disconnected.
func TestRatePatience(t *testing.T) {
	t.Parallel()
	ts := startServer(t, setup{loops: 1, edit: func(set *settings.Settings) {
		set.Rates[settings.TierGuest].Bytes = 1000
		set.RatePatience = time.Second
	}})
	host, id := ts.host("host", 3)
	ann := ts.join("ann", id)
	ann.send(148, make([]byte, 60000)) // a minute's worth
	_, _ = ann.wait(0, "disconnect", func(m frame.Msg) bool {
		return m.Type == frame.TypeDisconnect && string(m.Body[1:]) == "Rate limit exceeded"
	})
	ann.waitEnd()
	host.wait(0, "leave", func(m frame.Msg) bool { return m.Type == frame.TypeLeave && m.User == ann.id })
	host.send(frame.TypeData, []byte("still here"))
	host.waitBody("still here")
}

func countBodies(c *client, body string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.msgs {
		if string(m.Body) == body {
			n++
		}
	}
	return n
}
