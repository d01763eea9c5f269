package login

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"drawrelay/frame"
	"drawrelay/store/settings"
)

func TestAttemptDelay(t *testing.T) {
	now := time.Unix(1000, 0)
	var a attempts
	bob, eve := []string{"account bob", "address 192.0.2.1/32"}, []string{"address 192.0.2.1/32"}
	for i := range freeAttempts {
		if d, _ := a.delay(bob, now); d != 0 {
			t.Fatalf("attempt %d waits %v", i, d)
		}
		a.failed(bob, now)
	}
	for _, want := range []time.Duration{0, attemptDelay, 2 * attemptDelay, 4 * attemptDelay} {
		if d, _ := a.delay(bob, now); d != want {
			t.Errorf("delay %v, want %v", d, want)
		}
		if d, _ := a.delay(eve, now); d != want {
			t.Errorf("delay from the same address %v, want %v", d, want)
		}
		a.failed(bob, now)
	}
	if d, _ := a.delay([]string{"account carol"}, now); d != 0 {
		t.Errorf("delay of an unrelated account %v", d)
	}
	for range 1000 {
		a.failed(bob, now)
	}
	if d, _ := a.delay(bob, now); d != maxAttemptDelay {
		t.Errorf("delay %v, want %v", d, maxAttemptDelay)
	}
	if d, _ := a.delay(bob, now.Add(1100*forgiveAfter)); d != 0 {
		t.Errorf("delay after a long time %v", d)
	}
	for i := range 3 * maxTallies {
		a.failed([]string{fmt.Sprint("account ", i)}, now)
	}
	if len(a.tallies) > maxTallies {
		t.Errorf("%d tallies are kept", len(a.tallies))
	}
	if d, _ := a.delay(bob, now); d != maxAttemptDelay {
		t.Errorf("the name guessed most is forgotten: delay %v", d)
	}
}

// Guessing over many connections slows down; the right password still works.
func TestGuessingSlowsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := prepare(t, withAccounts(Account{Name: "carol", PasswordHash: "plain;right"}))
		defer b.stop()
		begin := time.Now()
		for range 3 {
			c := b.pipe()
			for range 9 {
				c.cmd("ident", []any{"carol", "wrong"}, nil)
				c.want(c.reply(), object{"code": "badPassword"})
			}
			c.conn.Close()
		}
		if d := time.Since(begin); d < attemptDelay {
			t.Errorf("27 guesses took %v", d)
		}
		begin = time.Now()
		c := b.pipe()
		c.cmd("ident", []any{"carol", "right"}, nil)
		c.ping() // answered while the password waits
		c.want(c.reply(), object{"state": "identOk"})
		if d := time.Since(begin); d <= 0 || d > maxAttemptDelay {
			t.Errorf("the right password waited %v", d)
		}
	})
}

// Whoever hangs up before the answer has used a thread all the same.
func TestGuessingAndHangingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := prepare(t, func(_ *settings.Settings, cfg *Config) {
			cfg.Users = newUsers(Account{Name: "carol", PasswordHash: "plain;right"})
			cfg.Passwords = checker(func(_, pass string) bool {
				time.Sleep(100 * time.Millisecond)
				return pass == "right"
			})
		})
		defer b.stop()
		for range freeAttempts + 1 {
			c := b.pipe()
			c.cmd("ident", []any{"carol", "wrong"}, nil)
			c.ping() // it is being looked at
			c.conn.Close()
			synctest.Wait()
		}
		d, suspect := b.attempts.delay([]string{"account carol"}, time.Now())
		time.Sleep(time.Minute) // for the thread to end its work
		if d == 0 || !suspect {
			t.Errorf("%d guesses that nobody waited for cost %v", freeAttempts+1, d)
		}
	})
}

// What clients send is cut in the log, and strays are logged a few times only.
func TestLogIsBounded(t *testing.T) {
	b := start(t, nil, session("s1", ""))
	c := b.login("bob")
	for range 30 {
		c.raw([]byte{0, 0, 200, 0})
		c.cmd("report", nil, object{"session": "s1", "reason": strings.Repeat("ü", 30000)})
	}
	c.ping()
	text := b.logText()
	if n := strings.Count(text, "Got non-login message"); n != maxStray {
		t.Errorf("%d entries about strays", n)
	}
	if n := strings.Count(text, "Abuse report about"); n != maxReports {
		t.Errorf("%d reports", n)
	}
	if len(text) > (maxReports+1)*(maxLogText+1000) {
		t.Errorf("the log has %d bytes", len(text))
	}
}

// Stop does not wait long for peers that never close.
func TestStopDoesNotLinger(t *testing.T) {
	b := start(t, nil)
	c, violator := b.dial(), b.dial()
	violator.cmd("nonsense", nil, nil)
	b.logged("Info/Leave invalid message (nonsense)")
	if err := b.Stop(context.Background()); err != nil {
		t.Errorf("Stop: %v", err)
	}
	c.disconnect(frame.ReasonShutdown, "Server shutting down")
	violator.violated()
}
