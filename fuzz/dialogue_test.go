package fuzz

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"drawrelay/frame"
)

// maxDialogue bounds what one client says here, in bytes.
const maxDialogue = 256 << 10

const clientInfo = `"app_version":"2.3.0","os":"linux","protocol_version":"dp:4.25.1","qt_version":"6.8.0","s":"` + knownSystem + `"`

// dialogues are lines as clients send them (login.md §6, §8 to §13), and the
// server they are meant for. A line that starts with an exclamation mark is
// bytes in hexadecimal digits. seats says whether they end in a session.
var dialogues = []struct {
	variant uint16
	seats   bool
	lines   string
}{
	{0, true, `{"cmd":"cinfo","args":["example.org",{` + clientInfo + `}]}
{"cmd":"lookup","args":["open"]}
{"cmd":"ident","args":["bob"],"kwargs":{"intent":"guest","avatar":"iVBORw0K"}}
{"cmd":"join","args":["01k0000000000000000000000a"],"kwargs":{` + clientInfo + `,"capabilities":"KEEPALIVE,THUMBNAIL","hidx":"1789000000:1233:01k0000000000000000000000a"}}
!0000030000010200000002c80102030000230100`},
	{0, true, `{"cmd":"ident","args":["bob"]}
{"cmd":"report","kwargs":{"session":"open","reason":"x"}}
{"cmd":"join","args":["locked"],"kwargs":{"s":"` + knownSystem + `"}}
{"cmd":"join","args":["locked"],"kwargs":{"s":"` + knownSystem + `","password":"wrong"}}
!000102000000010200000001020001
{"cmd":"join","args":["locked"],"kwargs":{"s":"` + knownSystem + `","password":"` + sessionSecret + `"}}`},
	{0, true, `{"cmd":"lookup","args":["locked:` + inviteSecret + `"]}
{"cmd":"ident","args":["bob"]}
{"cmd":"join","args":["locked"],"kwargs":{"s":"` + knownSystem + `"}}`},
	{0, true, `{"cmd":"ident","args":["bob"]}
{"cmd":"host","kwargs":{` + clientInfo + `,"protocol":"dp:4.25.1","user_id":1,"alias":"mine"}}
!00010200000005240102`},
	{0, true, `{"cmd":"ident","args":["mod","` + accountSecret + `"],"kwargs":{"intent":"auth"}}
{"cmd":"join","args":["full"],"kwargs":{` + clientInfo + `}}`},
	{0, false, `{"cmd":"ident","args":["mod"]}
{"cmd":"ident","args":["mod","wrong"]}
{"cmd":"ident","args":["locked","x"]}
{"cmd":"ident","args":["admin"]}`},
	{0, false, `{"cmd":"ident","args":["eve"]}
{"cmd":"join","args":["banned"]}`},
	{busyDirectory, false, `{"cmd":"ident","args":["bob"]}
{"cmd":"join","args":["members"],"kwargs":{"s":"` + knownSystem + `"}}`},
	{busyDirectory, false, `{"cmd":"ident","args":["bob"]}
{"cmd":"join","args":["locked"],"kwargs":{"s":"` + knownSystem + `","password":"wrong"}}
{"cmd":"join","args":["full"],"kwargs":{"s":"` + knownSystem + `"}}`},
	{guestsOff, false, strings.Repeat(`{"cmd":"ident","args":["mod","wrong"]}`+"\n", 25)},
	{0, false, `{"cmd":"ident","args":["bob"]}` + strings.Repeat("\n"+`{"cmd":"join","args":["locked"],"kwargs":{"s":"`+knownSystem+`"}}`, 25)},
	{busyDirectory, true, `{"cmd":"ident","args":["anna"]}
{"cmd":"join","args":["banned"],"kwargs":{"oldv":true}}`},
	{guestsOff, true, `{"cmd":"ident","args":["bob","x"]}
{"cmd":"ident","args":["mod","` + accountSecret + `"]}
{"cmd":"host","kwargs":{"protocol":"other:4.0.0","user_id":254,"web":true}}`},
	{mandatoryLookup | minimumVersion, false, `{"cmd":"lookup"}
{"cmd":"ident","args":["bob"]}
{"cmd":"join","args":["open"]}`},
	{matchingHost, false, `{"cmd":"cinfo","args":["EXAMPLE.org",{"app_version":"2.10.0","s":"` + knownSystem + "/" + bannedSystem + `"}]}
{"cmd":"ident","args":["bob"]}
{"cmd":"host","kwargs":{"protocol":"dp:4.25.1","user_id":1}}`},
	{extAuth, true, `{"cmd":"ident","args":["anna"],"kwargs":{"intent":"extauth"}}
{"cmd":"ident","args":["anna"],"kwargs":{"extauth":"` + authToken(fmt.Sprintf(`{"username":"anna","nonce":"%x","uid":7,"flags":["MOD","HOST"]}`, uint64(nonce))) + `"}}
{"cmd":"join","args":["members"],"kwargs":{"s":"` + knownSystem + `"}}`},
	{extAuth, true, `{"cmd":"ident","args":["gus"]}
{"cmd":"join","args":["open"],"kwargs":{"s":"` + knownSystem + `"}}`},
	{extAuth | guestsOff, false, `{"cmd":"ident","args":["eric"],"kwargs":{"intent":"auth"}}
{"cmd":"ident","args":["eric"],"kwargs":{"extauth":"1.x.y"}}`},
	{withTLS, false, `{"cmd":"startTls"}
!160301`},
	{withTLS, false, `{"cmd":"ident","args":["bob"]}`},
	{seaterRefuses, false, `{"cmd":"ident","args":["bob"]}
{"cmd":"join","args":["open"],"kwargs":{"s":"` + knownSystem + `"}}`},
	{withTemplates, true, `{"cmd":"lookup","args":["template"]}
{"cmd":"ident","args":["bob"]}
{"cmd":"join","args":["template"],"kwargs":{"s":"` + knownSystem + `"}}`},
	{bansOn | 3<<reactionShift, false, `{"cmd":"cinfo","args":["",{"app_version":"2.3.0","s":"` + bannedSystem + `"}]}
{"cmd":"ident","args":["bob"]}
{"cmd":"nonsense"}`},
	{bansOn, false, `{"cmd":"ident","args":["bob"]}
{"cmd":"join","args":["open"],"kwargs":{"s":"` + bannedSystem + `"}}`},
	{bansOn | 4<<reactionShift, true, `{"cmd":"ident","args":["bob"]}
{"cmd":"join","args":["open"],"kwargs":{"s":"` + bannedSystem + `"}}`},
	{0, false, `{"cmd":
[]
!0000050000010100`},
}

// stream puts the lines of a dialogue into messages.
func stream(lines string) (b []byte) {
	for line := range strings.SplitSeq(lines, "\n") {
		if digits, ok := strings.CutPrefix(line, "!"); ok {
			raw, _ := hex.DecodeString(digits) // what is not a digit ends it
			b = append(b, raw...)
			continue
		}
		b = append(b, command(line[:min(len(line), frame.MaxPayload)])...)
		if len(b) > maxDialogue {
			break
		}
	}
	return b
}

// TestDialogues makes sure that the seeds lead where they are meant to, so that
// the targets start behind every door.
func TestDialogues(t *testing.T) {
	for _, d := range dialogues {
		if o := attempt(t, conclude(stream(d.lines)), d.variant, 0); o.seated != d.seats {
			last := o.replies[len(o.replies)-1]
			t.Errorf("seated: %v, want %v, last reply %s, of\n%s", o.seated, d.seats, last.Body, d.lines)
		}
	}
}

// FuzzDialogue logs in with commands given as lines. See attempt for what must
// hold.
//
// Seeds: the dialogues above, for every kind of server.
func FuzzDialogue(f *testing.F) {
	for _, d := range dialogues {
		f.Add(d.lines, d.variant, uint16(0))
		f.Add(d.lines, d.variant, uint16(3))
	}
	f.Fuzz(func(t *testing.T, lines string, variant, size uint16) {
		attempts(t, stream(lines), variant, int(size))
	})
}
