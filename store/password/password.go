// Package password reads, checks and makes the password hashes of accounts,
// sessions, operators and templates (configuration.md §12).
//
// Checking and hashing take up to some hundred milliseconds and as much memory
// as the stored hash asks for (64 MiB for hashes made here), so callers do
// both away from the relay loops and limit how many run at once.
package password

import (
	"bytes"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// Numbers of the stored formats; changing one breaks every stored hash.
const (
	pbkdf2Version    = "1"
	pbkdf2Iterations = 20000
	pbkdf2Len        = 64 // bytes
	sodiumMaxLen     = 127
)

// Valid reports whether stored has one of the supported forms and may be kept
// as somebody's password. It looks at the form only: a value in a known form
// that cannot be decoded is valid and matches nothing, so that a damaged hash
// locks a session instead of opening it.
// The empty string, which means "no password", is not valid.
func Valid(stored string) bool {
	if strings.HasPrefix(stored, "*") {
		return true
	}
	method, rest, _ := strings.Cut(stored, ";")
	switch method {
	case "plain":
		return rest != ""
	case "s+sha1":
		return strings.Count(rest, ";") == 1
	case "pbkdf2":
		return strings.Count(rest, ";") == 2
	case "sodium":
		text, ok := sodiumString(rest)
		return ok && text != ""
	}
	return false
}

// Disabled reports whether stored bans its account: nothing ever matches it.
func Disabled(stored string) bool { return strings.HasPrefix(stored, "*") }

// Check reports whether password matches stored. An empty stored hash matches
// only the empty password; an invalid one matches nothing. The time taken
// depends on the form and parameters of stored, not on how much of the
// password is right. May be called from any goroutine; it can take long.
func Check(stored, password string) bool {
	if stored == "" {
		return password == ""
	}
	method, rest, _ := strings.Cut(stored, ";")
	switch method {
	case "plain":
		return rest != "" && equal([]byte(rest), []byte(password))
	case "s+sha1":
		return checkSHA1(rest, password)
	case "pbkdf2":
		return checkPBKDF2(rest, password)
	case "sodium":
		text, ok := sodiumString(rest)
		return ok && checkArgon2(text, password)
	}
	return false
}

// Decoy is a hash that costs as much to check as one made by Hash. It stands in
// where there is nothing to check, so that the time an answer takes does not
// tell whether an account exists. Nobody knows a password for it; callers
// ignore the result all the same.
const Decoy = "sodium;$argon2id$v=19$m=65536,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// Cheap reports whether checking stored takes visibly less time than checking
// what Hash makes.
func Cheap(stored string) bool {
	rest, ok := strings.CutPrefix(stored, "sodium;")
	if !ok || Upgrade(stored) {
		return true
	}
	text, ok := sodiumString(rest)
	_, err := parseArgon2(text)
	return !ok || err != nil
}

// Hash makes the hash to store for password: Argon2id in the form of libsodium,
// which the reference reads. An empty password gives an empty hash. It takes
// tens of milliseconds and 64 MiB.
func Hash(password string) (string, error) {
	if password == "" {
		return "", nil
	}
	salt := make([]byte, saltLen)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return "sodium;" + newArgon2(salt).text(password), nil
}

// Upgrade reports whether stored should be replaced by a new Hash after its
// password was checked successfully: it is in an older or weaker form.
func Upgrade(stored string) bool {
	rest, ok := strings.CutPrefix(stored, "sodium;")
	if !ok {
		return stored != "" && !Disabled(stored)
	}
	text, ok := sodiumString(rest)
	a, err := parseArgon2(text)
	return ok && err == nil && (!a.id || a.memory < hashMemory || a.passes < hashPasses)
}

func equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }

// checkSHA1 checks "SALT;HASH", both hexadecimal: SHA-1 over salt and password.
func checkSHA1(rest, password string) bool {
	saltText, hashText, ok := strings.Cut(rest, ";")
	if !ok {
		return false
	}
	salt, err1 := hex.DecodeString(saltText)
	hash, err2 := hex.DecodeString(hashText)
	if err1 != nil || err2 != nil {
		return false
	}
	got := sha1.Sum(append(salt, password...))
	return equal(got[:], hash)
}

// checkPBKDF2 checks "VERSION;SALT;HASH", salt and hash in base64.
func checkPBKDF2(rest, password string) bool {
	parts := strings.Split(rest, ";")
	if len(parts) != 3 || parts[0] != pbkdf2Version {
		return false
	}
	salt, err1 := decodeBase64(parts[1])
	hash, err2 := decodeBase64(parts[2])
	if err1 != nil || err2 != nil {
		return false
	}
	got, err := pbkdf2.Key(sha512.New, password, salt, pbkdf2Iterations, pbkdf2Len)
	return err == nil && equal(got, hash)
}

// sodiumString returns libsodium's own string: the value itself, or its base64
// decoding as the documentation of the reference has it. ok says whether the
// length is one that libsodium can make.
func sodiumString(rest string) (text string, ok bool) {
	if !strings.HasPrefix(rest, "$") {
		if b, err := decodeBase64(rest); err == nil && bytes.HasPrefix(b, []byte("$")) {
			rest = string(b)
		}
	}
	return rest, len(rest) >= 1 && len(rest) <= sodiumMaxLen
}

// decodeBase64 accepts the standard alphabet with and without padding.
func decodeBase64(s string) ([]byte, error) {
	return base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
}
