package keypair

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var day = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// issue returns a self-signed certificate for key in PEM.
func issue(t *testing.T, key crypto.Signer, serial int64) []byte {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      pkix.Name{CommonName: "test"},
		DNSNames:     []string{"test"},
		NotBefore:    day,
		NotAfter:     day.AddDate(0, 0, 30),
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func ecKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func pkcs8(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// files writes a pair into a new folder.
func files(t *testing.T, cert, key []byte) (certFile, keyFile string) {
	t.Helper()
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem")
	write(t, certFile, cert)
	write(t, keyFile, key)
	return certFile, keyFile
}

var writes int

// write replaces a file; every write has its own modification time.
func write(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	writes++
	at := day.Add(time.Duration(writes) * time.Second)
	if err := os.Chtimes(name, at, at); err != nil {
		t.Fatal(err)
	}
}

func serial(p *Pair) int64 { return p.Certificate().Leaf.SerialNumber.Int64() }

func TestContainers(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ec := ecKey(t)
	sec1, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	// What "openssl ecparam -genkey" writes in front of the key.
	params := pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}})
	for _, c := range []struct {
		name string
		key  crypto.Signer
		pem  []byte
	}{
		{"PKCS#1", rsaKey, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(rsaKey)})},
		{"PKCS#8 RSA", rsaKey, pkcs8(t, rsaKey)},
		{"SEC1", ec, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})},
		{"SEC1 after parameters", ec, append(params, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})...)},
		{"PKCS#8 ECDSA", ec, pkcs8(t, ec)},
	} {
		p, err := Load(files(t, issue(t, c.key, 7), c.pem))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if serial(p) != 7 {
			t.Errorf("%s: serial %d", c.name, serial(p))
		}
	}
}

func TestLoadErrors(t *testing.T) {
	ec, other := ecKey(t), ecKey(t)
	cert, key := issue(t, ec, 1), pkcs8(t, ec)
	for _, c := range []struct {
		name      string
		cert, key []byte
		want      string
	}{
		{"keys of another pair", cert, pkcs8(t, other), "the key must belong to it"},
		{"no certificate", []byte("hello"), key, "must be PEM"},
		{"no key", cert, []byte("hello"), "must be PEM"},
		{"swapped", key, cert, "must be PEM"},
		{"encrypted", cert, []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"), "passphrase"},
		{"empty", nil, nil, "must be PEM"},
		{"huge", make([]byte, maxFile+1), key, "no PEM file"},
	} {
		_, err := Load(files(t, c.cert, c.key))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none"), "none"); err == nil {
		t.Error("missing files: no error")
	}
}

func TestReload(t *testing.T) {
	a, b := ecKey(t), ecKey(t)
	certFile, keyFile := files(t, issue(t, a, 1), pkcs8(t, a))
	p, err := Load(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	check := func(step string, wantTried, wantErr bool, wantSerial int64) {
		t.Helper()
		tried, err := p.ReloadIfChanged()
		if tried != wantTried || (err != nil) != wantErr || serial(p) != wantSerial {
			t.Errorf("%s: tried %v, error %v, serial %d", step, tried, err, serial(p))
		}
	}
	check("nothing changed", false, false, 1)
	write(t, certFile, issue(t, a, 2))
	check("renewed with the same key", true, false, 2)
	check("again", false, false, 2)
	write(t, certFile, issue(t, b, 3))
	check("certificate replaced first", true, true, 2)
	check("not tried twice", false, false, 2)
	write(t, keyFile, pkcs8(t, b))
	check("then its key", true, false, 3)
	write(t, keyFile, []byte("garbage"))
	check("garbage", true, true, 3)
	if err := p.Reload(); err == nil {
		t.Error("Reload accepts garbage")
	}
	if err := os.Remove(keyFile); err != nil {
		t.Fatal(err)
	}
	check("missing", true, true, 3)
	check("still missing", false, false, 3)
	write(t, keyFile, pkcs8(t, b))
	check("back", true, false, 3)

	// What was missing may be a right, which times and sizes do not show: here
	// the content comes without them, as a readable file would.
	good := pkcs8(t, b)
	write(t, keyFile, bytes.Repeat([]byte("x"), len(good)))
	info, err := os.Stat(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	check("unusable", true, true, 3)
	write(t, certFile, issue(t, b, 4))
	check("still unusable", true, true, 3)
	check("told once", false, false, 3)
	write(t, keyFile, good)
	if err := os.Chtimes(keyFile, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	check("usable again", true, false, 4)
	check("and settled", false, false, 4)
}

// TestSymbolicLinks renews like certbot: the links' targets change.
func TestSymbolicLinks(t *testing.T) {
	dir := t.TempDir()
	live := func(n string) string { return filepath.Join(dir, n) }
	a, b := ecKey(t), ecKey(t)
	write(t, live("cert1"), issue(t, a, 1))
	write(t, live("key1"), pkcs8(t, a))
	write(t, live("cert2"), issue(t, b, 2))
	write(t, live("key2"), pkcs8(t, b))
	link := func(target, name string) {
		t.Helper()
		_ = os.Remove(live(name))
		if err := os.Symlink(target, live(name)); err != nil {
			t.Fatal(err)
		}
	}
	link("cert1", "cert")
	link("key1", "key")
	p, err := Load(live("cert"), live("key"))
	if err != nil {
		t.Fatal(err)
	}
	link("cert2", "cert")
	link("key2", "key")
	if tried, err := p.ReloadIfChanged(); !tried || err != nil || serial(p) != 2 {
		t.Errorf("tried %v, error %v, serial %d", tried, err, serial(p))
	}
}

func TestDaysLeft(t *testing.T) {
	k := ecKey(t)
	p, err := Load(files(t, issue(t, k, 1), pkcs8(t, k)))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{0, 30}, {time.Hour, 29}, {30 * 24 * time.Hour, 0}, {30*24*time.Hour + time.Second, -1}} {
		if got := p.DaysLeft(day.Add(c.after)); got != c.want {
			t.Errorf("after %v: %d days left, want %d", c.after, got, c.want)
		}
	}
}

func TestSelfSigned(t *testing.T) {
	dir := t.TempDir()
	cert, key, err := SelfSigned(dir, day)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Load(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf := p.Certificate().Leaf
	if _, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok || !leaf.NotAfter.Equal(day.AddDate(10, 0, 0)) || leaf.NotBefore.After(day) {
		t.Errorf("key %T, valid from %v to %v", leaf.PublicKey, leaf.NotBefore, leaf.NotAfter)
	}
	if st, err := os.Stat(key); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v", st.Mode(), err)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 2 {
		t.Errorf("folder has %v, %v", names, err)
	}

	// Used again, later too.
	if _, _, err := SelfSigned(dir, day.AddDate(20, 0, 0)); err != nil {
		t.Fatal(err)
	}
	again, err := Load(cert, key)
	if err != nil || again.Certificate().Leaf.SerialNumber.Cmp(leaf.SerialNumber) != 0 {
		t.Errorf("the pair was replaced (%v)", err)
	}

	// Interrupted after the key.
	if err := os.Remove(cert); err != nil {
		t.Fatal(err)
	}
	if _, _, err := SelfSigned(dir, day); err != nil {
		t.Fatal(err)
	}
	again, err = Load(cert, key)
	if err != nil || !again.Certificate().Leaf.PublicKey.(*ecdsa.PublicKey).Equal(leaf.PublicKey) {
		t.Errorf("the key was replaced (%v)", err)
	}

	// Unusable: nothing is replaced.
	write(t, key, []byte("garbage"))
	if _, _, err := SelfSigned(dir, day); err == nil || !strings.Contains(err.Error(), "remove both") {
		t.Errorf("damaged key: %v", err)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	if _, _, err := SelfSigned(dir, day); err == nil || !strings.Contains(err.Error(), "remove both") {
		t.Errorf("missing key: %v", err)
	}
	if b, err := os.ReadFile(cert); err != nil || len(b) == 0 {
		t.Errorf("certificate: %v", err)
	}
}

// TestHandshake uses a pair as a server does, while it is being replaced.
func TestHandshake(t *testing.T) {
	a, b := ecKey(t), ecKey(t)
	certFile, keyFile := files(t, issue(t, a, 1), pkcs8(t, a))
	p, err := Load(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{GetCertificate: p.GetCertificate}
	seen := func() int64 {
		server, client := net.Pipe()
		defer server.Close()
		defer client.Close()
		go func() { _ = tls.Server(server, config).Handshake() }()
		c := tls.Client(client, &tls.Config{InsecureSkipVerify: true})
		if err := c.Handshake(); err != nil {
			t.Error(err)
			return 0
		}
		return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if got := seen(); got != 1 {
		t.Errorf("serial %d", got)
	}
	write(t, certFile, issue(t, b, 2))
	write(t, keyFile, pkcs8(t, b))
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if err := p.Reload(); err != nil {
				t.Error(err)
			}
		})
	}
	if got := seen(); got != 1 && got != 2 {
		t.Errorf("serial %d", got)
	}
	wg.Wait()
	if got := seen(); got != 2 {
		t.Errorf("serial %d after the reload", got)
	}
}
