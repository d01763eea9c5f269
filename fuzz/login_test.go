package fuzz

import (
	"testing"

	"drawrelay/frame"
)

// longest is a login with the longest message there is in it.
func longest() []byte {
	b := frame.Append(nil, frame.Msg{Type: 200, User: 1, Body: make([]byte, frame.MaxPayload)})
	b = append(b, command(`{"cmd":"ident","args":["bob"]}`)...)
	return append(b, command(`{"cmd":"join","args":["open"],"kwargs":{"s":"`+knownSystem+`"}}`)...)
}

func TestLongest(t *testing.T) {
	for _, size := range []int{0, 1000, 65538, 65539} {
		if o := attempt(t, conclude(longest()), 0, size); !o.seated {
			t.Errorf("in pieces of %d bytes it does not get in", size)
		}
	}
}

// FuzzLogin logs in with bytes. See attempt for what must hold.
//
// Seeds: the dialogues of FuzzDialogue as bytes; messages of the recordings in
// testdata/seeds, which do not belong into a login.
func FuzzLogin(f *testing.F) {
	for _, d := range dialogues {
		f.Add(stream(d.lines), d.variant, uint16(1))
	}
	f.Add(recorded(f, "session.dprec")[:400], uint16(0), uint16(7))
	f.Add([]byte("\xff\xff\xc8\x01"), uint16(0), uint16(0))
	f.Add(longest(), uint16(0), uint16(50000))
	f.Fuzz(func(t *testing.T, b []byte, variant, size uint16) {
		if len(b) > maxDialogue {
			b = b[:maxDialogue]
		}
		attempts(t, b, variant, int(size))
	})
}
