package login

import (
	"context"
	"maps"
	"sync"
	"time"
)

// attempts slows down guessing across connections: whoever has had many wrong
// passwords lately, and the account they were meant for, wait before the next
// one is looked at. A right password is never refused, only checked later.
// Safe for any goroutine.
type attempts struct {
	mu      sync.Mutex
	tallies map[string]tally
}

// tally counts wrong passwords; one is forgiven every forgiveAfter.
type tally struct {
	count int
	since time.Time // when count was last brought up to date
}

// attemptKeys are what wrong passwords are counted under. Addresses without a
// limit have none: they may be reverse proxies.
func (c *conn) attemptKeys(account string) []string {
	var keys []string
	if account != "" {
		keys = append(keys, "account "+account)
	}
	if c.server.limits.forAddress(c.addr) > 0 {
		keys = append(keys, "address "+limitUnit(c.addr).String())
	}
	return keys
}

// delay returns how long the next password has to wait, and whether there were
// wrong ones lately at all.
func (a *attempts) delay(keys []string, now time.Time) (d time.Duration, suspect bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, k := range keys {
		count := a.tallies[k].at(now).count
		suspect = suspect || count > 0
		if over := count - freeAttempts; over > 0 {
			d = max(d, min(attemptDelay<<min(over-1, 10), maxAttemptDelay))
		}
	}
	return d, suspect
}

// failed counts a wrong password.
func (a *attempts) failed(keys []string, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tallies == nil {
		a.tallies = make(map[string]tally)
	}
	// Room is made at the expense of those with the fewest: whoever guesses
	// under many names must not make us forget the one that is guessed most.
	for least := 0; len(a.tallies) >= maxTallies; least++ {
		maps.DeleteFunc(a.tallies, func(_ string, t tally) bool { return t.at(now).count <= least })
	}
	for _, k := range keys {
		t := a.tallies[k].at(now)
		t.count++
		a.tallies[k] = t
	}
}

// at brings the tally up to date.
func (t tally) at(now time.Time) tally {
	n := int(now.Sub(t.since) / forgiveAfter)
	if n >= t.count {
		return tally{since: now}
	}
	return tally{count: t.count - n, since: t.since.Add(time.Duration(n) * forgiveAfter)}
}

// checkPassword compares a password with a stored hash on the hash pool, after
// the delay that earlier wrong ones have earned. account is empty for session
// passwords. With even the time does not tell what stored is.
func (c *conn) checkPassword(stored, pass, account string, even bool) (ok bool, err, ended error) {
	keys := c.attemptKeys(account)
	delay, suspect := c.server.attempts.delay(keys, time.Now())
	ok, err, ended = await(c, hashTimeout, func(ctx context.Context) (bool, error) {
		if delay > 0 {
			select {
			case <-time.After(delay):
			case <-ctx.Done():
				return false, ctx.Err()
			}
		}
		return c.server.hashes.check(ctx, stored, pass, even, suspect)
	})
	// Hanging up before the answer counts too: it has cost a hash all the same.
	if ended != nil || err == nil && !ok {
		c.server.attempts.failed(keys, time.Now())
	}
	return ok, err, ended
}
