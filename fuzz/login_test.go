package fuzz

import "testing"

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
	f.Fuzz(func(t *testing.T, b []byte, variant, size uint16) {
		if len(b) > maxDialogue {
			b = b[:maxDialogue]
		}
		attempts(t, b, variant, int(size))
	})
}
