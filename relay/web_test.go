package relay

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"drawrelay/frame"
	"drawrelay/store/entry"
	"drawrelay/store/settings"
)

// webSetups are the ways a WebSocket member can be connected.
func webSetups() []setup {
	return []setup{{loops: 1, web: true}, {loops: 1, web: true, tls: true}, {loops: 2, web: true, transport: TransportGoroutine}}
}

// joinRaw joins a member whose connection the test reads and writes itself,
// after what it is sent at first.
func (ts *testServer) joinRaw(name, session string) (*client, *webConn) {
	ts.t.Helper()
	c := ts.join(name, session)
	return c, c.conn.(*webConn)
}

func (c *webConn) sendRaw(t *testing.T, frames ...[]byte) {
	t.Helper()
	// The server may have cut the connection already.
	if _, err := c.Conn.Write(bytes.Join(frames, nil)); err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, net.ErrClosed) {
		t.Fatal(err)
	}
}

// closeFrame returns the Close frame that the server has sent, once the
// connection has ended.
func (c *client) closeFrame() []byte {
	c.t.Helper()
	c.waitEnd()
	return c.conn.(*webConn).closed
}

// awaitLeave waits until the others have been told that c has left.
func (c *client) awaitLeave(other *client) {
	c.t.Helper()
	other.wait(0, "leave of "+c.name, func(m frame.Msg) bool { return m.Type == frame.TypeLeave && m.User == c.id })
}

// TestWebKick is item 29 of wire.md §19: the Disconnect message is the last,
// the Close frame after it carries code 1000, then the connection ends.
func TestWebKick(t *testing.T) {
	for _, s := range webSetups() {
		t.Run(s.String(), func(t *testing.T) {
			ts := startServer(t, s)
			host, id := ts.host("host", 3)
			c, _ := ts.joinRaw("ann", id)
			host.send(frame.TypeServerCommand, fmt.Appendf(nil, `{"cmd":"kick-user","args":[%d]}`, c.id))
			if got := c.closeFrame(); !bytes.Equal(got, []byte{3, 0xe8}) {
				t.Errorf("Close frame %x, want code 1000 and nothing else", got)
			}
			if last := c.msgs[len(c.msgs)-1]; last.Type != frame.TypeDisconnect {
				t.Errorf("the last message is %v", last.Type)
			}
			if !errors.Is(c.err, io.EOF) {
				t.Errorf("ended with %v, want an orderly end", c.err)
			}
		})
	}
}

// TestWebClose: a Close frame is answered with its code, and the member leaves.
func TestWebClose(t *testing.T) {
	for _, s := range webSetups() {
		t.Run(s.String(), func(t *testing.T) {
			ts := startServer(t, s)
			host, id := ts.host("host", 3)
			for _, c := range []struct {
				name       string
				send, want []byte
			}{
				{"a", []byte{3, 0xe8, 'b', 'y', 'e'}, []byte{3, 0xe8}},
				{"b", nil, []byte{}},
				{"c", []byte{3, 0xe9}, []byte{3, 0xe9}},
				{"d", []byte{3, 0xed}, []byte{3, 0xea}}, // 1005 must not be sent
				{"e", []byte{3}, []byte{3, 0xea}},
			} {
				k, conn := ts.joinRaw(c.name, id)
				// What comes after the Close frame does not count.
				conn.sendRaw(t, clientFrame(frame.OpClose, true, c.send, 7), clientFrame(frame.OpBinary, true, []byte("\xc8\x00late"), 7))
				if got := k.closeFrame(); got == nil || !bytes.Equal(got, c.want) {
					t.Errorf("Close frame %x is answered with %x, want %x", c.send, got, c.want)
				}
				k.awaitLeave(host)
			}
			host.send(148, []byte("end"))
			host.waitBody("end")
			if bytes.Contains(host.history(), []byte("late")) {
				t.Error("a message after the Close frame was relayed")
			}
		})
	}
}

// TestWebViolations: who breaks RFC 6455 is told with code 1002; what cannot be
// a message ends the connection without notice (wire.md §3, §18). Nothing of
// either is relayed, what came before is.
func TestWebViolations(t *testing.T) {
	good := clientFrame(frame.OpBinary, true, []byte("\xc8\x00good"), 9)
	bad := []byte("\xc8\x00bad")
	unmasked := append([]byte{0x82, byte(len(bad))}, bad...)
	reserved := clientFrame(frame.OpBinary, true, bad, 1)
	reserved[0] |= 0x40
	for _, s := range webSetups() {
		t.Run(s.String(), func(t *testing.T) {
			ts := startServer(t, s)
			host, id := ts.host("host", 3)
			for i, c := range []struct {
				name   string
				frames []byte
				want   []byte // Close frame
			}{
				{"reserved bit", reserved, []byte{3, 0xea}},
				{"reserved opcode", clientFrame(3, true, bad, 1), []byte{3, 0xea}},
				{"unmasked", unmasked, []byte{3, 0xea}},
				{"continuation of nothing", clientFrame(frame.OpContinuation, true, bad, 1), []byte{3, 0xea}},
				{"interrupted", append(clientFrame(frame.OpBinary, false, bad, 1), clientFrame(frame.OpBinary, true, bad, 1)...), []byte{3, 0xea}},
				{"long ping", clientFrame(frame.OpPing, true, make([]byte, 126), 1), []byte{3, 0xea}},
				{"empty", clientFrame(frame.OpBinary, true, nil, 1), nil},
				{"one byte", clientFrame(frame.OpBinary, true, []byte{200}, 1), nil},
				{"too long", clientFrame(frame.OpBinary, true, make([]byte, frame.MaxWebSocket+1), 1)[:20], nil},
				{"too long in fragments", append(clientFrame(frame.OpBinary, false, make([]byte, 65000), 1), clientFrame(frame.OpContinuation, true, make([]byte, 600), 1)...), nil},
			} {
				k, conn := ts.joinRaw(c.name, id)
				conn.sendRaw(t, good, c.frames)
				if got := k.closeFrame(); !bytes.Equal(got, c.want) {
					t.Errorf("%s: Close frame %x, want %x", c.name, got, c.want)
				}
				k.awaitLeave(host)
				host.send(148, fmt.Appendf(nil, "after %s", c.name))
				host.waitBody("after " + c.name)
				history := host.history()
				if n := bytes.Count(history, []byte("good")); n != i+1 || bytes.Contains(history, []byte("bad")) {
					t.Errorf("%s: %d messages from before were relayed, want %d", c.name, n, i+1)
				}
			}
		})
	}
}

// TestWebLongest: messages of the greatest length go both ways.
func TestWebLongest(t *testing.T) {
	for _, s := range []setup{{loops: 1, mixed: true}, {loops: 2, mixed: true, files: true}} {
		t.Run(s.String(), func(t *testing.T) {
			ts := startServer(t, s)
			host, id := ts.host("host", 3)
			members := []*client{host}
			for _, name := range []string{"ann", "bob", "cid", "dan"} {
				members = append(members, ts.join(name, id))
			}
			for i, c := range members {
				for _, n := range []int{0, 123, 124, 125, 65533, 65534, 65535} {
					c.send(200, bytes.Repeat([]byte{byte('a' + i)}, n))
				}
				c.send(200, []byte(c.name+" done"))
			}
			for _, c := range members {
				for _, o := range members {
					c.waitBody(o.name + " done")
				}
			}
			late := ts.join("late", id)
			host.send(200, []byte("end"))
			late.waitBody("end")
			want := late.history()
			for _, c := range members[1:] {
				c.waitBody("end")
				if got := c.history(); !bytes.Equal(got, want) {
					t.Errorf("%s has %d bytes of history, the late joiner %d", c.name, len(got), len(want))
				}
			}
		})
	}
}

// TestWebIdle: only whole messages are a sign of life (wire.md §3, §8): neither
// WebSocket pings nor the start of a message are.
func TestWebIdle(t *testing.T) {
	for _, s := range []setup{{loops: 1, web: true}, {loops: 1, web: true, transport: TransportGoroutine}} {
		t.Run(s.String(), func(t *testing.T) {
			clock := newVirtualClock()
			s.now = clock.now
			s.conn = func(p *entry.Person, c *entry.Conn) {
				if p.Name == "ann" {
					c.IdleTimeout = 10 * time.Second
				}
			}
			ts := startServer(t, s)
			host, id := ts.host("host", 3)
			k, conn := ts.joinRaw("ann", id)
			message := clientFrame(frame.OpBinary, true, make([]byte, 1000), 1)
			for i := range 20 {
				switch {
				case i < 3:
					conn.sendRaw(t, clientFrame(frame.OpPing, true, nil, 1))
				case i == 3:
					conn.sendRaw(t, message[:4])
				default:
					conn.sendRaw(t, message[i:i+1])
				}
				clock.pass(ts, time.Second)
			}
			k.awaitLeave(host)
			if k.closeFrame() != nil {
				t.Error("an idle member was sent a Close frame")
			}
		})
	}
}

// TestWebPending: what login has read of the next frames is taken first,
// however it ends, also the start of a fragmented message.
func TestWebPending(t *testing.T) {
	first := clientFrame(frame.OpBinary, true, []byte("\xc8\x00first"), 3)
	parts := append(clientFrame(frame.OpBinary, false, []byte("\xc8\x00sec"), 4), clientFrame(frame.OpContinuation, true, []byte("ond"), 5)...)
	stream := append(append(append([]byte{}, first...), parts...), clientFrame(frame.OpBinary, true, []byte("\xc8\x00third"), 6)...)
	for _, s := range webSetups() {
		t.Run(s.String(), func(t *testing.T) {
			ts := startServer(t, s)
			host, id := ts.host("host", 3)
			for at := 0; at <= len(stream); at += 3 {
				k, ec := ts.connect("ann")
				ec.Pending = append([]byte{}, stream[:at]...)
				if err := ts.Join(context.Background(), &entry.JoinRequest{Person: k.person(), Conn: ec, Session: id}); err != nil {
					t.Fatal(err)
				}
				go k.readAll()
				k.conn.(*webConn).sendRaw(t, stream[at:])
				for _, body := range []string{"first", "second", "third"} {
					k.waitBody(body)
				}
				k.conn.(*webConn).sendRaw(t, clientFrame(frame.OpClose, true, nil, 0))
				k.waitEnd()
				k.id = uint8(k.waitReply("result")["join"].(map[string]any)["user"].(float64))
				k.awaitLeave(host)
				await(t, "seat free", func() bool { return ts.Members() == 1 })
			}
			host.send(148, []byte("end"))
			host.waitBody("end")
			if n := bytes.Count(host.history(), []byte("first")); n != (len(stream)+3)/3 {
				t.Errorf("%d first messages", n)
			}
		})
	}
}

// TestWebControlFlood: a member that sends pings and never reads the pongs is
// not read any more, and costs others nothing.
func TestWebControlFlood(t *testing.T) {
	for _, s := range webSetups() {
		t.Run(s.String(), func(t *testing.T) {
			ts := startServer(t, s)
			host, id := ts.host("host", 3)
			k := ts.joinQuiet("flood", id)
			_ = k.raw.(*net.TCPConn).SetReadBuffer(16 << 10)
			ping := bytes.Repeat(clientFrame(frame.OpPing, true, make([]byte, 125), 1), 100)
			go func() {
				for {
					if _, err := k.conn.(*webConn).Conn.Write(ping); err != nil {
						return
					}
				}
			}()
			defer k.raw.Close()
			await(t, "pause", func() bool {
				paused := false
				for _, l := range ts.loops {
					_ = l.call(func() error {
						for _, m := range l.links {
							paused = paused || m.person.Name == "flood" && m.readyAgain && m.blocked && m.direct > directPause/2
						}
						return nil
					})
				}
				return paused
			})
			for i := range 100 {
				host.send(148, binary.BigEndian.AppendUint32(nil, uint32(i)))
			}
			host.send(148, []byte("end"))
			host.waitBody("end")
		})
	}
}

// TestWebThrottle: rate limits count what a WebSocket member sends.
func TestWebThrottle(t *testing.T) {
	t.Parallel()
	s := setup{loops: 1, web: true, edit: func(set *settings.Settings) {
		set.Rates[settings.TierGuest] = settings.Rate{Messages: 20}
	}}
	ts := startServer(t, s)
	_, id := ts.host("host", 3)
	k, conn := ts.joinRaw("ann", id)
	start := time.Now()
	for i := range 60 {
		conn.sendRaw(t, clientFrame(frame.OpBinary, true, []byte{200, 0, byte(i)}, 1))
	}
	k.wait(0, "last", func(m frame.Msg) bool { return m.Type == 200 && m.Body[0] == 59 })
	conn.sendRaw(t, clientFrame(frame.OpBinary, true, []byte{200, 0, 60}, 1)) // two seconds' worth are free
	k.wait(0, "one more", func(m frame.Msg) bool { return m.Type == 200 && m.Body[0] == 60 })
	if took := time.Since(start); took < 500*time.Millisecond {
		t.Errorf("61 messages at 20/s took %v", took)
	}
}
