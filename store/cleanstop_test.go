package store

import (
	"strings"
	"testing"
)

func TestCleanStop(t *testing.T) {
	c := cleanStop{stamp: 1795254806152443, first: 7, size: 237738, count: 1399}
	line := cleanStopLine(c, "id")
	comment := strings.TrimPrefix(line, "#")
	if !isCleanStop(comment) || line == comment {
		t.Fatalf("line %q", line)
	}
	if got, ok := parseCleanStop(comment, "id"); got != c || !ok {
		t.Errorf("%+v, %v", got, ok)
	}
	if _, ok := parseCleanStop(comment, "other"); ok {
		t.Error("the line of another session is accepted")
	}
	for i := range comment {
		for _, d := range []string{"", "0", " ", "x"} {
			if bad := comment[:i] + d + comment[i+1:]; bad != comment {
				if _, ok := parseCleanStop(bad, "id"); ok {
					t.Errorf("%q is accepted", bad)
				}
			}
		}
	}
	if _, ok := parseCleanStop(strings.TrimPrefix(cleanStopLine(cleanStop{}, "id"), "#"), "id"); ok {
		t.Error("a stamp of 0 is accepted")
	}
}
