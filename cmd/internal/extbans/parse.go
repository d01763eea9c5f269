package extbans

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"
)

const (
	// maxWarnings bounds the warnings about one list.
	maxWarnings = 20
	// maxQuote cuts what warnings repeat, in bytes.
	maxQuote = 80
)

var errNoObject = errors.New("the top-level element is not an object")

// object is a JSON object with its keys as they are; a struct would take them
// in any case.
type object map[string]json.RawMessage

// Parse reads a list (integrations.md §5.2). A ban that breaks a rule is left
// out and described in warnings; the others count. It fails only if the text
// is no JSON object.
func Parse(text []byte) (bans []Ban, warnings []string, err error) {
	var doc object
	if err := json.Unmarshal(text, &doc); err != nil {
		var kind *json.UnmarshalTypeError
		if errors.As(err, &kind) {
			return nil, nil, errNoObject
		}
		return nil, nil, fmt.Errorf("no JSON: %w", err)
	}
	if doc == nil {
		return nil, nil, errNoObject // null
	}
	left := 0
	for _, item := range array(doc["bans"]) {
		b, problem := parseBan(item)
		switch {
		case problem == "":
			bans = append(bans, b)
		case len(warnings) < maxWarnings:
			warnings = append(warnings, problem)
		default:
			left++
		}
	}
	if left > 0 {
		warnings = append(warnings, fmt.Sprintf("%d more bans have mistakes", left))
	}
	return bans, warnings, nil
}

// parseBan reads one ban; problem is empty if all of it is good.
func parseBan(text json.RawMessage) (b Ban, problem string) {
	doc := fields(text)
	id, ok := number(doc["id"])
	if !ok || id < 1 || id > math.MaxInt32 || id != math.Trunc(id) {
		return b, fmt.Sprintf("Invalid ban id %s", quote(doc["id"]))
	}
	b.ID = int(id)
	if b.IPs, ok = ranges(doc["ips"]); !ok {
		return b, fmt.Sprintf("Invalid ip ban in id '%d'", b.ID)
	}
	excluded, ok := ranges(doc["ipsexcluded"])
	if !ok {
		return b, fmt.Sprintf("Invalid ip exclude in id '%d'", b.ID)
	}
	b.Excluded = make([]Except, 0, len(excluded))
	for _, r := range excluded {
		b.Excluded = append(b.Excluded, Except{r.From, r.To})
	}
	b.System, b.Users = systems(doc["system"]), users(doc["users"])
	if len(b.IPs) == 0 && len(b.System) == 0 && len(b.Users) == 0 {
		return b, fmt.Sprintf("Empty ban with id '%d'", b.ID)
	}
	var err error
	if b.until, err = time.Parse(TimeLayout, word(doc["expires"])); err != nil {
		return b, fmt.Sprintf("Invalid expires %s in id '%d'", quote(doc["expires"]), b.ID)
	}
	b.Expires = b.until.Format(TimeLayout)
	b.Comment, b.Reason = word(doc["comment"]), word(doc["reason"])
	return b, ""
}

// ranges reads "ips" or "ipsexcluded"; ok is false if any element is bad.
func ranges(text json.RawMessage) (list []Range, ok bool) {
	list = []Range{}
	for _, item := range array(text) {
		doc := fields(item)
		from, err1 := netip.ParseAddr(word(doc["from"]))
		to, err2 := netip.ParseAddr(word(doc["to"]))
		if err1 != nil || err2 != nil || from.Zone() != "" || to.Zone() != "" {
			return nil, false
		}
		list = append(list, Range{from, to, reaction(doc["reaction"])})
	}
	return list, true
}

func systems(text json.RawMessage) []System {
	list := []System{}
	for _, item := range array(text) {
		doc := fields(item)
		s := System{Reaction: reaction(doc["reaction"])}
		for _, id := range array(doc["sids"]) {
			if id := word(id); id != "" {
				s.IDs = append(s.IDs, id)
			}
		}
		if len(s.IDs) > 0 {
			list = append(list, s)
		}
	}
	return list
}

func users(text json.RawMessage) []Users {
	list := []Users{}
	for _, item := range array(text) {
		doc := fields(item)
		u := Users{Reaction: reaction(doc["reaction"])}
		for _, id := range array(doc["ids"]) {
			if id, ok := number(id); ok && id >= 0 && id < 1<<63 {
				u.IDs = append(u.IDs, int64(id))
			}
		}
		if len(u.IDs) > 0 {
			list = append(list, u)
		}
	}
	return list
}

// reaction returns the name of a reaction, "unknown" for others than those of
// configuration.md §13.2.
func reaction(text json.RawMessage) string {
	switch name := word(text); name {
	case "normal", "neterror", "garbage", "hang", "timer":
		return name
	case "":
		return "normal"
	}
	return "unknown"
}

// What is of another type than it should be counts as missing.

func array(text json.RawMessage) []json.RawMessage {
	var list []json.RawMessage
	if len(text) > 0 && json.Unmarshal(text, &list) != nil {
		return nil
	}
	return list
}

func fields(text json.RawMessage) object {
	var doc object
	if len(text) > 0 && json.Unmarshal(text, &doc) != nil {
		return nil
	}
	return doc
}

func word(text json.RawMessage) string {
	var s string
	if len(text) > 0 && json.Unmarshal(text, &s) != nil {
		return ""
	}
	return s
}

func number(text json.RawMessage) (n float64, ok bool) {
	if len(text) == 0 || bytes.Equal(text, []byte("null")) {
		return 0, false
	}
	err := json.Unmarshal(text, &n)
	return n, err == nil
}

func quote(text json.RawMessage) string {
	if len(text) > maxQuote {
		text = append(text[:maxQuote:maxQuote], "…"...)
	}
	return "'" + strings.ToValidUTF8(string(text), "") + "'"
}
