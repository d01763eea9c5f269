package password

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Parameters of new hashes, those of the reference (configuration.md §12).
const (
	hashPasses = 2
	hashMemory = 64 << 10 // KiB
	saltLen    = 16       // bytes
	hashLen    = 32       // bytes
)

// Bounds of stored hashes. Stored hashes come from files and databases that
// others can write to; without bounds one line could exhaust the memory of the
// server or keep it busy for minutes. The strongest preset of libsodium is
// inside: 1 GiB, 4 passes.
const (
	maxMemory  = 1 << 20 // KiB: 1 GiB
	maxWork    = 4 << 20 // KiB times passes: 4 passes over 1 GiB
	maxPasses  = 1 << 10 // a bound for tiny memories; libsodium's presets use up to 8
	maxLanes   = 16      // libsodium always uses 1
	argonMin   = 8       // KiB of memory per lane, by the definition of Argon2
	minHashLen = 16      // bytes, libsodium's lower limit
	minSaltLen = 8       // bytes, by the definition of Argon2
	argonVer   = "v=19"  // Argon2 version 1.3, the only one libsodium makes
)

var errArgon2 = errors.New("not an Argon2 string within the accepted bounds")

// argon2Hash is a parsed string of the form
//
//	$argon2id$v=19$m=65536,t=2,p=1$SALT$HASH
//
// with argon2i as the other variant; SALT and HASH are base64 without padding.
type argon2Hash struct {
	id         bool // Argon2id, else Argon2i
	memory     uint32
	passes     uint32
	lanes      uint8
	salt, hash []byte
}

func newArgon2(salt []byte) argon2Hash {
	return argon2Hash{id: true, memory: hashMemory, passes: hashPasses, lanes: 1, salt: salt, hash: make([]byte, hashLen)}
}

// parseArgon2 reads a string and refuses parameters out of bounds.
func parseArgon2(s string) (argon2Hash, error) {
	f := strings.Split(s, "$")
	if len(f) != 6 || f[0] != "" || f[2] != argonVer {
		return argon2Hash{}, errArgon2
	}
	var a argon2Hash
	switch f[1] {
	case "argon2id":
		a.id = true
	case "argon2i":
	default:
		return argon2Hash{}, errArgon2
	}
	p := strings.Split(f[3], ",")
	if len(p) != 3 {
		return argon2Hash{}, errArgon2
	}
	memory, ok1 := parameter(p[0], "m=", maxMemory)
	passes, ok2 := parameter(p[1], "t=", maxPasses)
	lanes, ok3 := parameter(p[2], "p=", maxLanes)
	if !ok1 || !ok2 || !ok3 || memory < argonMin*lanes || uint64(memory)*uint64(passes) > maxWork {
		return argon2Hash{}, errArgon2
	}
	a.memory, a.passes, a.lanes = memory, passes, uint8(lanes)
	var err error
	if a.salt, err = base64.RawStdEncoding.DecodeString(f[4]); err != nil || len(a.salt) < minSaltLen {
		return argon2Hash{}, errArgon2
	}
	if a.hash, err = base64.RawStdEncoding.DecodeString(f[5]); err != nil || len(a.hash) < minHashLen {
		return argon2Hash{}, errArgon2
	}
	return a, nil
}

// parameter reads "m=65536": a decimal number from 1 to limit without sign or
// leading zero.
func parameter(s, prefix string, limit uint32) (uint32, bool) {
	s, ok := strings.CutPrefix(s, prefix)
	if !ok || s == "" || s[0] < '1' || s[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil && n <= uint64(limit)
}

// sum hashes password with the parameters of a.
func (a argon2Hash) sum(password string) []byte {
	if a.id {
		return argon2.IDKey([]byte(password), a.salt, a.passes, a.memory, a.lanes, uint32(len(a.hash)))
	}
	return argon2.Key([]byte(password), a.salt, a.passes, a.memory, a.lanes, uint32(len(a.hash)))
}

// text returns the string for password with the parameters of a, which must
// be Argon2id.
func (a argon2Hash) text(password string) string {
	return fmt.Sprintf("$argon2id$%s$m=%d,t=%d,p=%d$%s$%s", argonVer, a.memory, a.passes, a.lanes,
		base64.RawStdEncoding.EncodeToString(a.salt), base64.RawStdEncoding.EncodeToString(a.sum(password)))
}

func checkArgon2(text, password string) bool {
	a, err := parseArgon2(text)
	return err == nil && equal(a.sum(password), a.hash)
}
