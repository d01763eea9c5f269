package relay

import (
	"bytes"
	"compress/zlib"
	"encoding/json"
	"slices"
	"sync/atomic"
	"time"

	"drawrelay/frame"
)

// stroke is the type of what is drawn in these tests. A client's canvas is the
// list of the bodies of all drawing commands.
const stroke = frame.Type(148)

// resetter is an operator's client that resets as the real one does
// (commands.md §8.1, §8.2 and §11; session.md §14, §16 and §17).
type resetter struct {
	*client
	base  []string    // what it uploaded when it hosted
	piece int         // bytes of a ResetStream message
	bare  bool        // cannot stream
	past  int         // strokes of the canvas that it goes back to; 0: all
	at    int         // messages it has looked at
	sent  []frame.Msg // the last image
}

// find is wait for a member whose connection may end.
func (c *client) find(at int, ok func(frame.Msg) bool) (m frame.Msg, next int, found bool) {
	var late atomic.Bool
	timer := time.AfterFunc(patience, func() {
		late.Store(true)
		c.cond.Broadcast()
	})
	defer timer.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		for ; at < len(c.msgs); at++ {
			if ok(c.msgs[at]) {
				return c.msgs[at], at + 1, true
			}
		}
		if c.err != nil || late.Load() {
			return frame.Msg{}, at, false
		}
		c.cond.Wait()
	}
}

// object returns a reply's content, nil for other messages.
func object(m frame.Msg) (v map[string]any) {
	if m.Type == frame.TypeServerCommand {
		_ = json.Unmarshal(m.Body, &v)
	}
	return v
}

// next waits for the next reply for which ok holds, nil at the end.
func (r *resetter) next(ok func(v map[string]any) bool) map[string]any {
	m, next, found := r.find(r.at, func(m frame.Msg) bool { v := object(m); return v != nil && ok(v) })
	r.at = next
	if !found {
		return nil
	}
	return object(m)
}

func (r *resetter) nextKind(kind string) map[string]any {
	return r.next(func(v map[string]any) bool { return v["type"] == kind })
}

// call sends a command. A connection that has ended shows elsewhere.
func (c *client) call(name string, args []any, kwargs map[string]any) {
	b, _ := json.Marshal(map[string]any{"cmd": name, "args": args, "kwargs": kwargs})
	c.put(frame.TypeServerCommand, b)
}

// put is send for a connection that may have ended.
func (c *client) put(t frame.Type, body []byte) bool {
	_, err := c.conn.Write(frame.Append(nil, frame.Msg{Type: t, User: c.id, Body: body}))
	return err == nil
}

// canvas returns what a client shows after its first upto messages; negative:
// all. It had base before.
func (c *client) canvas(base []string, upto int) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if upto < 0 {
		upto = len(c.msgs)
	}
	canvas := slices.Clone(base)
	for _, m := range c.msgs[:upto] {
		if m.Type >= frame.FirstCommand {
			canvas = append(canvas, string(m.Body))
		} else if v := object(m); v["type"] == "reset" && v["state"] == "reset" {
			canvas = nil
		}
	}
	return canvas
}

// image is the reset image of what the client shows now.
func (r *resetter) image() (image []frame.Msg) {
	canvas := r.canvas(r.base, r.at)
	if r.past > 0 {
		canvas = canvas[:r.past]
	}
	for _, s := range canvas {
		image = append(image, frame.Msg{Type: stroke, User: r.id, Body: []byte(s)})
	}
	r.sent = image
	return image
}

// autoreset waits for a query and does what follows from it. It reports false
// if the connection has ended or the server has called it off.
func (r *resetter) autoreset() bool {
	v := r.next(func(v map[string]any) bool { return v["type"] == "autoreset" && v["query"] == true })
	if v == nil {
		return false
	}
	answer := map[string]any{"payload": v["payload"], "os": "linux", "net": 100, "pings": []int{12, 15}, "capabilities": []string{"gzip1", "net"}}
	if r.bare {
		answer["capabilities"] = []string{"net"}
	}
	r.call("ready-to-autoreset", nil, answer)
	v = r.next(func(v map[string]any) bool { return v["type"] == "autoreset" && v["query"] == false })
	if v == nil {
		return false
	}
	if v["stream"] != "gzip1" {
		return r.reset("current")
	}
	return r.stream(v["correlator"])
}

// stream streams an image.
func (r *resetter) stream(correlator any) bool {
	r.call("stream-reset-start", []any{correlator}, nil)
	// The image is what the client shows when its own start comes back.
	if r.next(func(v map[string]any) bool { return v["type"] == "sstart" && v["correlator"] == correlator }) == nil {
		return false
	}
	image := r.image()
	var buf bytes.Buffer
	z, _ := zlib.NewWriterLevel(&buf, zlib.BestCompression)
	for _, m := range image {
		_, _ = z.Write(frame.Append(nil, m))
	}
	_ = z.Close()
	for piece := range slices.Chunk(buf.Bytes(), r.piece) {
		r.put(frame.TypeResetStream, piece)
		if v := r.nextKind("sprogress"); v == nil || v["cancel"] == true {
			return false
		}
	}
	r.call("stream-reset-finish", []any{len(image)}, nil)
	// Nothing announces the end but the configuration's new base.
	size := 0
	for _, m := range image {
		size += m.Size()
	}
	at := r.at // the next query may overtake it
	defer func() { r.at = at }()
	return r.next(func(v map[string]any) bool {
		config, _ := v["config"].(map[string]any)
		return v["type"] == "sessionconf" && config["resetThresholdBase"] == float64(size)
	}) != nil
}

// reset uploads an image; the member draws nothing meanwhile.
func (r *resetter) reset(kind string) bool {
	r.call("reset-session", nil, map[string]any{"type": kind})
	if r.next(func(v map[string]any) bool { return v["type"] == "reset" && v["state"] == "init" }) == nil {
		return false
	}
	r.call("init-begin", nil, nil)
	for _, m := range r.image() {
		r.put(m.Type, m.Body)
	}
	r.call("init-complete", nil, nil)
	return r.next(func(v map[string]any) bool { return v["type"] == "reset" && v["state"] == "reset" }) != nil
}

// uploaded is what testServer.host uploads.
func uploaded(n int) (canvas []string) {
	for i := range n {
		canvas = append(canvas, "canvas "+string(rune('0'+i)))
	}
	return canvas
}
