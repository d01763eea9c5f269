package relay

import (
	"drawrelay/frame"
	"drawrelay/store"
)

// Members who are left alone (wire.md §12.3): their session has been ended
// quietly. They are sent what they send themselves and pongs, nothing else,
// until they leave, fall silent or are disconnected after all. What they have
// sent only in part by then is completed like any other message (wire.md §18).

// goQuiet cuts the member off from its session. Loop only.
func (k *link) goQuiet() {
	if k.failed != nil || k.ending || k.quiet {
		return
	}
	k.quiet, k.left = true, k.loop.now
	k.switchTo(nextLog{log: store.NewLog(), at: startOver}) // the history is let go
	k.paused = false
	k.resume()
	if k.readyAgain {
		k.readLater()
	}
}

// echo sends whole messages back to the member, those that would have come
// back from its session.
func (k *link) echo(b []byte) {
	own := b[:0]
	for len(b) > 0 {
		m, rest, _ := frame.Parse(b)
		whole := b[:len(b)-len(rest)]
		b = rest
		switch {
		case m.Type == frame.TypePing || m.Type == frame.TypeDisconnect:
			if !k.transportMessage(m) {
				return
			}
		case m.Type == frame.TypeKeepAlive:
		case frame.Check(m) != nil:
			k.badData(m)
			return
		case m.Type == frame.TypeChat || m.Type == frame.TypePrivateChat || m.Type.Opaque():
			own = append(own, whole...) // never beyond what has been read
		}
	}
	if len(own) > 0 {
		k.queue(k.framed(own))
	}
}
