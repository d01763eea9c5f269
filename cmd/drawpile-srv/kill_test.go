package main

import (
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"drawrelay/frame"
)

var kills = flag.Int("kills", 5, "how often TestKill kills the server")

// stroke is a drawing command that carries its number.
const stroke = frame.TypeUndoPoint + 10

// TestKill kills the server while somebody draws. Whatever the other member
// has received must be there after a restart, in the same order (decision 4).
func TestKill(t *testing.T) {
	dir := t.TempDir()
	settings := writeFile(t, "settings.ini", "persistence = true\nautoResetThreshold = 0\n")
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 1))
	next := uint64(0) // number of the next stroke
	for run := range *kills {
		s := launch(t, "--sessions", dir, "--config", settings)
		drawer, _ := s.connect()
		user := uint8(1)
		if run == 0 {
			drawer.host("killed")
			drawer.send(`{"cmd":"sessionconf","kwargs":{"persistent":true}}`)
			drawer.reply(`"persistent":true`)
		} else {
			var strokes []uint64
			user, strokes = drawer.join("alice")
			if uint64(len(strokes)) < next {
				t.Fatalf("run %d, seed %d: %d strokes are left of %d that were received", run, seed, len(strokes), next)
			}
			for i, n := range strokes {
				if n != uint64(i) {
					t.Fatalf("run %d, seed %d: stroke %d is in place %d", run, seed, n, i)
				}
			}
			next = uint64(len(strokes)) // what nobody received may be there or not
		}
		viewer, _ := s.connect()
		viewer.join("bob")

		// The drawer's writes fail once the server is gone.
		go func(n uint64) {
			for {
				var batch []byte
				for range 20 {
					batch = frame.Append(batch, frame.Msg{Type: stroke, User: user, Body: binary.BigEndian.AppendUint64(nil, n)})
					n++
				}
				if _, err := drawer.conn.Write(batch); err != nil {
					return
				}
			}
		}(next)
		die := next + 1 + random.Uint64N(3000)
		for {
			m, err := viewer.read()
			if err != nil {
				break // everything that was received has been read
			}
			if m.Type != stroke {
				continue
			}
			if n := binary.BigEndian.Uint64(m.Body); n != next {
				t.Fatalf("run %d, seed %d: received stroke %d instead of %d", run, seed, n, next)
			}
			if next++; next == die {
				s.signal(os.Kill)
			}
		}
		<-s.done
	}
	if next == 0 {
		t.Error("nothing was drawn")
	}
}

// join enters the session "killed" and returns the own id and the strokes of
// its history.
func (c *client) join(name string) (user uint8, strokes []uint64) {
	c.t.Helper()
	c.send(fmt.Sprintf(`{"cmd":"ident","args":[%q]}`, name))
	c.reply(`"identOk"`)
	c.send(fmt.Sprintf(`{"cmd":"join","args":["killed"],"kwargs":{"s":%q}}`, strings.Repeat(name[:1], 32)))
	c.reply(`"state":"join"`)
	key := 0 // of the end mark that is meant for this client
	for caught := false; ; {
		m, err := c.read()
		if err != nil {
			c.t.Fatal(err)
		}
		switch m.Type {
		case stroke:
			strokes = append(strokes, binary.BigEndian.Uint64(m.Body))
		case frame.TypeJoin:
			if caught {
				return m.User, strokes
			}
		case frame.TypeServerCommand:
			var mark struct {
				Type string
				Key  int
			}
			if err := json.Unmarshal(m.Body, &mark); err != nil {
				c.t.Fatal(err)
			}
			switch mark.Type {
			case "catchup":
				key = mark.Key
			case "caughtup":
				caught = caught || mark.Key == key
			}
		}
	}
}
