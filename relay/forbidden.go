package relay

import (
	"drawrelay/frame"
	"drawrelay/store/serverlog"
	"drawrelay/store/settings"
)

// forbiddenTitles says which titles that a request may lead to break the
// configured rule (session.md §22).
type forbiddenTitles struct {
	title bool // the one asked for
	auto  bool // the one made from the founder's name
}

// titleCheck returns what finds out about the titles of a request by st, nil
// for a server administrator; or nil if there is nothing to find out.
// Expressions may take long: it is to be run off the loop.
func (s *session) titleCheck(options map[string]any, st *seat) func() forbiddenTitles {
	set := s.settings.Get()
	_, title := options["title"]
	_, auto := options["autotitle"]
	founder, renames := newFounder(options, st)
	if set.ForbiddenNameRegex == "" || !title && !auto && !renames {
		return nil
	}
	if !renames {
		founder = s.hist.Founder()
	}
	wanted, automatic := wantedTitle(options), automaticTitle(founder)
	return func() (f forbiddenTitles) {
		f.title = title && s.forbids(set, wanted)
		f.auto = s.forbids(set, automatic)
		return f
	}
}

// forbids touches nothing of the session but its surroundings.
func (s *session) forbids(set *settings.Settings, title string) bool {
	return s.names.Forbids(set.ForbiddenNameRegex, set.FilterNameRegex, title, func(text string) {
		s.log.Put(serverlog.Entry{Level: serverlog.Error, Topic: serverlog.Status, Message: text})
	})
}

// newFounder returns the founder's name that a request sets, if st may.
func newFounder(options map[string]any, st *seat) (name string, ok bool) {
	v, ok := options["founder"]
	name = cutUTF16(cleanText(frame.Str(v)), titleUnits)
	return name, ok && (st == nil || st.person.Moderator())
}

// wantedTitle is the title that a request asks for.
func wantedTitle(options map[string]any) string {
	return cutUTF16(cleanText(frame.Str(options["title"])), titleUnits)
}

// automaticTitle is the title made from the founder's name.
func automaticTitle(founder string) string {
	return cutUTF16(founder+" Drawpile", titleUnits)
}
