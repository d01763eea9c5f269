package config

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"drawrelay/store/password"
	"drawrelay/store/settings"
)

// section is the part of the file that a line belongs to.
type section uint8

const (
	sectionConfig section = iota // also before the first section line
	sectionIPBans
	sectionSystemBans
	sectionUserBans
	sectionWhitelist
	sectionUsers
)

// sections are the names in lower case.
var sections = map[string]section{
	"[config]":            sectionConfig,
	"[ipbans]":            sectionIPBans,
	"[systembans]":        sectionSystemBans,
	"[userbans]":          sectionUserBans,
	"[announcewhitelist]": sectionWhitelist,
	"[users]":             sectionUsers,
}

// byteOrderMark is what some editors put before UTF-8 text.
const byteOrderMark = "\ufeff"

// maxProblems bounds the lines that are complained about, in number. Whoever
// has given the wrong file sees it from the first ones; the log is not filled
// with it.
const maxProblems = 200

// parser reads one file.
type parser struct {
	file     *File
	section  section
	line     int
	settings []written // of [config], in file order

	stops      bool // one of the problems does
	unreported int  // problems beyond maxProblems
}

// written is a line of [config].
type written struct {
	Value        // Key is canonical
	as    string // spelling in the file
	exact bool
	key   *key
}

// Parse reads the text of a configuration file. previous is what was in force
// before, or nil: a key whose new value is invalid keeps its previous one.
// path is used in messages only.
func Parse(path, text string, previous *File) *File {
	p := &parser{file: &File{
		Path:     path,
		Settings: settings.Default(),
		accounts: make(map[string]int),
		set:      make(map[string]Value),
		text:     text,
	}}
	for line := range strings.Lines(strings.TrimPrefix(text, byteOrderMark)) {
		p.line++
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			p.parseLine(line)
		}
	}
	p.apply(previous)
	slices.SortStableFunc(p.file.Problems, func(a, b Problem) int { return a.Line - b.Line })
	if p.unreported > 0 {
		p.file.Problems = append(p.file.Problems, Problem{Path: path, Line: p.line, Value: path, What: fmt.Sprintf("%d more lines have no effect", p.unreported), Cure: "look whether this is the right file"})
	}
	return p.file
}

func (p *parser) parseLine(line string) {
	if !utf8.ValidString(line) {
		p.warn(line, "not UTF-8 text, ignored", "save the file as UTF-8")
		return
	}
	if line[0] == '[' {
		if s, ok := sections[strings.ToLower(line)]; ok {
			p.section = s
		} else {
			p.warn(line, "unknown section; the current one goes on",
				"write [config], [ipbans], [systembans], [userbans], [announceWhitelist] or [users]")
		}
		return
	}
	switch p.section {
	case sectionConfig:
		p.parseSetting(line)
	case sectionIPBans:
		p.parseIPBan(line)
	case sectionSystemBans:
		id, reaction := p.parseReaction(line)
		p.file.SystemBans = append(p.file.SystemBans, SystemBan{SystemID: id, Reaction: reaction, Line: p.line})
	case sectionUserBans:
		p.parseUserBan(line)
	case sectionWhitelist:
		p.parseURL(line)
	case sectionUsers:
		p.parseUser(line)
	}
}

// parseSetting keeps a line of [config] for apply.
func (p *parser) parseSetting(line string) {
	name, value, found := strings.Cut(line, "=")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	if !found || name == "" {
		if i := strings.IndexByte(line, ':'); i >= 0 { // may be an account
			line = line[:i+1] + hidden
		}
		p.warn(line, "ignored", "write key = value")
		return
	}
	k, exact := resolve(name)
	if k != nil {
		p.settings = append(p.settings, written{Value{k.name, value, p.line}, name, exact, k})
		return
	}
	problem := Problem{Key: name, Value: value}
	if removed(name) {
		problem.What, problem.Cure = "no longer has an effect", "remove the line"
		p.report(problem)
		return
	}
	problem.What, problem.Cure, problem.Stops = "unknown setting", "remove the line", true
	if best := nearest(name); best != "" {
		problem.Cure = "did you mean " + best + "?"
	}
	p.report(problem)
}

// apply puts the settings in force: exact spellings before variants, later
// lines before earlier ones.
func (p *parser) apply(previous *File) {
	winner := make(map[*key]int)
	for i, w := range p.settings {
		old, ok := winner[w.key]
		if !ok {
			winner[w.key] = i
			continue
		}
		loser := i
		if w.exact || !p.settings[old].exact {
			winner[w.key], loser = i, old
		}
		p.reportAt(p.settings[loser].Line, Problem{Key: p.settings[loser].as, Value: p.settings[loser].Text,
			What: fmt.Sprintf("has no effect: line %d sets %s", p.settings[winner[w.key]].Line, w.Key),
			Cure: "remove one of the lines"})
	}
	for i, w := range p.settings {
		if winner[w.key] == i {
			p.applyOne(w, previous)
		}
	}
}

func (p *parser) applyOne(w written, previous *File) {
	s := p.file.Settings
	problem := Problem{Key: w.as, Value: w.Text, Cure: w.key.cure(), Stops: true}
	if err := w.key.apply(s, w.Text); err != nil {
		problem.What = err.Error()
		if previous != nil {
			if old, ok := previous.set[w.Key]; ok && w.key.apply(s, old.Text) == nil {
				p.file.set[w.Key] = old
			}
		}
		p.reportAt(w.Line, problem)
		return
	}
	p.file.set[w.Key] = w.Value
	for i := range clamps {
		if c := &clamps[i]; c.name == w.Key && c.outside(s) {
			problem.What, problem.Cure, problem.Stops = c.what(s), "write the number that is meant", false
			p.reportAt(w.Line, problem)
		}
	}
}

func (p *parser) parseIPBan(line string) {
	text, bits, found := strings.Cut(line, "/")
	addr, err := ParseBanAddress(strings.TrimSpace(text))
	if err != nil {
		p.warn(line, "not an IP address, ignored", "write ADDRESS or ADDRESS/PREFIX")
		return
	}
	ban := IPBan{Addr: addr, Line: p.line}
	if found {
		// An unparsable prefix means the single address.
		if ban.Prefix, err = strconv.Atoi(strings.TrimSpace(bits)); err != nil {
			ban.Prefix = 0
			p.warn(line, "not a prefix length, so only this address is banned", "write ADDRESS/PREFIX")
		} else if ban.Prefix < 0 || ban.Prefix > addr.BitLen() {
			p.warn(line, "the prefix does not fit the address, so nobody is banned",
				fmt.Sprintf("write a prefix from 1 to %d", addr.BitLen()))
		}
	}
	p.file.IPBans = append(p.file.IPBans, ban)
	p.file.ipBans.Add(ban.Addr, ban.Prefix)
}

func (p *parser) parseUserBan(line string) {
	text, reaction := p.parseReaction(line)
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		p.warn(line, "not a user number, ignored", "write USERID or USERID:REACTION")
		return
	}
	p.file.UserBans = append(p.file.UserBans, UserBan{UserID: id, Reaction: reaction, Line: p.line})
}

// parseReaction splits "WHO" or "WHO:REACTION".
func (p *parser) parseReaction(line string) (who string, r Reaction) {
	who, text, _ := strings.Cut(line, ":")
	who, text = strings.TrimSpace(who), strings.TrimSpace(text)
	r, known := ParseReaction(text)
	if !known {
		p.warn(line, "unknown reaction, taken as normal", "write normal, neterror, garbage, hang or timer")
	}
	return who, r
}

func (p *parser) parseURL(line string) {
	u, err := url.Parse(line)
	if err != nil || u.Scheme == "" || u.Host == "" {
		p.warn(line, "not a URL, ignored", "write the listing server's whole address, as in https://example.com/listing/")
		return
	}
	p.file.Whitelist = append(p.file.Whitelist, u)
}

func (p *parser) parseUser(line string) {
	parts := strings.Split(line, ":")
	if len(parts) != 3 {
		// The line may hold a password anywhere: it is not repeated.
		p.warn("…", "ignored", "write NAME:PASSWORD:FLAGS, where neither may contain ':'")
		return
	}
	if !password.Valid(parts[1]) {
		p.warn(parts[0]+":…", "not a supported password hash, ignored",
			"write the password as plain;PASSWORD or as a hash")
		return
	}
	a := Account{Name: parts[0], Password: parts[1], Line: p.line}
	for flag := range strings.SplitSeq(parts[2], ",") {
		if flag != "" {
			a.Flags = append(a.Flags, flag)
		}
	}
	if i, ok := p.file.accounts[a.Name]; ok {
		p.reportAt(p.file.Accounts[i].Line, Problem{Value: a.Name + ":…",
			What: fmt.Sprintf("has no effect: line %d has the same name", a.Line), Cure: "remove one of the lines"})
		p.file.Accounts[i] = a
		return
	}
	p.file.accounts[a.Name] = len(p.file.Accounts)
	p.file.Accounts = append(p.file.Accounts, a)
}

// warn reports a line that does not stop the start, because the reference
// starts with such lines too and they cost nothing but themselves.
func (p *parser) warn(line, what, cure string) {
	p.report(Problem{Value: line, What: what, Cure: cure})
}

func (p *parser) report(problem Problem) { p.reportAt(p.line, problem) }

func (p *parser) reportAt(line int, problem Problem) {
	problem.Path, problem.Line = p.file.Path, line
	if len(p.file.Problems) >= maxProblems && (!problem.Stops || p.stops) {
		p.unreported++
		return
	}
	p.stops = p.stops || problem.Stops
	p.file.Problems = append(p.file.Problems, problem)
}

// sameURL compares component by component; scheme and host without regard to
// case.
func sameURL(a, b *url.URL) bool {
	return strings.EqualFold(a.Scheme, b.Scheme) && a.User.String() == b.User.String() &&
		strings.EqualFold(a.Host, b.Host) && a.EscapedPath() == b.EscapedPath() &&
		a.RawQuery == b.RawQuery && a.Fragment == b.Fragment
}
