package relay

import (
	"fmt"
	"strings"
	"testing"

	"drawrelay/frame"
)

func heardBy(st *seat) []heard { return st.link.(*fakeLink).got }

func mark(st *seat) int { return len(heardBy(st)) }

// since returns what a member was told after a mark.
func since(st *seat, from int) []heard { return heardBy(st)[from:] }

func filter(list []heard, keep func(heard) bool) []heard {
	var out []heard
	for _, h := range list {
		if keep(h) {
			out = append(out, h)
		}
	}
	return out
}

func ofKind(list []heard, kind string) []heard {
	return filter(list, func(h heard) bool { return h.Type == frame.TypeServerCommand && h.kind() == kind })
}

func ofType(list []heard, t frame.Type) []heard {
	return filter(list, func(h heard) bool { return h.Type == t })
}

// label names a message briefly: the reply type, with what tells it apart, or
// the message type.
func label(h heard) string {
	if h.Type != frame.TypeServerCommand {
		return h.Type.String()
	}
	kind := h.kind()
	switch kind {
	case "sessionconf":
		config, _ := h.json["config"].(map[string]any)
		for _, key := range []string{"banlist", "announcements", "muted", "auth", "invitelist"} {
			if _, ok := config[key]; ok && len(config) == 1 {
				return key
			}
		}
		if len(config) == 1 {
			return fmt.Sprint("closed ", config["closed"])
		}
	case "log":
		return fmt.Sprint("log ", h.json["message"])
	case "msg", "alert":
		if key, ok := h.json["T"]; ok {
			return fmt.Sprint(kind, " ", key)
		}
	case "error":
		return fmt.Sprint("error ", h.json["message"])
	}
	return kind
}

func labels(list []heard) []string {
	out := []string{}
	for _, h := range list {
		out = append(out, label(h))
	}
	return out
}

func equal(t testing.TB, what string, got, want any) {
	t.Helper()
	g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want)
	if g != w {
		t.Errorf("%s:\n got %s\nwant %s", what, g, w)
	}
}

func labelsEqual(t testing.TB, what string, got []heard, want ...string) {
	t.Helper()
	equal(t, what, strings.Join(labels(got), "\n"), strings.Join(want, "\n"))
}
