package frame

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
)

// TestParseCommand has the reading rules of commands.md §2 and wire.md §7.1:
// whatever is not as expected counts as missing, and nothing fails.
func TestParseCommand(t *testing.T) {
	type object = map[string]any
	for _, c := range []struct {
		name, in string
		want     Command
	}{
		{"whole", `{"args":["bob"],"cmd":"ident","kwargs":{"intent":"guest"}}`,
			Command{"ident", []any{"bob"}, object{"intent": "guest"}}},
		{"kick and ban", `{"args":[5],"cmd":"kick-user","kwargs":{"ban":true}}`,
			Command{"kick-user", []any{5.0}, object{"ban": true}}},
		{"mute", `{"args":[7,true],"cmd":"mute"}`, Command{"mute", []any{7.0, true}, nil}},
		{"command only", `{"cmd":"startTls"}`, Command{Name: "startTls"}},
		{"blanks", " \n{ \"cmd\" : \"x\" }\t", Command{Name: "x"}},
		{"unknown members", `{"cmd":"x","arg":[1],"Args":[2],"CMD":"y"}`, Command{Name: "x"}},
		{"last of several", `{"cmd":"x","cmd":"y"}`, Command{Name: "y"}},
		{"empty members", `{"cmd":"x","args":[],"kwargs":{}}`, Command{"x", []any{}, object{}}},
		{"deep members", `{"cmd":"x","args":[[1,{"a":null}]]}`, Command{"x", []any{[]any{1.0, object{"a": nil}}}, nil}},

		{"empty payload", "", Command{}},
		{"no JSON", "startTls", Command{}},
		{"cut off", `{"cmd":"x"`, Command{}},
		{"something behind", `{"cmd":"x"} y`, Command{}},
		{"two documents", `{"cmd":"x"}{"cmd":"x"}`, Command{}},
		{"NUL behind", "{\"cmd\":\"x\"}\x00", Command{}},
		{"null", "null", Command{}},
		{"array", `["cmd","x"]`, Command{}},
		{"string", `"cmd"`, Command{}},
		{"number", `1`, Command{}},
		{"invalid inside args", `{"cmd":"x","args":[}`, Command{}},

		{"cmd is a number", `{"cmd":1,"args":["a"]}`, Command{"", []any{"a"}, nil}},
		{"cmd is null", `{"cmd":null,"args":["a"]}`, Command{"", []any{"a"}, nil}},
		{"cmd is an array", `{"cmd":["x"]}`, Command{}},
		{"args is an object", `{"cmd":"x","args":{"a":1}}`, Command{Name: "x"}},
		{"args is a string", `{"cmd":"x","args":"a"}`, Command{Name: "x"}},
		{"args is null", `{"cmd":"x","args":null}`, Command{Name: "x"}},
		{"kwargs is an array", `{"cmd":"x","kwargs":[1]}`, Command{Name: "x"}},
		{"kwargs is false", `{"cmd":"x","kwargs":false}`, Command{Name: "x"}},
		{"kwargs is null", `{"cmd":"x","kwargs":null}`, Command{Name: "x"}},

		{"number out of range in args", `{"cmd":"x","args":["a",1e999,"b"]}`, Command{"x", []any{"a", nil, "b"}, nil}},
		{"number out of range in kwargs", `{"cmd":"x","kwargs":{"a":-1e999,"b":1}}`, Command{"x", nil, object{"a": nil, "b": 1.0}}},
		{"not UTF-8", "{\"cmd\":\"a\xffb\"}", Command{Name: "a\ufffdb"}},
		{"half a surrogate pair", `{"cmd":"\ud800"}`, Command{Name: "\ufffd"}},
		{"escapes", `{"cmd":"\u0000\/\"\\\u00e9"}`, Command{Name: "\x00/\"\\é"}},
		{"too deep", `{"cmd":"x","args":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + "}", Command{}},
	} {
		if got := ParseCommand([]byte(c.in)); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %#v, want %#v", c.name, got, c.want)
		}
	}
}

// TestParseCommandCopies changes the payload after it was parsed.
func TestParseCommandCopies(t *testing.T) {
	b := []byte(`{"cmd":"abc","args":["def"],"kwargs":{"ghi":"jkl"}}`)
	c := ParseCommand(b)
	clear(b)
	want := Command{"abc", []any{"def"}, map[string]any{"ghi": "jkl"}}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got %#v, want %#v", c, want)
	}
}

func TestArg(t *testing.T) {
	c := Command{Args: []any{"a", nil, 2.0}}
	for i, want := range map[int]any{-1: nil, 0: "a", 1: nil, 2: 2.0, 3: nil, math.MaxInt: nil} {
		if got := c.Arg(i); got != want {
			t.Errorf("Arg(%d) = %v, want %v", i, got, want)
		}
	}
}

// TestDegrade is the table of commands.md §2.
func TestDegrade(t *testing.T) {
	for _, c := range []struct {
		name string
		in   any
		s    string
		b    bool
		n    int
		f    float64
	}{
		{"nothing", nil, "", false, 0, 0},
		{"string", "a", "a", false, 0, 0},
		{"number as string", "5", "5", false, 0, 0},
		{"true", true, "", true, 0, 0},
		{"false", false, "", false, 0, 0},
		{"array", []any{1.0}, "", false, 0, 0},
		{"object", map[string]any{}, "", false, 0, 0},
		{"zero", 0.0, "", false, 0, 0},
		{"minus zero", math.Copysign(0, -1), "", false, 0, 0},
		{"one", 1.0, "", false, 1, 1},
		{"negative", -7.0, "", false, -7, -7},
		{"fraction", 1.5, "", false, 0, 1.5},
		{"highest", 2147483647.0, "", false, 2147483647, 2147483647},
		{"above", 2147483648.0, "", false, 0, 2147483648},
		{"lowest", -2147483648.0, "", false, -2147483648, -2147483648},
		{"below", -2147483649.0, "", false, 0, -2147483649},
		{"huge", 1e300, "", false, 0, 1e300},
		{"infinite", math.Inf(1), "", false, 0, math.Inf(1)},
	} {
		if got := Str(c.in); got != c.s {
			t.Errorf("%s: Str = %q, want %q", c.name, got, c.s)
		}
		if got := Bool(c.in); got != c.b {
			t.Errorf("%s: Bool = %v, want %v", c.name, got, c.b)
		}
		if got := Int(c.in); got != c.n {
			t.Errorf("%s: Int = %d, want %d", c.name, got, c.n)
		}
		if got := Num(c.in); got != c.f {
			t.Errorf("%s: Num = %v, want %v", c.name, got, c.f)
		}
	}
	if Int(math.NaN()) != 0 {
		t.Error("NaN is an Int")
	}
}

// TestAppendReply has texts the reference writes (wire.md §7.2, login.md §6,
// commands.md §10) and what is special about our JSON encoder.
func TestAppendReply(t *testing.T) {
	for _, c := range []struct {
		name string
		v    Object
		want string
	}{
		{"start TLS", Object{"type": "result", "message": "Start TLS now!", "startTls": true},
			`{"message":"Start TLS now!","startTls":true,"type":"result"}`},
		{"error", Object{"type": "error", "message": "TLS required", "code": "tlsRequired"},
			`{"code":"tlsRequired","message":"TLS required","type":"error"}`},
		{"upper case first", Object{"type": "msg", "message": "bob made operator by the server", "T": "opgive", "P": Object{"target": "bob"}},
			`{"P":{"target":"bob"},"T":"opgive","message":"bob made operator by the server","type":"msg"}`},
		{"integers", Object{"type": "catchup", "count": int64(1234), "key": 1000000},
			`{"count":1234,"key":1000000,"type":"catchup"}`},
		{"asterisk", Object{"type": "status", "size": 456789, "hid*": "1789000000:1300:01k0000000000000000000000a"},
			`{"hid*":"1789000000:1300:01k0000000000000000000000a","size":456789,"type":"status"}`},
		{"array", Object{"type": "sessionconf", "config": Object{"muted": Array{7}}},
			`{"config":{"muted":[7]},"type":"sessionconf"}`},
		{"null", Object{"config": Object{"closed": nil}}, `{"config":{"closed":null}}`},
		{"empty", Object{}, `{}`},
		{"nil", nil, `{}`},
		{"empty members", Object{"a": Array{}, "o": Object{}, "s": ""}, `{"a":[],"o":{},"s":""}`},
		{"whole number as float", Object{"n": 3.0}, `{"n":3}`},
		{"keys by code point", Object{"é": 1, "z": 2, "A": 3, "_": 4, "🎨": 5, "\uff5e": 6}, "{\"A\":3,\"_\":4,\"z\":2,\"é\":1,\"\uff5e\":6,\"🎨\":5}"},
		{"HTML", Object{"m": "<b>&'\"/\\"}, `{"m":"<b>&'\"/\\"}`},
		{"beyond ASCII", Object{"m": "again shortly… é 🎨 \u007f \u00a0"}, "{\"m\":\"again shortly… é 🎨 \u007f \u00a0\"}"},
		{"line separators", Object{"m": "a\u2028b\u2029"}, "{\"m\":\"a\u2028b\u2029\"}"},
		{"not UTF-8", Object{"m": "a\xffb\xc3"}, "{\"m\":\"a\ufffdb\ufffd\"}"},
		{"text that looks like an escape", Object{"m": `\u2028 \\u2029 \ufffd`}, `{"m":"\\u2028 \\\\u2029 \\ufffd"}`},
		{"both", Object{"\u2028": "\\\u2029\\"}, "{\"\u2028\":\"\\\\\u2029\\\\\"}"},
		{"escape at the end", Object{"m": `\u2`}, `{"m":"\\u2"}`},
		{"control characters", Object{"m": "\x00\b\t\n\f\r\x1f"}, `{"m":"\u0000\b\t\n\f\r\u001f"}`},
	} {
		got, err := AppendReply([]byte("abc"), 9, c.v)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		m, rest, err := Parse(got[3:])
		if err != nil || len(rest) > 0 || m.Type != TypeServerCommand || m.User != 9 || string(got[:3]) != "abc" {
			t.Errorf("%s: not a message behind what was there: %x", c.name, got)
		}
		if string(m.Body) != c.want {
			t.Errorf("%s: got %s, want %s", c.name, m.Body, c.want)
		}
		if !json.Valid(m.Body) {
			t.Errorf("%s: not JSON: %s", c.name, m.Body)
		}
	}
}

// TestReplyBytes is the example of wire.md §7.2 with its header, and those of
// login.md §6.
func TestReplyBytes(t *testing.T) {
	for _, c := range []struct {
		v    Object
		want string
	}{
		{Object{"message": "Start TLS now!", "startTls": true, "type": "result"},
			"00 3c 00 00 7b 22 6d 65 73 73 61 67 65 22 3a 22 53 74 61 72 74 20 54 4c 53 20 6e 6f 77 21 22 2c" +
				"22 73 74 61 72 74 54 6c 73 22 3a 74 72 75 65 2c 22 74 79 70 65 22 3a 22 72 65 73 75 6c 74 22 7d"},
		{Object{"code": "tlsRequired", "message": "TLS required", "type": "error"},
			"00 3e 00 00 7b 22 63 6f 64 65 22 3a 22 74 6c 73 52 65 71 75 69 72 65 64 22 2c 22 6d 65 73 73 61 67 65 22 3a 22 54" +
				"4c 53 20 72 65 71 75 69 72 65 64 22 2c 22 74 79 70 65 22 3a 22 65 72 72 6f 72 22 7d"},
		{Object{"cmd": "startTls"},
			"00 12 00 00 7b 22 63 6d 64 22 3a 22 73 74 61 72 74 54 6c 73 22 7d"},
		{Object{"args": Array{"bob"}, "cmd": "ident", "kwargs": Object{"intent": "guest"}},
			"00 3a 00 00 7b 22 61 72 67 73 22 3a 5b 22 62 6f 62 22 5d 2c 22 63 6d 64 22 3a 22 69 64 65 6e 74 22 2c 22 6b 77 61" +
				"72 67 73 22 3a 7b 22 69 6e 74 65 6e 74 22 3a 22 67 75 65 73 74 22 7d 7d"},
	} {
		got, err := AppendReply(nil, 0, c.v)
		if err != nil || !bytes.Equal(got, unhex(t, c.want)) {
			t.Errorf("%v: got % x, %v", c.v, got, err)
		}
	}
}

// TestReplyTooLong is item 24 of wire.md §19.
func TestReplyTooLong(t *testing.T) {
	const frame = len(`{"m":""}`)
	for _, c := range []struct {
		name string
		text string
		err  error
	}{
		{"longest", strings.Repeat("a", MaxPayload-frame), nil},
		{"one byte more", strings.Repeat("a", MaxPayload-frame+1), ErrTooLong},
		{"longest because nothing is escaped", strings.Repeat("\u2028", (MaxPayload-frame)/3), nil},
		{"too long because of escapes", strings.Repeat("\x00", (MaxPayload-frame)/3), ErrTooLong},
		{"far too long", strings.Repeat("a", 1<<20), ErrTooLong},
	} {
		dst := []byte("before")
		got, err := AppendReply(dst, 0, Object{"m": c.text})
		if !errors.Is(err, c.err) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.err)
		}
		if c.err != nil && string(got) != "before" {
			t.Errorf("%s: dst has changed: %.40q", c.name, got)
		}
		if c.err == nil && Len(got[6:]) != len(got)-6 {
			t.Errorf("%s: length %d in a message of %d bytes", c.name, Len(got[6:]), len(got)-6)
		}
	}
	if got, err := AppendReply([]byte("before"), 0, Object{"m": math.NaN()}); err == nil || string(got) != "before" {
		t.Errorf("a value without JSON: %q, %v", got, err)
	}
}

// TestAppendReplyLikeEncoder: the direct encoder writes what encoding/json
// does, but for the characters it escapes needlessly.
func TestAppendReplyLikeEncoder(t *testing.T) {
	for _, v := range []Object{
		{},
		{"a": nil, "b": true, "c": false, "d": "text", "e": 1, "f": int64(-5), "g": uint8(255), "h": 1.5, "i": 3.0, "j": 1e300},
		{"z": Object{"y": Array{1, "two", nil, Object{}}, "x": Array{}}, "m": map[string]any{"k": []any{true}}, "s": []string{"a", "b"}, "n": []string{}},
		{"nils": Array{Object(nil), Array(nil), []string(nil), map[string]any(nil), []any(nil)}},
		{"esc": "\"\\\b\f\n\r\t\x00\x1f\x7f<>&/é猫🎨", "é\n": "key"},
		{"other": struct{ A []int }{[]int{1, 2}}, "raw": json.RawMessage(`{"q":1}`)},
	} {
		got, err := AppendReply(nil, 0, v)
		if err != nil {
			t.Fatal(err)
		}
		var buf bytes.Buffer
		enc := json.NewEncoder(&buf)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(map[string]any(v)); err != nil {
			t.Fatal(err)
		}
		if want := strings.TrimSuffix(buf.String(), "\n"); string(got[HeaderLen:]) != want {
			t.Errorf("got  %s\nwant %s", got[HeaderLen:], want)
		}
	}
}

func BenchmarkAppendReply(b *testing.B) {
	v := Object{"type": "result", "state": "join", "message": "Joining a session!", "join": Object{
		"id": "demo", "uniqueId": "01hf7yat00000g40r40m30e209", "user": 3, "flags": Array{"SKIP"}, "authId": "", "skip": false}}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = AppendReply(buf[:0], 0, v)
	}
}
