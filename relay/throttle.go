package relay

import (
	"fmt"
	"time"

	"drawrelay/frame"
	"drawrelay/store/serverlog"
	"drawrelay/store/settings"
)

/* Rate limits
 *
 * A member has a budget of messages and bytes that fills at its tier's rate.
 * What has been read is taken and charged; a member in debt is not read until
 * the debt is paid, so its own socket slows it down and nobody else notices.
 * Who is held back without a pause for longer than the patience is cut off.
 */

// burst is how many seconds of its rate a member may send at once.
const burst = 2

// throttle is the budget of a member.
// Ownership: its link's loop.
type throttle struct {
	rate     settings.Rate
	at       time.Time // when the budget was last filled
	bytes    float64
	messages float64
	until    time.Time // not read before
	since    time.Time // held back without a pause since; zero: not
	listed   bool      // in the loop's list
}

// charge counts what has been read and takes it out of the budget.
// Guarantee: no allocation, unless a limit has just come into force.
func (k *link) charge(bytes, messages int) {
	k.loop.meter.messagesIn.add(int64(messages))
	k.loop.meter.bytesIn.add(int64(bytes))
	set := k.loop.srv.settings.Get()
	rate := set.Rates[k.seat.tier.Load()]
	t := k.throttle
	if rate == (settings.Rate{}) {
		k.throttle = nil
		return
	}
	now := k.loop.now
	if t == nil || t.rate != rate {
		fresh := &throttle{rate: rate, at: now, bytes: burst * float64(rate.Bytes), messages: burst * float64(rate.Messages)}
		if t != nil {
			fresh.since, fresh.listed = t.since, false
		}
		t, k.throttle = fresh, fresh
	}
	past := now.Sub(t.at).Seconds()
	t.at = now
	debt := max(
		spend(&t.bytes, float64(rate.Bytes), past, float64(bytes)),
		spend(&t.messages, float64(rate.Messages), past, float64(messages)))
	if debt <= 0 {
		if debt < -1 { // more than a second's worth is left: that was a pause
			t.since = time.Time{}
		}
		return
	}
	t.until = now.Add(time.Duration(debt * float64(time.Second)))
	if t.since.IsZero() {
		t.since = now
	}
	if set.RatePatience > 0 && t.until.Sub(t.since) > set.RatePatience {
		k.cutOff(set.RatePatience)
	}
}

// spend fills a budget for past seconds at rate, takes n out of it and returns
// the debt in seconds, negative if something is left. A rate of 0 is no limit.
func spend(budget *float64, rate, past, n float64) float64 {
	if rate <= 0 {
		return -burst
	}
	*budget = min(*budget+rate*past, burst*rate) - n
	return -*budget / rate
}

// throttled reports whether the member is in debt, and has it read afterwards.
func (k *link) throttled() bool {
	t := k.throttle
	if t == nil || !t.until.After(k.loop.now) {
		return false
	}
	if !t.listed {
		t.listed = true
		k.loop.throttled = append(k.loop.throttled, k)
		k.loop.wake() // to arm the timer
	}
	return true
}

// readThrottled goes on with members whose debt is paid.
func (l *loop) readThrottled() {
	keep := l.throttled[:0]
	for _, k := range l.throttled {
		switch t := k.throttle; {
		case k.failed != nil:
		case t != nil && t.until.After(l.now):
			keep = append(keep, k)
		default:
			if t != nil {
				t.listed = false
			}
			k.readLater()
		}
	}
	clear(l.throttled[len(keep):])
	l.throttled = keep
}

// cutOff has the session disconnect a member that has been in debt for too long.
func (k *link) cutOff(patience time.Duration) {
	k.logf(serverlog.Warn, serverlog.RuleBreak, "Sends more than the rate limit of its tier allows, without a pause for %v", patience)
	st, r := k.seat, k.room
	r.loop.do(func() {
		defer r.rescue()
		if !r.over {
			r.session.dismiss(st, frame.ReasonError, "Rate limit exceeded", fmt.Sprintf("for %v", patience))
		}
	})
}
