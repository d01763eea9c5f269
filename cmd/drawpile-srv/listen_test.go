package main

import (
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestListenTCP opens the port in each way and connects over both families.
func TestListenTCP(t *testing.T) {
	have6 := false
	if l, err := net.Listen("tcp6", "[::1]:0"); err == nil {
		have6 = true
		_ = l.Close()
	}
	for _, tt := range []struct {
		listen     string
		ipv4, ipv6 bool
	}{
		{"", true, true},
		{"0.0.0.0", true, false},
		{"127.0.0.1", true, false},
		{"::1", false, true},
	} {
		var addr netip.Addr
		if tt.listen != "" {
			addr = netip.MustParseAddr(tt.listen)
		}
		if addr.Is6() && !have6 {
			continue
		}
		l, err := listenTCP(t.Context(), addr, freePort(t), "--")
		if err != nil {
			t.Errorf("%q: %v", tt.listen, err)
			continue
		}
		_, port := listenerAddress(l)
		for host, want := range map[string]bool{"127.0.0.1": tt.ipv4, "::1": tt.ipv6 && have6} {
			c, err := net.Dial("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
			if (err == nil) != want {
				t.Errorf("listening at %q, connecting to %s: %v", tt.listen, host, err)
			}
			if err == nil {
				_ = c.Close()
			}
		}
		if _, err := listenTCP(t.Context(), addr, port, "--"); err == nil || !strings.Contains(err.Error(), "choose another --port") {
			t.Errorf("%q twice: %v", tt.listen, err)
		}
		_ = l.Close()
	}
}

func TestLoadKeyPair(t *testing.T) {
	now := time.Now()
	if pair, err := loadKeyPair(&options{keyAlgorithm: "guess"}, now); pair != nil || err != nil {
		t.Errorf("without options: %v, %v", pair, err)
	}
	dir := filepath.Join(t.TempDir(), "data", "tls")
	made, err := loadKeyPair(&options{selfSigned: dir, keyAlgorithm: "guess"}, now)
	if err != nil || made == nil {
		t.Fatal(err)
	}
	if c := tlsConfig(made); !c.DynamicRecordSizingDisabled || c.GetCertificate == nil {
		t.Errorf("configuration %+v", c)
	}
	for algorithm, ok := range map[string]bool{"guess": true, "ec": true, "rsa": false, "dsa": false, "dh": false} {
		_, err := loadKeyPair(&options{selfSigned: dir, keyAlgorithm: algorithm}, now)
		if (err == nil) != ok || err != nil && !strings.HasPrefix(err.Error(), tlsFailure+": ") {
			t.Errorf("%s: %v", algorithm, err)
		}
	}
	if _, err := loadKeyPair(&options{certFile: "no", keyFile: "no", keyAlgorithm: "guess"}, now); err == nil || !strings.HasPrefix(err.Error(), tlsFailure+": ") {
		t.Errorf("missing files: %v", err)
	}
}
