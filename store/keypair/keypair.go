// Package keypair keeps the server's TLS certificate and private key: read
// together, checked against each other, replaced together when the files
// change, and looked up by connections without touching a file or a lock
// (configuration.md §17.2).
package keypair

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// maxFile bounds what is read of a certificate or key file. A long chain has
// some 20 KiB; anything beyond 1 MiB is a mistake in the path.
const maxFile = 1 << 20

// Pair is a certificate chain and its private key, loaded from two files.
type Pair struct {
	certFile, keyFile string

	// Read by any goroutine, replaced as a whole under mu.
	current atomic.Pointer[tls.Certificate]

	mu      sync.Mutex // one reload at a time
	seen    [2]stamp   // of the files at the last attempt to load them
	failure string     // its error, empty if it was successful
}

// stamp tells one version of a file from another. Symbolic links are followed,
// so that a renewed link target counts as a change.
type stamp struct {
	modified time.Time
	size     int64
}

// Load reads a PEM certificate chain, leaf first, and its unencrypted PEM
// private key in a PKCS#1, SEC1 or PKCS#8 container. The error names the file
// and a cure.
func Load(cert, key string) (*Pair, error) {
	p := &Pair{certFile: cert, keyFile: key}
	if err := p.Reload(); err != nil {
		return nil, err
	}
	return p, nil
}

// Certificate returns the current certificate, which must not be changed. Any
// goroutine; no lock, no file access.
func (p *Pair) Certificate() *tls.Certificate { return p.current.Load() }

// GetCertificate has the form tls.Config wants. It ignores the hello and never
// fails.
func (p *Pair) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return p.current.Load(), nil
}

// Reload reads both files and replaces certificate and key together. On an
// error, also when the two do not belong together, the old ones stay in use.
// Connections that exist already are not affected. Any goroutine.
func (p *Pair) Reload() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	// Stamps are taken before reading: a file that changes in between has
	// another stamp at the next check and is read again.
	stamps, err := p.stamps()
	if err != nil {
		return err
	}
	p.seen = stamps
	err = p.load()
	p.fail(err)
	return err
}

// ReloadIfChanged reloads when a file's modification time or size is not what
// it was at the last attempt, or if that has failed: what was missing may have
// been a right, whose return does not show there. It says whether it has
// reloaded; each failure is told once. Call it from a timer; any goroutine.
func (p *Pair) ReloadIfChanged() (tried bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	stamps, err := p.stamps()
	told := p.failure
	if stamps == p.seen && told == "" {
		return false, nil
	}
	if stamps != p.seen {
		told = ""
	}
	p.seen = stamps
	if err == nil {
		err = p.load()
	}
	p.fail(err)
	if err != nil && p.failure == told {
		return false, nil
	}
	return true, err
}

// fail remembers how the last attempt ended. Needs mu.
func (p *Pair) fail(err error) {
	p.failure = ""
	if err != nil {
		p.failure = err.Error()
	}
}

// NotAfter returns when the current leaf certificate expires.
func (p *Pair) NotAfter() time.Time { return p.current.Load().Leaf.NotAfter }

// DaysLeft returns the whole days until the leaf certificate expires, negative
// once it has.
func (p *Pair) DaysLeft(now time.Time) int {
	return int(math.Floor(p.NotAfter().Sub(now).Hours() / 24))
}

func (p *Pair) stamps() (s [2]stamp, err error) {
	for i, name := range [2]string{p.certFile, p.keyFile} {
		st, serr := os.Stat(name)
		if serr != nil {
			if err == nil {
				err = fmt.Errorf("load TLS certificate: %w; check the path and that the server's user may read it", serr)
			}
			continue
		}
		s[i] = stamp{st.ModTime(), st.Size()}
	}
	return s, err
}

func (p *Pair) load() error {
	certPEM, err := readFile(p.certFile)
	if err != nil {
		return err
	}
	keyPEM, err := readFile(p.keyFile)
	if err != nil {
		return err
	}
	c, err := parse(certPEM, keyPEM)
	if err != nil {
		return fmt.Errorf("load TLS certificate %s with key %s: %w", p.certFile, p.keyFile, err)
	}
	p.current.Store(c)
	return nil
}

func readFile(name string) ([]byte, error) {
	st, err := os.Stat(name)
	if err == nil && st.Size() > maxFile {
		err = fmt.Errorf("%s has %d bytes: this is no PEM file", name, st.Size())
	}
	var b []byte
	if err == nil {
		b, err = os.ReadFile(name)
	}
	if err != nil {
		return nil, fmt.Errorf("load TLS certificate: %w; check the path and that the server's user may read it", err)
	}
	return b, nil
}

// parse makes a certificate of both files' content and checks that they belong
// together.
func parse(certPEM, keyPEM []byte) (*tls.Certificate, error) {
	c, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, explain(err, keyPEM)
	}
	if c.Leaf == nil {
		if c.Leaf, err = x509.ParseCertificate(c.Certificate[0]); err != nil {
			return nil, err
		}
	}
	return &c, nil
}

// explain adds a cure to the errors that operators meet.
func explain(err error, keyPEM []byte) error {
	for rest := keyPEM; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type == "ENCRYPTED PRIVATE KEY" || bytes.Contains([]byte(block.Headers["Proc-Type"]), []byte("ENCRYPTED")) {
			return errors.New("the private key is encrypted; store it without a passphrase (openssl pkey -in KEY -out NEWKEY)")
		}
	}
	return fmt.Errorf("%w; both files must be PEM, the certificate file with the server's own certificate first, and the key must belong to it", err)
}
