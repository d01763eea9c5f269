package fuzz

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"drawrelay/frame"
)

// commands are what clients send (login.md §6, commands.md §10).
var commands = []string{
	`{"cmd":"startTls"}`,
	`{"args":["bob"],"cmd":"ident","kwargs":{"intent":"guest"}}`,
	`{"args":["example.org",{"app_version":"2.3.0","os":"linux","protocol_version":"dp:4.25.1","qt_version":"6.8.0","s":"0123456789abcdef0123456789abcdef"}],"cmd":"cinfo"}`,
	`{"args":["my-session:secret"],"cmd":"lookup"}`,
	`{"args":["01k0000000000000000000000a"],"cmd":"join","kwargs":{"hidx":"1789000000:1233:01k0000000000000000000000a","password":"é\u2028"}}`,
	`{"args":[5],"cmd":"kick-user","kwargs":{"ban":true}}`,
	`{"args":[7,true],"cmd":"mute"}`,
	`{"cmd":"ready-to-autoreset","kwargs":{"capabilities":["gzip1","net"],"net":100,"os":"linux","payload":"1:0:1789000000000","pings":[0.012]}}`,
	`{"P":{"target":"bob"},"T":"opgive","message":"bob made operator by the server","type":"msg"}`,
	`{"cmd":1,"args":{"a":1e999},"kwargs":[null,-1.5e-9]}`,
	`{"cmd":"\ud800\\u2028<>&","args":[1e999,[],{}],"kwargs":{"":null}}`,
	`[]`, `null`, ``, `{"cmd":"x"`,
}

// FuzzCommand reads bytes as a ServerCommand (wire.md §7.1). Reading never
// fails and agrees with a plain reading of the document; writing what was read
// and reading that again gives the same, as value and as bytes.
//
// Seeds: the commands above; those of the recording in testdata/seeds.
func FuzzCommand(f *testing.F) {
	for _, s := range commands {
		f.Add([]byte(s))
	}
	for rest := recorded(f, "session.dprec"); len(rest) > 0; {
		var m frame.Msg
		var err error
		if m, rest, err = frame.Parse(rest); err != nil {
			f.Fatal(err)
		}
		if m.Type == frame.TypeServerCommand {
			f.Add(m.Body)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c := frame.ParseCommand(b)
		for i := -1; i <= len(c.Args); i++ {
			v := c.Arg(i)
			frame.Str(v)
			frame.Bool(v)
			if n := frame.Int(v); n != 0 && float64(n) != frame.Num(v) {
				t.Fatalf("argument %d: Int %d, Num %v", i, n, frame.Num(v))
			}
		}
		if plain, ok := plainCommand(b); ok && !reflect.DeepEqual(c, plain) {
			t.Fatalf("got %#v, want %#v", c, plain)
		}

		first, err := write(c)
		if errors.Is(err, frame.ErrTooLong) {
			return // U+FFFD is longer than the byte it stands for
		}
		if err != nil {
			t.Fatal(err)
		}
		m, rest, err := frame.Parse(first)
		if err != nil || len(rest) > 0 || m.Type != frame.TypeServerCommand || m.User != 0 {
			t.Fatalf("not one message: %x", first)
		}
		again := frame.ParseCommand(m.Body)
		if again.Name != c.Name || !sameJSON(again.Args, c.Args) || !sameJSON(again.Kwargs, c.Kwargs) {
			t.Fatalf("%#v was written as %s and read as %#v", c, m.Body, again)
		}
		second, err := write(again)
		if err != nil || !bytes.Equal(first, second) {
			t.Fatalf("%s was written again as %s, %v", first, second, err)
		}
	})
}

func write(c frame.Command) ([]byte, error) {
	return frame.AppendReply(nil, 0, frame.Object{"cmd": c.Name, "args": c.Args, "kwargs": c.Kwargs})
}

// plainCommand reads a document as a whole. ok is false if it has a number
// that float64 cannot hold.
func plainCommand(b []byte) (c frame.Command, ok bool) {
	var doc any
	err := json.Unmarshal(b, &doc)
	var number *json.UnmarshalTypeError
	if errors.As(err, &number) {
		return c, false
	}
	members, isObject := doc.(map[string]any)
	if err != nil || !isObject {
		return c, true
	}
	c.Name, _ = members["cmd"].(string)
	c.Args, _ = members["args"].([]any)
	c.Kwargs, _ = members["kwargs"].(map[string]any)
	return c, true
}

// sameJSON compares values as JSON, where an empty array and none differ.
func sameJSON(a, b any) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && bytes.Equal(x, y)
}
