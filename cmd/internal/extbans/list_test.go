package extbans

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"drawrelay/login"
)

func parsed(t *testing.T, text string) *list {
	t.Helper()
	bans, warnings, err := Parse([]byte(text))
	if err != nil || len(warnings) != 0 {
		t.Fatalf("%q, %v", warnings, err)
	}
	return newList(bans)
}

func all(*Ban) bool { return true }

// example is that of configuration.md §14.
const example = `{"bans":[{"id":17,
  "ips":[{"from":"10.0.0.0","to":"10.0.0.255","reaction":"normal"}],
  "ipsexcluded":[{"from":"10.0.0.7","to":"10.0.0.7"}],
  "system":[{"sids":["0123456789abcdef0123456789abcdef"],"reaction":"hang"}],
  "users":[{"ids":[42],"reaction":"timer"}],
  "expires":"2099-01-01 00:00:00","comment":"internal note","reason":"shown to user"}]}`

func TestExample(t *testing.T) {
	l := parsed(t, example)
	b, ok := l.address(netip.MustParseAddr("10.0.0.1"), all)
	want := login.Ban{Source: "extban", ID: 17, Expires: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC), Reason: "shown to user"}
	if !ok || b != want {
		t.Errorf("address: %+v", b)
	}
	if b, ok = l.system("0123456789abcdef0123456789abcdef", all); !ok || b.Reaction != login.ReactHang {
		t.Errorf("system: %+v, %v", b, ok)
	}
	if b, ok = l.user(42, all); !ok || b.Reaction != login.ReactTimer {
		t.Errorf("user: %+v, %v", b, ok)
	}
	_, system := l.system("0123456789ABCDEF0123456789abcdef", all)
	_, user := l.user(43, all)
	if system || user {
		t.Error("somebody else is banned")
	}
	// The form of admin-api.md §9.1, but for enabled.
	text, err := json.Marshal(l.bans[0])
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(text), `{"id":17,"ips":[{"from":"10.0.0.0","to":"10.0.0.255","reaction":"normal"}],`+
		`"ipsexcluded":[{"from":"10.0.0.7","to":"10.0.0.7"}],"system":[{"sids":["0123456789abcdef0123456789abcdef"],"reaction":"hang"}],`+
		`"users":[{"ids":[42],"reaction":"timer"}],"expires":"2099-01-01 00:00:00","comment":"internal note","reason":"shown to user"}`; got != want {
		t.Errorf("JSON:\n%s\nwant\n%s", got, want)
	}
}

// integrations.md §9 item 39 and the range rules of configuration.md §14.
func TestAddresses(t *testing.T) {
	l := parsed(t, `{"bans":[
		{"id":1,"expires":"2099-01-01 00:00:00","ips":[{"from":"10.0.0.0","to":"10.0.0.255"},{"from":"::ffff:192.168.0.0","to":"::ffff:192.168.3.255","reaction":"hang"}],
		 "ipsexcluded":[{"from":"10.0.0.7","to":"10.0.0.9"},{"from":"::ffff:192.168.1.1","to":"192.168.1.1"}]},
		{"id":2,"expires":"2099-01-01 00:00:00","ips":[{"from":"10.0.0.8","to":"10.0.0.20","reaction":"garbage"}]},
		{"id":3,"expires":"2099-01-01 00:00:00","ips":[{"from":"2001:db8::","to":"2001:db8::ffff"},{"from":"203.0.113.9","to":"203.0.113.9"}]},
		{"id":4,"expires":"2099-01-01 00:00:00","ips":[{"from":"5.0.0.9","to":"5.0.0.1"}]}]}`)
	for _, tt := range []struct {
		addr string
		want int
	}{
		{"9.255.255.255", 0}, {"10.0.0.0", 1}, {"10.0.0.255", 1}, {"10.0.1.0", 0}, {"::ffff:10.0.0.5", 1},
		{"10.0.0.7", 0}, {"10.0.0.8", 2}, {"10.0.0.9", 2}, {"10.0.0.10", 1}, {"::ffff:10.0.0.7", 0},
		{"192.168.3.4", 1}, {"::ffff:192.168.3.4", 1}, {"192.168.1.1", 0}, {"192.168.4.0", 0},
		{"2001:db8::1", 3}, {"2001:db8::1:0", 0}, {"203.0.113.9", 3}, {"203.0.113.8", 0},
		{"5.0.0.5", 0}, {"::", 0}, {"fe80::1%eth0", 0},
	} {
		b, ok := l.address(netip.MustParseAddr(tt.addr), all)
		if b.ID != tt.want || ok != (tt.want != 0) {
			t.Errorf("%s: ban %d, want %d", tt.addr, b.ID, tt.want)
		}
	}
	if _, ok := l.address(netip.Addr{}, all); ok {
		t.Error("no address is banned")
	}
	// What does not count makes way for the next.
	if b, _ := l.address(netip.MustParseAddr("10.0.0.10"), func(b *Ban) bool { return b.ID != 1 }); b.ID != 2 || b.Reaction != login.ReactGarbage {
		t.Errorf("without the first: %+v", b)
	}
}

// The index finds what a search through everything finds.
func TestAddressIndex(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var bans []Ban
	for i := range 300 {
		b := Ban{ID: i + 1}
		for range 1 + random.IntN(3) {
			from := random.IntN(60000)
			to := from + random.IntN([]int{2, 50, 5000}[random.IntN(3)])
			b.IPs = append(b.IPs, Range{From: number16(from), To: number16(to), Reaction: "normal"})
		}
		if random.IntN(3) == 0 {
			b.Excluded = append(b.Excluded, Except{b.IPs[0].From, b.IPs[0].From})
		}
		bans = append(bans, b)
	}
	l := newList(bans)
	for n := range 66000 {
		a := number16(n)
		want := 0
		for i := range bans {
			for _, r := range bans[i].IPs {
				if want == 0 && r.From.Compare(a) <= 0 && a.Compare(r.To) <= 0 && !bans[i].excludes(sixteen(a)) {
					want = bans[i].ID
				}
			}
		}
		if b, _ := l.address(a, all); b.ID != want {
			t.Fatalf("%v: ban %d, want %d", a, b.ID, want)
		}
	}
}

func number16(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
}

// integrations.md §9 item 37 and the rules of §5.2, one mistake each.
func TestBadBans(t *testing.T) {
	const good = `"expires":"2099-01-01 00:00:00","users":[{"ids":[1]}]`
	for _, tt := range []struct{ ban, want string }{
		{`{"id":8,` + good + `}`, ""},
		{`{"id":8,"unknown":{},` + good + `}`, ""},
		{`{"id":8,"system":"x",` + good + `}`, ""},
		{`{"id":0,` + good + `}`, "Invalid ban id '0'"},
		{`{"id":-3,` + good + `}`, "Invalid ban id '-3'"},
		{`{"id":1.5,` + good + `}`, "Invalid ban id '1.5'"},
		{`{"id":"8",` + good + `}`, `Invalid ban id '"8"'`},
		{`{"ID":8,` + good + `}`, "Invalid ban id ''"},
		{`{"id":4294967297,` + good + `}`, "Invalid ban id '4294967297'"},
		{`"text"`, "Invalid ban id ''"},
		{`null`, "Invalid ban id ''"},
		{`[]`, "Invalid ban id ''"},
		{`{"id":8,"expires":"2099-01-01 00:00:00"}`, "Empty ban with id '8'"},
		{`{"id":8,"expires":"2099-01-01 00:00:00","system":[{"sids":[]},{"sids":[""]}],"users":[{"ids":[-1,"x"]}]}`, "Empty ban with id '8'"},
		{`{"id":8,"ips":[{"from":"x","to":"10.0.0.1"}],` + good + `}`, "Invalid ip ban in id '8'"},
		{`{"id":8,"ips":[{"from":"10.0.0.1"}],` + good + `}`, "Invalid ip ban in id '8'"},
		{`{"id":8,"ips":["10.0.0.1"],` + good + `}`, "Invalid ip ban in id '8'"},
		{`{"id":8,"ips":[{"from":"10.0.0.1","to":"10.0.0.2"},5],` + good + `}`, "Invalid ip ban in id '8'"},
		{`{"id":8,"ipsexcluded":[{"from":"10.0.0.1","to":""}],` + good + `}`, "Invalid ip exclude in id '8'"},
		{`{"id":8,"users":[{"ids":[1]}],"expires":"never"}`, `Invalid expires '"never"' in id '8'`},
		{`{"id":8,"users":[{"ids":[1]}]}`, "Invalid expires '' in id '8'"},
		{`{"id":8,"users":[{"ids":[1]}],"expires":"2099-01-01T00:00:00Z"}`, `Invalid expires '"2099-01-01T00:00:00Z"' in id '8'`},
	} {
		bans, warnings, err := Parse([]byte(`{"bans":[` + tt.ban + `,{"id":9,` + good + `}]}`))
		got := strings.Join(warnings, "; ")
		ids := ""
		for _, b := range bans {
			ids += fmt.Sprint(b.ID, " ")
		}
		if wantIDs := map[bool]string{true: "8 9 ", false: "9 "}[tt.want == ""]; err != nil || got != tt.want || ids != wantIDs {
			t.Errorf("%s: bans %s, warnings %q, %v", tt.ban, ids, got, err)
		}
	}
}

func TestBadLists(t *testing.T) {
	for text, want := range map[string]string{
		``: "no JSON", `x`: "no JSON", `{"bans":[]`: "no JSON", `{} {}`: "no JSON", "\xff": "no JSON",
		`[]`: "not an object", `"x"`: "not an object", `null`: "not an object", `5`: "not an object",
		`{}`: "", `{"bans":null}`: "", `{"bans":"nonsense"}`: "", `{"bans":{}}`: "", `{"Bans":[5]}`: "",
	} {
		bans, warnings, err := Parse([]byte(text))
		if len(bans)+len(warnings) != 0 || (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %q, %v", text, bans, warnings, err)
		}
	}
	_, warnings, err := Parse([]byte(`{"bans":[` + strings.Repeat("0,", 999) + `"` + strings.Repeat("x", 1000) + `"]}`))
	if err != nil || len(warnings) != maxWarnings+1 || warnings[maxWarnings] != "980 more bans have mistakes" {
		t.Errorf("%d warnings, last %q, %v", len(warnings), warnings[len(warnings)-1], err)
	}
}

// Reactions are those of configuration.md §13.2; others act like normal.
func TestReactions(t *testing.T) {
	for text, want := range map[string]string{
		`"normal"`: "normal", `""`: "normal", `null`: "normal", `5`: "normal",
		`"hang"`: "hang", `"Hang"`: "unknown", `"tickle"`: "unknown",
	} {
		l := parsed(t, `{"bans":[{"id":1,"expires":"2099-01-01 00:00:00","users":[{"ids":[1],"reaction":`+text+`}]}]}`)
		if got := l.bans[0].Users[0].Reaction; got != want {
			t.Errorf("%s: %s", text, got)
		}
		if b, _ := l.user(1, all); (b.Reaction == login.ReactNormal) != (want != "hang") {
			t.Errorf("%s acts as %v", text, b.Reaction)
		}
	}
}

// Whatever the source sends: what is taken is consistent, and the index agrees
// with it.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		example, `{"bans":[{"id":1}]}`, `{"bans":[null,5,"x",[],{}]}`, `[]`, ``,
		`{"bans":[{"id":2,"ips":[{"from":"::","to":"ffff::"}],"ipsexcluded":[{"from":"0.0.0.0","to":"9.9.9.9"}],"expires":"2000-01-01 00:00:00"}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		bans, warnings, err := Parse(text)
		if len(warnings) > maxWarnings+1 || err != nil && len(bans) > 0 {
			t.Fatalf("%d warnings, %d bans, %v", len(warnings), len(bans), err)
		}
		l := newList(bans)
		for i := range bans {
			b := &bans[i]
			if b.ID <= 0 || len(b.IPs)+len(b.System)+len(b.Users) == 0 {
				t.Fatalf("%+v", b)
			}
			only := func(o *Ban) bool { return o == b }
			for _, r := range b.IPs {
				_, hit := l.address(r.From, only)
				if want := sixteen(r.From).Compare(sixteen(r.To)) <= 0 && !b.excludes(sixteen(r.From)); want && !hit {
					t.Fatalf("%+v: %v is not banned", b, r.From)
				}
			}
			for _, s := range b.System {
				if _, hit := l.system(s.IDs[0], only); !hit {
					t.Fatalf("%+v: %s is not banned", b, s.IDs[0])
				}
			}
		}
	})
}
