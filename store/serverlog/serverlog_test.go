package serverlog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// patience bounds every wait; reaching it is a failure.
const patience = 20 * time.Second

var entry = Entry{
	Time: time.Date(2026, 5, 16, 18, 0, 0, 0, time.UTC), Level: Info, Topic: Join, Session: "SESSION", Message: "Test message!",
	User: User{ID: 1, Addr: netip.MustParseAddr("192.168.1.1"), Name: "My Test Username"},
}

// configuration.md §23 item 32: the asserted strings of §16.2.
func TestAbridged(t *testing.T) {
	without := entry
	without.Topic, without.User = Status, User{}
	about := entry
	about.Topic, about.Session = Status, ""
	for want, e := range map[string]Entry{
		"Join 1;192.168.1.1;My Test Username@SESSION: Test message!": entry,
		"Status SESSION: Test message!":                              without,
		"Status 1;192.168.1.1;My Test Username: Test message!":       about,
		"Status Test message!":                                       {Topic: Status, Message: "Test message!"},
		"Status 0;10.0.0.1;: x":                                      {Topic: Status, User: User{Addr: netip.MustParseAddr("10.0.0.1")}, Message: "x"},
		"Status 3;;x: a b":                                           {Topic: Status, User: User{ID: 3, Name: "x"}, Message: "a\nb"},
		"Status 0;;ev il: x":                                         {Topic: Status, User: User{Name: "ev\ril"}, Message: "x"},
	} {
		if got := e.Abridged(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// The line on standard error, in both forms; nobody forges a line.
func TestLines(t *testing.T) {
	forged := entry
	forged.Message = "x\n2026-05-16T18:00:00Z Error/Ban me"
	for _, tt := range []struct {
		format Format
		want   string
	}{
		{FormatText, "2026-05-16T18:00:00Z Info/Join 1;192.168.1.1;My Test Username@SESSION: Test message!\n" +
			"2026-05-16T18:00:00Z Info/Join 1;192.168.1.1;My Test Username@SESSION: x 2026-05-16T18:00:00Z Error/Ban me\n"},
		{FormatJSON, `{"time":"2026-05-16T18:00:00Z","level":"Info","topic":"Join","session":"SESSION","user":1,"ip":"192.168.1.1","name":"My Test Username","message":"Test message!"}` + "\n" +
			`{"time":"2026-05-16T18:00:00Z","level":"Info","topic":"Join","session":"SESSION","user":1,"ip":"192.168.1.1","name":"My Test Username","message":"x\n2026-05-16T18:00:00Z Error/Ban me"}` + "\n"},
	} {
		var out bytes.Buffer
		l := New(&out, tt.format, nil)
		l.Put(entry)
		l.Put(forged)
		l.Close(patience)
		if out.String() != tt.want {
			t.Errorf("got\n%swant\n%s", out.String(), tt.want)
		}
		for line := range strings.Lines(out.String()) {
			if tt.format == FormatJSON && !json.Valid([]byte(line)) {
				t.Errorf("no JSON: %s", line)
			}
		}
	}
}

// Every level and topic has the name of configuration.md §16.1.
func TestNames(t *testing.T) {
	if got := fmt.Sprint(Error, Warn, Info, Debug); got != "Error Warn Info Debug" {
		t.Error(got)
	}
	var topics []string
	for topic := Join; topic <= Report; topic++ {
		topics = append(topics, topic.String())
		if topic.Sensitive() != (topic == ClientInfo || topic == Report) {
			t.Errorf("%v: sensitive %v", topic, topic.Sensitive())
		}
	}
	if got, want := strings.Join(topics, " "), "Join Leave Kick Ban Unban Op Deop Mute Unmute Trust Untrust BadData RuleBreak PubList Status ClientInfo ExtBan "+
		"BanImpEx AdminChat Invite Report"; got != want {
		t.Error(got)
	}
}

// stuck is an output that takes nothing until it is let go.
type stuck chan struct{}

func (s stuck) Write(b []byte) (int, error) {
	<-s
	return len(b), nil
}

// A stuck output holds nobody up; what does not fit is dropped and counted, and
// kept for queries all the same as far as they reach.
func TestStuckOutput(t *testing.T) {
	out := make(stuck)
	l := New(out, FormatText, nil)
	for range 2 * queueLimit {
		l.Put(Entry{Topic: Status, Session: "s", Message: strings.Repeat("x", 100)})
	}
	if n := l.Dropped(); n < queueLimit/2 || n > queueLimit {
		t.Errorf("%d dropped", n)
	}
	if n := len(l.Recent(Debug, nil)); n != keepAll {
		t.Errorf("%d kept", n)
	}
	if n := len(l.Session("s", Debug, nil)); n != keepPerSession {
		t.Errorf("%d kept of the session", n)
	}
	l.Forget("s")
	if n := len(l.Session("s", Debug, nil)); n != 0 {
		t.Errorf("%d kept of a session that has ended", n)
	}
	close(out)
	l.Close(patience)
}
