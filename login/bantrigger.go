package login

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"time"

	"drawrelay/frame"
	"drawrelay/store/serverlog"
)

// heldBan is the ban remembered for a connection. At most one is: the first.
type heldBan struct {
	Ban
	kind       string // "IP", "SID" or "User"
	cause      string
	exemptable bool
	triggered  bool
}

func (b *heldBan) String() string {
	return fmt.Sprintf("(%s %d)", b.Source, b.ID)
}

// trigger points (login.md §14.3)
const (
	early = iota // ident succeeded
	final        // about to enter a session
)

// banDateYears is from how many years ahead on a ban counts as permanent.
const banDateYears = 99

func (c *conn) lookupAddressBan() {
	bans := c.server.cfg.Bans
	if bans == nil || !c.addr.IsValid() {
		return
	}
	if b, ok := bans.Address(c.addr); ok {
		c.ban = &heldBan{Ban: b, kind: "IP", cause: c.addr.String(), exemptable: true}
	}
}

func (c *conn) lookupSystemBan(id string) {
	if bans := c.server.cfg.Bans; bans != nil {
		if b, ok := bans.System(id); ok {
			c.ban = &heldBan{Ban: b, kind: "SID", cause: id}
		}
	}
}

func (c *conn) lookupUserBan(id int64) {
	if bans := c.server.cfg.Bans; bans != nil && c.ban == nil {
		if b, ok := bans.User(id); ok {
			c.ban = &heldBan{Ban: b, kind: "User", cause: fmt.Sprint(id)}
		}
	}
}

// exempt lifts a remembered ban that accounts may be exempt from.
func (c *conn) exempt() {
	if b := c.ban; b != nil && b.exemptable {
		c.log(serverlog.Info, serverlog.Status, fmt.Sprintf("%s '%s' is banned %v, but user is exempt", b.kind, b.cause, b))
		c.ban = nil
	}
}

// trigger lets a remembered ban act. fired means that the login goes no
// further: err ends the connection, or is nil if it stays open in silence.
func (c *conn) trigger(point int) (fired bool, err error) {
	b := c.ban
	if b == nil || b.triggered {
		return false, nil
	}
	if point == early && (b.Reaction == ReactNormal || c.random()%2 == 0) {
		return false, nil
	}
	b.triggered = true
	log := func(format string, args ...any) {
		c.log(serverlog.Warn, serverlog.Kick, fmt.Sprintf("%s '%s' is ", b.kind, b.cause)+fmt.Sprintf(format, args...))
	}
	switch b.Reaction {
	case ReactNetError:
		log("NETERROR banned %v", b)
		return true, &farewell{reason: frame.ReasonError, text: "Network error: no route to host", details: "NETERROR shadow ban"}
	case ReactGarbage:
		log("GARBAGE banned %v", b)
		c.silence()
		c.result("check authentication", frame.Object{"state": "checkauth"})
		return true, nil
	case ReactHang:
		log("HANG banned %v", b)
		c.silence()
		return true, nil
	case ReactTimer:
		d := severMin + time.Duration(c.random()%severSpread)*time.Millisecond
		log("TIMER banned %v, severing connection in %dms", b, d.Milliseconds())
		c.severAt = time.Now().Add(d)
		c.severer = time.AfterFunc(d, c.alarm.sever)
		return false, nil
	}
	log("banned %v", b)
	return true, &farewell{reason: frame.ReasonError, text: banText(b.Ban, c.server.cfg.Now()), details: "banned"}
}

// silence stops everything but pings.
func (c *conn) silence() {
	c.state = ignore
	c.endWatch()
}

// banText is what the banned is told (login.md §14.2).
func banText(b Ban, now time.Time) string {
	text := "Permanently banned from this server"
	if !b.Expires.IsZero() && b.Expires.UTC().Year()-now.UTC().Year() < banDateYears {
		text = "Banned from this server until " + b.Expires.UTC().Format("2006-01-02")
	}
	if reason := strings.TrimSpace(b.Reason); reason != "" {
		text += ": " + reason
	}
	return text
}

// random returns an unpredictable number.
func (c *conn) random() uint64 {
	var b [8]byte
	if _, err := io.ReadFull(c.server.cfg.Rand, b[:]); err != nil {
		panic("internal error: no randomness: " + err.Error())
	}
	return binary.BigEndian.Uint64(b[:])
}
