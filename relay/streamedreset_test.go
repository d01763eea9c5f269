package relay

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"drawrelay/frame"
)

// streaming returns a session whose host has been asked for a streamed reset,
// with bob as a guest.
func streaming(t testing.TB, o ...option) (w *world, b *seat) {
	w = open(t, small(o...)...)
	b = w.join(person("bob"))
	w.fill(b)
	w.ready(w.host, stream1...)
	if w.s.auto.status != autoresetRequested {
		t.Fatalf("status %v", w.s.auto.status)
	}
	return w, b
}

func (w *world) begin() { w.cmd(w.host, "stream-reset-start", []any{w.s.auto.payload}, nil) }

func compressed(msgs ...frame.Msg) []byte {
	var buf bytes.Buffer
	z := zlib.NewWriter(&buf)
	for _, m := range msgs {
		_, _ = z.Write(frame.Append(nil, m))
	}
	_ = z.Close()
	return buf.Bytes()
}

func msg(t frame.Type, body string) frame.Msg {
	return frame.Msg{Type: t, User: 99, Body: []byte(body)}
}

// pieces sends an image in pieces of n bytes and returns how many.
func (w *world) pieces(image []byte, n int) (sent int) {
	for piece := range slices.Chunk(image, n) {
		w.send(w.host, frame.TypeResetStream, 0, string(piece))
		sent++
	}
	return sent
}

func progress(st *seat, from int) string {
	out := ""
	for _, h := range ofKind(since(st, from), "sprogress") {
		out += map[any]string{true: "cancel ", false: "next "}[h.json["cancel"]]
	}
	return strings.TrimSpace(out)
}

// session.md §33 items 29 to 34 and 24.
func TestRulesStreamedReset(t *testing.T) {
	w, b := streaming(t)
	fromB, from := mark(b), mark(w.host)
	stamp, correlator := w.s.hist.StartStamp, w.s.auto.payload
	w.begin()
	got := since(b, fromB)
	labelsEqual(t, "29", filter(got, func(h heard) bool { return h.history }), "softreset", "sstart")
	equal(t, "29: context ids", []uint8{got[1].User, got[2].User}, []uint8{0, 1})
	equal(t, "29: correlator", got[2].json["correlator"], correlator)
	equal(t, "start", strings.HasPrefix(got[0].json["message"].(string), "User 1 started stream reset (fork pos "), true)
	w.draw(b, "stroke 1")
	image := []frame.Msg{msg(136, "image 1"), msg(frame.TypeChat, "\x00\x00kept"), msg(200, strings.Repeat("z", 65535)), msg(70, "")}
	n := w.pieces(compressed(image...), 7)
	equal(t, "30: answers", progress(w.host, from), strings.TrimSpace(strings.Repeat("next ", n)))
	w.send(w.host, frame.TypeResetStream, 0, "")
	equal(t, "30: empty piece", len(ofKind(since(w.host, from), "sprogress")), n+1)
	w.draw(b, "stroke 2")
	last, fromB := w.s.hist.LastIndex(), mark(b)
	w.cmd(w.host, "stream-reset-finish", []any{4}, nil)
	equal(t, "errors", errorsSince(w.host, from), []string{})
	got = since(b, fromB)
	resolved := got[1].json["message"].(string)
	equal(t, "resolved", strings.HasPrefix(resolved, fmt.Sprintf("Resolved streamed reset after prepare with offset %d (size ", w.s.hist.Log().Count()-1)), true)
	labelsEqual(t, "34: members", got, "log User 1 prepared streamed reset", "log "+resolved, "status", "sessionconf")
	labelsEqual(t, "34: history", w.history(), "join", "join", "sessionowner", "putimage", "chat", frame.Type(200).String(), "featureaccess",
		"caughtup", "putimage", "putimage", "sessionconf")
	h := w.history()
	for _, m := range h[3:7] {
		equal(t, "32: context id", m.User, 1)
	}
	if h[7].json["hidx"] != nil || h[7].json["key"] != 0.0 {
		t.Errorf("marker %v", h[7])
	}
	equal(t, "24: start id stays", w.s.hist.StartStamp, stamp)
	equal(t, "24: indices go on", w.s.hist.FirstIndex, last+1)
	equal(t, "hidx", h[10].json["hidx"], fmt.Sprintf("%d:%d:%s", stamp, last+10, w.s.hist.ID))
	size := int64(0)
	for _, m := range image {
		size += int64(m.Size())
	}
	equal(t, "base", w.s.resetBase, size)
	equal(t, "cleared", []any{w.s.auto.status, w.s.stream == nil, w.host.reset, w.s.auto.retryAt.After(w.time)}, []any{autoresetNone, true, 0, false})
	w.draw(b, "stroke 3")
	strokes := ""
	for _, m := range ofType(heardBy(w.host), 136) {
		strokes += strings.TrimLeft(string(m.Body), "f") + " "
	}
	equal(t, "34: nothing lost or twice", strings.TrimSpace(strokes), "stroke 1 stroke 2 stroke 3")
	c := w.join(person("carol"))
	labelsEqual(t, "joiner", filter(heardBy(c), func(h heard) bool { return h.history })[:8], "join", "join", "sessionowner", "putimage", "chat",
		frame.Type(200).String(), "featureaccess", "caughtup")
}

// commands.md §12 items 34 to 36 and §8.1.
func TestRulesStreamErrors(t *testing.T) {
	w := open(t, small()...)
	for _, tt := range []struct {
		name string
		args []any
		want string
	}{
		{"stream-reset-start", []any{"x"}, "invalid session state"},
		{"stream-reset-start", nil, "Stream reset start expected one argument: correlator"},
		{"stream-reset-abort", nil, "no stream reset active"},
		{"stream-reset-abort", []any{1}, "Stream reset abort expected no arguments"},
		{"stream-reset-finish", []any{1}, "no stream reset active"},
		{"stream-reset-finish", nil, "Stream reset finish expected one argument: message count"},
	} {
		from := mark(w.host)
		w.cmd(w.host, tt.name, tt.args, nil)
		equal(t, "34", errorsSince(w.host, from), []string{tt.name + ": " + tt.want})
	}

	w, b := streaming(t)
	from := mark(b)
	w.cmd(b, "stream-reset-start", []any{w.s.auto.payload}, nil)
	equal(t, "guest", errorsSince(b, from), []string{"stream-reset-start: Not a session owner"})
	from = mark(w.host)
	w.cmd(w.host, "stream-reset-start", []any{"x"}, nil)
	equal(t, "correlator", errorsSince(w.host, from), []string{"stream-reset-start: invalid correlator"})
	labelsEqual(t, "correlator", ofType(heardBy(b), frame.TypeSoftReset))
	equal(t, "correlator: cleared", w.s.auto.status, autoresetNone)

	w, b = streaming(t)
	o := w.join(person("op"))
	w.send(w.host, frame.TypeSessionOwner, 0, ids(o.id))
	w.cmd(o, "stream-reset-start", []any{w.s.auto.payload}, nil)
	equal(t, "not chosen", errorsSince(o, 0), []string{"stream-reset-start: invalid user"})
	w.begin()
	from = mark(o)
	w.begin()
	equal(t, "twice", errorsSince(w.host, 0), []string{"stream-reset-start: invalid user"})
	w.cmd(o, "stream-reset-abort", nil, nil)
	w.cmd(o, "stream-reset-finish", []any{1}, nil)
	w.send(o, frame.TypeResetStream, 0, "x")
	equal(t, "another operator", errorsSince(o, from), []string{"stream-reset-abort: invalid user", "stream-reset-finish: invalid user"})
	equal(t, "36: another operator", progress(o, from), "cancel")
	labelsEqual(t, "log", ofKind(since(b, mark(b)-1), "log"), fmt.Sprintf("log User %d tried to add a stream reset message, but they're not the one tasked to do it", o.id))
	w.cmd(w.host, "stream-reset-abort", nil, nil)
	equal(t, "abort", []any{w.s.stream == nil, w.s.auto.status, w.host.reset}, []any{true, autoresetNone, 0})
	from = mark(w.host)
	w.send(w.host, frame.TypeResetStream, 0, "x")
	equal(t, "36", progress(w.host, from), "cancel")
}

// session.md §17.3, §17.4, §33 items 31 to 33, §32 D6.
func TestRulesStreamRefused(t *testing.T) {
	gz := func() []byte {
		var buf bytes.Buffer
		z := gzip.NewWriter(&buf)
		_, _ = z.Write(frame.Append(nil, msg(136, "x")))
		_ = z.Close()
		return buf.Bytes()
	}
	fine := compressed(msg(136, "x"))
	tests := []struct {
		name   string
		data   []byte
		count  any
		chunk  bool   // refused with a piece already
		answer string // to the finish
		log    string
	}{
		{"gzip", gz(), 1, true, "", "a stream consumer error occurred: zlib: invalid header"},
		{"join", compressed(msg(136, "x"), msg(frame.TypeJoin, "\x00\x01x")), 2, true, "", "of an illegal message in the reset image"},
		{"command", compressed(msg(frame.TypeServerCommand, "{}")), 1, true, "", "of an illegal message in the reset image"},
		{"internal", compressed(msg(frame.TypeInternal, "")), 1, true, "", "of an illegal message in the reset image"},
		{"unknown type", compressed(msg(50, "")), 1, true, "", "a stream consumer error occurred: undecodable message"},
		{"short chat", compressed(msg(frame.TypeChat, "x")), 1, true, "", "a stream consumer error occurred: undecodable message"},
		{"D6: fine after illegal", compressed(msg(frame.TypeLeave, ""), msg(136, "x")), 2, true, "", "of an illegal message in the reset image"},
		{"corrupt", append(slices.Clone(fine[:len(fine)-1]), fine[len(fine)-1]^1), 1, true, "", "a stream consumer error occurred: zlib: invalid checksum"},
		{"D6: data behind the end", append(slices.Clone(fine), 0), 1, true, "", "a stream consumer error occurred: there is data behind the end"},
		{"33: wrong count", fine, 2, false, "invalid message count", "the actual message count is 1"},
		{"33: count 0", compressed(), 0, false, "invalid message count", "the actual message count is 0"},
		{"33: no number", fine, "1", false, "invalid message count", "the actual message count is 1"},
		{"cut", fine[:len(fine)-4], 1, false, "stream consumer error", "a stream consumer error occurred: the compressed data is incomplete"},
		{"D6: nothing", nil, 1, false, "stream consumer error", "a stream consumer error occurred: the compressed data is incomplete"},
		{"partial message", func() []byte {
			var buf bytes.Buffer
			z := zlib.NewWriter(&buf)
			_, _ = z.Write([]byte{0, 5, 136, 0, 1})
			_ = z.Close()
			return buf.Bytes()
		}(), 1, false, "stream consumer error", "a stream consumer error occurred: the compressed data is incomplete: the last message ends early"},
	}
	for _, tt := range tests {
		w, b := streaming(t)
		w.begin()
		from, fromB, n := mark(w.host), mark(b), len(w.history())
		if tt.data != nil {
			w.send(w.host, frame.TypeResetStream, 0, string(tt.data))
			equal(t, tt.name+": piece", progress(w.host, from), map[bool]string{true: "cancel", false: "next"}[tt.chunk])
		}
		if tt.chunk {
			labelsEqual(t, tt.name, since(b, fromB), "log User 1 tried to add a stream reset message, but "+tt.log)
		} else {
			w.cmd(w.host, "stream-reset-finish", []any{tt.count}, nil)
			equal(t, tt.name+": finish", errorsSince(w.host, from), []string{"stream-reset-finish: " + tt.answer})
			text := ofKind(since(b, fromB), "log")[0].json["message"].(string)
			equal(t, tt.name, text[strings.Index(text, ", but ")+6:], tt.log)
		}
		equal(t, tt.name+": over", []any{w.s.stream == nil, w.s.auto.status, len(w.history())}, []any{true, autoresetNone, n})
		from = mark(w.host)
		w.draw(b, "x")
		equal(t, tt.name+": pause", query(w.host, from), "")
		w.advance(30 * time.Second)
		w.draw(b, "x")
		equal(t, tt.name+": retried after 30 s", query(w.host, from) != "", true)
	}
}

// Compressed images beyond the size limit, bombs included.
func TestRulesStreamTooLarge(t *testing.T) {
	w, b := streaming(t)
	w.begin()
	var msgs []frame.Msg
	for range 2000 {
		msgs = append(msgs, msg(136, string(make([]byte, 65000))))
	}
	bomb := compressed(msgs...)
	from := mark(w.host)
	w.pieces(bomb, 65535)
	if got := progress(w.host, from); !strings.HasPrefix(got, "cancel") {
		t.Errorf("bomb of %d bytes: %s", len(bomb), got)
	}
	labelsEqual(t, "log", ofKind(heardBy(b), "log")[len(ofKind(heardBy(b), "log"))-len(strings.Fields(progress(w.host, from))):][:1],
		"log User 1 tried to add a stream reset message, but the session is out of space")

	// Too large only together with what was drawn meanwhile.
	w, b = streaming(t)
	w.begin()
	w.pieces(compressed(msg(136, strings.Repeat("x", 60000))), 65535)
	for range 16 {
		w.draw(b, strings.Repeat("y", 62000))
	}
	w.cmd(w.host, "stream-reset-finish", []any{1}, nil)
	text := ofKind(heardBy(b), "log")
	equal(t, "log", strings.HasPrefix(text[len(text)-1].json["message"].(string), "Error resolving streamed reset: total size "), true)
	equal(t, "old history", len(ofType(w.history(), frame.TypeSoftReset)), 1)
	equal(t, "over", []any{w.s.stream == nil, w.s.auto.status}, []any{true, autoresetNone})
}

// session.md §16.6, §17.7: what ends a streamed reset early.
func TestRulesStreamEnds(t *testing.T) {
	ends := map[string]struct {
		f   func(w *world, o *seat)
		log string
	}{
		"leaves":   {func(w *world, o *seat) { w.leave(w.host) }, "User 1 left while streaming autoreset"},
		"de-opped": {func(w *world, o *seat) { w.send(o, frame.TypeSessionOwner, 0, "") }, "User 1 deopped while streaming autoreset"},
		"classic reset": {func(w *world, o *seat) { w.cmd(o, "reset-session", nil, nil) },
			"Streamed reset aborted by auto reset clear"},
		"silence": {func(w *world, o *seat) { w.advance(resetterTime + time.Second) }, "Streamed reset aborted by auto reset clear"},
	}
	for name, tt := range ends {
		w := open(t, small()...)
		o := w.join(person("op"))
		w.send(w.host, frame.TypeSessionOwner, 0, ids(o.id))
		w.fill(o)
		w.ready(w.host, stream1...)
		w.ready(o)
		w.begin()
		w.pieces(compressed(msg(136, "x")), 5)
		from, fromA := mark(o), mark(w.host)
		tt.f(w, o)
		equal(t, name, w.s.stream == nil, true)
		found := slices.ContainsFunc(ofKind(since(o, from), "log"), func(h heard) bool { return h.json["message"] == tt.log })
		equal(t, name+": log", found, true)
		if name == "de-opped" || name == "silence" {
			equal(t, name, progress(w.host, fromA), "cancel")
		}
	}
}

// D3: no reset starts while another takes effect; a failed switch changes
// nothing.
func TestRulesStreamSwitch(t *testing.T) {
	w, b := streaming(t)
	w.begin()
	w.pieces(compressed(msg(136, "image")), 100)
	w.out.defers = true
	w.cmd(w.host, "stream-reset-finish", []any{1}, nil)
	w.out.queued[0]() // unpacked, the switch is under way
	w.out.queued = w.out.queued[1:]
	equal(t, "prepared", w.s.replacing, true)
	w.cmd(w.host, "reset-session", nil, nil)
	equal(t, "D3", errorsSince(w.host, 0), []string{"reset-session: Unable to reset in this state"})
	from := mark(w.host)
	w.cmd(w.host, "stream-reset-abort", nil, nil)
	equal(t, "abort", errorsSince(w.host, from), []string{"stream-reset-abort: no stream reset active"})
	w.draw(b, "meanwhile")
	c := w.join(person("carol"))
	w.leave(w.host) // the streamer may go
	w.out.defers = false
	w.turn()
	labelsEqual(t, "history", w.history()[:4], "join", "join", "sessionowner", "putimage")
	strokes := ofType(w.history(), 136)
	equal(t, "drawn meanwhile", string(strokes[len(strokes)-1].Body), "meanwhile")
	w.draw(c, "after")
	equal(t, "goes on", string(ofType(heardBy(b), 136)[len(ofType(heardBy(b), 136))-1].Body), "after")

	w, b = streaming(t)
	w.begin()
	w.pieces(compressed(msg(136, "image")), 100)
	w.out.fails = errors.New("disk full")
	n := len(w.history())
	w.cmd(w.host, "stream-reset-finish", []any{1}, nil)
	equal(t, "failed", []any{w.s.stream == nil, w.s.auto.status, w.s.replacing, w.s.frozen, len(w.history())}, []any{true, autoresetNone, false, false, n})
	w.draw(b, "goes on")
	equal(t, "goes on", len(w.history()), n+1)
}

// The unpacker gives the same whatever the pieces, and never runs on.
func TestRulesUnpacker(t *testing.T) {
	msgs := []frame.Msg{msg(136, "a"), msg(70, ""), msg(200, strings.Repeat("xy", 30000)), msg(frame.TypeChat, "\x00\x00hi")}
	image := compressed(msgs...)
	var want []byte
	for _, m := range msgs {
		m.User = 7
		want = frame.Append(want, m)
	}
	for n := 1; n <= len(image); n++ {
		u := newUnpacker(7, maxSizeLimit)
		for piece := range slices.Chunk(image, n) {
			if err := u.feed(piece); err != nil {
				t.Fatal(n, err)
			}
		}
		if err := u.finish(); err != nil || !bytes.Equal(u.image, want) || u.count != len(msgs) || u.size != int64(len(want)) {
			t.Fatalf("pieces of %d bytes: %v, %d messages", n, err, u.count)
		}
		u.close()
	}
	for n := range image {
		u := newUnpacker(7, maxSizeLimit)
		if err := u.feed(image[:n]); err != nil {
			t.Fatal(n, err)
		}
		if u.finish() == nil {
			t.Errorf("complete after %d of %d bytes", n, len(image))
		}
		u.close()
		u.close()
		if u.feed(image[n:]) == nil {
			t.Error("goes on after close")
		}
	}
}

func FuzzUnpacker(f *testing.F) {
	f.Add(compressed(msg(136, "a"), msg(frame.TypeChat, "\x00\x00hi")), 5)
	f.Add([]byte("\x78\x9c\x03\x00\x00\x00\x00\x01"), 1)
	f.Fuzz(func(t *testing.T, data []byte, n int) {
		if n < 1 {
			n = 1
		}
		u := newUnpacker(7, 1<<20)
		for piece := range slices.Chunk(data, n) {
			_ = u.feed(piece)
		}
		_ = u.finish()
		got := parseAll(t, u.image)
		if len(got) != u.count || int64(len(u.image)) > u.size {
			t.Errorf("%d messages, count %d", len(got), u.count)
		}
		for _, m := range got {
			if m.User != 7 || checkImage(m) != nil {
				t.Errorf("message %v", m.Type)
			}
		}
		u.close()
	})
}
