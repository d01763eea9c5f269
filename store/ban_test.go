package store

import (
	"net/netip"
	"strconv"
	"testing"

	"drawrelay/store/entry"
)

func addr(s string) netip.Addr {
	if s == "" {
		return netip.Addr{}
	}
	return netip.MustParseAddr(s)
}

func TestBanAdd(t *testing.T) {
	op := &entry.Person{Name: "Op", AuthID: "internal:1", SystemID: "ff", Addr: addr("10.0.0.1")}
	for _, c := range []struct {
		name string
		in   Ban
		by   *entry.Person
		want Ban // ID 0: refused
	}{
		{"IPv4 is mapped", Ban{Name: "x", Addr: addr("192.168.0.100")}, op, Ban{ID: 1, Name: "x", Addr: addr("::ffff:192.168.0.100")}},
		{"IPv6 stays", Ban{Addr: addr("2001:db8::1")}, op, Ban{ID: 1, Addr: addr("2001:db8::1")}},
		{"a zone is dropped", Ban{Addr: addr("fe80::1%eth0")}, op, Ban{ID: 1, Addr: addr("fe80::1")}},
		{"loopback is dropped", Ban{Name: "x", Addr: addr("127.0.0.9")}, op, Ban{ID: 1, Name: "x"}},
		{"mapped loopback is dropped", Ban{Name: "x", Addr: addr("::ffff:127.0.0.1")}, op, Ban{ID: 1, Name: "x"}},
		{"IPv6 loopback is dropped", Ban{Addr: addr("::1")}, op, Ban{}},
		{"nothing", Ban{By: "op"}, op, Ban{}},
		{"own parts are cleared", Ban{Name: "oP", AuthID: "internal:1", SystemID: "ff", Addr: addr("::ffff:10.0.0.1")}, op, Ban{}},
		{"own name only", Ban{Name: "OP", AuthID: "internal:2"}, op, Ban{ID: 1, AuthID: "internal:2"}},
		{"own address only", Ban{Name: "x", Addr: addr("10.0.0.1")}, op, Ban{ID: 1, Name: "x"}},
		{"own account and system", Ban{Name: "x", AuthID: "internal:1", SystemID: "ff", By: "Op"}, op, Ban{ID: 1, Name: "x", By: "Op"}},
		{"unknown banner", Ban{Name: "Op", Addr: addr("10.0.0.1")}, nil, Ban{ID: 1, Name: "Op", Addr: addr("::ffff:10.0.0.1")}},
		{"explicit number", Ban{ID: 7, Name: "x"}, nil, Ban{ID: 7, Name: "x"}},
		{"negative number", Ban{ID: -1, Name: "x"}, nil, Ban{}},
	} {
		var l BanList
		got, ok := l.Add(c.in, c.by)
		if got != c.want || ok != (c.want.ID != 0) || ok != (len(l.All()) == 1) {
			t.Errorf("%s: %+v, %v, want %+v", c.name, got, ok, c.want)
		}
	}
}

func TestBanSubsumed(t *testing.T) {
	full := Ban{Name: "Troll", AuthID: "a", SystemID: "s", Addr: addr("10.0.0.1")}
	for _, c := range []struct {
		name string
		in   Ban
		ok   bool
	}{
		{"the same", full, false},
		{"name only, other case", Ban{Name: "tROLL"}, false},
		{"account only", Ban{AuthID: "a"}, false},
		{"system only", Ban{SystemID: "s"}, false},
		{"address only, unmapped", Ban{Addr: addr("10.0.0.1")}, false},
		{"two parts", Ban{Name: "troll", SystemID: "s"}, false},
		{"another name", Ban{Name: "trol", SystemID: "s"}, true},
		{"account in other case", Ban{AuthID: "A"}, true},
		{"another address", Ban{Name: "troll", Addr: addr("10.0.0.2")}, true},
		{"number in use", Ban{ID: 1, Name: "x"}, false},
	} {
		var l BanList
		l.Add(full, nil)
		if _, ok := l.Add(c.in, nil); ok != c.ok {
			t.Errorf("%s: %v", c.name, ok)
		}
	}
	// The narrow one first does not cover the wide one.
	var l BanList
	l.Add(Ban{Name: "troll"}, nil)
	if b, ok := l.Add(full, nil); !ok || b.ID != 2 {
		t.Errorf("%+v, %v", b, ok)
	}
}

func TestBanNumbersAndLimit(t *testing.T) {
	var l BanList
	l.Add(Ban{ID: 10, Name: "a"}, nil)
	if b, _ := l.Add(Ban{Name: "b"}, nil); b.ID != 11 {
		t.Errorf("number %d after 10", b.ID)
	}
	l.Remove(11)
	if b, _ := l.Add(Ban{Name: "c"}, nil); b.ID != 12 {
		t.Errorf("number %d is used again", b.ID)
	}
	if _, ok := l.Remove(11); ok {
		t.Error("removed twice")
	}
	for len(l.All()) < 1000 {
		if _, ok := l.Add(Ban{Name: "n" + strconv.Itoa(len(l.All()))}, nil); !ok {
			t.Fatalf("ban %d is refused", len(l.All())+1)
		}
	}
	if _, ok := l.Add(Ban{Name: "one too many"}, nil); ok {
		t.Error("ban 1001 is accepted")
	}
}

func TestBanMatch(t *testing.T) {
	var l BanList
	l.Add(Ban{Name: "Troll"}, nil)
	l.Add(Ban{AuthID: "internal:3"}, nil)
	l.Add(Ban{SystemID: "ab"}, nil)
	l.Add(Ban{Addr: addr("10.0.0.1")}, nil)
	l.Add(Ban{Addr: addr("2001:db8::1")}, nil)
	before := l.Matcher()
	check := func(f func(string, string, string, netip.Addr) int, name, auth, sid, ip string, want int) {
		t.Helper()
		if got := f(name, auth, sid, addr(ip)); got != want {
			t.Errorf("match(%q, %q, %q, %q) = %d, want %d", name, auth, sid, ip, got, want)
		}
	}
	check(l.Match, "tROLL", "", "", "", 1)
	check(l.Match, "x", "internal:3", "", "", 2)
	check(l.Match, "x", "Internal:3", "", "", 0)
	check(l.Match, "x", "", "ab", "", 3)
	check(l.Match, "x", "", "", "10.0.0.1", 4)
	check(l.Match, "x", "", "", "::ffff:10.0.0.1", 4)
	check(l.Match, "x", "", "", "2001:db8::1", 5)
	check(l.Match, "x", "", "", "127.0.0.1", 0)
	check(l.Match, "", "", "", "", 0)
	check(l.Match, "x", "internal:3", "ab", "10.0.0.1", 2) // the first counts

	l.Remove(1)
	l.Add(Ban{Name: "new"}, nil)
	check(l.Match, "troll", "", "", "", 0)
	check(l.Match, "new", "", "", "", 6)
	// What was handed out stays as it was.
	check(before, "troll", "", "", "", 1)
	check(before, "new", "", "", "", 0)
}
