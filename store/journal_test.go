package store

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var testTime = time.Date(2026, 5, 16, 18, 0, 0, 0, time.UTC)

const testHash = "s+sha1;00112233;6b681039ac36707fcc035341c5003b6f9b025d19"

// readTest reads a journal into a new history.
func readTest(t *testing.T, text string) (*History, *journalText) {
	t.Helper()
	s, err := Open(Options{Now: func() time.Time { return testTime }})
	if err != nil {
		t.Fatal(err)
	}
	h := newHistory(s, "id", testTime)
	j, err := h.readJournal(strings.NewReader(text), testTime)
	if err != nil {
		t.Fatal(err)
	}
	return h, j
}

// describe renders everything a journal can change, without what is as new.
func describe(h *History) string {
	var b []string
	add := func(is bool, format string, args ...any) {
		if is {
			b = append(b, fmt.Sprintf(format, args...))
		}
	}
	add(h.Alias != "", "alias=%q", h.Alias)
	add(h.Founder() != "", "founder=%q", h.Founder())
	add(h.Title() != "", "title=%q", h.Title())
	add(h.PasswordHash() != "", "password=%q", h.PasswordHash())
	add(h.OpwordHash() != "", "opword=%q", h.OpwordHash())
	add(h.MaxUsers() != 254, "maxusers=%d", h.MaxUsers())
	add(h.AutoResetSet(), "autoreset=%d", h.AutoReset())
	add(h.SizeOverride() != 0, "limit=%d", h.SizeOverride())
	add(h.ArchiveMode() != ArchiveDefault, "archive=%d", h.ArchiveMode())
	add(h.Flags() != 0, "flags=%s", h.Flags())
	add(h.catchupKey != firstCatchupKey, "catchup=%d", h.catchupKey)
	add(len(h.IDs.names) > 0, "users=%v next=%d", h.IDs.names, h.IDs.order[0])
	for _, x := range h.Bans.All() {
		add(true, "ban=%d,%q,%s,%q,%q,%q", x.ID, x.Name, x.AddrText(), x.AuthID, x.By, x.SystemID)
	}
	for _, v := range h.Invites.All() {
		uses := ""
		for _, u := range v.Uses {
			uses += fmt.Sprintf(" %s=%q@%s", u.SystemID, u.Name, u.At.Format("15:04"))
		}
		add(true, "invite=%s,%s,%d,%v,%v,%q%s", v.Secret, v.At.Format(inviteTime), v.MaxUses, v.Trust, v.Op, v.Creator, uses)
	}
	ids := h.AuthIDs()
	slices.Sort(ids)
	for _, id := range ids {
		add(true, "account=%q op=%v trust=%v", id, h.IsAuthOp(id), h.IsAuthTrusted(id))
	}
	add(len(h.AuthNames()) > 0, "names=%v", h.AuthNames())
	add(len(h.Announcements()) > 0, "announce=%q", h.Announcements())
	return strings.Join(b, "\n")
}

func TestReadJournal(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
		warnings         int
	}{
		{"empty", "", "", 0},
		{"comments and blank lines", "# x\n\n  \t\n#FOUNDER y\n   # TITLE z\n", "", 0},
		{"unknown keyword", "FROB 1\ntitle x\nTITLEx\n", "", 3},
		{"blanks around", "  \t TITLE   a b  \r\n", `title="a b"`, 0},
		{"no line break at the end", "TITLE a", `title="a"`, 0},
		{"later lines win", "TITLE a\nTITLE b\nMAXUSERS 200\nMAXUSERS 11\n", "title=\"b\"\nmaxusers=11", 0},
		{"title removed", "TITLE a\nTITLE \n", "", 0},
		{"the first alias counts", "ALIAS a\nALIAS b\n", `alias="a"`, 1},
		{"founder", "FOUNDER al ice\n", `founder="al ice"`, 0},
		{"control characters", "TITLE a\x00b\x7fc\x1b\n", `title="a b c"`, 0},
		{"password", "PASSWORD " + testHash + "\n", `password="` + testHash + `"`, 0},
		{"password cleared", "PASSWORD " + testHash + "\nPASSWORD \n", "", 0},
		{"password cleared without a blank", "PASSWORD " + testHash + "\nPASSWORD\n", "", 0},
		{"password in no known form", "PASSWORD plain;x\nPASSWORD secret\n", `password="plain;x"`, 1},
		{"plain password with blanks", "PASSWORD plain; x  \r\n", `password="plain; x  "`, 0},
		{"hash with blanks behind it", "PASSWORD " + testHash + " \n", `password="` + testHash + `"`, 0},
		{"opword", "OPWORD " + testHash + "\n", `opword="` + testHash + `"`, 0},
		{"opword in no known form", "OPWORD secret\n", "", 1},
		{"users above", "MAXUSERS 300\n", "", 0},
		{"users below", "MAXUSERS 0\n", "maxusers=1", 0},
		{"users negative", "MAXUSERS -7\n", "maxusers=1", 0},
		{"users unreadable", "MAXUSERS many\n", "maxusers=1", 0},
		{"autoreset", "AUTORESET 15728640\n", "autoreset=15728640", 0},
		{"autoreset off", "AUTORESET 0\n", "autoreset=0", 0},
		{"autoreset unreadable", "AUTORESET x\n", "autoreset=0", 0},
		{"limit", "LIMIT 1000\n", "limit=1000", 0},
		{"limit at most", "LIMIT 2147483647\n", "limit=2147483647", 0},
		{"limit beyond", "LIMIT 2147483648\n", "", 0},
		{"archive on", "ARCHIVE 1\n", "archive=2", 0},
		{"archive off", "ARCHIVE 0\n", "archive=1", 0},
		{"archive default", "ARCHIVE 1\nARCHIVE\n", "", 0},
		{"archive nonsense", "ARCHIVE 1\nARCHIVE 2\n", "archive=2", 1},
		{"all flags", "FLAGS unlisted invites autotitle allowweb idleoverride authonly deputies nsfm preserveChat persistent\n",
			"flags=persistent preserveChat nsfm deputies authonly idleoverride allowweb autotitle invites unlisted", 0},
		{"flags replace", "FLAGS nsfm deputies\nFLAGS invites\n", "flags=invites", 0},
		{"no flags", "FLAGS nsfm\nFLAGS \n", "", 0},
		{"unknown flags", "FLAGS nsfm preservechat closed\n", "flags=nsfm", 1},
		{"catchup", "CATCHUP 1000001\n", "catchup=1000001", 0},
		{"catchup beyond", "CATCHUP 1000000000\n", "catchup=999999999", 0},
		{"catchup below", "CATCHUP 0\n", "catchup=1", 0},
		{"catchup unreadable", "CATCHUP x\n", "catchup=1", 0},
		{"users", "USER 1 alice\nUSER 2 bob%20smith\nUSER 1 b%c3%b6b\n", "users=map[alice:1 bob smith:2 b\u00f6b:1] next=3", 0},
		{"user lines that cannot be", "USER 0 a\nUSER 255 a\nUSER x a\nUSER 1\nUSER 1 a b\nUSER 1 \n", "", 6},
		{"roles", "OP a b\nOP a b\nTRUST a b\nTRUST c\nOP d\nDEOP d\nUNTRUST x\n",
			"account=\"a b\" op=true trust=true\naccount=\"c\" op=false trust=true", 0},
		{"account names", "AUTHNAME internal%3A1 a%20b\nAUTHNAME internal%3A1 c\nAUTHNAME x \nAUTHNAME  y\nAUTHNAME z\n",
			"names=map[internal:1:c]", 2},
		{"ban", "BAN 1 troll%20user%20with%20a%20long%20%5C%20%22name%7D%25%5B ::ffff:192.168.0.100  op \n",
			`ban=1,"troll user with a long \\ \"name}%[",::ffff:192.168.0.100,"","op",""`, 0},
		{"ban with 5 fields", "BAN 3 x 10.0.0.1 internal%3A1 op\n", `ban=3,"x",::ffff:10.0.0.1,"internal:1","op",""`, 0},
		{"ban with empty fields at the end", "BAN 1 x ::ffff:10.0.0.1   \r\n", `ban=1,"x",::ffff:10.0.0.1,"","",""`, 0},
		{"ban with all fields", "BAN 1 x 2001:db8::1 a%20b op ff\n", `ban=1,"x",2001:db8::1,"a b","op","ff"`, 0},
		{"ban of a loopback address", "BAN 1 x 127.0.0.1  op ff\nBAN 2  ::1  op \n", `ban=1,"x",,"","op","ff"`, 1},
		{"bans that cannot be", "BAN 1 x\nBAN 1 a b c d e f\nBAN 0 x   \nBAN y x   \n", "", 4},
		{"ban with a bad address", "BAN 1 x nonsense   \n", `ban=1,"x",,"","",""`, 1},
		{"ban number twice", "BAN 1 x    \nBAN 1 y    \n", `ban=1,"x",,"","",""`, 1},
		{"unban", "BAN 1 x    \nBAN 2  10.0.0.1   \nUNBAN 2\nUNBAN 5\n", `ban=1,"x",,"","",""`, 1},
		{"announcements", "ANNOUNCE https://a/\nANNOUNCE https://b/\nANNOUNCE https://a/\nUNANNOUNCE https://a/\nUNANNOUNCE x\n",
			`announce=["https://b/"]`, 0},
		{"invite", "INV 0jrk3v9x 2026-05-16T17:00:00Z 5,trust,op alice%20x\nUSV 0jrk3v9x 0123456789abcdef0123456789abcdef bob%20smith\n",
			`invite=0jrk3v9x,2026-05-16T17:00:00Z,5,true,true,"alice x" 0123456789abcdef0123456789abcdef="bob smith"@18:00`, 0},
		{"invite without a creator", "INV a 2026-05-16T17:00:00Z 5\nINV b 2026-05-16T17:00:00Z 5,op \n",
			"invite=a,2026-05-16T17:00:00Z,5,false,false,\"\"\ninvite=b,2026-05-16T17:00:00Z,5,false,true,\"\"", 0},
		{"invite bounds", "INV a x 0\nINV b 2026-05-16T17:00:00Z 51,x\n",
			"invite=a,2026-05-16T18:00:00Z,1,false,false,\"\"\ninvite=b,2026-05-16T17:00:00Z,50,false,false,\"\"", 1},
		{"invite replaced", "INV a 2026-05-16T17:00:00Z 5\nINV b 2026-05-16T17:00:00Z 5\nUSV a ff x\nINV a 2026-05-16T17:30:00Z 6\n",
			"invite=a,2026-05-16T17:30:00Z,6,false,false,\"\"\ninvite=b,2026-05-16T17:00:00Z,5,false,false,\"\"", 0},
		{"use with changed name", "INV a 2026-05-16T17:00:00Z 5\nUSV a ff x\nUSV a ee ?\nUSV a ff %3F\n",
			`invite=a,2026-05-16T17:00:00Z,5,false,false,"" ff="?"@18:00 ee=""@18:00`, 0},
		{"invite removed", "INV a 2026-05-16T17:00:00Z 5\nUNV a\nUNV a\nUSV a ff x\nUSV a ff\nINV a\n", "", 4},
	} {
		h, j := readTest(t, c.text)
		if got := describe(h); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
		if len(j.warnings) != c.warnings {
			t.Errorf("%s: warnings %q, want %d", c.name, j.warnings, c.warnings)
		}
	}
}

func TestReadFiles(t *testing.T) {
	h, j := readTest(t, "FILE a.dprec\nTITLE x\nFILE a_r2.dprec\n")
	if !slices.Equal(j.files, []string{"a.dprec", "a_r2.dprec"}) || !j.complete || !j.lastIsFile || h.Title() != "x" {
		t.Errorf("%+v", j)
	}
	text := "FILE a.dprec\nFILE b"
	_, j = readTest(t, text)
	if j.complete || !j.lastIsFile || text[j.lastStart:] != "FILE b" {
		t.Errorf("torn: %+v", j)
	}
	_, j = readTest(t, "FILE a.dprec\n\x00\x00")
	if !j.zeros || j.end != 13 || !j.complete {
		t.Errorf("zeros: %+v", j)
	}
}

func TestManyWarnings(t *testing.T) {
	_, j := readTest(t, strings.Repeat("X\n", 1000))
	if len(j.warnings) != maxWarnings || j.dropped != 1000-maxWarnings || !strings.HasPrefix(j.warnings[1], "line 2: ") {
		t.Errorf("%d warnings, %d dropped: %q", len(j.warnings), j.dropped, j.warnings)
	}
	for _, hash := range []string{"PASSWORD secret!\n", "OPWORD secret!\n"} {
		if _, j := readTest(t, hash); strings.Contains(strings.Join(j.warnings, ""), "secret") {
			t.Errorf("a password is told: %q", j.warnings)
		}
	}
}

func TestReadLimits(t *testing.T) {
	var b strings.Builder
	for i := range 1001 {
		fmt.Fprintf(&b, "BAN %d n%d    \n", i+1, i)
	}
	for i := range 51 {
		fmt.Fprintf(&b, "INV s%d 2026-05-16T17:00:00Z 5\n", i)
	}
	h, _ := readTest(t, b.String())
	if n := len(h.Bans.All()); n != 1000 {
		t.Errorf("%d bans", n)
	}
	if n := len(h.Invites.All()); n != 50 {
		t.Errorf("%d invites", n)
	}
}

// TestReferenceJournal reads everything the reference can write.
func TestReferenceJournal(t *testing.T) {
	h, j := readTest(t, `FILE 01m7xq9y4kv4dd18t4mn55g9qx.dprec
ALIAS fixture-rich
FOUNDER al ice
AUTORESET 40960
FLAGS allowweb invites
USER 1 al%20ice
TITLE Fïxture 猫
MAXUSERS 21
AUTORESET 5242880
FLAGS persistent preserveChat nsfm deputies allowweb invites
CATCHUP 1000001
USER 2 b%C3%B6b
CATCHUP 1000002
AUTHNAME internal%3Acarol carol
USER 3 carol
OP internal:carol
TRUST internal:carol
BAN 1 b%C3%B6b 127.0.0.1  al%20ice 0123456789abcdef0123456789abcdef
INV fyp90tcj 2026-11-21T00:15:11Z 30,trust al%20ice
FILE 01m7xq9y4kv4dd18t4mn55g9qx_r2.dprec
`)
	want := `alias="fixture-rich"
founder="al ice"
title="Fïxture 猫"
maxusers=21
autoreset=5242880
flags=persistent preserveChat nsfm deputies allowweb invites
catchup=1000002
users=map[al ice:1 böb:2 carol:3] next=4
ban=1,"böb",,"","al ice","0123456789abcdef0123456789abcdef"
invite=fyp90tcj,2026-11-21T00:15:11Z,30,true,false,"al ice"
account="internal:carol" op=true trust=true
names=map[internal:carol:carol]`
	if got := describe(h); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if len(j.warnings) > 0 || !reflect.DeepEqual(j.files, []string{"01m7xq9y4kv4dd18t4mn55g9qx.dprec", "01m7xq9y4kv4dd18t4mn55g9qx_r2.dprec"}) {
		t.Errorf("%+v", j)
	}
}

// A journal of any length is read, and a line that nobody can have written does
// not count, nor what is read of it.
func TestJournalLength(t *testing.T) {
	comments := strings.Repeat("# "+strings.Repeat("x", journalChunk)+"\n", 40)
	for _, tt := range []struct {
		name, text  string
		title       string
		end, last   int
		zeros, torn bool
		warnings    int
	}{
		{name: "many lines", text: comments + "TITLE a\n", title: "a", end: len(comments) + 8, last: len(comments)},
		{name: "line over reads", text: "TITLE " + strings.Repeat("y", 3*journalChunk) + "\n", title: strings.Repeat("y", 3*journalChunk), end: 3*journalChunk + 7},
		{name: "longest", text: "TITLE " + strings.Repeat("y", maxJournalLine-7) + "\n", title: strings.Repeat("y", maxJournalLine-7), end: maxJournalLine},
		{name: "too long", text: "TITLE " + strings.Repeat("y", maxJournalLine-6) + "\nTITLE b\n", title: "b", end: maxJournalLine + 1 + 8, last: maxJournalLine + 1, warnings: 1},
		{name: "too long and torn", text: "TITLE b\nTITLE " + strings.Repeat("y", maxJournalLine), title: "b", end: maxJournalLine + 6 + 8, last: 8, torn: true, warnings: 1},
		{name: "zeros", text: "TITLE b\n" + strings.Repeat("\x00", 2*maxJournalLine), title: "b", end: 8, zeros: true},
		{name: "zeros behind a torn line", text: "MAXUSERS 3\nTITLE c" + strings.Repeat("\x00", 2*maxJournalLine), title: "c", end: 11 + 7, last: 11, zeros: true, torn: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, j := readTest(t, tt.text)
			if h.Title() != tt.title {
				t.Errorf("title of %d bytes, want %d", len(h.Title()), len(tt.title))
			}
			if j.end != int64(tt.end) || j.lastStart != int64(tt.last) || j.zeros != tt.zeros || j.complete == tt.torn || len(j.warnings) != tt.warnings {
				t.Errorf("end %d, last line at %d, zeros %v, complete %v, warnings %q", j.end, j.lastStart, j.zeros, j.complete, j.warnings)
			}
		})
	}
}
