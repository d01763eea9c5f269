package password

import (
	"encoding/base64"
	"strings"
	"testing"
)

// The same password in every form: the vectors of configuration.md §12 and
// strings made by libsodium.
const vectorPassword = "qwerty123"

var vectors = []struct {
	name, stored string
}{
	{"plain", "plain;qwerty123"},
	{"salted SHA-1", "s+sha1;00112233;6b681039ac36707fcc035341c5003b6f9b025d19"},
	{"upper-case hex", "s+sha1;00112233;6B681039AC36707FCC035341C5003B6F9B025D19"},
	{"PBKDF2", "pbkdf2;1;AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=;xNS1yNxWpBPA3A24A05BNiXwdryO00mmFT+1xde4BYll8eQUUJ1Wp2QTE98ltdkKb5dbE37FaGWrodOjS6tbYg=="},
	{"sodium", "sodium;$argon2id$v=19$m=65536,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$BGHlZF2JSyEnPOHI5A0zk2O66M8Tt3TOoRZvesS7JBI"},
	{"sodium argon2i", "sodium;$argon2i$v=19$m=8192,t=3,p=1$BR0Sf7au+zGu8GXzzpC0Yg$nV18J6Z6BYYb+rAk7+zgpWQ+UqvII7Ek51ia9swdsNc"},
	{"sodium argon2i, more memory", "sodium;$argon2i$v=19$m=32768,t=4,p=1$SNjUf8Pl6HpHm7Q7EKKMPg$CM5Lp/wPX+mwPzZfxwN7XOTth6ldIM4lhKgJbK8tJxQ"},
	{"sodium, least memory", "sodium;$argon2id$v=19$m=8,t=1,p=1$7Q4t2sj+9TaTLXPD83KlLw$GLrYdmpRFDGJwS0hGpNppzgD1GXQnrMwg8kW6LbsNjE"},
	{"sodium, 3 passes", "sodium;$argon2id$v=19$m=1024,t=3,p=1$w8ih15gD4WXkuMEhMvshIA$tGfSlfH6KtsCAyFKNUDgG+tDNoNmeo2Ox0pNuRrwm+0"},
	{"sodium in base64", "sodium;" + base64.StdEncoding.EncodeToString([]byte(
		"$argon2id$v=19$m=1024,t=3,p=1$w8ih15gD4WXkuMEhMvshIA$tGfSlfH6KtsCAyFKNUDgG+tDNoNmeo2Ox0pNuRrwm+0"))},
	{"sodium in base64 without padding", "sodium;" + base64.RawStdEncoding.EncodeToString([]byte(
		"$argon2id$v=19$m=8,t=1,p=1$7Q4t2sj+9TaTLXPD83KlLw$GLrYdmpRFDGJwS0hGpNppzgD1GXQnrMwg8kW6LbsNjE"))},
}

func TestVectors(t *testing.T) {
	for _, v := range vectors {
		if !Valid(v.stored) {
			t.Errorf("%s: not valid", v.name)
		}
		if !Check(v.stored, vectorPassword) {
			t.Errorf("%s: the right password does not match", v.name)
		}
		for _, wrong := range []string{"", "qwerty12", "qwerty1234", "Qwerty123"} {
			if Check(v.stored, wrong) {
				t.Errorf("%s: %q matches", v.name, wrong)
			}
		}
	}
}

func TestNonASCII(t *testing.T) {
	const stored = "sodium;$argon2id$v=19$m=65536,t=2,p=1$M4udWCaRNiZPc3D0mpM4WQ$RH14ApRKtvgdthHHgKYAnv4Ls1bhKZYoiKfJc4wZf+E"
	if !Check(stored, "correct h\u00f6rse") {
		t.Error("a UTF-8 password does not match")
	}
}

func TestForms(t *testing.T) {
	for _, c := range []struct {
		stored   string
		valid    bool
		password string
		match    bool
	}{
		{"", false, "", true},
		{"", false, "x", false},
		{"*", true, "", false},
		{"*", true, "*", false},
		{"*plain;x", true, "x", false},
		{"plain", false, "", false},
		{"plain;", false, "", false},
		{"plain;a;b", true, "a;b", true},
		{"plain;a;b", true, "a", false},
		{"Plain;x", false, "x", false},
		{"qwerty123", false, "qwerty123", false},
		{"md5;00;00", false, "", false},
		{"s+sha1;00", false, "", false},
		{"s+sha1;;a9993e364706816aba3e25717850c26c9cd0d89d", true, "abc", true}, // empty salt
		{"s+sha1;00;11;22", false, "", false},
		{"s+sha1;zz;a9993e364706816aba3e25717850c26c9cd0d89d", true, "abc", false},
		{"s+sha1;;", true, "", false},
		{"pbkdf2;1;AA==", false, "", false},
		{"pbkdf2;1;AA==;AA==", true, "", false},
		{"pbkdf2;1;AA==;", true, "", false},
		{"pbkdf2;1;;", true, "", false},
		{"pbkdf2;1;AA==;AA==;", false, "", false},
		{strings.Replace(vectors[3].stored, ";1;", ";2;", 1), true, vectorPassword, false},
		{"sodium", false, "", false},
		{"sodium;", false, "", false},
		{"sodium;x", true, "x", false},
		{"sodium;" + strings.Repeat("x", 127), true, "", false},
		{"sodium;" + strings.Repeat("x", 128), false, "", false},
		{"sodium;$" + strings.Repeat("x", 127), false, "", false},
	} {
		if got := Valid(c.stored); got != c.valid {
			t.Errorf("Valid(%q) = %v", c.stored, got)
		}
		if got := Check(c.stored, c.password); got != c.match {
			t.Errorf("Check(%q, %q) = %v", c.stored, c.password, got)
		}
	}
}

// TestHostile has stored values that would cost too much or crash; each must
// be answered at once with "does not match".
func TestHostile(t *testing.T) {
	const tail = "$AAECAwQFBgcICQoLDA0ODw$BGHlZF2JSyEnPOHI5A0zk2O66M8Tt3TOoRZvesS7JBI"
	for _, s := range []string{
		"$argon2id$v=19$m=1048577,t=1,p=1" + tail,
		"$argon2id$v=19$m=4294967295,t=1,p=1" + tail,
		"$argon2id$v=19$m=4294967296,t=1,p=1" + tail,
		"$argon2id$v=19$m=1048576,t=5,p=1" + tail,
		"$argon2id$v=19$m=8,t=1025,p=1" + tail,
		"$argon2id$v=19$m=8,t=4294967295,p=1" + tail,
		"$argon2id$v=19$m=1024,t=1,p=17" + tail,
		"$argon2id$v=19$m=7,t=1,p=1" + tail,
		"$argon2id$v=19$m=15,t=1,p=2" + tail,
		"$argon2id$v=19$m=0,t=1,p=1" + tail,
		"$argon2id$v=19$m=8,t=0,p=1" + tail,
		"$argon2id$v=19$m=8,t=1,p=0" + tail,
		"$argon2id$v=19$m=-8,t=1,p=1" + tail,
		"$argon2id$v=19$m=+8,t=1,p=1" + tail,
		"$argon2id$v=19$m=08,t=1,p=1" + tail,
		"$argon2id$v=19$t=1,m=8,p=1" + tail,
		"$argon2id$v=19$m=8,t=1,p=1,x=1" + tail,
		"$argon2id$v=16$m=8,t=1,p=1" + tail,
		"$argon2id$m=8,t=1,p=1" + tail,
		"$argon2d$v=19$m=8,t=1,p=1" + tail,
		"$argon2id$v=19$m=8,t=1,p=1$AAECAwQFBgcICQoLDA0ODw$",
		"$argon2id$v=19$m=8,t=1,p=1$AAECAwQFBgcICQoLDA0ODw$BGHlZA",
		"$argon2id$v=19$m=8,t=1,p=1$AAEC$BGHlZF2JSyEnPOHI5A0zk2O66M8Tt3TOoRZvesS7JBI",
		"$argon2id$v=19$m=8,t=1,p=1$$BGHlZF2JSyEnPOHI5A0zk2O66M8Tt3TOoRZvesS7JBI",
		"$argon2id$v=19$m=8,t=1,p=1$AAECAwQFBgcICQoLDA0OD!$BGHlZF2JSyEnPOHI5A0zk2O66M8Tt3TOoRZvesS7JBI",
		"$argon2id$v=19$m=8,t=1,p=1" + tail + "$",
	} {
		if _, err := parseArgon2(s); err == nil {
			t.Errorf("%s: accepted", s)
		}
		if Check("sodium;"+s, "") || Check("sodium;"+s, vectorPassword) {
			t.Errorf("%s: matches", s)
		}
	}
}

func TestHash(t *testing.T) {
	if got, err := Hash(""); got != "" || err != nil {
		t.Errorf(`Hash("") = %q, %v`, got, err)
	}
	a, err := Hash("p\u00e4ss word")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(a, "sodium;$argon2id$v=19$m=65536,t=2,p=1$") || len(a) > len("sodium;")+sodiumMaxLen {
		t.Errorf("Hash gives %q", a)
	}
	if !Valid(a) || !Check(a, "p\u00e4ss word") || Check(a, "p\u00e4ss wor") {
		t.Errorf("Hash gives %q, which does not check", a)
	}
	if b, _ := Hash("p\u00e4ss word"); a == b {
		t.Error("two hashes of one password are equal: the salt is not random")
	}
}

func TestUpgrade(t *testing.T) {
	for stored, want := range map[string]bool{
		"":                false,
		"*":               false,
		vectors[0].stored: true,
		vectors[1].stored: true,
		vectors[3].stored: true,
		vectors[4].stored: false,
		vectors[5].stored: true,
		vectors[7].stored: true,
		"sodium;x":        false,
	} {
		if got := Upgrade(stored); got != want {
			t.Errorf("Upgrade(%q) = %v", stored, got)
		}
	}
}

// The decoy is a real hash of the usual cost, and not itself cheap.
func TestDecoy(t *testing.T) {
	if !Valid(Decoy) || Disabled(Decoy) || Upgrade(Decoy) || Cheap(Decoy) || Check(Decoy, "") || Check(Decoy, "password") {
		t.Error("the decoy is not what it should be")
	}
	text, _ := sodiumString(strings.TrimPrefix(Decoy, "sodium;"))
	if a, err := parseArgon2(text); err != nil || a.memory != hashMemory || a.passes != hashPasses {
		t.Errorf("%+v, %v", a, err)
	}
	for _, cheap := range []string{"", "plain;x", "s+sha1;00;00", "md5;x", "sodium;$argon2id$v=19$m=8,t=1,p=1$AAAA$AAAA"} {
		if !Cheap(cheap) {
			t.Errorf("%q is not cheap", cheap)
		}
	}
}
