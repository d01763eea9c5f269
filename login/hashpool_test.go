package login

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"drawrelay/store/password"
	"drawrelay/store/settings"
)

// checker is a password.Hasher that only checks.
type checker func(stored, pass string) bool

func (c checker) Check(stored, pass string) (bool, error) { return c(stored, pass), nil }

func (checker) Hash(string) (string, error) { panic("not expected") }

// The pool computes as many hashes at once as it may, gives up with the context,
// and ends.
func TestHashPool(t *testing.T) {
	p := newHashPool(2, password.Here{})
	ctx := context.Background()
	var mu sync.Mutex
	running, most := 0, 0
	gate := make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, err := pooled(ctx, p, p.jobs, func() (int, error) {
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
	if _, err := p.check(ended, "plain;x", "x", false, false); !errors.Is(err, context.Canceled) {
		t.Errorf("check with a dead context: %v", err)
	}
	close(gate)
	wg.Wait()
	if most != 2 {
		t.Errorf("%d hashes at once, want 2", most)
	}
	if ok, err := p.check(ctx, "plain;x", "x", false, false); !ok || err != nil {
		t.Errorf("check = %v, %v", ok, err)
	}
	if ok, err := p.check(ctx, "plain;x", "y", false, false); ok || err != nil {
		t.Errorf("check = %v, %v", ok, err)
	}
	p.close()
	p.close()
	if _, err := p.check(ctx, "plain;x", "x", false, false); !errors.Is(err, errHashClosed) {
		t.Errorf("check of a closed pool: %v", err)
	}
}

// Where only accounts may log in, a wrong password costs the same for every
// name: known in any format, unknown or without a password.
func TestEvenDelay(t *testing.T) {
	sodium := strings.Replace(password.Decoy, "AAAA", "BBBB", 1)
	accounts := []Account{
		{Name: "sodium", PasswordHash: sodium}, {Name: "plain", PasswordHash: "plain;x"},
		{Name: "sha", PasswordHash: "s+sha1;00;00"}, {Name: "none", PasswordHash: ""}, {Name: "broken", PasswordHash: "md5;x"},
	}
	for _, guests := range []bool{false, true} {
		b := start(t, func(s *settings.Settings, c *Config) {
			s.AllowGuests = guests
			withAccounts(accounts...)(s, c)
		})
		var mu sync.Mutex
		costly := 0
		b.hashes.hasher = checker(func(stored, _ string) bool {
			mu.Lock()
			defer mu.Unlock()
			if !password.Cheap(stored) {
				costly++
			}
			return stored == password.Decoy // which must let nobody in
		})
		for _, name := range []string{"sodium", "plain", "sha", "none", "broken", "unknown"} {
			if guests && name == "unknown" {
				continue // logs in as a guest
			}
			costly = 0
			c := b.dial()
			c.cmd("ident", []any{name, "wrong"}, nil)
			c.want(c.reply(), object{"code": "badPassword"})
			mu.Lock()
			if want := 1; !guests && costly != want || guests && costly > want {
				t.Errorf("guests %v, %s: %d costly hashes", guests, name, costly)
			}
			mu.Unlock()
			c.cmd("ident", []any{name}, nil)
			if name != "none" {
				c.want(c.reply(), object{"state": "needPassword"})
			}
		}
	}
}

// Guessing one unknown name slows down like guessing at an account.
func TestUnknownNamesSlowDown(t *testing.T) {
	b := start(t, func(s *settings.Settings, c *Config) { s.AllowGuests = false })
	b.hashes.hasher = checker(func(string, string) bool { return false })
	c := b.dial()
	c.cmd("ident", []any{"nobody", "wrong"}, nil)
	c.want(c.reply(), object{"code": "badPassword"})
	b.attempts.mu.Lock()
	defer b.attempts.mu.Unlock()
	if n := b.attempts.tallies["account nobody"].count; n != 1 {
		t.Errorf("counted %d times", n)
	}
}

// Guesses wait behind everybody else, however long they have been waiting.
func TestSuspectsWait(t *testing.T) {
	synctest.Test(t, suspectsWait)
}

func suspectsWait(t *testing.T) {
	p := newHashPool(1, password.Here{})
	defer p.close()
	gate, begun := make(chan struct{}), make(chan struct{}, 1)
	var mu sync.Mutex
	var order []string
	p.hasher = checker(func(stored, pass string) bool {
		if stored == "block" {
			begun <- struct{}{}
			<-gate
		}
		mu.Lock()
		defer mu.Unlock()
		order = append(order, pass)
		return false
	})
	var done sync.WaitGroup
	ask := func(stored, pass string, suspect bool) {
		done.Go(func() { _, _ = p.check(context.Background(), stored, pass, false, suspect) })
	}
	ask("block", "", false)
	<-begun
	for range 20 {
		ask("x", "guess", true)
	}
	for range 3 {
		ask("x", "member", false)
	}
	synctest.Wait() // all are in line
	close(gate)
	done.Wait()
	if got := strings.Join(order[1:4], " "); got != "member member member" {
		t.Errorf("order %q", order)
	}
}
