package relay

import (
	"errors"
	"io"
)

/* TLS on a loop
 *
 * Input:  ciphertext read by the loop -> Pipe.Feed -> plain bytes -> receive
 * Output: plan -> Pipe.Seal -> ciphertext in the loop's buffer -> one write; what the socket does not take
 *         is kept by the member, and nothing more is encrypted for it before that is gone
 */

// sealTurn bounds what is encrypted for one member in a turn, bytes, so that
// members without TLS do not wait for the encryption of others.
const sealTurn = 256 << 10

// feedLimit is how many plain bytes are taken from TLS at a time.
const feedLimit = 64 << 10

// receiveCipher takes ciphertext from the member.
func (k *link) receiveCipher(b []byte) {
	l := k.loop
	for {
		plain, more, err := k.pipe.Feed(b, l.plain[:0], feedLimit)
		l.plain = plain[:0]
		b = nil
		k.receive(plain)
		if err != nil {
			if errors.Is(err, io.EOF) {
				k.fail(io.EOF)
			} else {
				k.failRead(err)
			}
			return
		}
		if !more || k.failed != nil {
			break
		}
	}
	if k.pipe.HasOutput() {
		k.sendLater()
	}
}

// sendCipher is send for a member with TLS.
func (k *link) sendCipher(due view) {
	for budget := sealTurn; k.failed == nil && !k.blocked && k.output == outputLive; {
		if k.cipher != nil {
			if !k.flushCipher() {
				return
			}
			continue
		}
		if budget <= 0 {
			k.sendLater()
			return
		}
		v, history, total, ok := k.plan(due)
		if !ok {
			return
		}
		if total == 0 && !k.pipe.HasOutput() {
			k.finish()
			return
		}
		k.pipe.SetOutput(k.loop.cipher[:0])
		sealed := 0
		for _, b := range v {
			b = b[:min(len(b), budget-sealed)]
			if err := k.pipe.Seal(b); err != nil {
				clear(v)
				k.failWrite(err)
				return
			}
			if sealed += len(b); sealed >= budget {
				break
			}
		}
		clear(v)
		k.took(sealed, history)
		budget -= sealed
		if !k.writeCipher() {
			return
		}
	}
}

// writeCipher sends what the pipe holds. It reports false if the member is
// blocked or has failed.
func (k *link) writeCipher() bool {
	out := k.pipe.TakeOutput()
	if cap(out) > cap(k.loop.cipher) {
		k.loop.cipher = out[:0]
	}
	if len(out) == 0 {
		return true
	}
	v := append(k.loop.vectors[:0], out)
	n, err := k.write(v, len(out))
	clear(v)
	if err != nil {
		k.failWrite(err)
		return false
	}
	k.lastSent = k.loop.now
	if n < len(out) {
		k.cipher, k.ciphered = newBuffer(out[n:]), 0
		k.blocked = true
		return false
	}
	return true
}

// flushCipher sends ciphertext left from before. It reports false if the
// member is blocked or has failed.
func (k *link) flushCipher() bool {
	b := k.cipher.bytes()[k.ciphered:]
	v := append(k.loop.vectors[:0], b)
	n, err := k.write(v, len(b))
	clear(v)
	if err != nil {
		k.failWrite(err)
		return false
	}
	if n < len(b) {
		k.ciphered += n
		k.blocked = true
		return false
	}
	k.cipher.release()
	k.cipher = nil
	return true
}
