package fuzz

import (
	"bytes"
	"errors"
	"testing"

	"drawrelay/frame"
	"drawrelay/store/storetest"
)

// FuzzRecording reads bytes as the recording of a session (wire.md §16,
// storage.md §10). A head that parses encodes to the same bytes. The session
// folder either refuses the file and leaves it as it is, or cuts it after its
// last whole message and appends leaves; loading that again changes nothing.
//
// Seeds: excerpts of recordings, see testdata/README.md, whole, cut and with
// zeros at the end; the example of wire.md §16.
func FuzzRecording(f *testing.F) {
	for _, name := range []string{"session.dprec", "client.dprec"} {
		b := seed(f, name)
		f.Add(b)
		f.Add(b[:len(b)-3])
		f.Add(append(bytes.Clone(b[:700]), make([]byte, 100)...))
	}
	fresh := "DPREC\x00\x00\x17{\"version\":\"dp:4.25.1\"}"
	for _, s := range []string{
		"", "DPREC", "!version=dp:4.25.1\n", fresh, fresh + "\x00", fresh + "\x00\x07\x23\x01\x00\x00test1",
		fresh + "\x00\x05\x20\x03\x01\x03bob\x00\x05\x20\x02\x01\x03eve\x00\x00\x21\x03\x00\x00",
		fresh + "\x00\x00\x00\x00\x00\x00\x00\x00\x00", fresh + "\x00\x00\x00\x00\x00\x00\x21\x03\x00\x00\x00\x00",
		"DPREC\x00\x00\x17{\"version\":\"dp:5.25.1\"}\x00\x00\x21\x03", "DPREC\x00\x00\x02{}\x00\x00\x21\x03",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		want, ok := plainRecording(t, b)

		fsys := storetest.New(1)
		fsys.Put(folder+"/"+sessionID+".session", []byte("FILE r.dprec\nFOUNDER Ada\n"))
		fsys.Put(folder+"/r.dprec", b)
		before := fsys.Files(folder)
		s := openStore(t, fsys)
		h := loadStore(t, s)
		if (h != nil) != ok {
			t.Fatalf("loaded: %v, want %v", h != nil, ok)
		}
		if h == nil {
			closeStore(t, s)
			for name, was := range before {
				if get(t, fsys, name) != string(was) {
					t.Fatalf("%s was changed although the session is refused", name)
				}
			}
			return
		}
		want.check(t, h.Version, content(t, h), h.Log().Count())
		stamp, first := h.StartStamp, h.FirstIndex
		closeStore(t, s)
		repaired := get(t, fsys, "r.dprec")
		if repaired != string(want.head)+string(want.messages) {
			t.Fatalf("the file is not head, messages and leaves")
		}

		s = openStore(t, fsys)
		h = loadStore(t, s)
		if h == nil {
			t.Fatal("refused after it was repaired")
		}
		want.check(t, h.Version, content(t, h), h.Log().Count())
		if h.StartStamp != stamp || h.FirstIndex != first {
			t.Fatalf("stamp %d, first index %d after a stop in order; were %d, %d", h.StartStamp, h.FirstIndex, stamp, first)
		}
		closeStore(t, s)
		if get(t, fsys, "r.dprec") != repaired {
			t.Fatal("loading a whole recording changed it")
		}
	})
}

// session is what is to come out of a recording.
type session struct {
	version  string
	head     []byte
	messages []byte // with the leaves
	count    int64
}

func (w *session) check(t *testing.T, version string, messages []byte, count int64) {
	t.Helper()
	if version != w.version || !bytes.Equal(messages, w.messages) || count != w.count {
		t.Fatalf("version %q, %d messages in %d bytes; want %q, %d, %d", version, count, len(messages), w.version, w.count, len(w.messages))
	}
}

// plainRecording reads a whole recording in the plainest way. ok is false if
// it is to be refused.
func plainRecording(t *testing.T, b []byte) (w session, ok bool) {
	t.Helper()
	head, err := frame.ParseRecordingHead(b)
	if err != nil {
		if !errors.Is(err, frame.ErrShort) && !errors.Is(err, frame.ErrNotRecording) {
			t.Fatalf("neither short nor no recording: %v", err)
		}
		return w, false
	}
	w.head = b[:head.Len]
	if again, err := frame.AppendRecordingHead(nil, head.Meta); err != nil || !bytes.Equal(again, w.head) {
		t.Fatalf("the head encodes to %x, %v; was %x", again, err, w.head)
	}
	var inside [256]bool
	zeros := int64(0) // empty server commands in a row so far
	for rest := b[head.Len:]; ; {
		m, after, err := frame.Parse(rest)
		if err != nil || len(bytes.Trim(rest, "\x00")) == 0 {
			break
		}
		switch m.Type {
		case frame.TypeJoin:
			inside[m.User] = true
		case frame.TypeLeave:
			inside[m.User] = false
		}
		if zeros++; m.Type != 0 || m.User != 0 || len(m.Body) != 0 {
			zeros = 0
		}
		w.messages = frame.Append(w.messages, m)
		w.count++
		rest = after
	}
	// Empty server commands at the end are what a power cut leaves.
	w.messages = w.messages[:int64(len(w.messages))-zeros*frame.HeaderLen]
	w.count -= zeros
	v, valid := frame.ParseVersion(head.Version)
	w.version = head.Version
	ok = valid && v.Server == frame.ServerProtocol && w.count > 0
	for id := range inside {
		if inside[id] {
			w.messages = frame.AppendLeave(w.messages, uint8(id))
			w.count++
		}
	}
	return w, ok
}
