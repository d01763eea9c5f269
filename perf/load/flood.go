//go:build linux

package load

import (
	"encoding/binary"
	"encoding/json"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"drawrelay/frame"
)

// Flood tries wrong passwords, each over a connection of its own from another
// loopback address, as fast as it is told to. What the server answers is not
// read: that is how one machine keeps a server busy.
//
// Ownership: everything but Stop belongs to one locked thread that runs when
// nothing else wants to, so that the measurements of a loop beside it go first.
type Flood struct {
	to   unix.SockaddrInet4
	rate int
	// messages are the attempts to be sent, one per account, made beforehand:
	// garbage of this thread would hold up the loop that measures.
	messages [][]byte

	held  []int // open connections, oldest first
	from  unix.SockaddrInet4
	tried int
	bad   int

	stop chan struct{}
	done chan Flooded
}

// Flooded is what came of a flood.
type Flooded struct {
	Attempts int // sent to the server
	Failed   int // could not even be sent
	Elapsed  time.Duration
}

const (
	// floodHeld is how many connections are kept open, so that the server has
	// to keep them too. It is below the most that ours lets log in at once:
	// what is refused costs nothing.
	floodHeld = 3000
	// floodTick is how often attempts are sent that are due.
	floodTick = time.Millisecond
	// floodMadeUp is how much time is made up for at a tick, when there was
	// none before.
	floodMadeUp = 2 * floodTick
)

// FloodAccount is the name of account number i that is attacked.
func FloodAccount(i int) string { return "flooded" + strconv.Itoa(i) }

// NewFlood begins with rate attempts per second at addr, an IPv4 loopback
// address, on accounts 0 to accounts-1.
func NewFlood(addr string, rate, accounts int) (*Flood, error) {
	to, err := loopback(addr)
	if err != nil {
		return nil, err
	}
	f := &Flood{to: to, rate: rate, stop: make(chan struct{}), done: make(chan Flooded, 1)}
	for i := range accounts {
		f.messages = append(f.messages, wrongPassword(FloodAccount(i)))
	}
	go f.run()
	return f, nil
}

// Stop ends the flood and closes its connections.
func (f *Flood) Stop() Flooded {
	close(f.stop)
	return <-f.done
}

func (f *Flood) run() {
	standAside()
	start := time.Now()
	tick := time.NewTicker(floodTick)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-f.stop:
			elapsed := time.Since(start)
			for len(f.held) > 0 {
				f.drop()
			}
			f.done <- Flooded{Attempts: f.tried - f.bad, Failed: f.bad, Elapsed: elapsed}
			return
		}
		// A flood that was held up does not become a burst.
		due := int(time.Since(start).Seconds() * float64(f.rate))
		for n := min(due-f.tried, int(floodMadeUp.Seconds()*float64(f.rate))+1); n > 0; n-- {
			f.attempt()
		}
		f.tried = max(f.tried, due)
	}
}

// attempt sends one wrong password.
func (f *Flood) attempt() {
	f.tried++
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		f.bad++
		return
	}
	f.held = append(f.held, fd)
	if len(f.held) > floodHeld {
		f.drop()
	}
	// Addresses 127.1.0.0 and up, without a port of the 28,000 for each.
	binary.BigEndian.PutUint32(f.from.Addr[:], 127<<24|1<<16|uint32(f.tried)&0xffff)
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	err = unix.Bind(fd, &f.from)
	if err == nil {
		if err = unix.Connect(fd, &f.to); err == unix.EINPROGRESS {
			err = nil // on loopback it is there when the call returns
		}
	}
	if err == nil {
		_, err = unix.Write(fd, f.messages[f.tried%len(f.messages)])
	}
	if err != nil {
		f.bad++
	}
}

// drop resets the oldest connection, so that its port is free at once.
func (f *Flood) drop() {
	_ = unix.SetsockoptLinger(f.held[0], unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	_ = unix.Close(f.held[0])
	f.held = f.held[1:]
}

func wrongPassword(name string) []byte {
	body, err := json.Marshal(map[string]any{
		"cmd": "ident", "args": []string{name, "wrong"}, "kwargs": map[string]string{"intent": "auth"},
	})
	if err != nil {
		panic(err) // nothing in it can fail
	}
	return frame.Append(nil, frame.Msg{Body: body})
}
