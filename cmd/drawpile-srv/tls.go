package main

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"fmt"
	"time"

	"drawrelay/store"
	"drawrelay/store/keypair"
)

// dataPerm are the permissions of folders made here: sessions and keys are
// nobody else's business.
const dataPerm = 0o700

// tlsFailure is the text of the reference that scripts look for.
const tlsFailure = "Couldn't load TLS certificate"

// loadKeyPair loads the TLS key pair that the options name, or nil.
func loadKeyPair(o *options, now time.Time) (*keypair.Pair, error) {
	cert, key := o.certFile, o.keyFile
	if o.selfSigned != "" {
		if err := store.OS.MkdirAll(o.selfSigned, dataPerm); err != nil {
			return nil, fmt.Errorf("make the folder of the TLS certificate: %w; let the server's user make it, or choose another --data", err)
		}
		var err error
		if cert, key, err = keypair.SelfSigned(o.selfSigned, now); err != nil {
			return nil, err
		}
	}
	if cert == "" {
		return nil, nil
	}
	pair, err := keypair.Load(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w (--ssl-cert, --ssl-key)", tlsFailure, err)
	}
	return pair, checkAlgorithm(o.keyAlgorithm, pair)
}

// checkAlgorithm compares the key with --ssl-key-algorithm.
func checkAlgorithm(want string, pair *keypair.Pair) error {
	got := "other"
	switch pair.Certificate().PrivateKey.(type) {
	case *rsa.PrivateKey:
		got = "rsa"
	case *ecdsa.PrivateKey:
		got = "ec"
	}
	if want != "guess" && want != got {
		return fmt.Errorf("%s: the key is not of the kind --ssl-key-algorithm %s; write guess", tlsFailure, want)
	}
	return nil
}

// tlsConfig returns the configuration for new connections. Large records are
// what makes TLS cheap in the relay (relay-design.md §7).
func tlsConfig(pair *keypair.Pair) *tls.Config {
	return &tls.Config{
		MinVersion:                  tls.VersionTLS12,
		GetCertificate:              pair.GetCertificate,
		DynamicRecordSizingDisabled: true,
	}
}
