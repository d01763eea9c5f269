package store

import "strings"

// Flags are the switches of a session (storage.md §4.4).
type Flags uint16

const (
	Persistent   Flags = 1 << iota // stays when empty
	PreserveChat                   // clients record chat by default
	NSFM                           // not suitable for minors
	Deputies                       // trusted users may kick
	AuthOnly                       // no guests
	IdleOverride                   // exempt from the idle limit
	AllowWeb                       // browser clients may join
	AutoTitle                      // the title is generated from the founder
	Invites                        // invite codes enabled
	Unlisted                       // hidden from lists and announcements
)

// flagWords are the words of the journal in writing order, bit by bit.
var flagWords = [...]string{"persistent", "preserveChat", "nsfm", "deputies", "authonly", "idleoverride",
	"allowweb", "autotitle", "invites", "unlisted"}

// Has reports whether all of g are set.
func (f Flags) Has(g Flags) bool { return f&g == g }

// With returns f with g set or cleared.
func (f Flags) With(g Flags, on bool) Flags {
	if on {
		return f | g
	}
	return f &^ g
}

// String returns the words of the journal, separated by blanks.
func (f Flags) String() string {
	var words []string
	for i, w := range flagWords {
		if f&(1<<i) != 0 {
			words = append(words, w)
		}
	}
	return strings.Join(words, " ")
}

// parseFlags reads words; unknown ones are returned apart.
func parseFlags(s string) (f Flags, unknown []string) {
next:
	for _, word := range strings.Fields(s) {
		for i, w := range flagWords {
			if word == w {
				f |= 1 << i
				continue next
			}
		}
		unknown = append(unknown, word)
	}
	return f, unknown
}
