//go:build linux

package proto

import (
	"encoding/json"
	"fmt"
	"net"
	"time"

	"drawrelay/frame"
)

// answer is what the dialogue reads from the server's JSON.
type answer struct {
	Type     string
	Message  string
	Code     string
	Version  int
	Flags    []string
	StartTLS bool `json:"startTls"`
	State    string
	Sessions []json.RawMessage
	Join     struct {
		ID       string
		UniqueID string `json:"uniqueId"`
		User     int
	}
}

// ServerError is a refusal by the server.
type ServerError struct {
	Code    string // protocol code, may be empty
	Message string
}

// Error returns the server's own words.
func (e *ServerError) Error() string {
	return fmt.Sprintf("server refused: %s (%s)", e.Message, e.Code)
}

// Next returns the next message.
// Valid until: the next call.
func (c *Client) Next() (frame.Msg, error) {
	for {
		if m, rest, err := frame.Parse(c.in); err == nil {
			c.in = rest
			return m, nil
		}
		if err := c.fill(); err != nil {
			return frame.Msg{}, err
		}
	}
}

// fill reads more bytes behind those that are left.
func (c *Client) fill() error {
	if cap(c.buf) == 0 {
		c.buf = make([]byte, readSize)
	}
	if need := max(frame.Len(c.in), len(c.in)+readSize/2); need > cap(c.buf) {
		c.buf = make([]byte, need+readSize)
	}
	n := copy(c.buf[:cap(c.buf)], c.in)
	c.conn.SetReadDeadline(time.Now().Add(c.timeout))
	k, err := c.conn.Read(c.buf[n:cap(c.buf)])
	c.in = c.buf[:n+k]
	if c.web != nil {
		received := append([]byte(nil), c.in[n:]...)
		c.buf = c.web.Append(c.buf[:n], received)
		c.in = c.buf
	}
	if k > 0 {
		return nil
	}
	if err == nil {
		err = net.ErrClosed
	}
	return err
}

// reply waits for a JSON message of the given type and passes over all others
// but errors.
func (c *Client) reply(kind string) (answer, error) {
	for {
		m, err := c.Next()
		if err != nil {
			return answer{}, err
		}
		switch m.Type {
		case frame.TypeDisconnect:
			d, _ := frame.ParseDisconnect(m.Body)
			return answer{}, &ServerError{fmt.Sprintf("disconnect %d", d.Reason), string(d.Text)}
		case frame.TypeServerCommand:
			var a answer
			if err := json.Unmarshal(m.Body, &a); err != nil {
				return answer{}, fmt.Errorf("unreadable answer: %w", err)
			}
			if a.Type == "error" {
				return answer{}, &ServerError{a.Code, a.Message}
			}
			if a.Type == kind {
				return a, nil
			}
		}
	}
}

// command sends a ServerCommand.
func (c *Client) command(name string, args []any, kwargs map[string]any) error {
	v := map[string]any{"cmd": name}
	if args != nil {
		v["args"] = args
	}
	if kwargs != nil {
		v["kwargs"] = kwargs
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return c.Write(frame.Append(nil, frame.Msg{Type: frame.TypeServerCommand, Body: text}))
}

// Write sends whole messages.
func (c *Client) Write(b []byte) error {
	c.conn.SetWriteDeadline(time.Now().Add(c.timeout))
	if c.web != nil {
		b = AppendClientFrames(nil, b)
	}
	_, err := c.conn.Write(b)
	return err
}
