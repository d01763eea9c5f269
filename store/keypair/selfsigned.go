package keypair

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// Names of the pair that SelfSigned makes.
const (
	selfSignedCert = "selfsigned.crt"
	selfSignedKey  = "selfsigned.key"
)

const (
	// selfSignedYears is the validity of a certificate made here. Clients pin
	// it at the first connection, so it must not change often.
	selfSignedYears = 10
	// clockSkew is how far a client's clock may be behind.
	clockSkew = time.Hour
	keyPerm   = 0o600 // nobody else reads the key
	certPerm  = 0o644
)

// SelfSigned returns the paths of a certificate and key in dir that belong
// together, and makes them if there are none: ECDSA on P-256, valid for ten
// years from now. An existing pair is used as it is, also when it has expired,
// because clients know it. A pair that cannot be used is an error and is not
// replaced. dir must exist. It blocks.
func SelfSigned(dir string, now time.Time) (cert, key string, err error) {
	cert, key = filepath.Join(dir, selfSignedCert), filepath.Join(dir, selfSignedKey)
	haveCert, err := exists(cert)
	if err != nil {
		return "", "", err
	}
	haveKey, err := exists(key)
	if err != nil {
		return "", "", err
	}
	switch {
	case haveCert:
		if _, err := Load(cert, key); err != nil {
			return "", "", fmt.Errorf("the self-signed certificate cannot be used: %w; restore both files from a backup, or remove both and clients will be asked to trust a new one", err)
		}
		return cert, key, nil
	case haveKey:
		// Making the pair was interrupted after the key.
		err = certify(cert, key, now)
	default:
		if err = makeKey(key); err == nil {
			err = certify(cert, key, now)
		}
	}
	if err != nil {
		return "", "", fmt.Errorf("make a self-signed certificate in %s: %w; the server's user must be able to write there", dir, err)
	}
	return cert, key, nil
}

func exists(name string) (bool, error) {
	_, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for the self-signed certificate: %w", err)
	}
	return true, nil
}

func makeKey(name string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return writeFile(name, keyPerm, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// certify writes a certificate for the private key in file key.
func certify(cert, key string, now time.Time) error {
	b, err := readFile(key)
	if err != nil {
		return err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return fmt.Errorf("%s is no PEM file; remove it", key)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return fmt.Errorf("%s: %w; remove it", key, err)
	}
	private, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return fmt.Errorf("%s is not an ECDSA key; remove it", key)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "drawrelay"},
		DNSNames:              []string{"localhost"},
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.AddDate(selfSignedYears, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		return err
	}
	return writeFile(cert, certPerm, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// writeFile makes a durable file appear under name as a whole.
func writeFile(name string, perm fs.FileMode, b []byte) error {
	dir := filepath.Dir(name)
	f, err := os.CreateTemp(dir, "."+filepath.Base(name)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once it is renamed
	_, err = f.Write(b)
	if err == nil {
		err = f.Chmod(perm)
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
