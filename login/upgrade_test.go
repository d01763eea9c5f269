package login

import (
	"strings"
	"sync"
	"testing"

	"drawrelay/store/password"
	"drawrelay/store/settings"
)

// keptUsers is a store that can renew passwords.
type keptUsers struct {
	users
	mu      sync.Mutex
	renewed map[string]string // hash by name
}

func (k *keptUsers) Upgrade(a Account, hash string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.renewed[a.Name] = hash
	return nil
}

// §11: old forms are renewed after a successful login, and only then.
func TestUpgrade(t *testing.T) {
	modern, err := password.Hash("pw")
	if err != nil {
		t.Fatal(err)
	}
	k := &keptUsers{renewed: make(map[string]string), users: newUsers(
		Account{ID: "1", Name: "wrong", PasswordHash: "plain;pw"}, Account{ID: "2", Name: "modern", PasswordHash: modern},
		Account{ID: "3", Name: "locked", PasswordHash: "plain;pw", Locked: true}, Account{ID: "4", Name: "open"},
		Account{ID: "5", Name: "old", PasswordHash: "s+sha1;00112233;6b681039ac36707fcc035341c5003b6f9b025d19"})}
	b := start(t, func(_ *settings.Settings, c *Config) { c.Users = k })
	for _, who := range []struct{ name, pass string }{{"wrong", "pw2"}, {"modern", "pw"}, {"locked", "pw"}, {"open", ""}, {"old", "qwerty123"}} {
		c := b.dialAs(peer("127.0.0.1"), false)
		c.cmd("ident", []any{who.name, who.pass}, nil)
		c.reply()
	}
	waitFor(t, "the new hash", func() bool { k.mu.Lock(); defer k.mu.Unlock(); return k.renewed["old"] != "" })
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.renewed) != 1 || !strings.HasPrefix(k.renewed["old"], "sodium;$argon2id$") || !password.Check(k.renewed["old"], "qwerty123") {
		t.Errorf("renewed %q", k.renewed)
	}
}
