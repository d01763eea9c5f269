package relay

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"drawrelay/frame"
	"drawrelay/store/entry"
)

const (
	// garbageCases is how many connections TestGarbage makes.
	garbageCases = 2000
	// garbageHeap is how much the heap may grow over all of them, bytes: the
	// session's log of 1000 entries and what pools keep. A leak of one input
	// buffer for each would be 130 MiB.
	garbageHeap = 16 << 20
)

// heap returns the bytes in use after a collection.
func heap() int64 {
	runtime.GC()
	runtime.GC() // pools are emptied by the second one
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// garbage returns what a broken or hostile member sends.
func garbage(rnd *rand.Rand) []byte {
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		return b
	}
	command := func(text string) []byte {
		return frame.Append(nil, frame.Msg{Type: frame.TypeServerCommand, Body: []byte(text)})
	}
	values := []string{`null`, `true`, `-1`, `1e309`, `"x"`, `""`, `[]`, `{}`, `[[[]]]`, `{"a":[{}]}`, `"\ud800"`, `99999999999999999999`, `"` + strings.Repeat("y", 3000) + `"`}
	value := func() string { return values[rnd.IntN(len(values))] }
	names := []string{"sessionconf", "kick-user", "remove-ban", "mute", "gain-op", "reset-session", "init-begin", "init-complete",
		"init-cancel", "report", "announce-session", "unlist-session", "ready-to-autoreset", "stream-reset-start", "stream-reset-finish",
		"invite-create", "invite-remove", "auth-list", "export-bans", "import-bans", "delete-session", "user-op", "", "\x00", "nonsense"}
	switch rnd.IntN(9) {
	case 0:
		return random(1 + rnd.IntN(2000))
	case 1: // a length that says more than there is
		return append([]byte{byte(rnd.Uint32()), byte(rnd.Uint32()), byte(rnd.Uint32()), 1}, random(rnd.IntN(500))...)
	case 2: // a type below 64 with any content
		return frame.Append(nil, frame.Msg{Type: frame.Type(rnd.IntN(64)), User: uint8(rnd.Uint32()), Body: random(rnd.IntN(300))})
	case 3:
		return command(`{"cmd":"` + names[rnd.IntN(len(names))] + `","args":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`)
	case 4:
		return command(strings.Repeat(`{"cmd":`, 9000))
	case 5:
		return command(`{"cmd":"sessionconf","kwargs":{"title":"` + strings.Repeat("z", 65000) + `"}}`)
	case 6:
		return command(fmt.Sprintf(`{"cmd":%s,"args":%s,"kwargs":%s}`, value(), value(), value()))
	case 7:
		return command(fmt.Sprintf(`{"cmd":%q,"args":[%s,%s],"kwargs":{%q:%s,"title":%s,"persistent":%s,"secret":%s,"by":%s}}`,
			names[rnd.IntN(len(names))], value(), value(), "maxUserCount", value(), value(), value(), value(), value()))
	default:
		b := command(`{"cmd":"sessionconf","kwargs":{"title":"x"}}`)
		for range 1 + rnd.IntN(5) {
			b[frame.HeaderLen+rnd.IntN(len(b)-frame.HeaderLen)] = byte(rnd.Uint32())
		}
		return b
	}
}

// TestGarbage: members of a session send garbage. Each either is still
// answered or has been cut off, the session beside it loses nothing, and no
// memory stays behind. GARBAGE_SEED repeats a failure.
func TestGarbage(t *testing.T) {
	seed := rand.Uint64()
	if text := os.Getenv("GARBAGE_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = n
	}
	rnd := rand.New(rand.NewPCG(seed, 3))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("GARBAGE_SEED=%d", seed)
		}
	})
	ts := startServer(t, setup{loops: 1})
	healthy, healthyID := ts.host("healthy", 3)
	friend := ts.join("friend", healthyID)
	_, id := ts.host("host", 3)
	before := heap()
	cases := garbageCases
	if testing.Short() {
		cases /= 4
	}
	cut := 0
	for i := range cases {
		k, ec := ts.connect(fmt.Sprintf("offender %d", i))
		k.sid = fmt.Sprintf("%032x", int64(1<<40)+int64(i))
		if err := ts.Join(context.Background(), &entry.JoinRequest{Person: k.person(), Conn: ec, Session: id}); err != nil {
			t.Fatal(err)
		}
		b := garbage(rnd)
		if rnd.IntN(4) == 0 {
			b = b[:rnd.IntN(len(b)+1)] // and the connection ends in the middle
		}
		_, _ = k.raw.Write(b) // it may be cut off meanwhile
		go k.readAll()
		if rnd.IntN(2) == 0 {
			// Whoever keeps to the framing is answered or cut off.
			if n, _ := frame.Whole(b); n == len(b) && len(b) > 0 {
				_, _ = k.raw.Write(frame.AppendPing(nil, false))
				if k.pongOrEnd() {
					cut++
				}
			}
		}
		_ = k.raw.Close()
		if i%100 == 0 {
			body := fmt.Sprintf("healthy %d", i)
			healthy.send(148, []byte(body))
			friend.waitBody(body)
			healthy.ping()
		}
	}
	if cut == 0 {
		t.Error("nobody was cut off")
	}
	healthy.send(148, []byte("the end"))
	for _, c := range []*client{healthy, friend} {
		c.waitBody("the end")
	}
	for i := 0; i < cases; i += 100 {
		if !friend.has(fmt.Sprintf("healthy %d", i)) {
			t.Errorf("message %d is missing", i)
		}
	}
	r := ts.room(id)
	await(t, "offenders gone", func() bool {
		n := 0
		_ = r.loop.call(func() error { n = len(r.session.seats); return nil })
		return n == 1
	})
	if grown := heap() - before; grown > garbageHeap {
		t.Errorf("the heap has grown by %d bytes", grown)
	}
}

// pongOrEnd waits until the member is answered or cut off; cut says which.
func (c *client) pongOrEnd() (cut bool) {
	c.t.Helper()
	timer := time.AfterFunc(patience, func() {
		c.mu.Lock()
		c.err = errors.New("patience is over")
		c.t.Errorf("%s is neither answered nor cut off", c.name)
		c.cond.Broadcast()
		c.mu.Unlock()
	})
	defer timer.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for at := 0; ; {
		for ; at < len(c.msgs); at++ {
			if c.msgs[at].Type == frame.TypePing {
				return false
			}
		}
		if c.err != nil {
			return true
		}
		c.cond.Wait()
	}
}
