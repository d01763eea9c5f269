package fuzz

import (
	"encoding/base64"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"drawrelay/store/password"
)

// Bounds of what a stored hash may cost here. The package accepts up to 1 GiB
// and four passes over it, which would make this target useless; hashes in
// between are read, but nothing is checked against them.
const (
	cheapWork = 256     // KiB of memory times passes
	maxWork   = 4 << 20 // KiB of memory times passes, beyond which none is accepted
	maxMemory = 1 << 20 // KiB, likewise
)

var argonForm = regexp.MustCompile(`m=([0-9]+),t=([0-9]+)`)

// FuzzPassword reads text as a stored password hash (configuration.md §12).
// Nothing panics; only valid forms match anything; a hash that asks for more
// than the accepted memory is refused without taking it.
//
// Seeds: the vectors of configuration.md §12 with small parameters; one form
// of every kind, right and damaged.
func FuzzPassword(f *testing.F) {
	small := "$argon2id$v=19$m=8,t=1,p=1$AAECAwQFBgcICQoLDA0ODw$BGHlZF2JSyEnPOHI5A0zk2O66M8Tt3TOoRZvesS7JBI"
	for _, s := range []string{
		"", "*", "*plain;x", "plain;", "plain;qwerty123", "plain;a;b", "qwerty123",
		"s+sha1;00112233;6b681039ac36707fcc035341c5003b6f9b025d19", "s+sha1;0;zz", "s+sha1;;",
		"pbkdf2;1;AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=;xNS1yNxWpBPA3A24A05BNiXwdryO00mmFT+1xde4BYll8eQUUJ1Wp2QTE98ltdkKb5dbE37FaGWrodOjS6tbYg==",
		"pbkdf2;2;AA==;AA==", "pbkdf2;1;;",
		"sodium;" + small, "sodium;" + base64.StdEncoding.EncodeToString([]byte(small)),
		"sodium;" + strings.Replace(small, "m=8,t=1,p=1", "m=128,t=2,p=16", 1),
		"sodium;" + strings.Replace(small, "argon2id", "argon2i", 1),
		"sodium;" + strings.Replace(small, "m=8", "m=4294967295", 1),
		"sodium;" + strings.Replace(small, "t=1", "t=4294967295", 1),
		"sodium;" + strings.Replace(small, "m=8,t=1", "m=65536,t=1024", 1),
		"sodium;" + strings.Replace(small, "p=1", "p=255", 1),
		"sodium;$argon2id$v=19$m=8,t=1,p=1$$", "sodium;", "sodium;$",
	} {
		f.Add(s, "qwerty123")
	}
	f.Fuzz(func(t *testing.T, stored, pass string) {
		var valid bool
		if n := allocated(func() {
			valid = password.Valid(stored)
			password.Upgrade(stored)
		}); n > 64<<10+16*uint64(len(stored)) {
			t.Fatalf("looking at %d bytes takes %d bytes of memory", len(stored), n)
		}
		if password.Disabled(stored) && !valid {
			t.Fatal("a disabled account has no valid hash")
		}
		work, refused := cost(stored)
		if work > cheapWork && !refused {
			return
		}
		var ok bool
		n := allocated(func() { ok = password.Check(stored, pass) })
		if limit := uint64(1<<20) + 16*uint64(len(stored)+len(pass)); n > limit+work<<10 {
			t.Fatalf("checking takes %d bytes of memory", n)
		}
		if ok && !valid && stored != "" || ok && password.Disabled(stored) || ok && refused {
			t.Fatalf("%q matches %q", stored, pass)
		}
		if stored == "" && ok != (pass == "") {
			t.Fatalf("no hash matches %q: %v", pass, ok)
		}
		if plain := "plain;" + pass; pass != "" && (!password.Valid(plain) || !password.Check(plain, pass)) || pass == "" && password.Valid(plain) {
			t.Fatalf("plain form of %q: valid %v", pass, password.Valid(plain))
		}
	})
}

// cost returns the memory times passes that an Argon2 string in stored asks
// for, in KiB, and whether it is so much that it must be refused.
func cost(stored string) (work uint64, refused bool) {
	_, text, _ := strings.Cut(stored, ";")
	if b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "=")); err == nil {
		text += string(b)
	}
	for _, m := range argonForm.FindAllStringSubmatch(text, -1) {
		memory, err1 := strconv.ParseUint(m[1], 10, 32)
		passes, err2 := strconv.ParseUint(m[2], 10, 32)
		if err1 != nil || err2 != nil || memory > maxMemory || memory*passes > maxWork {
			refused = true
			continue
		}
		work = max(work, memory*passes)
	}
	return work, refused && work == 0
}

// allocated returns how many bytes f takes from the heap.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
