package fuzz

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"drawrelay/frame"
	"drawrelay/store/recording"
)

// versions are protocol versions of both schemas.
var versions = []frame.Version{{Namespace: "dp", Server: 4, Major: 25, Minor: 1}, {Namespace: "dp", Server: 4, Major: 24}}

// FuzzTextMessage writes a message as text, in the notation of 2.3 and of 2.2
// (storage.md §15). Reading the line must give the same bytes.
//
// Seeds: messages of the recordings in testdata/seeds.
func FuzzTextMessage(f *testing.F) {
	for _, name := range []string{"session.dprec", "client.dprec"} {
		for _, m := range oneOfEach(f, recorded(f, name)) {
			f.Add(uint8(m.Type), m.User, m.Body)
		}
	}
	f.Add(uint8(35), uint8(1), []byte("\x00\x00a\x00b"))
	f.Add(uint8(35), uint8(1), []byte("\x00\x20\xff\xe2\x80\xa8\x1f"))
	f.Add(uint8(255), uint8(1), []byte("\x00\x02"))
	f.Fuzz(func(t *testing.T, number, user uint8, body []byte) {
		if len(body) > frame.MaxPayload {
			body = body[:frame.MaxPayload]
		}
		m := frame.Msg{Type: frame.Type(number), User: user, Body: body}
		for _, v := range versions {
			s := frame.SchemaOf(v)
			line := s.AppendText(nil, m)
			if bytes.ContainsAny(line, "\n\r") {
				t.Fatalf("more than a line: %q", line)
			}
			again, err := s.AppendMessage(nil, line, func(problem string) { t.Fatalf("%s: %s", line, problem) })
			if err != nil || !bytes.Equal(again, frame.Append(nil, m)) {
				t.Fatalf("%v: %s reads as %x, %v; was %x", v, line, again, err, frame.Append(nil, m))
			}
		}
	})
}

// FuzzTextLine reads bytes as a line of a text recording. What is a message
// must be written as a line that reads as the same message.
//
// Seeds: lines after storage.md §15 and wire.md §17.
func FuzzTextLine(f *testing.F) {
	for _, line := range []string{
		`1 resize {"bottom":3000,"right":3000}`, `1 layertreecreate {"id":257,"title":"background"}`, "3 penup", "  3 \t penup  \r\n",
		`0 join {"flags":["auth","old"],"name":"bob","avatar":"iVBORw"}`, `1 raw {"type":200,"payload":"AQID"}`,
		`1 movepointer {"x":1.5,"y":-1e3}`, `1 lasertrail {"color":"#80ff0010"}`, `1 layerattr {"blend":"krita:linear light"}`,
		`1 classicdabs {"x":10.25,"mode":"-dp-erase","_":[{"size":1.00390625},5,{"x":-32}]}`, `1 featurelimits {"limits":[-1,2e9,"x"]}`,
		`1 undo {"redo":true,"override_user":300}`, "1 undo {} {}", "256 undo", "1 chat {\"message\":\"\\ud800\xff\"}", "",
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		for _, v := range versions {
			s := frame.SchemaOf(v)
			msg, err := s.AppendMessage(nil, line, nil)
			if err != nil {
				if len(msg) != 0 || !errors.Is(err, frame.ErrNotText) {
					t.Fatalf("%x, %v", msg, err)
				}
				continue
			}
			m, rest, err := frame.Parse(msg)
			if err != nil || len(rest) != 0 {
				t.Fatalf("%q is not one message: %x, %v", line, msg, err)
			}
			again, err := s.AppendMessage(nil, s.AppendText(nil, m), nil)
			if err != nil || !bytes.Equal(again, msg) {
				t.Fatalf("%q: %x, then %x, %v", line, msg, again, err)
			}
		}
	})
}

// FuzzConvert reads bytes as a recording in either form and converts it to text
// and back: a whole binary recording gives the same bytes, anything else what
// is readable of it.
//
// Seeds: the recordings in testdata/seeds, whole and cut; heads of all kinds.
func FuzzConvert(f *testing.F) {
	for _, name := range []string{"session.dprec", "client.dprec"} {
		b := seed(f, name)
		f.Add(b)
		f.Add(b[:len(b)-3])
	}
	for _, text := range []string{
		"", "DPREC\x00\x00\x02{}", "DPREC\x00\x00\x02{}\x00\x00\x80\x01", "DPREC\x00\x00\x02[]", "DPREC\x00\x00\x00",
		"DPREC\x00\x00\x2c{\"version\" : \"dp:4.24.0\",\n\"streamfork\":1234}\x00\x03\xc8\x01abc",
		"DPREC\x00\x00\x11{\"a=\":\" x\",\"\":1}", "DPREC\x00\x00\x0f{\"a\":1,\"a\":\"b\"}", "DPREC\x00\x00\x08{\"!\":{}}",
		"!version=dp:4.25.1\n1 undopoint\n", "# c\n\n ! title = x \n!version\n1 undo {\"redo\":true}\nx\n1 y", "!dprec-metadata=e30=\n",
		"!version=dp:4.25.1\n!dprec-metadata=eyJ2ZXJzaW9uIjoiZHA6NC4yNS4xIn0g\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		text, whole, ok := convert(t, in, recording.Text)
		if !ok {
			return
		}
		back, textWhole, ok := convert(t, text, recording.Binary)
		if !ok || !textWhole {
			t.Fatalf("the text cannot be read: %q", text)
		}
		want, _, _ := convert(t, in, recording.Binary)
		if !bytes.Equal(back, want) {
			t.Fatalf("through text it becomes\n%q, without\n%q", back, want)
		}
		if whole && bytes.HasPrefix(in, []byte(frame.RecordingMagic)) && !bytes.Equal(back, in) {
			t.Fatalf("%q becomes %q", in, back)
		}
	})
}

// convert writes what is readable of a recording in another form. whole
// reports that all of it was.
func convert(t *testing.T, in []byte, form recording.Form) (out []byte, whole, ok bool) {
	t.Helper()
	r, err := recording.NewReader(bytes.NewReader(in))
	if err != nil {
		return nil, false, false
	}
	var b bytes.Buffer
	w, err := recording.NewWriter(&b, form, r.Metadata(), r.Schema())
	if err != nil {
		t.Fatalf("metadata %q: %v", r.Metadata(), err)
	}
	whole = true
	for {
		m, err := r.Next()
		var bad *recording.BadLine
		var torn *recording.Torn
		switch {
		case err == nil:
			if err := w.Write(m); err != nil {
				t.Fatal(err)
			}
			continue
		case errors.As(err, &bad):
			whole = false
			continue
		case errors.As(err, &torn):
			whole = false
		case err != io.EOF:
			return nil, false, false // a line that is too long
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes(), whole, true
	}
}
