//go:build linux

package load

import (
	"bytes"
	"errors"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Calls asks an HTTP server for pages, one after the other over one connection.
//
// Ownership: everything but Stop belongs to one locked thread that runs when
// nothing else wants to, so that the measurements of a loop beside it go first.
// It makes no garbage.
type Calls struct {
	to       unix.SockaddrInet4
	requests [][]byte
	every    time.Duration
	fd       int
	buf      [64 << 10]byte
	out      Called

	stop chan struct{}
	done chan Called
}

// Called is what came of calls.
type Called struct {
	Answered int
	Bytes    int64 // of the answers
	Failed   int   // no answer, or another status than 200
	Took     *Histogram
	Elapsed  time.Duration
}

// callTimeout is how long an answer may take.
const callTimeout = 10 * time.Second

// NewCalls begins to get the paths, of which there is one, in turn, rate per
// second, from addr, an IPv4 loopback address.
func NewCalls(addr string, rate int, paths []string) (*Calls, error) {
	to, err := loopback(addr)
	if err != nil {
		return nil, err
	}
	c := &Calls{to: to, every: time.Second / time.Duration(rate), fd: -1, stop: make(chan struct{}), done: make(chan Called, 1)}
	c.out.Took = &Histogram{}
	for _, p := range paths {
		c.requests = append(c.requests, []byte("GET "+p+" HTTP/1.1\r\nHost: "+addr+"\r\n\r\n"))
	}
	go c.run()
	return c, nil
}

// Stop ends the calls.
func (c *Calls) Stop() Called {
	close(c.stop)
	return <-c.done
}

func (c *Calls) run() {
	standAside()
	start := time.Now()
	tick := time.NewTicker(c.every)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-tick.C:
		case <-c.stop:
			c.hangUp()
			c.out.Elapsed = time.Since(start)
			c.done <- c.out
			return
		}
		begin := time.Now()
		size, err := c.call(c.requests[n%len(c.requests)])
		if err != nil {
			c.out.Failed++
			c.hangUp()
			continue
		}
		c.out.Took.Record(int64(time.Since(begin)))
		c.out.Answered++
		c.out.Bytes += int64(size)
	}
}

func (c *Calls) hangUp() {
	if c.fd >= 0 {
		_ = unix.Close(c.fd)
		c.fd = -1
	}
}

func (c *Calls) connect() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	c.fd = fd
	wait := unix.NsecToTimeval(int64(callTimeout))
	return errors.Join(unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait), unix.Connect(fd, &c.to))
}

var errAnswer = errors.New("not the answer that was expected")

// call sends a request and reads its answer.
func (c *Calls) call(request []byte) (size int, err error) {
	if c.fd < 0 {
		if err := c.connect(); err != nil {
			return 0, err
		}
	}
	if _, err := unix.Write(c.fd, request); err != nil {
		return 0, err
	}
	held, left, chunked := 0, -1, false // in the buffer; of the body, unknown; body in chunks
	for {
		n, err := unix.Read(c.fd, c.buf[held:])
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return 0, err
		case n == 0:
			return 0, errAnswer
		}
		size += n
		got := c.buf[:held+n]
		if left < 0 && !chunked {
			end := bytes.Index(got, []byte("\r\n\r\n"))
			if end < 0 {
				if held += n; held == len(c.buf) {
					return 0, errAnswer
				}
				continue
			}
			head := got[:end]
			got = got[end+4:]
			if !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")) {
				return 0, errAnswer
			}
			if left = contentLength(head); left < 0 {
				chunked = true
			}
		}
		if chunked {
			if bytes.HasSuffix(got, []byte("0\r\n\r\n")) {
				return size, nil
			}
			// Enough is kept to see an end that comes in two pieces.
			held = copy(c.buf[:], got[max(0, len(got)-5):])
			continue
		}
		if left -= len(got); left <= 0 {
			return size, nil
		}
		held = 0
	}
}

// contentLength returns the length that a head tells, -1 if none.
func contentLength(head []byte) int {
	const field = "\r\ncontent-length: "
	for i := 0; i+len(field) <= len(head); i++ {
		if head[i] == '\r' && bytes.EqualFold(head[i:i+len(field)], []byte(field)) {
			value, _, _ := bytes.Cut(head[i+len(field):], []byte("\r\n"))
			n, err := strconv.Atoi(string(value))
			if err != nil {
				return -1
			}
			return n
		}
	}
	return -1
}
