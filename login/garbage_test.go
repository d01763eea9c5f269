package login

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"drawrelay/frame"
	"drawrelay/store/settings"
)

// Seeded garbage in every state: the server neither stops nor grows, and what
// it says stays within the protocol.
func TestGarbage(t *testing.T) {
	const cases = 2000
	bedPlain := start(t, func(s *settings.Settings, c *Config) {
		withAccounts(Account{Name: "carol", PasswordHash: "plain;pw"})(s, c)
	}, session("s1", "ali", passworded, invites))
	bedTLS := start(t, withTLS)
	bedAll := start(t, func(s *settings.Settings, _ *Config) { s.RequireMatchingHost, s.MandatoryLookup = true, true }, session("s1", ""))

	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := worker; i < cases; i += 4 {
				rnd := rand.New(rand.NewPCG(uint64(i), 7))
				b := []*bed{bedPlain, bedPlain, bedTLS, bedAll}[rnd.IntN(4)]
				if err := garbageCase(b, rnd); err != nil {
					t.Errorf("seed %d: %v", i, err)
				}
			}
		})
	}
	wg.Wait()
	for _, b := range []*bed{bedPlain, bedTLS, bedAll} {
		waitFor(t, "the connections to go", func() bool { return b.InLogin() == 0 })
		b.dial().ping()
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 32<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
}

// garbageCase sends one damaged login and reads until the end.
func garbageCase(b *bed, rnd *rand.Rand) error {
	conn, err := net.Dial("tcp", b.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	valid := [][]byte{
		command("cinfo", []any{"x", info()}, nil),
		command("lookup", []any{"ali"}, nil),
		command("ident", []any{"bob"}, object{"intent": "guest", "avatar": "AAAA"}),
		command("ident", []any{"carol", "pw"}, nil),
		command("join", []any{"s1"}, info(object{"password": "x"})),
		command("host", nil, info(object{"protocol": "dp:4.25.1", "user_id": 300})),
		command("report", nil, object{"session": "s1", "reason": "x"}),
		command("startTls", nil, nil),
		{0, 1, 2, 0, 0},
	}
	var stream []byte
	for range rnd.IntN(8) {
		stream = append(stream, valid[rnd.IntN(len(valid))]...)
	}
	switch rnd.IntN(4) {
	case 0: // flipped bytes
		for range 1 + rnd.IntN(8) {
			if len(stream) > 0 {
				stream[rnd.IntN(len(stream))] = byte(rnd.Uint32())
			}
		}
	case 1: // noise
		noise := make([]byte, rnd.IntN(3000))
		for i := range noise {
			noise[i] = byte(rnd.Uint32())
		}
		stream = append(stream, noise...)
	case 2: // a member of a wrong type
		odd := []any{nil, true, -1, 1e300, "x", []any{}, object{"a": []any{object{}}}, strings.Repeat("\\", 3000)}
		pick := func() any { return odd[rnd.IntN(len(odd))] }
		for range 5 {
			stream = append(stream, command([]string{"cinfo", "lookup", "ident", "join", "host"}[rnd.IntN(5)],
				[]any{pick(), pick()}[:rnd.IntN(3)], object{"password": pick(), "alias": pick(), "protocol": pick(),
					"user_id": pick(), "s": pick(), "avatar": pick(), "extauth": pick(), "intent": "", "hidx": pick()})...)
		}
	case 3: // cut short, perhaps announcing much more
		stream = append(stream, 0xff, 0xff, byte(rnd.Uint32()), 0)
		stream = stream[:rnd.IntN(len(stream)+1)]
	}
	for len(stream) > 0 {
		n := 1 + rnd.IntN(len(stream))
		if _, err := conn.Write(stream[:n]); err != nil {
			break // the server has had enough
		}
		stream = stream[n:]
	}
	if c, ok := conn.(*net.TCPConn); ok {
		_ = c.CloseWrite()
	}
	var got []byte
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		got = append(got, buf[:n]...)
		if err != nil {
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				return fmt.Errorf("the connection is open after %v", patience)
			}
			break
		}
	}
	for len(got) > 0 {
		m, rest, err := frame.Parse(got)
		if err != nil {
			break // TLS records, or cut off by a reset
		}
		got = rest
		if !slices.Contains([]frame.Type{frame.TypeServerCommand, frame.TypePing, frame.TypeDisconnect}, m.Type) {
			if b.cfg.TLS != nil {
				break
			}
			return fmt.Errorf("the server sent type %v", m.Type)
		}
	}
	return nil
}
