package frame

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

// wire decodes hexadecimal bytes with blanks between them.
func wire(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var current, older = SchemaOf(OwnVersion), SchemaOf(Version{"dp", 4, 24, 0})

// TestTextExample is wire.md §19 item 38.
func TestTextExample(t *testing.T) {
	for line, want := range map[string]string{
		`1 resize {"bottom":3000,"right":3000}`:             "00 10 81 01 00 00 00 00 00 00 0b b8 00 00 0b b8 00 00 00 00",
		`1 layertreecreate {"id":257,"title":"background"}`: "00 18 a2 01 00 01 01 00 00 00 00 00 00 00 00 00 00 00 62 61 63 6b 67 72 6f 75 6e 64",
		`  3   penup  `:    "00 03 8c 03 00 00 00",
		"255\tundopoint\r": "00 00 80 ff",
		`0 join {"flags":["auth","old"],"name":"bob"}`:         "00 05 20 00 09 03 62 6f 62",
		`7 raw {"type":200,"payload":"AQID"}`:                  "00 03 c8 07 01 02 03",
		`1 movepointer {"x":1.5,"y":-1.5}`:                     "00 08 42 01 00 00 00 02 ff ff ff fe",
		`1 lasertrail {"color":"#010203","persistence":1}`:     "00 05 41 01 ff 01 02 03 01",
		`1 classicdabs {"x":10.25,"mode":"-dp-erase"}`:         "00 11 94 01 00 00 00 00 00 00 00 29 00 00 00 00 00 00 00 00 00",
		`1 layerattr {"id":1,"blend":"no such","opacity":255}`: "00 07 83 01 00 00 01 00 00 ff 01",
		`1 putimage {}`: "00 14 88 01 00 00 00 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00",
	} {
		got, err := current.AppendMessage(nil, []byte(line), nil)
		if err != nil || !bytes.Equal(got, wire(t, want)) {
			t.Errorf("%s\n got %x, %v\nwant %s", line, got, err, want)
		}
	}
}

// TestTextWritten pins the form that is written: fields by name, empty ones
// left out, no more decimals than needed.
func TestTextWritten(t *testing.T) {
	for want, message := range map[string]string{
		`1 resize {"bottom":3000,"left":0,"right":3000,"top":0}`: "00 10 81 01 00 00 00 00 00 00 0b b8 00 00 0b b8 00 00 00 00",
		`1 undopoint`:    "00 00 80 01",
		`1 sessionowner`: "00 00 22 01",
		`0 featurelimits {"limits":[-1,2147483647]}`:                  "00 08 4d 00 ff ff ff ff 7f ff ff ff",
		`3 join {"avatar":"iVBORw==","flags":["auth"],"name":"b\"b"}`: "00 09 20 03 01 03 62 22 62 89 50 4e 47",
		`1 raw {"type":35,"payload":"//8="}`:                          "00 02 23 01 ff ff",
		`1 raw {"type":129,"payload":"AAE="}`:                         "00 02 81 01 00 01",
		`1 raw {"type":200}`:                                          "00 00 c8 01",
		`1 raw {"type":255,"payload":"AQI="}`:                         "00 02 ff 01 01 02",
		`1 raw {"type":35,"payload":"AAD/"}`:                          "00 03 23 01 00 00 ff",
		`1 raw {"type":35,"payload":"AABhAGI="}`:                      "00 05 23 01 00 00 61 00 62",
		`1 chat {"message":"a\nb\u0001","oflags":["shout","roll"]}`:   "00 06 23 01 00 11 61 0a 62 01",
		`1 lasertrail {"color":"#01020304","persistence":0}`:          "00 05 41 01 01 02 03 04 00",
		`1 undo {"override_user":2,"redo":true}`:                      "00 02 ff 01 02 01",
		`1 featureaccess {"feature_tiers":[0,255]}`:                   "00 02 46 01 00 ff",
		`1 localmatch {"data":"AA==","type":7}`:                       "00 02 b0 01 07 00",
		`1 setmetadataint {"field":8,"value":-5}`:                     "00 05 a1 01 08 ff ff ff fb",
		`1 keyframelayerattributes {"frame_index":2,"track_id":1}`:    "00 04 ac 01 00 01 00 02",
		`1 raw {"type":172,"payload":"AAEAAgA="}`:                     "00 05 ac 01 00 01 00 02 00",
		`1 canvasbackgroundzstd`:                                      "00 00 b4 01",
		`1 classicdabs {"color":"#000000","flags":0,"layer":1,"mode":"-dp-replace","x":-0.25,"y":0.5,"_":[{"x":-32,"y":31.75,"size":0.00390625,"hardness":1,"opacity":2}]}`: "00 18 94 01 00 00 00 01 ff ff ff ff 00 00 00 02 ff 00 00 00 ff 80 7f 00 00 01 01 02",
	} {
		m, _, err := Parse(wire(t, message))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(current.AppendText(nil, m)); got != want {
			t.Errorf("%s\n got %s\nwant %s", message, got, want)
		}
		if back, err := current.AppendMessage(nil, []byte(want), nil); err != nil || !bytes.Equal(back, wire(t, message)) {
			t.Errorf("%s reads as %x, %v", want, back, err)
		}
	}
}

// sample returns a payload that uses every byte of a layout.
func sample(l *layout, seed byte) (b []byte) {
	next := func() byte { seed += 37; return seed }
	for i := range l.fields {
		f := &l.fields[i]
		switch f.kind {
		case kindInt:
			for range f.width {
				b = append(b, next())
			}
		case kindColor:
			b = append(b, next(), next(), next(), next())
		case kindBool:
			b = append(b, next()&1)
		case kindEnum:
			b = append(b, next()%9)
		case kindBlend:
			b = append(b, next()%byte(len(blendNames)))
		case kindFlags:
			b = append(b, next()&(1<<len(f.flags)-1))
		case kindShort:
			b = append(b, 5, 'h', 0xc3, 0xa9, '"', '\\')
		case kindStr:
			b = append(b, "text / \u2028 <&>\x7f"...)
		case kindBytes:
			b = append(b, next(), 0, next())
		case kindList, kindStruct:
			for range 3 * f.width {
				b = append(b, next())
			}
		}
	}
	return b
}

// TestTextEveryType writes and reads every type of 2.2 and 2.3: none takes the
// raw form, and the bytes come back. Every number in between does so, too.
func TestTextEveryType(t *testing.T) {
	for name, s := range map[string]*Schema{"2.3": current, "2.2": older} {
		for n := range 256 {
			for seed := range byte(8) {
				m := Msg{Type: Type(n), User: seed, Body: []byte{seed, 0, 200}}
				l := s.byType[n]
				if l != nil {
					m.Body = sample(l, seed)
				}
				line := s.AppendText(nil, m)
				if l != nil && !strings.HasPrefix(string(line), string(rune('0'+seed))+" "+l.name) {
					t.Errorf("%s: type %d is written as %s", name, n, line)
				}
				problem := ""
				got, err := s.AppendMessage(nil, line, func(p string) { problem = p })
				if err != nil || problem != "" || !bytes.Equal(got, Append(nil, m)) {
					t.Fatalf("%s: %s\n reads as %x, %v %s\nwant %x", name, line, got, err, problem, Append(nil, m))
				}
				// Cut short and with a byte too many it must come back as well.
				for _, body := range [][]byte{m.Body[:len(m.Body)/2], append(bytes.Clone(m.Body), 0xff)} {
					m := Msg{m.Type, m.User, body}
					line := s.AppendText(nil, m)
					if got, err := s.AppendMessage(nil, line, nil); err != nil || !bytes.Equal(got, Append(nil, m)) {
						t.Fatalf("%s: %s\n reads as %x, %v\nwant %x", name, line, got, err, Append(nil, m))
					}
				}
			}
		}
	}
}

// TestTextTypes checks which types have a name (storage.md §15.1, wire.md §5).
func TestTextTypes(t *testing.T) {
	if got := len(current.byName); got != 66 {
		t.Errorf("%d message types of 2.3 have names, want 66", got)
	}
	for s, names := range map[*Schema]string{
		current: "marker filtered newlayer layerorder deletelayer layervisibility moveregion internal extension unknown removedmarker",
		older:   "featurelimits mypaintdabsblend selectionput selectionclear syncselectiontile putimagezstd transformregionzstd",
	} {
		for name := range strings.FieldsSeq(names) {
			if _, err := s.AppendMessage(nil, []byte("1 "+name), nil); err == nil {
				t.Errorf("%s is known", name)
			}
		}
	}
	for _, name := range []string{"marker", "filtered", "newlayer", "layerorder", "deletelayer", "layervisibility", "moveregion"} {
		if _, err := older.AppendMessage(nil, []byte("1 "+name), nil); err != nil {
			t.Errorf("2.2: %v", err)
		}
	}
}

func TestTextBlendNames(t *testing.T) {
	if len(blendNames) != 91 {
		t.Fatalf("%d blend modes, want 91", len(blendNames))
	}
	seen := make(map[string]bool)
	for n := range 256 {
		name := blendName(uint8(n))
		if (name == "") != (n > 90 && n < 255) {
			t.Errorf("name of blend mode %d = %q", n, name)
		}
		if name != "" && (seen[name] || blendNumber()[name] != uint8(n)) {
			t.Errorf("blend mode %d %q is not the only one of its name", n, name)
		}
		seen[name] = true
	}
	// One from each end and from the middle, against the numbers of the specification.
	for name, want := range map[string]uint8{"krita:linear light": 20, "-dp-marker": 39, "-dp-luminosity-shine-sai-alpha": 55,
		"krita:greater": 79, "-dp-oklab-normal-and-eraser": 90, "-dp-erase": 0, "-dp-divide": 3, "-dp-minus": 8} {
		if got := blendNumber()[name]; got != want {
			t.Errorf("%s = %d, want %d", name, got, want)
		}
	}
}

// TestTextDoubtful checks fields that are not what they should be: they are
// told and count as missing (storage.md §15).
func TestTextDoubtful(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{`1 resize {"right":"3000"}`, "00 10 81 01" + strings.Repeat("00", 16)},
		{`1 resize {"right":2147483648}`, "00 10 81 01" + strings.Repeat("00", 16)},
		{`1 resize {"right":null}`, "00 10 81 01" + strings.Repeat("00", 16)},
		{`1 resize {"right":1e400}`, "00 10 81 01" + strings.Repeat("00", 16)},
		{`1 undodepth {"depth":-1}`, "00 01 4a 01 00"},
		{`1 undodepth {"depth":256}`, "00 01 4a 01 00"},
		{`1 undo {"redo":1}`, "00 02 ff 01 00 00"},
		{`1 penup {"layer":16777216}`, "00 03 8c 01 00 00 00"},
		{`1 lasertrail {"color":"red"}`, "00 05 41 01 00 00 00 00 00"},
		{`1 lasertrail {"color":"#12345"}`, "00 05 41 01 00 00 00 00 00"},
		{`1 lasertrail {"color":"#+12345"}`, "00 05 41 01 00 00 00 00 00"},
		{`1 chat {"oflags":["shout","whisper",3]}`, "00 02 23 01 00 01"},
		{`1 chat {"oflags":1}`, "00 02 23 01 00 00"},
		{`1 chat {"message":"a\u0000b"}`, "00 02 23 01 00 00"},
		{`1 background {"image":"!"}`, "00 00 93 01"},
		{`1 background {"image":[]}`, "00 00 93 01"},
		{`1 trackorder {"tracks":[1,"2",65536]}`, "00 06 a9 01 00 01 00 00 00 00"},
		{`1 pixeldabs {"_":[3]}`, "00 16 95 01 00 00 00 00" + strings.Repeat("00", 12) + "01 00 00 00 00 00"},
		{`1 join {"name":"` + strings.Repeat("x", 256) + `"}`, "00 02 20 01 00 00"},
	} {
		problems := 0
		got, err := current.AppendMessage(nil, []byte(c.line), func(string) { problems++ })
		if err != nil || problems == 0 || !bytes.Equal(got, wire(t, c.want)) {
			t.Errorf("%s\n got %x with %d problems, %v\nwant %s", c.line, got, problems, err, c.want)
		}
	}
}

func TestTextBadLines(t *testing.T) {
	for _, line := range []string{
		"", "1", "x undo", "256 undo", "-1 undo", "+1 undo", "1 nothing", "1 Undo", "1 undo {", "1 undo []", "1 undo null",
		"1 undo {} {}", "1 undo 5", `1 raw`, `1 raw {"type":256}`, `1 raw {"type":1.5}`, `1 raw {"type":1,"payload":"!"}`,
		`1 raw {"type":1,"payload":5}`, "!version=dp:4.25.1", `1 chat {"message":"` + strings.Repeat("x", 65534) + `"}`,
	} {
		if got, err := current.AppendMessage([]byte("before"), []byte(line), nil); err == nil || string(got) != "before" {
			t.Errorf("%.40q: %q, %v", line, got, err)
		}
	}
}

func TestTextHeader(t *testing.T) {
	for meta, want := range map[string]string{
		`{"version":"dp:4.25.1"}`:                                        "!version=dp:4.25.1\n",
		`{"version":"dp:4.25.1","title":"a = b","x":""}`:                 "!version=dp:4.25.1\n!title=a = b\n!x=\n",
		`{"version":"dp:4.25.1","streamfork":12}`:                        "!version=dp:4.25.1\n!streamfork=12\n!dprec-metadata=eyJ2ZXJzaW9uIjoiZHA6NC4yNS4xIiwic3RyZWFtZm9yayI6MTJ9\n",
		"{ \"a=b\" : [1, 2],\n\"c\":\"line\\nbreak\" , \"d\" : true }\n": "",
		`{"a":"\/"}`:             "",
		`{}`:                     "!dprec-metadata=e30=\n",
		`{"dprec-metadata":"x"}`: "",
	} {
		text, err := AppendTextHeader(nil, []byte(meta))
		if err != nil || want != "" && string(text) != want {
			t.Errorf("%s: %q, %v", meta, text, err)
		}
		var fields []HeaderField
		for line := range bytes.Lines(text) {
			f, ok := ParseHeaderLine(line)
			if !ok {
				t.Errorf("%s: bad line %q", meta, line)
			}
			fields = append(fields, f)
		}
		back, err := TextMetadata(fields)
		if err != nil || string(back) != meta {
			t.Errorf("%s comes back as %s, %v", meta, back, err)
		}
		if len(fields) > 1 && fields[0].Key != exactKey { // a line that was changed counts more than the copy
			fields[0].Value = "changed"
			back, _ := TextMetadata(fields)
			if got, _ := HeaderFields(back); HeaderValue(got, fields[0].Key) != "changed" {
				t.Errorf("%s: a changed line is lost: %s", meta, back)
			}
		}
	}
	if f, ok := ParseHeaderLine([]byte(" ! key = a = b \r\n")); !ok || f != (HeaderField{"key", "a = b"}) {
		t.Errorf("blanks: %+v, %v", f, ok)
	}
	twice := []HeaderField{{"version", "1"}, {"title", "a"}, {"version", "2"}, {"title", "b"}}
	if HeaderValue(twice, "version") != "1" || HeaderValue(twice, "title") != "b" {
		t.Error("a repeated key")
	}
}
