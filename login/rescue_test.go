package login

import (
	"context"
	"testing"

	"drawrelay/store/entry"
	"drawrelay/store/settings"
)

// brokenUsers breaks an invariant when it is asked for one account.
type brokenUsers struct{ Users }

func (brokenUsers) Any() bool { return true }

func (brokenUsers) Find(name string) (Account, bool) {
	if name == "boom" {
		panic("broken on purpose")
	}
	return Account{}, false
}

// brokenTemplates breaks one when its only template is started.
type brokenTemplates struct{}

func (brokenTemplates) List() []Template { return nil }

func (brokenTemplates) Lookup(alias string) (Template, string, bool) {
	return Template{}, "reserved", alias == "boom"
}

func (brokenTemplates) Instantiate(context.Context, string) (*entry.Session, error) {
	panic("broken on purpose")
}

// TestRescue: a broken invariant ends one connection, or what one waits for,
// and the others go on.
func TestRescue(t *testing.T) {
	b := start(t, func(_ *settings.Settings, cfg *Config) { cfg.Users, cfg.Templates = brokenUsers{}, brokenTemplates{} }, session("s1", ""))
	b.seater.beforeJoin = func(r *entry.JoinRequest) error {
		if r.Person.Name == "late boom" {
			panic("broken on purpose")
		}
		return nil
	}
	other := b.dial()
	c := b.dial()
	c.cmd("ident", []any{"boom"}, nil)
	c.cut()
	c = b.login("late boom")
	c.cmd("join", []any{"s1"}, info())
	c.cut()
	other.ident("alice")
	other.cmd("join", []any{"boom"}, info())
	other.refused("notFound", "Session not found!")
	other = b.login("bob")
	other.cmd("join", []any{"s1"}, info())
	other.want(other.reply(), object{"type": "result", "state": "join"})
	if n := b.Panics(); n != 3 {
		t.Errorf("%d broken invariants are counted", n)
	}
	b.logged("Error/Status internal error, the connection is closed: broken on purpose")
}
