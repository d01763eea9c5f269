package main

import (
	"net/netip"
	"strings"
	"testing"
)

// Decision 5 of the specification: who is believed about client addresses.
func TestTrustedProxies(t *testing.T) {
	o, err := parseOptions([]string{"--trusted-proxy", "192.0.2.10", "--trusted-proxy=10.1.2.3/8, 2001:db8::/32", "--trusted-proxy", "::ffff:198.51.100.0/120"})
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]bool{
		"127.0.0.1": true, "127.9.9.9": true, "::1": true, "::ffff:127.0.0.1": true,
		"192.0.2.10": true, "::ffff:192.0.2.10": true, "192.0.2.11": false,
		"10.200.0.1": true, "11.0.0.1": false, "198.51.100.77": true, "198.51.101.1": false,
		"2001:db8:1::1": true, "2001:db9::1": false, "fe80::1%eth0": false,
	} {
		if got := o.trusts(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
	if !o.trusts(netip.Addr{}) {
		t.Error("a Unix socket is not believed")
	}
	if none := new(options); none.trusts(netip.MustParseAddr("10.0.0.1")) || !none.trusts(netip.MustParseAddr("127.0.0.1")) {
		t.Error("wrong default")
	}
	if !strings.Contains(strings.Join(o.warnings, "\n"), "--trusted-proxy has no effect without --websocket-port") {
		t.Errorf("warnings %q", o.warnings)
	}
	for _, bad := range []string{"", "x", "10.0.0.0/33", "10.0.0.1,", "::ffff:0:0/90", "fe80::1%eth0"} {
		if _, err := parseOptions([]string{"--trusted-proxy", bad}); err == nil {
			t.Errorf("%q accepted", bad)
		}
	}
}
