package db

import (
	"time"

	"github.com/dlclark/regexp2"

	"drawrelay/store/settings"
)

// matchTimeout bounds the time that one expression may take for one URL.
// Backtracking could otherwise take for ever.
const matchTimeout = 10 * time.Millisecond

// pattern is an expression in the syntax of Perl, which the reference uses.
type pattern struct{ expression *regexp2.Regexp }

func compile(text string) (*pattern, error) {
	expression, err := regexp2.Compile(text, regexp2.None)
	if err != nil {
		return nil, err
	}
	expression.MatchTimeout = matchTimeout
	return &pattern{expression}, nil
}

func (p *pattern) matches(text string) bool {
	ok, err := p.expression.MatchString(text)
	return ok && err == nil // a URL that takes too long is not allowed
}

// CheckPattern says what is wrong with an expression for the whitelist.
func CheckPattern(text string) error {
	_, err := compile(text)
	return err
}

// Announceable reports whether sessions may be announced at the listing server
// with this URL (configuration.md §15): always if announceWhitelist is off,
// else if one of the expressions matches anywhere in it.
func (s *State) Announceable(url string) bool {
	if !s.Settings.AnnounceWhitelist {
		return true
	}
	for _, p := range s.patterns {
		if p.matches(url) {
			return true
		}
	}
	return false
}

// WhitelistChange says what to change of the whitelist; nil leaves a part as
// it is.
type WhitelistChange struct {
	Enabled     *bool     // the setting announceWhitelist
	Expressions *[]string // all of them; see CheckPattern
}

// ChangeWhitelist changes the whitelist, in one transaction.
func (d *DB) ChangeWhitelist(c WhitelistChange) error {
	return d.failed("change the whitelist in", d.change(func(q queries) error {
		if c.Enabled != nil {
			err := q.exec("INSERT OR REPLACE INTO settings (key, value) VALUES ('announceWhitelist', ?)", settings.FormatBool(*c.Enabled))
			if err != nil {
				return err
			}
		}
		if c.Expressions == nil {
			return nil
		}
		if err := q.exec("DELETE FROM listingservers"); err != nil {
			return err
		}
		for _, text := range *c.Expressions {
			if err := q.exec("INSERT INTO listingservers (url) VALUES (?)", text); err != nil {
				return err
			}
		}
		return nil
	}))
}
