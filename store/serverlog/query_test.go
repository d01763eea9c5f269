package serverlog

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

var start = time.Date(2026, 5, 16, 18, 0, 0, 0, time.UTC)

func newLog(t *testing.T) *Log {
	l := New(io.Discard, FormatText, nil)
	t.Cleanup(func() { l.Close(time.Second) })
	return l
}

// The log in memory answers like the one in a database (db's TestLog), filters
// of the reference that are the wrong way around included (configuration.md
// §16.3).
func TestQuery(t *testing.T) {
	l := newLog(t)
	bob := User{ID: 2, Addr: netip.MustParseAddr("127.0.0.1"), Name: "Bob"}
	for i, e := range []Entry{
		{Level: Info, Topic: Join, User: bob, Session: "01abc", Message: "Joined session"},
		{Level: Debug, Topic: Status, Message: "Some marker"},
		{Level: Error, Topic: Status, Message: "other MARKER"},
	} {
		e.Time = start.Add(time.Duration(i)*time.Second + 300*time.Millisecond)
		l.Put(e)
	}
	for _, tt := range []struct {
		query Query
		want  string
	}{
		{Query{Level: Debug}, "other MARKER|Some marker|Joined session"},
		{Query{Level: Info}, "other MARKER|Joined session"},
		{Query{}, "other MARKER"},
		{Query{Level: Debug, Session: "01ABC"}, "Joined session"},
		{Query{Level: Debug, Session: "01ab"}, ""},
		{Query{Level: Debug, User: "bOB"}, "Joined session"},
		{Query{Level: Debug, Contains: "Marker"}, "other MARKER|Some marker"},
		{Query{Level: Debug, After: start}, "other MARKER|Some marker"},
		{Query{Level: Debug, After: start.Add(time.Second)}, "other MARKER"},
		{Query{Level: Debug, Limit: 1, Offset: 1}, "Some marker"},
		{Query{Level: Debug, Offset: 9}, ""},
	} {
		var got []string
		for _, r := range l.Query(tt.query) {
			got = append(got, r.Message)
		}
		if strings.Join(got, "|") != tt.want {
			t.Errorf("%+v: %q, want %q", tt.query, got, tt.want)
		}
	}
	want := Record{Time: start, Level: Info, Topic: "Join", User: "2;127.0.0.1;Bob", Session: "01abc", Message: "Joined session"}
	if got := l.Query(Query{Level: Debug, Session: "01abc"}); len(got) != 1 || got[0] != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Memory holds about a thousand entries.
func TestQueryKeepsTheNewest(t *testing.T) {
	l := newLog(t)
	for i := range keepAll + 10 {
		l.Put(Entry{Level: Info, Message: fmt.Sprint(i)})
	}
	got := l.Query(Query{Level: Debug})
	if len(got) != keepAll || got[0].Message != fmt.Sprint(keepAll+9) || got[keepAll-1].Message != "10" {
		t.Errorf("%d entries", len(got))
	}
}

// What was stored in an earlier life comes before what is new.
func TestRecall(t *testing.T) {
	l := newLog(t)
	old := Record{Time: start, Level: Info, Topic: "Join", User: "2;::1;a;b", Session: "s", Message: "old"}
	l.Recall(old)
	for _, r := range []Record{{Topic: "Weather", Session: "s"}, {Topic: "Join"}} {
		l.Recall(r)
	}
	l.Recall(Record{Time: start, Topic: "Kick", User: "nonsense", Session: "s", Message: "by hand"})
	l.Put(Entry{Level: Info, Topic: Leave, Session: "s", Message: "new"})
	list, next := l.SessionSince("s", 0)
	var got []string
	for i := range list {
		got = append(got, list[i].Abridged())
	}
	if want := []string{"Join 2;::1;a;b@s: old", "Kick s: by hand", "Leave s: new"}; !slices.Equal(got, want) || next != 3 {
		t.Errorf("%q, next %d", got, next)
	}
	if list[0].Record() != old {
		t.Errorf("got %+v, want %+v", list[0].Record(), old)
	}
	if len(l.Query(Query{Level: Debug})) != 1 {
		t.Error("recalled entries appear as new ones")
	}
}

func TestParseNames(t *testing.T) {
	for i, name := range topicNames {
		if got, ok := ParseTopic(name); !ok || got != Topic(i) {
			t.Errorf("topic %s: %v, %v", name, got, ok)
		}
	}
	if _, ok := ParseTopic("join"); ok {
		t.Error("topics are compared without case")
	}
	if l, ok := ParseLevel("Debug"); !ok || l != Debug {
		t.Errorf("level %v, %v", l, ok)
	}
	if _, ok := ParseLevel(""); ok {
		t.Error("an empty level is one")
	}
}
